"""``/notifications``: what people were told, and how far each delivery came."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import Field

from api.v1.callers import Caller, caller
from api.v1.services import services_of
from api.v1.shapes import Currency, Shape
from billing.alerts import Channel, Level
from billing.limits import limit
from billing.notices import Notice, NoticeKind, Send, SendAttempt, SendState

router = APIRouter(tags=["Alerts"])

Reader = Annotated[Caller, Depends(caller("usage:read", "alerts:write"))]
NoticeId = Annotated[str, Path(max_length=64, description="The id of a notification.")]


class NotificationShape(Shape):
    """What people were told once, with the figures of that moment."""

    id: str
    kind: NoticeKind
    level: Level
    alert_id: str | None
    episode_id: str | None = Field(description="Of one alarm, from its beginning to its end.")
    facts: dict[str, Any] = Field(
        description="Of an alert: `name level kind scope scope_id measure span`, `unit` and "
        "`amount` (the threshold as it was given), `threshold` and `value` (micros, base units or "
        "days), `average_micros currency window_on window_end_on`, `number` (1: told for the first "
        "time in its alarm), `cause` (why an alarm ended) and `unsent_count`, where an account's "
        "alerts have sent as many e-mails or SMS as a day allows."
    )
    is_shown: bool = Field(description="Whether the dashboard shows it.")
    created_at: datetime


class NotificationsShape(Shape):
    """A page of notifications, newest first."""

    notifications: list[NotificationShape]
    next_cursor: str | None
    currency: Currency


class SendAttemptShape(Shape):
    """One try, and what the mail server or the provider said."""

    number: int
    at: datetime
    is_taken: bool
    answer: str
    milliseconds: int


class SendShape(Shape):
    """One delivery by e-mail or SMS, with every try of it, oldest first."""

    id: str
    channel: Channel
    address: str
    state: SendState = Field(
        description="`parked`: given up after a day; `refused`: for good; `unknown`: an SMS that "
        "may have gone out, not sent again; `muted`: its recipient asked to hear no more."
    )
    attempts: list[SendAttemptShape]
    created_at: datetime
    next_at: datetime | None = Field(description="When it is tried next.")
    done_at: datetime | None
    error: str | None = Field(description="The last answer that wasn't yes.")


class SendsShape(Shape):
    """The deliveries of one notification; webhooks have theirs under `/webhooks`."""

    deliveries: list[SendShape]


@router.get("/notifications")
def list_notifications(
    request: Request,
    who: Reader,
    cursor: Annotated[str | None, Query(max_length=limit("name"))] = None,
    most: Annotated[int, Query(alias="limit", ge=1, le=limit("page"))] = 100,
) -> NotificationsShape:
    """What people were told of the account, newest first, by whatever channel."""
    reader = services_of(request).installation.alerts_reader
    page = reader.notices(who.scope, None, cursor, most)
    return NotificationsShape(
        notifications=[notification_shape(each) for each in page.notices],
        next_cursor=page.next_cursor, currency=who.account.currency,
    )  # fmt: skip


@router.get("/notifications/{notification_id}/deliveries")
def read_deliveries(request: Request, who: Reader, notification_id: NoticeId) -> SendsShape:
    """Each e-mail and SMS of a notification: how far it came, and what every try was answered."""
    reader = services_of(request).installation.alerts_reader
    notice = reader.notice(who.scope, notification_id)
    sends = reader.sends(who.scope, [notice.id])[notice.id]
    tries = reader.tries(who.scope, [each.id for each in sends])
    return SendsShape(deliveries=[_send_shape(each, tries.get(each.id, ())) for each in sends])


def notification_shape(notice: Notice) -> NotificationShape:
    """A notice as the API and the stream say it."""
    return NotificationShape(
        id=notice.id, kind=notice.kind, level=notice.level, alert_id=notice.alert_id,
        episode_id=notice.episode_id, facts=dict(notice.facts), is_shown=notice.is_shown,
        created_at=notice.created_at,
    )  # fmt: skip


def _send_shape(send: Send, tries: Sequence[SendAttempt]) -> SendShape:
    attempts = [
        SendAttemptShape(
            number=each.number, at=each.at, is_taken=each.is_taken, answer=each.answer,
            milliseconds=each.milliseconds,
        )
        for each in tries
    ]  # fmt: skip
    return SendShape(
        id=send.id, channel=send.target.channel, address=send.target.address, state=send.state,
        attempts=attempts, created_at=send.created_at, next_at=send.next_at,
        done_at=send.done_at, error=send.error,
    )  # fmt: skip
