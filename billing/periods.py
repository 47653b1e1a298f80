"""Periods of local days and the calendar they come from.

Every range is half-open: ``start`` included, ``end`` excluded. Days are local days of the
account; instants are UTC. "Today" is always an argument.
"""

from __future__ import annotations

import calendar
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from billing.errors import InputError

LONGEST_RANGE_MONTHS = 40
FIRST_DAY = date(1990, 1, 1)
LAST_DAY = date(2100, 1, 1)


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """Whole local days ``[start, end)``."""

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise InputError("end", self.end, f"use a day after {self.start}")

    @property
    def day_count(self) -> int:
        """How many local days it has."""
        return (self.end - self.start).days

    @property
    def last_day(self) -> date:
        """The last day that belongs to it."""
        return self.end - timedelta(days=1)

    def days(self) -> Iterator[date]:
        """Each of its days, oldest first."""
        return (self.start + timedelta(days=n) for n in range(self.day_count))

    def __contains__(self, day: date) -> bool:
        return self.start <= day < self.end

    def clip(self, first: date | None, end: date | None) -> Period | None:
        """What lies between ``first`` (included) and ``end`` (excluded); none if nothing does."""
        start = max(self.start, first) if first else self.start
        stop = min(self.end, end) if end else self.end
        return Period(start, stop) if start < stop else None

    def span(self, other: Period) -> Period:
        """The shortest period that holds both."""
        return Period(min(self.start, other.start), max(self.end, other.end))


@lru_cache(maxsize=256)
def zone(name: str) -> ZoneInfo:
    """The IANA zone; ``InputError`` for a name that isn't one."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InputError(
            "time zone", name, "use an IANA name such as Asia/Kolkata or America/New_York"
        ) from None


@dataclass(frozen=True, slots=True)
class ZoneHistory:
    """The account's zones by the local day from which each holds, oldest first."""

    dated: tuple[tuple[date, str], ...]

    def name_on(self, day: date) -> str:
        """The zone's name on a local day; before the first entry, the first one."""
        found = self.dated[0][1]
        for valid_from, name in self.dated:
            if valid_from <= day:
                found = name
        return found

    def local_day(self, at: datetime) -> date:
        """The local day of an instant: the last whose ``start_of`` it has reached.

        A zone begins at its own midnight, so the day before a change is shorter or longer.
        """
        name, until = self.dated[0][1], None
        for valid_from, dated_name in reversed(self.dated[1:]):
            if at >= start_of_day(valid_from, dated_name):
                name = dated_name
                break
            until = valid_from
        day = day_in_zone(at, name)
        return min(day, until - timedelta(days=1)) if until else day

    def start_of(self, day: date) -> datetime:
        """The instant at which a local day begins, in UTC."""
        return start_of_day(day, self.name_on(day))

    def instants(self, period: Period) -> tuple[datetime, datetime]:
        """The period's first instant and its end (excluded), in UTC."""
        return self.start_of(period.start), self.start_of(period.end)


def day_in_zone(at: datetime, zone_name: str) -> date:
    """The local day of an instant in one zone, never a day before one that has begun."""
    day = at.astimezone(zone(zone_name)).date()
    following = day + timedelta(days=1)  # begun already where clocks went back over midnight
    return following if at >= start_of_day(following, zone_name) else day


@lru_cache(maxsize=4096)
def start_of_day(day: date, zone_name: str) -> datetime:
    """The first instant of a local day in UTC.

    Where clocks jump over midnight the day begins at the jump; where midnight comes twice, at
    the first one.
    """
    # A skipped midnight is read on the clock before the jump (fold 0), which is the jump itself.
    return datetime.combine(day, time(), tzinfo=zone(zone_name)).astimezone(UTC)


def hours_in_day(day: date, zone_name: str) -> float:
    """How long a local day lasts: 24, or 23 or 25 when clocks change."""
    end = start_of_day(day + timedelta(days=1), zone_name)
    return (end - start_of_day(day, zone_name)) / timedelta(hours=1)


def add_months(year: int, month: int, count: int) -> tuple[int, int]:
    """The year and month ``count`` months later (or earlier)."""
    index = year * 12 + (month - 1) + count
    return index // 12, index % 12 + 1


def anchored_day(year: int, month: int, anchor_day: int) -> date:
    """The anchor in a month, clamped to its last day: 31 → 28 Feb, and 31 Mar again."""
    return date(year, month, min(anchor_day, calendar.monthrange(year, month)[1]))


def check_anchor_day(anchor_day: int) -> int:
    """The anchor itself if it is a day of month, else ``InputError``."""
    if not 1 <= anchor_day <= 31:
        raise InputError("anchor day", anchor_day, "use a day of month from 1 to 31")
    return anchor_day


def anchored_period(day: date, anchor_day: int) -> Period:
    """The billing period around a day for one anchor (never drifts)."""
    start = anchored_day(day.year, day.month, anchor_day)
    if start > day:
        start = anchored_day(*add_months(day.year, day.month, -1), anchor_day)
    return Period(start, anchored_day(*add_months(start.year, start.month, 1), anchor_day))


@dataclass(frozen=True, slots=True)
class BillingCalendar:
    """The account's billing anchors by the day from which each holds, oldest first.

    A new anchor begins at a period's end; the first period under it is cut to fit.
    """

    dated: tuple[tuple[date, int], ...]

    def period_of(self, day: date) -> Period:
        """The billing period that holds a local day."""
        index = 0
        for i, (valid_from, _) in enumerate(self.dated):
            if valid_from <= day:
                index = i
        valid_from, anchor_day = self.dated[index]
        period = anchored_period(day, anchor_day)
        first = valid_from if index and valid_from > period.start else None
        end = self.dated[index + 1][0] if index + 1 < len(self.dated) else None
        clipped = period.clip(first, end if end and end < period.end else None)
        return clipped or period

    def previous(self, period: Period) -> Period:
        """The billing period before one."""
        return self.period_of(period.start - timedelta(days=1))

    def next(self, period: Period) -> Period:
        """The billing period after one."""
        return self.period_of(period.end)


def day_period(day: date) -> Period:
    """One local day."""
    return Period(day, day + timedelta(days=1))


def week_of(day: date) -> Period:
    """The week around a day, from Monday."""
    start = day - timedelta(days=day.weekday())
    return Period(start, start + timedelta(days=7))


def month_of(day: date) -> Period:
    """The calendar month around a day."""
    return anchored_period(day, 1)


def month_before(period: Period) -> Period:
    """The calendar month before the one in which a period starts."""
    return month_of(period.start.replace(day=1) - timedelta(days=1))


@dataclass(frozen=True, slots=True)
class Preset:
    """A named period; ``find`` takes today and the billing calendar."""

    id: str
    label: str
    find: Callable[[date, BillingCalendar], Period]


PRESETS: tuple[Preset, ...] = (
    Preset("today", "Today", lambda today, _: day_period(today)),
    Preset(
        "last_7_days",
        "Last 7 days",
        lambda today, _: Period(today - timedelta(days=6), today + timedelta(days=1)),
    ),
    Preset("this_month", "This month", lambda today, _: month_of(today)),
    Preset("last_month", "Last month", lambda today, _: month_before(month_of(today))),
    Preset("this_period", "This period", lambda today, cal: cal.period_of(today)),
    Preset("last_period", "Last period", lambda today, cal: cal.previous(cal.period_of(today))),
)
PRESET_BY_ID = {preset.id: preset for preset in PRESETS}
DEFAULT_PRESET = "this_period"


def step_unit(period: Period, billing: BillingCalendar) -> str:
    """What ‹ › move a period by: ``day``, ``week``, ``month``, ``billing_period`` or ``span``."""
    if period.day_count == 1:
        return "day"
    if period == month_of(period.start):
        return "month"
    if period == billing.period_of(period.start):
        return "billing_period"
    return "week" if period.day_count == 7 else "span"


def step(period: Period, direction: int, billing: BillingCalendar) -> Period:
    """The period one step earlier (``direction`` -1) or later (1), by its own kind."""
    unit = step_unit(period, billing)
    if unit == "month":
        year, month = add_months(period.start.year, period.start.month, direction)
        return month_of(date(year, month, 1))
    if unit == "billing_period":
        return billing.previous(period) if direction < 0 else billing.next(period)
    move = timedelta(days=period.day_count * direction)
    return Period(period.start + move, period.end + move)


def like_for_like(period: Period, today: date, billing: BillingCalendar) -> Period:
    """What a period is compared with: the one before, cut to as many days as have begun.

    On 22 November the running November is compared with 1 to 22 October; a finished period with
    the whole one before, whatever its length in days.
    """
    before = step(period, -1, billing)
    if today not in period:
        return before
    begun = (today - period.start).days + 1
    end = min(before.start + timedelta(days=begun), before.end)
    return Period(before.start, end)


def check_range(start: date, end: date) -> Period:
    """A range somebody typed; ``InputError`` when reversed, too long or absurd."""
    if not FIRST_DAY <= start < LAST_DAY:
        raise InputError("from", start, f"use a day from {FIRST_DAY} to {LAST_DAY}")
    if not FIRST_DAY < end <= LAST_DAY:
        raise InputError("to", end, f"use a day from {FIRST_DAY} to {LAST_DAY}")
    if end <= start:
        raise InputError("to", end, f"use a day after the start, {start}")
    year, month = add_months(start.year, start.month, LONGEST_RANGE_MONTHS)
    if end > anchored_day(year, month, start.day):
        raise InputError("to", end, f"ask for at most {LONGEST_RANGE_MONTHS} months at once")
    return Period(start, end)


def look_back_period(today: date, month_count: int) -> Period:
    """As many calendar months as asked, the running one last, whole."""
    year, month = add_months(today.year, today.month, 1 - month_count)
    return Period(date(year, month, 1), month_of(today).end)
