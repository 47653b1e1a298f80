"""Notices: what people were told, by which channels, and how far each delivery came.

A notice is kept with the figures of its moment and never changes; how it reads is for those who
show it. Must not know mail, numbers or networks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from billing.accounts import Account
from billing.alerts import Channel, Level, Target

GIVEN_UP_AFTER = timedelta(hours=24)


class NoticeKind(StrEnum):
    """What a notice is about, and with it which facts it carries (see ``Notice``)."""

    ALERT_FIRED = "alert.fired"
    ALERT_REPEATED = "alert.repeated"
    ALERT_RECOVERED = "alert.recovered"
    ALERT_TEST = "alert.test"
    RECHARGE_DECLINED = "recharge.declined"
    RECHARGE_STOPPED = "recharge.stopped"  # as much as a day allows was topped up
    TROUBLE = "trouble"  # of the product itself, to those who run it
    TROUBLE_OVER = "trouble.over"


class TroubleName(StrEnum):
    """What can be wrong with the product itself, which those who run it are told."""

    SYNC_BEHIND = "sync_behind"
    WEBHOOK_PARKED = "webhook_parked"  # of an endpoint, until it takes a message again
    RECHARGE_DECLINED = "recharge_declined"  # of an account, until a top-up goes well
    DISCREPANCY_FOUND = "discrepancy_found"  # by the nightly proof, until it finds none
    DISK_NEARLY_FULL = "disk_nearly_full"


class SendState(StrEnum):
    """How far a delivery by e-mail or SMS came."""

    WAITING = "waiting"
    SENDING = "sending"  # an SMS that was begun: if nothing more is known of it, it is unknown
    SENT = "sent"  # taken by the mail server or the provider
    REFUSED = "refused"  # the address was refused for good
    PARKED = "parked"  # given up after a day
    UNKNOWN = "unknown"  # an SMS that may have gone out: not sent again by itself
    MUTED = "muted"  # the recipient asked to hear no more of it


@dataclass(frozen=True, slots=True)
class NoticeDraft:
    """A notice to leave. ``targets`` may name every channel, each address once.

    ``facts``: plain JSON values. ``alert_id`` and ``episode_id``: of an alert's.
    """

    kind: NoticeKind
    level: Level
    facts: Mapping[str, Any]
    targets: tuple[Target, ...]
    alert_id: str | None = None
    episode_id: str | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice as it is kept. ``account_id`` ``*``: for those who run the product.

    ``facts`` of an alert's: ``name, level, kind, scope, scope_id, measure, span, unit, amount``
    (the threshold as it was given), ``threshold, value`` (in the figure's own unit, ints or null),
    ``average_micros, currency, window_on, window_end_on`` (ISO days or null), ``number`` (1 for
    the first telling of an episode), ``cause`` (of a recovery) and, where a day allows no more
    e-mails or SMS, ``unsent_count``. Of a trouble's: ``name``
    (``TroubleName``), ``subject``, ``account_id`` (or null) and what was measured: ``free_bytes,
    behind_seconds, lines, months, parked_count, reason``. Of a recharge's: ``currency,
    balance_micros, threshold_micros``; of a declined one ``outcome`` (``declined`` or
    ``unanswered``), ``recharge_id, amount_micros, reason, decline_count, next_at`` (or null); of
    a stopped one ``ceiling_micros, topped_up_micros, day_on, next_at``.

    ``is_shown``: on the dashboard.
    """

    id: str
    account_id: str
    kind: NoticeKind
    level: Level
    facts: Mapping[str, Any]
    is_shown: bool
    created_at: datetime
    alert_id: str | None = None
    episode_id: str | None = None
    is_unread: bool = False


@dataclass(frozen=True, slots=True)
class Send:
    """One delivery of a notice by e-mail or SMS. ``error``: the last answer that wasn't yes."""

    id: str
    notice_id: str
    target: Target
    state: SendState
    attempt_count: int
    created_at: datetime
    next_at: datetime | None = None
    done_at: datetime | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class SendAttempt:
    """One try: what the mail server or the provider said."""

    number: int
    at: datetime
    is_taken: bool
    answer: str
    milliseconds: int


@dataclass(frozen=True, slots=True)
class NoticePage:
    """Notices, newest first; ``next_cursor`` is opaque, none at the end."""

    notices: tuple[Notice, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class NoticeWords:
    """A notice as people read it, in one language, with the account's own way of writing figures.

    ``title``: one line, plain. ``sentences``: what happened. ``action``: what to do, or empty.
    ``figures``: label and text, for a small table. ``path``: the view to open, from the root.
    """

    title: str
    sentences: tuple[str, ...]
    action: str = ""
    figures: tuple[tuple[str, str], ...] = ()
    path: str = "/billing/alerts"
    is_test: bool = False


@dataclass(frozen=True, slots=True)
class Envelope:
    """What stands around the words of an e-mail.

    ``id``: of the delivery, the same at every try. ``sender``: an address, with a name or without.
    ``account_name``: empty for those who run the product. ``view_url`` and ``mute_url``: none
    where the installation doesn't know its own address.
    """

    id: str
    notice: Notice
    sender: str
    recipient: str
    account_name: str = ""
    view_url: str | None = None
    mute_url: str | None = None


@dataclass(frozen=True, slots=True)
class Writing:
    """How notices become what is sent: words, then a mail's bytes, or an SMS.

    ``sms`` takes the account's name as well. None of them raises for what a name holds.
    """

    words: Callable[[Notice, Account | None], NoticeWords]
    mail: Callable[[NoticeWords, Envelope], bytes]
    sms: Callable[[NoticeWords, str], str]


@dataclass(frozen=True, slots=True)
class SentBy:
    """Which channels this installation can send by at all."""

    channels: frozenset[Channel] = field(default_factory=lambda: frozenset({Channel.DASHBOARD}))
