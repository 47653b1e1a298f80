"""Pauses: what of an account's outbound work stands still, why, and until when.

Whether something is paused follows from money and caps alone, so it can be asked again at any
time with the same answer; what changed since the last answer is a pause or a resume. Amounts are
micros.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from billing.caps import NOTHING, Counts, Inbound, Limits, Window, windows_of
from billing.holds import HoldKind
from billing.periods import ZoneHistory
from billing.records import record

BALANCE = "balance"


class ResumeCause(StrEnum):
    """Why outbound work, or a campaign, goes on."""

    BOUNDARY = "boundary"  # the next day, week or month has begun
    CREDIT = "credit"
    OVERRIDE = "override"
    LIMIT = "limit"  # raised, made soft, switched off or taken away
    REVERSAL = "reversal"


@record()
class Reason:
    """What pauses: ``balance`` or a kind of cap, the window it is about, and a campaign.

    Two of the same name are the same pause.
    """

    rule: str
    window: Window | None = None

    @property
    def campaign(self) -> str:
        """The campaign that stands still; empty: all outbound work does."""
        return self.window.campaign if self.window else ""

    @property
    def name(self) -> tuple[str, str]:
        """By what an open pause is known."""
        return self.rule, self.campaign


@record()
class Due:
    """A pause that is due: why, with the figures at that moment."""

    reason: Reason
    spent_micros: int
    limit_micros: int
    until_at: datetime | None = None  # when it ends by itself


@dataclass(frozen=True, slots=True)
class Pause:
    """One pause as it is kept. ``ended_at`` none: it is open."""

    id: str
    account_id: str
    reason: Reason
    started_at: datetime
    spent_micros: int
    limit_micros: int
    until_at: datetime | None = None
    ended_at: datetime | None = None
    end_cause: ResumeCause | None = None


def due_pauses(
    limits: Limits, counts: Counts, posted_micros: int, now: datetime, zones: ZoneHistory
) -> tuple[Due, ...]:
    """Everything that is to stand still now. ``counts``: of the present windows.

    A full window pauses; what that is, ``Counted.is_full`` says.
    """
    return tuple(_due(limits, counts, posted_micros, now, zones))


def present_windows(limits: Limits, now: datetime, zones: ZoneHistory) -> tuple[Window, ...]:
    """The windows of this moment that a cap which is on bounds."""
    day = zones.local_day(now)
    campaigns = [
        window
        for cap in limits.budgets
        if cap.is_on
        for window in windows_of(day, cap.campaign)[:1]
    ]
    found = [*windows_of(day, None), *campaigns]
    return tuple(window for window in found if limits.cap(window.kind, window.campaign))


def _due(
    limits: Limits, counts: Counts, posted_micros: int, now: datetime, zones: ZoneHistory
) -> Iterator[Due]:
    if posted_micros <= 0:
        yield Due(Reason(BALANCE), 0, posted_micros)
    for window in present_windows(limits, now, zones):
        ceiling = limits.ceiling(window, now)
        counted = counts.get(window, NOTHING)
        if ceiling is not None and counted.is_full(ceiling):
            yield Due(
                Reason(window.kind.value, window), counted.spent_micros, ceiling,
                resets_at(window, zones),
            )  # fmt: skip


def resets_at(window: Window, zones: ZoneHistory) -> datetime | None:
    """When the next window begins; none for a campaign."""
    return zones.start_of(window.ends_on) if window.ends_on else None


def resume_cause(
    reason: Reason, limits: Limits, now: datetime, zones: ZoneHistory, limit_micros: int
) -> ResumeCause:
    """Why a pause for a reason is over. ``limit_micros``: the limit at which it began."""
    window = reason.window
    if window is None:
        return ResumeCause.CREDIT
    ends = resets_at(window, zones)
    if ends is not None and now >= ends:
        return ResumeCause.BOUNDARY
    cap = limits.cap(window.kind, window.campaign)
    if cap is not None and cap.is_hard and limits.override(window, now):
        return ResumeCause.OVERRIDE
    ceiling = limits.ceiling(window, now)
    if ceiling is None or ceiling > limit_micros:
        return ResumeCause.LIMIT
    return ResumeCause.REVERSAL


def paused_for(
    open_pauses: Sequence[Reason], kind: HoldKind, campaign: str | None, inbound: Inbound
) -> str | None:
    """What keeps a request from happening: the rule of a pause; none: nothing does."""
    for reason in open_pauses:
        if not kind.is_outbound:
            if reason.rule == BALANCE and inbound is Inbound.STOP:
                return reason.rule
        elif reason.campaign in {"", campaign}:
            return reason.rule
    return None
