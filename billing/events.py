"""Usage events: what a platform says happened, before any price is known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Direction = Literal["outbound", "inbound"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageEvent:
    """What every event has. ``(source, id)`` is its identity within the account, for ever.

    ``campaign`` and ``consumer`` are ids as the sender names them. ``counterparty`` is the other
    party's number in digits with country code, no sign; it is hashed, never stored. ``flags``
    are words such as ``derived_time`` that go onto every line.
    """

    source: str
    id: str
    occurred_at: datetime
    campaign: str | None = None
    consumer: str | None = None
    counterparty: str | None = None
    is_sandbox: bool = False
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEvent(UsageEvent):
    """One call. ``duration_seconds`` is talk time. ``outcome`` explains an unanswered one."""

    direction: Direction
    agent: Literal["ai", "human"]
    is_premium: bool = False
    is_answered: bool
    duration_seconds: int
    outcome: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SmsEvent(UsageEvent):
    """One message of ``segments`` segments."""

    direction: Direction
    kind: Literal["campaign", "transactional", "ai_reply"] = "campaign"
    segments: int
    status: str = "sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatsAppEvent(UsageEvent):
    """One delivered template message, or one conversation of 24 hours."""

    category: Literal["marketing", "utility", "authentication", "service"]
    unit: Literal["conversation", "message"]
    status: str = "delivered"


@dataclass(frozen=True, slots=True, kw_only=True)
class VoicemailEvent(UsageEvent):
    """One voicemail drop or ringless voicemail."""

    kind: Literal["drop", "ringless"]
    status: str = "delivered"


@dataclass(frozen=True, slots=True, kw_only=True)
class RentalEvent(UsageEvent):
    """Whole months of a number or a seat: ``units`` months, ``thing`` its pseudonym."""

    metric: Literal["number_rental", "seat_licences"]
    units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentHoursEvent(UsageEvent):
    """Seconds an agent was signed in."""

    duration_seconds: int


AnyEvent = CallEvent | SmsEvent | WhatsAppEvent | VoicemailEvent | RentalEvent | AgentHoursEvent
EVENT_TYPES: dict[type[UsageEvent], str] = {
    CallEvent: "usage.call",
    SmsEvent: "usage.sms",
    WhatsAppEvent: "usage.whatsapp",
    VoicemailEvent: "usage.voicemail",
    RentalEvent: "usage.rental",
    AgentHoursEvent: "usage.agent_hours",
}
