"""Makes one month of analytics again from the ledger, in the place of what is there.

One transaction of the store: readers see the month as it was or as it is now, and a sync that
comes in between makes this one start over. Everything else stays, the positions too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import date

from sqlalchemy import Connection, Select, Table, select

from data.analytics.lake import (
    BY_MONTH,
    ROLLUPS,
    WHOLE,
    Cursor,
    Lake,
    LakeConflictError,
    Positions,
    positions,
)
from data.analytics.moves import Moves, append_moves, moves_of
from data.analytics.sync import Batch, arrow_batch
from data.analytics.views import view
from data.database import Database
from data.proof.seals import SEALED_COLUMNS, sealed_columns
from data.reading.position import SeqOrder, ledger_order
from data.tables import receipts, usage_lines

PIECE_ROWS = 30_000
MOST_ATTEMPTS = 8
FIRST_PAUSE_SECONDS = 0.1


def rebuild_month(
    database: Database, lake: Lake, month: str, go_on: Callable[[], object] = bool
) -> int:
    """Makes ``month`` (YYYY-MM) again; gives how many lines it has.

    ``go_on`` is called between pieces: what it raises ends this with nothing changed.
    Errors: ``LakeConflictError`` when others change the store again and again.
    """
    with lake.changing:
        for attempt in range(1, MOST_ATTEMPTS + 1):
            try:
                return lake.change(lambda cursor: _remake(database, cursor, month, go_on))
            except LakeConflictError:
                if attempt == MOST_ATTEMPTS:
                    raise
                time.sleep(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
    raise AssertionError("unreachable")


def _remake(database: Database, cursor: Cursor, month: str, go_on: Callable[[], object]) -> int:
    at = positions(cursor)
    days = _days(month)
    # The same values again: so a sync that is at work meets this transaction, or is met by it.
    cursor.execute("UPDATE lake.sync_state SET pos = pos")
    for table in BY_MONTH:
        cursor.execute(
            f"DELETE FROM lake.{table} WHERE local_month = $local_month",  # noqa: S608
            {"local_month": month},
        )
    for table in WHOLE:
        cursor.execute(
            f"DELETE FROM lake.{table} WHERE booked_on >= $first AND booked_on < $next",  # noqa: S608
            {"first": days[0], "next": days[1]},
        )
    count = 0
    with database.read() as connection:
        order = ledger_order(database.dialect)
        for batch in _lines(connection, order, days, at):
            go_on()
            count += _append(cursor, batch)
        for moves in _moves(connection, order, days, at):
            go_on()
            append_moves(cursor, moves)
    return count


def _append(cursor: Cursor, batch: Batch) -> int:
    table = arrow_batch(batch)
    if table.num_rows:
        cursor.register("batch", table)
        for name in ("lines", *ROLLUPS):
            cursor.execute(view(f"append_{name}"))
    return int(table.num_rows)


def _lines(
    connection: Connection, order: SeqOrder, days: tuple[date, date], at: Positions
) -> Iterator[Batch]:
    nothing = Moves(0, 0, 0, (), is_last=True)
    for rows in _walk(connection, order, select(*sealed_columns()), usage_lines, days, at.lines):
        yield Batch(0, at.lines, SEALED_COLUMNS, rows, True, False, nothing)


def _moves(
    connection: Connection, order: SeqOrder, days: tuple[date, date], at: Positions
) -> Iterator[Moves]:
    for rows in _walk(connection, order, moves_of(order), receipts, days, at.receipts):
        kept = [row[:-3] for row in rows if not row[-3] and row[2] not in (None, row[3])]
        yield Moves(0, at.receipts, len(rows), kept, is_last=False)


def _walk(
    connection: Connection,
    order: SeqOrder,
    statement: Select[tuple[object, ...]],
    table: Table,
    days: tuple[date, date],
    to: int,
) -> Iterator[list[list[object]]]:
    """A statement's rows of some days up to a place, each with its place, a piece at a time."""
    statement = (
        statement.add_columns(order.place(table).label("place"))
        .where(usage_lines.c.booked_on >= days[0], usage_lines.c.booked_on < days[1])
        .where(order.up_to(to, table))
        .order_by(*order.sort(table))
        .limit(PIECE_ROWS)
    )
    piece = statement
    while rows := connection.execute(piece).all():
        yield [list(row) for row in rows]
        if len(rows) < PIECE_ROWS:
            return
        piece = statement.where(order.past(rows[-1], table))


def _days(month: str) -> tuple[date, date]:
    """The first day of a month and of the next one."""
    first = date.fromisoformat(f"{month}-01")
    return first, date(first.year + first.month // 12, first.month % 12 + 1, 1)
