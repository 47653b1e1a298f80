"""Usage events: what a platform says happened, before any price is known."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from billing.records import record

Direction = Literal["outbound", "inbound"]
# What may become of a message, and when a WhatsApp message is charged.
CHARGED_STATUSES = ("delivered", "read")
MESSAGE_STATUSES = (*CHARGED_STATUSES, "queued", "sent", "undelivered", "failed", "received")


@record(kw_only=True)
class UsageEvent:
    """What every event has. ``(source, id)`` is its identity within the account, for ever.

    ``campaign`` and ``consumer`` are ids as the sender names them. ``counterparty`` is the other
    party's number in digits with country code, no sign; it is hashed, never stored. ``flags``
    are words such as ``derived_time`` that go onto every line. ``hold_id``: the hold that set
    money aside for it.
    """

    source: str
    id: str
    occurred_at: datetime
    campaign: str | None = None
    consumer: str | None = None
    counterparty: str | None = None
    is_sandbox: bool = False
    flags: tuple[str, ...] = ()
    hold_id: str | None = None


@record(kw_only=True)
class CallEvent(UsageEvent):
    """One call. ``duration_seconds`` is talk time. ``outcome`` explains an unanswered one."""

    direction: Direction
    agent: Literal["ai", "human"]
    is_premium: bool = False
    is_answered: bool
    duration_seconds: int
    outcome: str | None = None


@record(kw_only=True)
class SmsEvent(UsageEvent):
    """One message of ``segments`` segments."""

    direction: Direction
    kind: Literal["campaign", "transactional", "ai_reply"] = "campaign"
    segments: int
    status: str = "sent"


@record(kw_only=True)
class WhatsAppEvent(UsageEvent):
    """One delivered template message, or one conversation of 24 hours."""

    category: Literal["marketing", "utility", "authentication", "service"]
    unit: Literal["conversation", "message"]
    status: str = "delivered"


@record(kw_only=True)
class VoicemailEvent(UsageEvent):
    """One voicemail drop or ringless voicemail."""

    kind: Literal["drop", "ringless"]
    status: str = "delivered"


@record(kw_only=True)
class RentalEvent(UsageEvent):
    """Whole months of a number or a seat: ``units`` months, ``thing`` its pseudonym."""

    metric: Literal["number_rental", "seat_licences"]
    units: int


@record(kw_only=True)
class AgentHoursEvent(UsageEvent):
    """Seconds an agent was signed in."""

    duration_seconds: int


@record(kw_only=True)
class MeteredEvent(UsageEvent):
    """Units of any metric that the sender has counted already.

    ``units``: base units, such as seconds, taken as they are. ``cost_micros``: the sender's own
    price in the account's currency; none: the price list's.
    """

    metric: str
    units: int
    cost_micros: int | None = None


@record(kw_only=True)
class StatusEvent:
    """A delivery receipt: what became of the message of another event. It moves no money.

    ``(ref_source, ref_id)`` is the identity of the message's event; it may arrive after this.
    """

    source: str
    id: str
    occurred_at: datetime
    ref_source: str
    ref_id: str
    status: str


AnyUsage = (
    CallEvent
    | SmsEvent
    | WhatsAppEvent
    | VoicemailEvent
    | RentalEvent
    | AgentHoursEvent
    | MeteredEvent
)
AnyEvent = UsageEvent | StatusEvent
_TYPES: dict[type, str] = {
    CallEvent: "usage.call",
    SmsEvent: "usage.sms",
    WhatsAppEvent: "usage.whatsapp",
    VoicemailEvent: "usage.voicemail",
    AgentHoursEvent: "usage.agent_hours",
    MeteredEvent: "usage.metered",
    StatusEvent: "usage.status",
}
_RENTALS = {"number_rental": "usage.number", "seat_licences": "usage.seat"}


def is_outbound(event: AnyEvent) -> bool:
    """Whether an event is work that pauses keep from beginning."""
    if isinstance(event, CallEvent | SmsEvent):
        return event.direction == "outbound"
    return isinstance(event, WhatsAppEvent | VoicemailEvent)


def event_type(event: AnyEvent) -> str:
    """The event's type as outsiders name it, such as ``usage.call``."""
    if isinstance(event, RentalEvent):
        return _RENTALS[event.metric]
    return _TYPES[type(event)]
