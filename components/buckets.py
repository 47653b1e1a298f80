"""Cuts daily costs into the bars of a chart: one bucket per day, week or month of a period."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from billing.periods import Period, month_of, week_of
from billing.queries import Granularity
from components import format as fmt


@dataclass(frozen=True, slots=True)
class Bucket:
    """The days of one bar, clipped to the shown period, and what it is called.

    ``tick`` stands under the axis, ``label`` begins a sentence.
    """

    period: Period
    tick: str
    label: str


def buckets(period: Period, granularity: Granularity, today: date) -> tuple[Bucket, ...]:
    """The bars of a period, oldest first, without gaps."""
    found: list[Bucket] = []
    start = period.start
    while start < period.end:
        whole = _whole(start, granularity)
        part = Period(start, min(whole.end, period.end))
        found.append(_named(part, granularity, today))
        start = part.end
    return tuple(found)


def _whole(day: date, granularity: Granularity) -> Period:
    if granularity is Granularity.WEEK:
        return week_of(day)
    if granularity is Granularity.MONTH:
        return month_of(day)
    return Period(day, date.fromordinal(day.toordinal() + 1))


def _named(part: Period, granularity: Granularity, today: date) -> Bucket:
    if granularity is Granularity.DAY:
        is_today = part.start == today
        label = fmt.day(part.start)
        return Bucket(part, "today" if is_today else fmt.short_day(part.start), label)
    if granularity is Granularity.WEEK:
        label = fmt.period_label(part) if part.day_count > 1 else fmt.day(part.start)
        return Bucket(part, fmt.short_day(part.start), label)
    whole = month_of(part.start)
    label = fmt.month(part.start) if part == whole else fmt.period_label(part)
    return Bucket(part, fmt.month(part.start), label)


def pivot(
    rows: Iterable[tuple[date, str, int]], parts: Sequence[Bucket], columns: Sequence[str]
) -> dict[str, list[int]]:
    """Integer micros: for each name one figure per bucket, gaps zero.

    ``rows`` are (day, name, micros); days outside the buckets and other names are left out.
    """
    table = {name: [0] * len(parts) for name in columns}
    if not parts:
        return table
    starts = [part.period.start for part in parts]
    first, end = starts[0], parts[-1].period.end
    for day, name, micros in rows:
        if name in table and first <= day < end:
            table[name][bisect_right(starts, day) - 1] += micros
    return table
