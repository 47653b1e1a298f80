"""The hours of an account's local days: 24, or 23 or 25 where clocks change."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from billing.periods import Period, ZoneHistory, zone

HOUR = timedelta(hours=1)
ONE_DAY = timedelta(days=1)


def hours_of(zones: ZoneHistory, day: date) -> tuple[datetime, ...]:
    """The instants at which a local day's hours begin, in UTC, oldest first.

    An hour begins when the account's clocks show it: at a quarter to in UTC where the zone is so.
    A day that a zone skipped altogether has one, which is its end too.
    """
    at, end = zones.start_of(day), zones.start_of(day + ONE_DAY)
    local_zone = zone(zones.name_on(day))
    found: list[datetime] = []
    while at < end:
        found.append(at)
        local = at.astimezone(local_zone)
        past = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
        at += HOUR - past
    return tuple(found) or (at,)


def hours_in(zones: ZoneHistory, period: Period) -> tuple[datetime, ...]:
    """The hours of every day of a period, oldest first."""
    return tuple(sorted({hour for day in period.days() for hour in hours_of(zones, day)}))


def hour_of(hours: Sequence[datetime], end: datetime, at: datetime) -> datetime:
    """The hour of a day in which something counts that is booked on that day.

    What happened outside the day (it came late, for a closed period) counts in its first hour.
    """
    if not hours[0] <= at < end:
        return hours[0]
    return hours[bisect_right(hours, at) - 1]


def begins_hour(zones: ZoneHistory, at: datetime) -> bool:
    """Whether one of the account's local hours begins at an instant."""
    at = at.astimezone(UTC)
    day = zones.local_day(at)
    return at in hours_of(zones, day) or at == zones.start_of(day + ONE_DAY)
