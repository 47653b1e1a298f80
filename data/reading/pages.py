"""Pages of transactions by keyset: which lines, in which order, and the cursors to the next.

Pages in order of time that are narrowed by metric or service at most come from the ledger's
index. Any other filter, and the order by cost, would make the ledger walk months of lines: those
pages come from the lake, with the ledger's tail merged in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    select,
    tuple_,
    union_all,
)

from billing.periods import Period
from billing.queries import Filters, TransactionSort
from data.analytics.lake import Cursor, Positions
from data.analytics.views import run_view
from data.columns import from_micros, to_micros
from data.reading.lines import metrics_passing
from data.reading.page_keys import Key, PageCursor
from data.reading.position import SeqOrder
from data.reading.tail import moved_lines, standing_tail, tail
from data.reading.visibility import (
    View,
    filter_parameters,
    passes,
    period_parameters,
)
from data.tables import receipts, usage_lines

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_DAY_MICROSECONDS = 86_400_000_000


@dataclass(frozen=True, slots=True)
class PageQuery:
    """One page: at most ``limit`` lines in page order, after ``key`` or from the first one.

    Backward, they are the lines before ``key``, nearest first.
    """

    view: View
    period: Period
    filters: Filters
    sort: TransactionSort
    limit: int
    key: Key | None = None
    is_backward: bool = False

    @property
    def is_by_cost(self) -> bool:
        """Whether the dearest come first."""
        return self.sort is TransactionSort.COST

    @property
    def direction(self) -> int:
        """1 when keys grow from line to line as the store sorts them, else -1."""
        grows = self.sort is not TransactionSort.NEWEST
        return 1 if grows != self.is_backward else -1

    @property
    def stored_key(self) -> Key | None:
        """``key`` as the store sorts it: oldest or dearest first."""
        if self.key is None or self.sort is not TransactionSort.NEWEST:
            return self.key
        return tuple(-value for value in self.key)

    @property
    def needs_lake(self) -> bool:
        """Whether no index of the ledger leads to these lines in this order."""
        filters = self.filters
        return self.is_by_cost or any((filters.campaigns, filters.consumers, filters.statuses))

    @property
    def is_by_status(self) -> bool:
        """Whether it matters where lines stand: only then do receipts have to be read."""
        return bool(self.filters.statuses)


Found = list[tuple[Key, int]]


def page_cursors(
    page: PageQuery, keys: Sequence[Key], has_more: bool
) -> tuple[str | None, str | None]:
    """The cursors to the next and the previous page of one whose lines have these keys."""
    if not keys:
        return None, None
    has_next = has_more or page.is_backward
    has_previous = has_more if page.is_backward else page.key is not None
    following = PageCursor(page.sort, False, keys[-1]).encode() if has_next else None
    previous = PageCursor(page.sort, True, keys[0]).encode() if has_previous else None
    return following, previous


def lake_keys(cursor: Cursor, page: PageQuery, left_out: Sequence[int]) -> Found:
    """The first ``limit`` lines of the page that the lake has, some places left out."""
    name = "keys_by_cost" if page.is_by_cost else "keys_by_time"
    key = page.stored_key
    parameters: dict[str, Any] = {
        "account_id": page.view.account_id,
        **period_parameters(page.period),
        **filter_parameters(page.filters),
        "direction": page.direction,
        "limit": page.limit,
        "left_out": list(left_out),
        **_lake_key(key, page),
    }
    rows = run_view(cursor, name, parameters)
    return [(_from_lake(row[1:], page), row[0]) for row in rows]


def _lake_key(key: Key | None, page: PageQuery) -> dict[str, int | None]:
    """The key as the lake's files sort: microseconds for days, times the direction."""
    width = 2 if page.is_by_cost else 3
    if key is None:
        return {f"key_{i}": None for i in range(1, width + 1)}
    values = list(key)
    if not page.is_by_cost:
        values[0] = (values[0] - _EPOCH_DAY) * _DAY_MICROSECONDS
    return {f"key_{i}": value * page.direction for i, value in enumerate(values, start=1)}


def _from_lake(sorts: Sequence[int], page: PageQuery) -> Key:
    values = [value * page.direction for value in sorts]
    if not page.is_by_cost:
        values[0] = values[0] // _DAY_MICROSECONDS + _EPOCH_DAY
    return _page_key(values, page.sort)


def _page_key(stored: Sequence[int], sort: TransactionSort) -> Key:
    sign = -1 if sort is TransactionSort.NEWEST else 1
    return tuple(value * sign for value in stored)


def moved_seqs(
    connection: Connection, order: SeqOrder, synced: Positions, page: PageQuery
) -> list[int]:
    """Lines that the lake has, but for a page by status not where they stand now."""
    if not page.is_by_status or order.newest(connection, receipts) == synced.receipts:
        return []
    moved = moved_lines(page.view.account_id, order, synced, [usage_lines.c.seq])
    return list(connection.scalars(moved))


def tail_keys(connection: Connection, order: SeqOrder, synced: Positions, page: PageQuery) -> Found:
    """The first ``limit`` lines of the page that only the ledger has, or has as they stand."""
    account_id = page.view.account_id
    if page.is_by_status:
        lines = standing_tail(account_id, order, synced)
    else:
        lines = tail(account_id, order, synced.lines)
    return _found(connection, _keys_of(lines, page), page)


def ledger_keys(connection: Connection, page: PageQuery) -> Found:
    """The first ``limit`` lines of a page by time, out of the ledger's index.

    The index is sorted within each metric, so the first lines of every metric are taken and the
    first of those kept.
    """
    metrics = metrics_passing(connection, page.view, page.filters)
    if not metrics:
        return []
    parts = [
        _keys_of(usage_lines, page).where(usage_lines.c.metric == metric).subquery()
        for metric in metrics
    ]
    if len(parts) == 1:
        return _found(connection, select(parts[0]), page)
    together = union_all(*(select(part) for part in parts)).subquery()
    sort = [together.c.booked_on, together.c.occurred_at, together.c.seq]
    ordered = [_ordered(column, page.direction) for column in sort]
    statement = select(together).order_by(*ordered).limit(page.limit)
    return _found(connection, statement, page)


def _keys_of(lines: FromClause, page: PageQuery) -> Select[Any]:
    """The first ``limit`` sort values and places of a page's lines."""
    return _keys_by_cost(lines, page) if page.is_by_cost else _keys_by_time(lines, page)


def _keys_by_time(lines: FromClause, page: PageQuery) -> Select[Any]:
    sort = (lines.c.booked_on, lines.c.occurred_at, lines.c.seq)
    place = None if page.stored_key is None else _time_values(page.stored_key)
    after, before = (place, None) if page.direction > 0 else (None, place)
    return (
        select(*sort)
        .where(page.view.shows_in(lines, page.period, after, before), passes(lines, page.filters))
        .order_by(*(_ordered(column, page.direction) for column in sort))
        .limit(page.limit)
    )


def _keys_by_cost(lines: FromClause, page: PageQuery) -> Select[Any]:
    sort = (-lines.c.cost_micros, lines.c.seq)
    statement = (
        select(lines.c.cost_micros, lines.c.seq)
        .where(page.view.shows_in(lines, page.period), passes(lines, page.filters))
        .order_by(*(_ordered(column, page.direction) for column in sort))
        .limit(page.limit)
    )
    if page.stored_key is None:
        return statement
    place = tuple_(*sort)
    return statement.where(
        place > page.stored_key if page.direction > 0 else place < page.stored_key
    )


def _ordered(column: ColumnElement[Any], direction: int) -> ColumnElement[Any]:
    return column.asc() if direction > 0 else column.desc()


def _time_values(key: Key) -> tuple[date, datetime, int]:
    day, micros, seq = key
    return date.fromordinal(day), from_micros(micros), seq


def _found(connection: Connection, statement: Select[Any], page: PageQuery) -> Found:
    found: Found = []
    for row in connection.execute(statement):
        if page.is_by_cost:
            stored: tuple[int, ...] = (-row[0], row[1])
        else:
            stored = (row[0].toordinal(), to_micros(row[1]), row[2])
        found.append((_page_key(stored, page.sort), row[-1]))
    return found


def merged(page: PageQuery, *parts: Found) -> Found:
    """The first ``limit`` of several parts of one page, in the direction it is read."""
    everything = sorted({item for part in parts for item in part}, reverse=page.is_backward)
    return everything[: page.limit]
