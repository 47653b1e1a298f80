"""The use case behind the API's sums: cut by time, grouped, filtered, with totals that add up.

Reads through the same port and the same query as the screens. Rows and totals come from one read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime

from billing.access import AccountScope, require_drill_down, require_metric
from billing.errors import InputError, NotAllowedError
from billing.hours import hours_in
from billing.limits import limit
from billing.metrics import METRIC_BY_ID
from billing.periods import Period, day_period, month_of, week_of, zone
from billing.queries import Cut, UsageQuery
from billing.usage import Dimension, Reading, UsageCell, UsageReader

DIMENSIONS = {
    "metric": Dimension.METRIC,
    "service": Dimension.SERVICE,
    "direction": Dimension.DIRECTION,
    "status": Dimension.STATUS,
    "campaign": Dimension.CAMPAIGN,
    "consumer": Dimension.CONSUMER,
}
SHOWN_WITHOUT_DRILL_DOWN = frozenset({"metric", "service"})

Keys = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Sums:
    """``base_units``: none where metrics of different units meet, which can't be added.

    ``metric``: one whose unit the base units are in; none for no usage at all.
    """

    count: int
    base_units: int | None
    metric: str | None
    cost_micros: int


@dataclass(frozen=True, slots=True)
class UsageRow:
    """One group in one stretch of time. ``start``: in the account's zone; keys as asked for."""

    start: datetime
    keys: Keys
    sums: Sums


@dataclass(frozen=True, slots=True)
class UsageRows:
    """Rows by start, then keys, nothing last; ungrouped there is one for every start."""

    rows: tuple[UsageRow, ...]
    totals: Sums
    complete_to: datetime


def usage_rows(
    reader: UsageReader, scope: AccountScope, query: UsageQuery, today: date
) -> UsageRows:
    """The sums that a query asks for.

    Errors: ``NotAllowedError`` for what the plan lacks; ``InputError`` for too many rows.
    """
    query = _within_plan(scope, query, today)
    reading, start_of = _read(reader, scope, query)
    groups: dict[tuple[datetime, Keys], list[UsageCell]] = {}
    width = len(query.group_by)
    is_timed = query.cut is not Cut.TOTAL
    for cell in reading.cells:
        keys = cell.keys[1:] if is_timed else cell.keys
        start = start_of(cell.keys[0] if is_timed else None)
        groups.setdefault((start, _words(keys[:width])), []).append(cell)
    if not width:
        for start in _starts(scope, query):
            groups.setdefault((start, ()), [])
    if len(groups) > limit("rows"):
        raise InputError(
            "group_by", ",".join(query.group_by),
            f"these are {len(groups):,} rows, at most {limit('rows'):,}: use fewer groups, a "
            "coarser granularity, a shorter range or a filter",
        )  # fmt: skip
    place = _metric_place(query) + is_timed
    rows = [
        UsageRow(_local(scope, start), keys, _sums(cells, place))
        for (start, keys), cells in sorted(groups.items(), key=_order)
    ]
    totals = _sums([cell for cells in groups.values() for cell in cells], place)
    return UsageRows(tuple(rows), totals, reading.complete_to)


def _within_plan(scope: AccountScope, query: UsageQuery, today: date) -> UsageQuery:
    """The query as the plan allows it; ``NotAllowedError`` for what it lacks."""
    gates = scope.account.gates_on(today)
    if not gates.has_drill_down and set(query.group_by) - SHOWN_WITHOUT_DRILL_DOWN:
        require_drill_down(scope, today)
    if not gates.has_date_filter:
        if query.preset == "custom":
            raise NotAllowedError(
                "Choosing days comes with the Launch, Growth and Scale plans: leave from and to "
                "out for this session.",
                code="plan_lacks",
            )
        return replace(query, period=day_period(today))
    for metric in query.filters.metrics:
        require_metric(scope, METRIC_BY_ID[metric], query.period)
    return query


def _read(
    reader: UsageReader, scope: AccountScope, query: UsageQuery
) -> tuple[Reading, Callable[[object], datetime]]:
    """The cells, and what turns the first key of one into the start of its stretch of time."""
    by = [DIMENSIONS[name] for name in query.group_by]
    if Dimension.METRIC not in by:
        by.append(Dimension.METRIC)  # tells whether units can be added
    zones, period = scope.account.zones, query.period
    if query.cut is Cut.TOTAL:
        reading = reader.usage(scope, period, by, query.filters)
        return reading, lambda _: zones.start_of(period.start)
    if query.cut is Cut.HOUR:
        reading = reader.usage_by_hour(scope, period, by, query.filters)
        return _between(reading, query.between), _instant
    reading = reader.usage(scope, period, (Dimension.DAY, *by), query.filters)
    return reading, lambda day: zones.start_of(_stretch(query.cut, day, period))


def _between(reading: Reading, bounds: tuple[datetime, datetime] | None) -> Reading:
    """The cells of the hours that begin between two instants."""
    if bounds is None:
        return reading
    start, end = bounds
    kept = (cell for cell in reading.cells if start <= _instant(cell.keys[0]) < end)
    return replace(reading, cells=tuple(kept))


def _instant(key: object) -> datetime:
    assert isinstance(key, datetime), "a cell by the hour begins with its hour"
    return key


def _stretch(cut: Cut, day: object, period: Period) -> date:
    """The first day of the day's week or month that lies in the period; or the day."""
    assert isinstance(day, date), "a cell by the day begins with its day"
    whole = {Cut.WEEK: week_of, Cut.MONTH: month_of}.get(cut, day_period)(day)
    return max(whole.start, period.start)


def _starts(scope: AccountScope, query: UsageQuery) -> Iterator[datetime]:
    """Where each stretch of the period begins."""
    zones, period = scope.account.zones, query.period
    if query.cut is Cut.TOTAL:
        yield zones.start_of(period.start)
    elif query.cut is Cut.HOUR:
        start, end = query.between or zones.instants(period)
        yield from (hour for hour in hours_in(zones, period) if start <= hour < end)
    else:
        days = dict.fromkeys(_stretch(query.cut, day, period) for day in period.days())
        yield from (zones.start_of(day) for day in days)


def _words(keys: Iterable[object]) -> Keys:
    return tuple(None if key is None else str(key) for key in keys)


def _metric_place(query: UsageQuery) -> int:
    by = query.group_by
    return by.index("metric") if "metric" in by else len(by)


def _local(scope: AccountScope, start: datetime) -> datetime:
    zones = scope.account.zones
    return start.astimezone(zone(zones.name_on(zones.local_day(start))))


def _order(item: tuple[tuple[datetime, Keys], object]) -> tuple[datetime, list[tuple[bool, str]]]:
    (start, keys), _ = item
    return start, [(key is None, key or "") for key in keys]


def _sums(cells: list[UsageCell], metric_place: int) -> Sums:
    metrics = sorted({str(cell.keys[metric_place]) for cell in cells})
    units = {_unit(metric) for metric in metrics}
    has_one_unit = len(units) <= 1
    return Sums(
        count=sum(cell.count for cell in cells),
        base_units=sum(cell.base_units for cell in cells) if has_one_unit else None,
        metric=metrics[0] if metrics and has_one_unit else None,
        cost_micros=sum(cell.cost_micros for cell in cells),
    )


def _unit(metric: str) -> tuple[str, int]:
    """What makes units of two metrics the same: credits and segments are both segments."""
    known = METRIC_BY_ID.get(metric)
    return (known.unit.base, known.unit.size) if known else (metric, 0)
