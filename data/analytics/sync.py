"""Carries the ledger into the analytics store, each line and each receipt exactly once.

The positions, the lines and the sums change in one transaction of the store, and the positions
only if they are still where this run found them: a killed or competing run leaves nothing behind.
Lines are sealed in the ledger before that; a kill in between leaves sealed lines that the next
run carries over.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, select

from billing.clock import Clock
from data.analytics.ahead import refuse_ahead
from data.analytics.lake import (
    ROLLUPS,
    Cursor,
    Lake,
    LakeConflictError,
    Positions,
)
from data.analytics.moves import Moves, append_moves, read_moves
from data.analytics.upkeep import expire, merge
from data.analytics.views import view
from data.clocks import SystemClock
from data.database import Database
from data.phases import phase
from data.proof.seals import SEALED_COLUMNS, raw, seal, sealed_columns
from data.reading.position import SeqOrder, ledger_order
from data.tables import usage_lines

__all__ = ["SyncResult", "expire", "merge", "sync", "sync_all"]  # upkeep goes with syncing

BATCH_ROWS = 15_000
MOST_ATTEMPTS = 8
FIRST_PAUSE_SECONDS = 0.05
_INTEGERS = frozenset(
    {"seq", "base_units", "pulses", "talk_seconds", "connect_fee_micros", "cost_micros"}
)
_BATCH_COLUMNS = (
    "seq", "id", "account_id", "event_id", "metric", "service", "direction", "agent", "status",
    "campaign_id", "consumer_id", "occurred_at", "booked_on", "base_units", "pulses",
    "talk_seconds", "connect_fee_micros", "cost_micros", "currency", "is_sandbox",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SyncResult:
    """What one run did: ledger lines passed, sandbox ones too, and where it ended.

    ``is_caught_up``: whether that was the end of the ledger. ``receipts``: those passed.
    """

    rows: int
    position: int
    is_caught_up: bool
    receipts: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """Lines of the ledger after ``start``; ``names``: the columns of a row before its place."""

    start: int
    end: int
    names: tuple[str, ...]
    rows: Sequence[Sequence[Any]]
    is_sealed: bool
    is_last: bool
    moves: Moves


def sync(
    database: Database,
    lake: Lake,
    limit: int = BATCH_ROWS,
    *,
    clock: Clock | None = None,
    attempts: int = MOST_ATTEMPTS,
) -> SyncResult:
    """Carries at most ``limit`` lines and receipts over; tries again when another run was first.

    Errors: ``LakeError`` when the store is damaged or ahead of the ledger; ``LakeConflictError``
    when the last of ``attempts`` met another run, or a lock, as well.
    """
    with lake.changing:
        for attempt in range(1, attempts + 1):
            try:
                return _sync_once(database, lake, limit, (clock or SystemClock()).now())
            except LakeConflictError:
                if attempt == attempts:
                    raise
                time.sleep(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
    raise AssertionError("unreachable")


def sync_all(
    database: Database, lake: Lake, limit: int = BATCH_ROWS, *, clock: Clock | None = None
) -> SyncResult:
    """Carries everything over that the ledger has now; ``rows`` are those of all runs."""
    rows = receipts = 0
    while True:
        result = sync(database, lake, limit, clock=clock)
        rows += result.rows
        receipts += result.receipts
        if result.is_caught_up:
            return SyncResult(rows, result.position, is_caught_up=True, receipts=receipts)


def _sync_once(database: Database, lake: Lake, limit: int, now: datetime) -> SyncResult:
    start = lake.positions()
    batch = read_batch(database, start, limit)
    phase("sync.read")
    if not batch.is_sealed:
        seal(database, batch.rows, now)
    phase("sync.sealed")
    moves = batch.moves
    if batch.rows or moves.end > moves.start:
        table = arrow_batch(batch)
        lake.change(lambda cursor: _append(cursor, table, batch))
        phase("sync.committed")
    is_caught_up = batch.is_last and moves.is_last
    return SyncResult(len(batch.rows), batch.end, is_caught_up, moves.count)


def read_batch(database: Database, start: Positions, limit: int) -> Batch:
    """The next lines of the ledger: all columns while unsealed, else only what analytics need.

    A batch is either sealed throughout or not at all.
    Errors: ``LakeAheadError`` when ``start`` was never sealed: the ledger isn't the one it was.
    """
    order = ledger_order(database.dialect)
    with database.read() as connection:
        sealed = refuse_ahead(connection, order, start)
        if sealed > start.lines:
            return _batch(connection, order, _BATCH_COLUMNS, start, sealed, limit)
        return _batch(connection, order, SEALED_COLUMNS, start, None, limit)


def _batch(
    connection: Connection,
    order: SeqOrder,
    names: tuple[str, ...],
    start: Positions,
    last: int | None,
    limit: int,
) -> Batch:
    is_sealed = last is not None
    columns = [raw(usage_lines.c[name]) for name in names] if is_sealed else sealed_columns()
    settled = order.settled(connection)
    rows, covered = order.batch(
        connection, select(*columns), usage_lines, start.lines, settled if last is None else last,
        limit,
    )  # fmt: skip
    moves = read_moves(connection, order, start.receipts, limit, lines_to=covered)
    end = rows[-1][-1] if rows else start.lines
    is_last = covered >= settled
    return Batch(start.lines, end, names, rows, is_sealed or not rows, is_last, moves)


def arrow_batch(batch: Batch) -> pa.Table:
    """The batch as an Arrow table without its sandbox lines, which analytics never hold."""
    sandbox = batch.names.index("is_sandbox")
    rows = [row for row in batch.rows if not row[sandbox]]
    places = {name: batch.names.index(name) for name in _BATCH_COLUMNS if name != "is_sandbox"}
    return pa.table(
        {
            name: pa.array([row[place] for row in rows], type=_arrow_type(name))
            for name, place in places.items()
        }
    )


def _arrow_type(name: str) -> pa.DataType:
    if name == "occurred_at":
        return pa.timestamp("us")
    return pa.int64() if name in _INTEGERS else pa.string()


def _append(cursor: Cursor, table: pa.Table, batch: Batch) -> None:
    if table.num_rows:
        cursor.register("batch", table)
        cursor.execute(view("append_lines"))
        phase("sync.lines")
        for name in ROLLUPS:
            cursor.execute(view(f"append_{name}"))
        phase("sync.rollups")
    moves = batch.moves
    append_moves(cursor, moves)
    moved = cursor.execute(
        "UPDATE lake.sync_state SET pos = $end, receipts_pos = $receipts_end "
        "WHERE pos = $start AND receipts_pos = $receipts_start",
        {
            "end": batch.end, "start": batch.start,
            "receipts_end": moves.end, "receipts_start": moves.start,
        },
    ).fetchone()  # fmt: skip
    if moved is None or moved[0] != 1:
        raise LakeConflictError("another sync was first")
    phase("sync.position")
