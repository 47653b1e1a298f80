"""Sums of usage: the lake's up to its position, then the ledger's own after it, added.

The order matters. The lake is asked first, with its position; the ledger afterwards, so that
every line is counted by exactly one of the two, whatever a sync does meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from sqlalchemy import ColumnElement, Connection, FromClause, func, select

from billing.periods import Period
from billing.queries import Filters
from billing.usage import Dimension, UsageCell
from data.analytics.lake import Cursor, Positions, positions
from data.analytics.views import run_view
from data.reading.remembered import Answer, Remembered
from data.reading.visibility import (
    View,
    filter_parameters,
    filtered_columns,
    passes,
    period_parameters,
)

# The narrowest source that has every column asked for comes first.
SOURCES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("cells_day", ("booked_on", "metric", "service", "direction", "status")),
    ("cells_campaign", ("booked_on", "campaign_id")),
    ("cells_consumer", ("booked_on", "consumer_id")),
    ("cells_lines", tuple(dimension.value for dimension in Dimension)),
)
SUMMED = ("base_units", "pulses", "talk_seconds", "cost_micros")

Key = tuple[str | date | None, ...]
Sums = tuple[int, ...]


def source_of(by: Sequence[Dimension], filters: Filters) -> tuple[str, tuple[str, ...]]:
    """The narrowest source that can group and filter as asked: view name and its dimensions."""
    needed = {dimension.value for dimension in by} | filtered_columns(filters)
    return next(source for source in SOURCES if needed <= set(source[1]))


def is_by_status(by: Sequence[Dimension], filters: Filters) -> bool:
    """Whether it matters where lines stand: only then do receipts have to be read."""
    return Dimension.STATUS in by or bool(filters.statuses)


def line_count(lines: FromClause) -> ColumnElement[int]:
    """How many lines there are; in a tail that receipts move lines in and out of, the balance."""
    if "line_count" in lines.c:
        return func.sum(lines.c.line_count)
    return func.count(lines.c.seq)


def lake_sums(
    lately: Remembered, view: View, period: Period, by: Sequence[Dimension], filters: Filters
) -> tuple[Positions, list[tuple[Key, Sums]]]:
    """The lake's positions, and what it has up to there: one item per group."""
    name, columns = source_of(by, filters)
    asked = {dimension.value for dimension in by}
    parameters = {
        "account_id": view.account_id,
        **period_parameters(period),
        **filter_parameters(filters),
        **{f"by_{column}": column in asked for column in columns},
        "is_by_status": is_by_status(by, filters),
    }

    def read(cursor: Cursor) -> Answer:
        return positions(cursor), run_view(cursor, name, parameters)

    synced, rows = lately.ask(name, parameters, lambda: lately.lake.snapshot(read))
    places = [columns.index(dimension.value) for dimension in by]
    first_sum = len(columns)
    return synced, [(tuple(row[place] for place in places), tuple(row[first_sum:])) for row in rows]


def ledger_sums(
    connection: Connection,
    lines: FromClause,
    view: View,
    period: Period,
    by: Sequence[Dimension],
    filters: Filters,
    status: ColumnElement[str] | None = None,
) -> list[tuple[Key, Sums]]:
    """What the ledger's table, or a part of it such as its tail, has: one item per group.

    ``status``: what stands for the column of that name; none: the column.
    """
    keys = [
        status if status is not None and dimension is Dimension.STATUS else lines.c[dimension.value]
        for dimension in by
    ]
    sums = [func.sum(lines.c[name]) for name in SUMMED]
    rows = connection.execute(
        select(*keys, line_count(lines), *sums)
        .where(view.shows_in(lines, period), passes(lines, filters, status))
        .group_by(*keys)
    )
    width = len(keys)
    return [
        (tuple(row[:width]), tuple(int(value) for value in row[width:]))
        for row in rows
        if row[width]
    ]


def add(parts: Iterable[tuple[Key, Sums]]) -> tuple[UsageCell, ...]:
    """One cell per key, ordered by keys with nothing last; none where all lines moved away."""
    cells: dict[Key, Sums] = {}
    for key, sums in parts:
        known = cells.get(key)
        cells[key] = tuple(map(sum, zip(known, sums, strict=True))) if known else sums
    held = (key for key, sums in cells.items() if sums[0])
    ordered = sorted(held, key=lambda key: [(value is None, value or "") for value in key])
    return tuple(UsageCell(key, *cells[key]) for key in ordered)
