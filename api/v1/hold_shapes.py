"""What the calls of holds take and answer with, and how each is made of the product's values."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from api.v1.event_shapes import Name, Number, Word
from api.v1.shapes import Currency, Micros, Shape
from api.v1.wallet_shapes import Body
from billing.errors import InputError
from billing.holds import HoldKind, HoldRequest, HoldState, Rule
from billing.limit_standing import HoldPage, HoldView
from billing.limits import limit
from billing.rating import MOST_SEGMENTS
from data.importers.fields import read_number

Seconds = Annotated[
    int, Field(strict=True, ge=1, le=limit("call"), description="Of a call; none: 600.")
]
Units = Annotated[
    int,
    Field(strict=True, ge=1, le=MOST_SEGMENTS, description="Segments or messages; none: one."),
]
RequestId = Annotated[
    Word,
    Field(description="Yours, unique for the account, for ever: again it gives the first answer."),
]


class EstimateBody(Body):
    """How much it may take: seconds of a call, units of anything else."""

    seconds: Seconds | None = None
    units: Units | None = None


class AuthorizeBody(Body):
    """Work that is about to begin."""

    request_id: RequestId
    kind: HoldKind
    campaign: Word | None = None
    consumer: Word | None = None
    to: Number | None = None
    estimate: EstimateBody = EstimateBody()

    def request(self) -> HoldRequest:
        """The request; ``InputError`` for seconds of a message, or units of a call."""
        seconds, units = self.estimate.seconds, self.estimate.units
        if self.kind.is_call and units is not None:
            raise InputError("estimate.units", units, "estimate a call in seconds")
        if not self.kind.is_call and seconds is not None:
            raise InputError("estimate.seconds", seconds, "only calls last: estimate units")
        return HoldRequest(
            self.request_id, self.kind, self.campaign, self.consumer,
            read_number(self.to, "to") if self.to else None,
            seconds if self.kind.is_call else units,
        )  # fmt: skip


class ExtendBody(Body):
    """More seconds for a call that goes on."""

    request_id: RequestId
    seconds: Seconds | None = None


class SettleBody(Body):
    """The usage event of the work. Its data may leave out what the hold's kind says already."""

    source: Name
    id: Annotated[Name, Field(description="With source: accepted once, for ever.")]
    time: Annotated[
        str,
        Field(
            description="When it happened, RFC 3339 with its zone.", min_length=20, max_length=40,
            json_schema_extra={"format": "date-time"}, examples=["2026-11-22T09:30:00Z"],
        ),
    ]  # fmt: skip
    data: Annotated[
        dict[str, Any],
        Field(
            description="As in `POST /events`.",
            examples=[{"answered": True, "duration_s": 83, "to": "+14155550142"}],
        ),
    ]


class WarningShape(Shape):
    """A soft limit that this goes over."""

    rule: Rule
    spent_micros: Micros
    reserved_micros: Micros
    limit_micros: Micros


class AllowedShape(Shape):
    """The work may begin, or go on."""

    decision: Literal["allowed"]
    hold_id: str
    held_micros: Micros
    max_seconds: int | None = Field(description="For how long the call may last in all.")
    units: int | None = Field(description="Of anything but a call: what was asked for.")
    expires_at: datetime = Field(description="When it is released if nobody settles it.")
    warnings: list[WarningShape]
    currency: Currency


class DeniedShape(Shape):
    """The work may not begin. The figures are those of the rule."""

    decision: Literal["denied"]
    rule: Rule
    message: str = Field(description="Why, for people.")
    spent_micros: Micros
    reserved_micros: Micros
    limit_micros: Micros | None
    resets_at: datetime | None = Field(description="When the limit's next window begins.")
    currency: Currency


DecisionAnswer = Annotated[AllowedShape | DeniedShape, Field(discriminator="decision")]


class ReleasedShape(Shape):
    """A hold that was given back, or had expired before."""

    hold_id: str
    state: HoldState
    held_micros: Micros
    cost_micros: Micros | None
    closed_at: datetime | None
    currency: Currency


class ChargedLineShape(Shape):
    """A line that the event wrote."""

    id: str
    metric: str
    base_units: int
    cost_micros: Micros
    flags: list[str] = Field(description="Such as over_hold, late_settle, while_paused.")


class SettledBalanceShape(Shape):
    """The wallet after it. available = paid + promotional − reserved."""

    available_micros: Micros
    paid_micros: Micros
    promotional_micros: Micros
    reserved_micros: Micros
    currency: Currency


class SettledShape(ReleasedShape):
    """A hold whose work was charged, with the lines of its event."""

    is_duplicate: bool = Field(description="The event was known: nothing was charged now.")
    event_id: str
    lines: list[ChargedLineShape]
    balance: SettledBalanceShape


class HoldShape(Shape):
    """One request for a hold and what became of it."""

    hold_id: str
    request_id: str
    kind: HoldKind
    campaign: str | None
    consumer: str | None
    state: HoldState
    rule: Rule | None = Field(description="Why it was denied.")
    held_micros: Micros
    cost_micros: Micros | None = Field(description="Of the event that settled it.")
    currency: Currency
    max_seconds: int | None
    units: int | None
    authorized_at: datetime
    expires_at: datetime | None
    closed_at: datetime | None
    event_id: str | None
    age_seconds: int = Field(description="For how long it has been open, or was.")


class HoldsShape(Shape):
    """A page of holds, newest first."""

    holds: list[HoldShape]
    next_cursor: str | None
    currency: Currency


def hold_shape(hold: HoldView, currency: str, now: datetime) -> HoldShape:
    """A hold as the API says it."""
    is_call = hold.kind.is_call
    return HoldShape(
        hold_id=hold.id, request_id=hold.request_id, kind=hold.kind, campaign=hold.campaign,
        consumer=hold.consumer, state=hold.state, rule=hold.rule, held_micros=hold.held_micros,
        cost_micros=hold.cost_micros, currency=currency,
        max_seconds=hold.amount if is_call else None, units=None if is_call else hold.amount,
        authorized_at=hold.decided_at, expires_at=hold.expires_at, closed_at=hold.closed_at,
        event_id=hold.event_id, age_seconds=int(hold.age(now).total_seconds()),
    )  # fmt: skip


def holds_shape(page: HoldPage, currency: str, now: datetime) -> HoldsShape:
    """A page of holds as the API says it."""
    return HoldsShape(
        holds=[hold_shape(each, currency, now) for each in page.holds],
        next_cursor=page.next_cursor, currency=currency,
    )  # fmt: skip
