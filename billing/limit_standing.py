"""How an account stands against its spending limits, as people and programs read it.

A gauge is one limit with what its present window has; a backtest is what a limit would have done
over the last 90 days. Must not know how any of it is read. Amounts are micros of the account's
currency, days are the account's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from billing.access import Role
from billing.caps import Cap, CapKind, Counts, Limits, Override, Window, span_of, windows_of
from billing.errors import NotAllowedError
from billing.holds import HoldKind, HoldState, Rule
from billing.pauses import Pause, resets_at
from billing.periods import FIRST_DAY, Period, ZoneHistory

BACKTEST_DAYS = 90
MAY_CHANGE = frozenset({Role.OWNER, Role.ADMIN})


def may_change(role: Role) -> bool:
    """Whether a role may change limits and override them; every role may see them."""
    return role in MAY_CHANGE


def require_change(role: Role) -> None:
    """Refuses to let a role change limits: ``NotAllowedError`` says who may."""
    if not may_change(role):
        raise NotAllowedError(
            f"The role {role.value} may see spending limits, not change them: ask the owner."
        )


@dataclass(frozen=True, slots=True)
class Gauge:
    """One limit, on or off, and what its present window has.

    ``window``: none for the per-call cap, which has nothing to count. ``ceiling_micros``: up to
    how much the window may be filled now, an override included; none: no bound in money.
    ``left_micros``: what a hold may still take, never below zero; ``over_micros``: by how much
    what was spent and reserved is over the ceiling. ``resets_at``: when the next window begins;
    none for a campaign and per call. ``least_micros``: as of ``Counted``.
    """

    cap: Cap
    window: Window | None
    spent_micros: int = 0
    reserved_micros: int = 0
    ceiling_micros: int | None = None
    left_micros: int | None = None
    over_micros: int = 0
    resets_at: datetime | None = None
    override: Override | None = None
    least_micros: int | None = None


@dataclass(frozen=True, slots=True)
class LimitStanding:
    """Everything that is set, one gauge a limit in the order of ``CapKind``, and what is paused."""

    limits: Limits
    gauges: tuple[Gauge, ...]
    pauses: tuple[Pause, ...]
    as_of: datetime

    def gauge(self, kind: CapKind, campaign: str = "") -> Gauge | None:
        """The gauge of one limit; none where it isn't set."""
        return next((each for each in self.gauges if each.cap.key == (kind, campaign)), None)


@dataclass(frozen=True, slots=True)
class PausePage:
    """Pauses, newest first; ``next_cursor`` is opaque, none at the end."""

    pauses: tuple[Pause, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class HoldView:
    """One request for a hold and what became of it.

    ``amount``: seconds of a call, units of anything else. ``rule``: why it was denied.
    ``cost_micros``: of the event that settled it.
    """

    id: str
    request_id: str
    kind: HoldKind
    campaign: str | None
    consumer: str | None
    state: HoldState
    held_micros: int
    amount: int
    decided_at: datetime
    expires_at: datetime | None
    closed_at: datetime | None
    cost_micros: int | None
    event_id: str | None
    rule: Rule | None

    def age(self, now: datetime) -> timedelta:
        """For how long it has been open, or was."""
        return max(timedelta(0), (self.closed_at or now) - self.decided_at)


@dataclass(frozen=True, slots=True)
class HoldPage:
    """Holds, newest first; ``next_cursor`` is opaque, none at the end."""

    holds: tuple[HoldView, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Hit:
    """One time that a limit would have been reached.

    ``reached_on``: the local day on which what was spent came to the limit. ``until_on``: the day
    on which it would have gone on by itself; none for a campaign. ``spent_micros``: in the whole
    window.
    """

    window: Window
    reached_on: date
    until_on: date | None
    spent_micros: int


@dataclass(frozen=True, slots=True)
class Backtest:
    """What a limit would have done in a period of local days, its windows as they were spent.

    ``hits``: oldest first. Of a per-call cap there are none, but ``calls_over`` of ``calls``
    would have been cut off; of other limits those two are zero.
    """

    cap: Cap
    period: Period
    hits: tuple[Hit, ...] = ()
    calls: int = 0
    calls_over: int = 0


def gauge(limits: Limits, cap: Cap, counts: Counts, now: datetime, zones: ZoneHistory) -> Gauge:
    """A limit as it stands. ``counts``: of the windows of the present day."""
    window = window_of(cap, zones.local_day(now))
    if window is None:
        return Gauge(cap, None, ceiling_micros=cap.limit_micros)
    counted, override = counts[window], limits.override(window, now)
    ceiling = cap.limit_micros
    if override is not None and ceiling is not None:
        more = override.limit_micros
        ceiling = None if more is None else max(ceiling, more)
    left = None if ceiling is None else ceiling - counted.used_micros
    return Gauge(
        cap, window, counted.spent_micros, counted.reserved_micros, ceiling,
        None if left is None else max(0, left), max(0, -left) if left is not None else 0,
        resets_at(window, zones), override, counted.least_micros,
    )  # fmt: skip


def window_of(cap: Cap, day: date) -> Window | None:
    """The window of a limit on a local day; none per call."""
    found = windows_of(day, cap.campaign or None)
    return next((each for each in found if each.kind is cap.kind), None)


def backtest_windows(cap: Cap, period: Period, spent: Mapping[date, int]) -> tuple[Hit, ...]:
    """When a daily, weekly or monthly limit would have been reached.

    ``spent``: by local day, as charges count for caps, of every day from the first window on that
    begins in the period.
    """
    limit = cap.limit_micros or 0
    hits: list[Hit] = []
    sums: dict[Window, int] = {}
    reached: dict[Window, date] = {}
    for day in sorted(spent):
        window = window_of(cap, day)
        if window is None or window.start_on < period.start or day >= period.end:
            continue
        sums[window] = sums.get(window, 0) + spent[day]
        if sums[window] >= limit:
            reached.setdefault(window, day)
    for window, day in reached.items():
        span = span_of(window)
        hits.append(Hit(window, day, span.end if span else None, sums[window]))
    return tuple(sorted(hits, key=lambda hit: hit.reached_on))


def backtest_campaign(
    cap: Cap, period: Period, spent: Sequence[tuple[date, int]], before_micros: int
) -> tuple[Hit, ...]:
    """When a campaign's budget would have been used up: at most once, for nothing resets it.

    ``spent``: by day, in order. ``before_micros``: before the first of them.
    """
    limit, total = cap.limit_micros or 0, before_micros
    reached = period.start if total >= limit else None
    for day, micros in spent:
        total += micros
        if reached is None and total >= limit:
            reached = day
    if reached is None:
        return ()
    return (Hit(Window(CapKind.CAMPAIGN, FIRST_DAY, cap.campaign), reached, None, total),)


def backtest_period(today: date, visible_from: date | None) -> Period:
    """The days that a backtest looks at: the last 90, today included, as far as they are shown."""
    start = today - timedelta(days=BACKTEST_DAYS - 1)
    end = today + timedelta(days=1)
    return Period(min(max(start, visible_from or start), today), end)
