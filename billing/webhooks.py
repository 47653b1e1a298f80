"""Webhooks: what is told to a platform's own address, how often it is tried, when it is given up.

Messages of an account are numbered; an endpoint gets those it wants one after another, in that
order. Must not know networks, keys or where anything is stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import urlsplit

from billing.access import Role
from billing.errors import InputError, NotAllowedError
from billing.limits import limit

MOST_ENDPOINTS = 10
LONGEST_URL = 2_000
GIVEN_UP_AFTER = timedelta(hours=24)
OLD_SECRET_FOR = timedelta(hours=24)  # for which a rotated secret signs beside the new one
# Between tries; the last one is repeated until a message is given up.
WAITS = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 30, 2 * 60, 10 * 60, 30 * 60, 3600, 2 * 3600, 4 * 3600)
)


class Topic(StrEnum):
    """What a message is about."""

    OUTBOUND_PAUSED = "outbound.paused"
    OUTBOUND_RESUMED = "outbound.resumed"
    CAMPAIGN_PAUSED = "campaign.paused"
    CAMPAIGN_RESUMED = "campaign.resumed"
    CALL_LIMIT_REACHED = "call.limit_reached"
    HOLD_EXPIRED = "hold.expired"
    ALERT_FIRED = "alert.fired"
    ALERT_RECOVERED = "alert.recovered"
    ALERT_TEST = "alert.test"
    TEST = "webhook.test"


class DeliveryState(StrEnum):
    """What became of one message for one endpoint."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    PARKED = "parked"  # given up after a day; can be sent again by hand


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where messages go. ``topics`` none: all. The secret is shown once and not part of it."""

    id: str
    account_id: str
    url: str
    topics: tuple[Topic, ...]
    description: str
    is_on: bool
    created_at: datetime

    def wants(self, topic: Topic) -> bool:
        """Whether a message of this kind goes there; a test always does when asked for."""
        return self.is_on and (not self.topics or topic in self.topics)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message for one endpoint, and how it went."""

    id: str
    endpoint_id: str
    message_id: str
    topic: Topic
    sequence: int
    state: DeliveryState
    attempt_count: int
    created_at: datetime
    next_at: datetime | None
    done_at: datetime | None
    last_status: int | None
    last_error: str | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try: the status it was answered, or why there was no answer."""

    number: int
    at: datetime
    status: int | None
    error: str | None
    answer: str
    milliseconds: int


@dataclass(frozen=True, slots=True)
class EndpointView:
    """An endpoint, what became of its newest message, and how many wait; none: none was told."""

    endpoint: Endpoint
    last: Delivery | None = None
    waiting_count: int = 0


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """A delivery with every try, oldest first."""

    delivery: Delivery
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """Deliveries, newest first; ``next_cursor`` is opaque, none at the end."""

    deliveries: tuple[DeliveryView, ...]
    next_cursor: str | None


def may_see_webhooks(role: Role) -> bool:
    """Whether a role may see where messages go and what became of them (RULES: who may)."""
    return role is not Role.MANAGER


def may_change_webhooks(role: Role) -> bool:
    """Whether a role may add, change, test and replay (RULES: who may)."""
    return role in {Role.OWNER, Role.ADMIN}


def require_webhook_sight(role: Role) -> None:
    """Refuses to show webhooks to a role that may not see them: ``NotAllowedError``."""
    if not may_see_webhooks(role):
        raise NotAllowedError("Webhooks are for the owner of the account to see and change.")


def require_webhook_change(role: Role) -> None:
    """Refuses to let a role change webhooks: ``NotAllowedError`` says who may."""
    if not may_change_webhooks(role):
        raise NotAllowedError(
            f"The role {role.value} may not change webhooks: ask the owner of the account."
        )


def next_try(created_at: datetime, attempt_count: int, now: datetime) -> datetime | None:
    """When to try again after so many failures; none: it is given up."""
    wait = WAITS[min(attempt_count, len(WAITS)) - 1]
    due = now + wait
    return due if due < created_at + GIVEN_UP_AFTER else None


def check_endpoint(
    url: str, topics: Sequence[str], description: str, *, may_be_plain: bool
) -> tuple[str, tuple[Topic, ...], str]:
    """An endpoint as somebody gives it.

    ``may_be_plain``: http is taken too, as in a demo. Errors: ``InputError``.
    """
    fix = "use an https:// address with a host name, without a user or a fragment"
    if len(url) > LONGEST_URL or not url.isprintable() or " " in url:
        raise InputError("url", url, f"{fix}, of at most {LONGEST_URL:,} printable characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InputError("url", url, fix) from None
    schemes = {"https", "http"} if may_be_plain else {"https"}
    is_odd = parts.username is not None or parts.fragment or port == 0
    if parts.scheme not in schemes or not parts.hostname or is_odd:
        raise InputError("url", url, fix)
    known = {topic.value for topic in Topic if topic is not Topic.TEST}
    for topic in topics:
        if topic not in known:
            raise InputError("topics", topic, f"use any of {', '.join(sorted(known))}")
    if len(description) > limit("name") or not (description or "-").isprintable():
        raise InputError("description", description, "use up to 255 printable characters")
    return url, tuple(Topic(each) for each in dict.fromkeys(topics)), description.strip()
