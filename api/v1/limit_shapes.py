"""What the calls of limits and pauses take and answer with, made of the product's values."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated

from pydantic import Field

from api.v1.event_shapes import Word
from api.v1.shapes import Currency, Micros, Shape
from api.v1.wallet_shapes import Body, Instant, Reason
from billing.caps import LARGEST_CAP_MICROS, MOST_BUDGETS, Cap, CapKind, Inbound, Limits, Override
from billing.limit_standing import Backtest, Gauge, LimitStanding
from billing.limits import limit
from billing.pauses import Pause, ResumeCause

_ACCOUNT_CAPS = 4  # daily, weekly, monthly, per call
LARGEST_VERSION = 2**31 - 1

CapMicros = Annotated[
    int,
    Field(strict=True, ge=0, le=LARGEST_CAP_MICROS, description="Micros; 0 lets nothing through."),
]
CallSeconds = Annotated[
    int, Field(strict=True, ge=1, le=limit("call"), description="Of a per-call cap alone.")
]


class CapBody(Body):
    """One limit as it is set. An account has at most one of a kind, and one a campaign."""

    kind: CapKind
    campaign: Word | None = Field(None, description="Of a campaign's budget, and of that alone.")
    limit_micros: CapMicros | None = Field(
        None, description="Only a per-call cap that has seconds may leave it out."
    )
    limit_seconds: CallSeconds | None = None
    is_hard: bool = Field(True, strict=True, description="Denies and pauses; a soft one warns.")
    is_on: bool = Field(True, strict=True)

    def cap(self) -> Cap:
        """The limit."""
        return Cap(
            self.kind, self.limit_micros, self.limit_seconds, self.campaign or "", self.is_hard,
            self.is_on,
        )  # fmt: skip


class LimitsBody(Body):
    """Everything that is set for the account: what isn't in it is taken away."""

    is_on: bool = Field(strict=True, description="The master switch: off, nothing is denied.")
    inbound: Inbound = Field(description="What becomes of inbound calls at a balance of zero.")
    caps: list[CapBody] = Field(max_length=MOST_BUDGETS + _ACCOUNT_CAPS)
    version: int | None = Field(
        None, strict=True, ge=0, le=LARGEST_VERSION,
        description="The one that was read: refused with 409 when there is a newer one.",
    )  # fmt: skip

    def limits(self) -> Limits:
        """What to set."""
        caps = tuple(each.cap() for each in self.caps)
        return Limits(caps, is_on=self.is_on, inbound=self.inbound)


class OverrideBody(Body):
    """Leave to go over the limit that paused, for a while."""

    reason: Reason
    until: Instant = Field(description="At most 31 days from now.")
    limit_micros: CapMicros | None = Field(
        None, description="Up to how much in the limit's window; none: as much as it takes."
    )


class OverrideShape(Shape):
    """Leave to go over one limit."""

    id: str
    kind: CapKind
    campaign: str | None
    reason: str
    actor: str = Field(description="Who gave it: person:… or key:….")
    limit_micros: Micros | None = Field(description="None: as much as it takes.")
    starts_at: datetime
    ends_at: datetime


class CapShape(Shape):
    """One limit with what its present window has. Of a per-call cap nothing is counted."""

    kind: CapKind
    campaign: str | None
    limit_micros: Micros | None
    limit_seconds: int | None
    is_hard: bool
    is_on: bool
    window_start: date | None = Field(description="None per call, and for a campaign.")
    spent_micros: Micros
    reserved_micros: Micros
    left_micros: Micros | None = Field(
        description="What holds may still take; none where nothing bounds it."
    )
    over_micros: Micros = Field(description="By how much spent and reserved are over it.")
    resets_at: datetime | None
    override: OverrideShape | None = Field(description="The one that is in force.")


class PauseShape(Shape):
    """What stood still, why, and until when. The figures are those of its beginning."""

    id: str
    rule: str = Field(description="`balance`, or the kind of the limit.")
    campaign: str | None = Field(description="None: all outbound work.")
    window_start: date | None
    spent_micros: Micros
    limit_micros: Micros
    started_at: datetime
    until_at: datetime | None = Field(description="When it ends by itself.")
    ended_at: datetime | None
    end_cause: ResumeCause | None


class LimitsShape(Shape):
    """Everything that is set, how the account stands against it, and what is paused."""

    is_on: bool
    inbound: Inbound
    caps: list[CapShape]
    version: int
    pauses: list[PauseShape]
    currency: Currency
    as_of: datetime


class PausesShape(Shape):
    """A page of pauses, newest first."""

    pauses: list[PauseShape]
    next_cursor: str | None
    currency: Currency


class OverriddenShape(Shape):
    """An override that was given or taken back, and what that changed."""

    override: OverrideShape
    resumed: list[PauseShape]
    paused: list[PauseShape]
    currency: Currency


class HitShape(Shape):
    """One time that the limit would have been reached."""

    window_start: date | None
    reached_on: date
    until_on: date | None = Field(description="When it would have gone on by itself.")
    spent_micros: Micros = Field(description="In the whole window.")


class BacktestShape(Shape):
    """What a limit would have done to charges as they were, over the last 90 days."""

    from_: date = Field(alias="from")
    to: date
    times: int = Field(description="How many hits there are.")
    hits: list[HitShape] = Field(description="Oldest first; none of a per-call cap.")
    calls: int = Field(description="Of a per-call cap: answered calls.")
    calls_over: int = Field(description="Of a per-call cap: those it would have cut off.")
    currency: Currency


def override_shape(given: Override) -> OverrideShape:
    """An override as the API says it; ended before its time, it ended then."""
    return OverrideShape(
        id=given.id, kind=given.kind, campaign=given.campaign or None, reason=given.reason,
        actor=given.actor, limit_micros=given.limit_micros, starts_at=given.starts_at,
        ends_at=given.ended_at or given.ends_at,
    )  # fmt: skip


def pause_shape(pause: Pause) -> PauseShape:
    """A pause as the API and the stream say it."""
    window = pause.reason.window
    campaign = pause.reason.campaign
    return PauseShape(
        id=pause.id, rule=pause.reason.rule, campaign=campaign or None,
        window_start=window.start_on if window and not campaign else None,
        spent_micros=pause.spent_micros, limit_micros=pause.limit_micros,
        started_at=pause.started_at, until_at=pause.until_at, ended_at=pause.ended_at,
        end_cause=pause.end_cause,
    )  # fmt: skip


def pause_shapes(pauses: Sequence[Pause]) -> list[PauseShape]:
    """Several of them, in their order."""
    return [pause_shape(each) for each in pauses]


def limits_shape(standing: LimitStanding, currency: str) -> LimitsShape:
    """How an account stands, as the API says it."""
    limits = standing.limits
    return LimitsShape(
        is_on=limits.is_on, inbound=limits.inbound,
        caps=[_cap_shape(each) for each in standing.gauges], version=limits.version,
        pauses=pause_shapes(standing.pauses), currency=currency, as_of=standing.as_of,
    )  # fmt: skip


def backtest_shape(found: Backtest, currency: str) -> BacktestShape:
    """A backtest as the API says it."""
    hits = [
        HitShape(
            window_start=None if hit.window.campaign else hit.window.start_on,
            reached_on=hit.reached_on, until_on=hit.until_on, spent_micros=hit.spent_micros,
        )
        for hit in found.hits
    ]  # fmt: skip
    return BacktestShape(
        **{"from": found.period.start}, to=found.period.end, times=len(hits), hits=hits,
        calls=found.calls, calls_over=found.calls_over, currency=currency,
    )  # fmt: skip


def _cap_shape(gauge: Gauge) -> CapShape:
    cap, window = gauge.cap, gauge.window
    return CapShape(
        kind=cap.kind, campaign=cap.campaign or None, limit_micros=cap.limit_micros,
        limit_seconds=cap.limit_seconds, is_hard=cap.is_hard, is_on=cap.is_on,
        window_start=window.start_on if window and not cap.campaign else None,
        spent_micros=gauge.spent_micros, reserved_micros=gauge.reserved_micros,
        left_micros=gauge.left_micros, over_micros=gauge.over_micros, resets_at=gauge.resets_at,
        override=override_shape(gauge.override) if gauge.override else None,
    )  # fmt: skip
