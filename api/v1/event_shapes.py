"""Usage events as they come over the wire: one CloudEvents model a type, checked strictly.

Each model of data says which event of the product it stands for. A message's text is counted
here and goes no further. Must not know HTTP, accounts or prices.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

from billing.errors import InputError
from billing.events import (
    AgentHoursEvent,
    AnyEvent,
    CallEvent,
    MeteredEvent,
    RentalEvent,
    SmsEvent,
    StatusEvent,
    VoicemailEvent,
    WhatsAppEvent,
)
from billing.limits import limit
from billing.metrics import METRIC_BY_ID, find_metric
from billing.rating import MOST_METERED_UNITS, MOST_SEGMENTS, MOST_UNITS
from billing.segments import count_segments
from data.importers.fields import read_number

LONGEST_TEXT = MOST_SEGMENTS * 153
LONGEST_NUMBER = 32
LONGEST_DECIMAL = 32
HOUR = METRIC_BY_ID["agent_hours"].unit.size

Name = Annotated[str, Field(min_length=1, max_length=limit("name"))]


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("use printable characters")
    return text


Word = Annotated[Name, AfterValidator(_printable)]
Number = Annotated[
    str,
    Field(
        min_length=1, max_length=LONGEST_NUMBER, pattern=r"^\+[1-9][0-9]{0,14}$",
        description="With country code; hashed, never stored.", examples=["+14155550142"],
    ),
]  # fmt: skip
Quantity = Annotated[
    int | Decimal | str,
    Field(
        description="A number from 0 on, or its decimal text.", examples=["1.5"],
        json_schema_extra={
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": 10_000},
                {"type": "string", "pattern": "^[0-9]{1,4}$", "maxLength": LONGEST_DECIMAL},
            ]
        },
    ),
]  # fmt: skip
Direction = Literal["outbound", "inbound"]
SentStatus = Literal["queued", "sent", "delivered", "read", "undelivered", "failed"]
MessageStatus = Literal["queued", "sent", "delivered", "read", "undelivered", "failed", "received"]


class Data(BaseModel, ABC):
    """What every usage event's data may say."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    campaign: Name | None = None
    consumer: Annotated[
        Name | None, Field(description="The user or application that caused the usage.")
    ] = None
    sandbox: Annotated[bool, Field(description="Rated for show, never charged.")] = False

    @abstractmethod
    def event(self, source: str, event_id: str, at: datetime) -> AnyEvent:
        """The event of the product; ``InputError`` names what is wrong."""

    def _shared(
        self, source: str, event_id: str, at: datetime, number: str | None = None, field: str = "to"
    ) -> dict[str, Any]:
        return {
            "source": source, "id": event_id, "occurred_at": at, "campaign": self.campaign,
            "consumer": self.consumer, "is_sandbox": self.sandbox,
            "counterparty": read_number(number, f"data.{field}") if number else None,
        }  # fmt: skip


class HeldData(Data):
    """Data of usage that a hold may have reserved money for."""

    hold_id: Annotated[
        Word | None, Field(max_length=36, description="The hold that this settles.")
    ] = None

    def _shared(
        self, source: str, event_id: str, at: datetime, number: str | None = None, field: str = "to"
    ) -> dict[str, Any]:
        shared = super()._shared(source, event_id, at, number, field)
        return {**shared, "hold_id": self.hold_id} if self.hold_id is not None else shared


class CallData(HeldData):
    """One call: an attempt when outbound, and its talk time when answered."""

    direction: Direction
    agent: Literal["ai", "human"]
    voice: Literal["standard", "premium"] = "standard"
    answered: bool
    duration_s: Annotated[int, Field(ge=0, le=limit("call"), description="Talk time, seconds.")]
    to: Number | None = None
    from_: Annotated[Number | None, Field(alias="from")] = None
    outcome: Annotated[Word | None, Field(description="Why it wasn't answered.")] = None

    def event(self, source: str, event_id: str, at: datetime) -> CallEvent:
        """The call; an unanswered one has no talk time, however long it rang."""
        is_inbound = self.direction == "inbound"
        number, field = (self.from_, "from") if is_inbound else (self.to, "to")
        return CallEvent(
            **self._shared(source, event_id, at, number, field),
            direction=self.direction, agent=self.agent, is_premium=self.voice == "premium",
            is_answered=self.answered, duration_seconds=self.duration_s if self.answered else 0,
            outcome=None if self.answered else self.outcome,
        )  # fmt: skip


class SmsData(HeldData):
    """One message; give its text, which is counted and never stored, or its segments."""

    direction: Direction
    kind: Literal["campaign", "transactional", "ai_reply"] = "campaign"
    text: Annotated[str | None, Field(max_length=LONGEST_TEXT)] = None
    segments: Annotated[int | None, Field(ge=1, le=MOST_SEGMENTS)] = None
    status: MessageStatus | None = None
    to: Number | None = None
    from_: Annotated[Number | None, Field(alias="from")] = None

    def event(self, source: str, event_id: str, at: datetime) -> SmsEvent:
        """The message with its segments counted."""
        if (self.text is None) == (self.segments is None):
            given = "none" if self.text is None else "both"
            raise InputError("data.segments", given, "give either text or segments")
        is_inbound = self.direction == "inbound"
        number, field = (self.from_, "from") if is_inbound else (self.to, "to")
        return SmsEvent(
            **self._shared(source, event_id, at, number, field),
            direction=self.direction, kind=self.kind,
            segments=count_segments(self.text) if self.text is not None else self.segments or 0,
            status=self.status or ("received" if is_inbound else "sent"),
        )  # fmt: skip


class WhatsAppData(HeldData):
    """A template message, charged when delivered; before 1 July 2025 a conversation."""

    category: Literal["marketing", "utility", "authentication", "service"]
    unit: Literal["conversation", "message"]
    status: SentStatus = "delivered"
    to: Number | None = None

    def event(self, source: str, event_id: str, at: datetime) -> WhatsAppEvent:
        """The message or conversation."""
        return WhatsAppEvent(
            **self._shared(source, event_id, at, self.to), category=self.category, unit=self.unit,
            status=self.status,
        )  # fmt: skip


class VoicemailData(HeldData):
    """One recorded message for a mailbox."""

    kind: Literal["drop", "ringless"]
    status: SentStatus = "delivered"
    to: Number | None = None

    def event(self, source: str, event_id: str, at: datetime) -> VoicemailEvent:
        """The drop."""
        return VoicemailEvent(
            **self._shared(source, event_id, at, self.to), kind=self.kind, status=self.status
        )


Months = Annotated[int, Field(ge=0, le=MOST_UNITS, description="Whole months.")]


class NumberData(Data):
    """Rental of one number for whole months."""

    number: Number
    months: Months

    def event(self, source: str, event_id: str, at: datetime) -> RentalEvent:
        """The rental."""
        shared = self._shared(source, event_id, at, self.number, "number")
        return RentalEvent(**shared, metric="number_rental", units=self.months)


class SeatData(Data):
    """The licence of one agent's seat for whole months."""

    agent: Word
    months: Months

    def event(self, source: str, event_id: str, at: datetime) -> RentalEvent:
        """The licence; the agent is its consumer unless another is named."""
        shared = self._shared(source, event_id, at)
        shared["consumer"] = self.consumer or self.agent
        return RentalEvent(**shared, metric="seat_licences", units=self.months)


class AgentHoursData(Data):
    """How long one agent was signed in."""

    agent: Word
    hours: Quantity

    def event(self, source: str, event_id: str, at: datetime) -> AgentHoursEvent:
        """The time; the agent is its consumer unless another is named."""
        shared = self._shared(source, event_id, at)
        shared["consumer"] = self.consumer or self.agent
        seconds = base_units(self.hours, HOUR, "data.hours", MOST_UNITS)
        return AgentHoursEvent(**shared, duration_seconds=seconds)


class MeteredData(Data):
    """Units of a metric that were counted already, in the unit the metric is shown in."""

    metric: Annotated[str, Field(json_schema_extra={"enum": sorted(METRIC_BY_ID)})]
    units: Quantity
    cost_micros: Annotated[
        int | None, Field(ge=0, le=10**15, description="Needs a key with events:priced.")
    ] = None
    to: Number | None = None

    def event(self, source: str, event_id: str, at: datetime) -> MeteredEvent:
        """The units, in the metric's base unit."""
        try:
            metric = find_metric(self.metric)
        except InputError as error:
            raise InputError("data.metric", error.value, error.fix) from None
        units = base_units(self.units, metric.unit.size, "data.units", MOST_METERED_UNITS)
        return MeteredEvent(
            **self._shared(source, event_id, at, self.to), metric=metric.id, units=units,
            cost_micros=self.cost_micros,
        )  # fmt: skip


class RefData(BaseModel):
    """The identity of another event."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    source: Name
    id: Name


class StatusData(BaseModel):
    """A delivery receipt that comes later; it moves no money."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    ref: RefData
    status: SentStatus

    def event(self, source: str, event_id: str, at: datetime) -> StatusEvent:
        """The receipt."""
        return StatusEvent(
            source=source, id=event_id, occurred_at=at, ref_source=self.ref.source,
            ref_id=self.ref.id, status=self.status,
        )  # fmt: skip


class CloudEventShape(BaseModel):
    """A CloudEvent 1.0. Extension attributes are taken and ignored."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, defer_build=True)

    specversion: Literal["1.0"]
    id: Annotated[Name, Field(description="With source: accepted once, for ever.")]
    source: Name
    subject: Annotated[
        str, Field(min_length=1, max_length=64, description="The account.", examples=["acme"])
    ]
    time: Annotated[
        str,
        Field(
            description="When it happened, RFC 3339 with its zone.", min_length=20, max_length=40,
            json_schema_extra={"format": "date-time"}, examples=["2026-11-22T09:30:00Z"],
        ),
    ]  # fmt: skip
    datacontenttype: Annotated[
        str | None, Field(max_length=100, json_schema_extra={"const": "application/json"})
    ] = None
    dataschema: Annotated[str | None, Field(max_length=1_000)] = None


class CallCloudEvent(CloudEventShape):
    """``usage.call``."""

    type: Literal["usage.call"]
    data: CallData


class SmsCloudEvent(CloudEventShape):
    """``usage.sms``."""

    type: Literal["usage.sms"]
    data: SmsData


class WhatsAppCloudEvent(CloudEventShape):
    """``usage.whatsapp``."""

    type: Literal["usage.whatsapp"]
    data: WhatsAppData


class VoicemailCloudEvent(CloudEventShape):
    """``usage.voicemail``."""

    type: Literal["usage.voicemail"]
    data: VoicemailData


class NumberCloudEvent(CloudEventShape):
    """``usage.number``."""

    type: Literal["usage.number"]
    data: NumberData


class SeatCloudEvent(CloudEventShape):
    """``usage.seat``."""

    type: Literal["usage.seat"]
    data: SeatData


class AgentHoursCloudEvent(CloudEventShape):
    """``usage.agent_hours``."""

    type: Literal["usage.agent_hours"]
    data: AgentHoursData


class StatusCloudEvent(CloudEventShape):
    """``usage.status``."""

    type: Literal["usage.status"]
    data: StatusData


class MeteredCloudEvent(CloudEventShape):
    """``usage.metered``."""

    type: Literal["usage.metered"]
    data: MeteredData


AnyCloudEvent = Annotated[
    CallCloudEvent
    | SmsCloudEvent
    | WhatsAppCloudEvent
    | VoicemailCloudEvent
    | NumberCloudEvent
    | SeatCloudEvent
    | AgentHoursCloudEvent
    | StatusCloudEvent
    | MeteredCloudEvent,
    Field(discriminator="type"),
]
# Its checks take an eighth of a second to make: not at the start, but soon after (``warm_up`` of
# the server), or when the first event comes.
cloud_event: TypeAdapter[Any] = TypeAdapter(AnyCloudEvent, config=ConfigDict(defer_build=True))


def base_units(given: int | Decimal | str, size: int, field: str, most: int) -> int:
    """Whole base units of a quantity in a metric's shown unit, such as seconds of minutes.

    Errors: ``InputError`` for what is no number, below zero, too much, or no whole base unit.
    """
    text = str(given)
    fix = f"use a number from 0 to {most // size:,} that makes whole base units of 1/{size}"
    is_plain = len(text) <= LONGEST_DECIMAL and text.replace(".", "", 1).isdecimal()
    if isinstance(given, bool) or not is_plain or not text.isascii():
        raise InputError(field, text, fix)
    exact = Decimal(text) * size
    if exact != exact.to_integral_value() or exact > most:
        raise InputError(field, text, fix)
    return int(exact)
