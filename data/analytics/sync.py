"""Carries the ledger into the analytics store, each line exactly once.

The position, the lines and the sums change in one transaction of the store, and the position
only if it is still where this run found it: a killed or competing run leaves nothing behind.
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
from sqlalchemy import Connection

from billing.clock import Clock
from data.analytics.lake import ROLLUPS, Cursor, Lake, LakeConflictError, LakeError, view
from data.analytics.upkeep import expire, merge
from data.clocks import SystemClock
from data.database import Database
from data.phases import phase
from data.proof.seals import SEALED_COLUMNS, raw, seal, sealed_columns, sealed_to
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

    ``is_caught_up``: whether that was the end of the ledger.
    """

    rows: int
    position: int
    is_caught_up: bool


@dataclass(frozen=True, slots=True)
class Batch:
    """Lines of the ledger after ``start``; ``names`` says which columns the rows have."""

    start: int
    end: int
    names: tuple[str, ...]
    rows: Sequence[Sequence[Any]]
    is_sealed: bool
    is_last: bool


def sync(
    database: Database, lake: Lake, limit: int = BATCH_ROWS, *, clock: Clock | None = None
) -> SyncResult:
    """Carries at most ``limit`` lines over; tries again when another run was first.

    Errors: ``LakeError`` when the store is damaged or ahead of the ledger.
    """
    with lake.changing:
        for attempt in range(1, MOST_ATTEMPTS + 1):
            try:
                return _sync_once(database, lake, limit, (clock or SystemClock()).now())
            except LakeConflictError:
                if attempt == MOST_ATTEMPTS:
                    raise
                time.sleep(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
    raise AssertionError("unreachable")


def sync_all(
    database: Database, lake: Lake, limit: int = BATCH_ROWS, *, clock: Clock | None = None
) -> SyncResult:
    """Carries everything over that the ledger has now; ``rows`` are those of all runs."""
    rows = 0
    while True:
        result = sync(database, lake, limit, clock=clock)
        rows += result.rows
        if result.is_caught_up:
            return SyncResult(rows, result.position, is_caught_up=True)


def _sync_once(database: Database, lake: Lake, limit: int, now: datetime) -> SyncResult:
    start = lake.position()
    batch = read_batch(database, start, limit)
    phase("sync.read")
    if not batch.is_sealed:
        seal(database, batch.rows, now)
    phase("sync.sealed")
    if batch.rows:
        table = arrow_batch(batch)
        lake.change(lambda cursor: _append(cursor, table, batch))
        phase("sync.committed")
    return SyncResult(len(batch.rows), batch.end, batch.is_last)


def read_batch(database: Database, start: int, limit: int) -> Batch:
    """The next lines of the ledger: all columns while unsealed, else only what analytics need.

    A batch is either sealed throughout or not at all.
    Errors: ``LakeError`` when ``start`` was never sealed: the ledger isn't the one it was.
    """
    order = ledger_order(database.dialect)
    with database.read() as connection:
        sealed = sealed_to(connection)
        if sealed < start:
            raise LakeError("it is ahead of the ledger, which may come from an older backup")
        if sealed > start:
            return _batch(connection, order, _BATCH_COLUMNS, start, sealed, limit)
        return _batch(connection, order, SEALED_COLUMNS, start, None, limit)


def _batch(
    connection: Connection,
    order: SeqOrder,
    names: tuple[str, ...],
    start: int,
    last: int | None,
    limit: int,
) -> Batch:
    is_sealed = last is not None
    columns = [raw(usage_lines.c[name]) for name in names] if is_sealed else sealed_columns()
    rows = order.batch(connection, columns, start, last, limit)
    end = rows[-1][0] if rows else start
    return Batch(
        start, end, names, rows, is_sealed or not rows, is_last=end >= order.newest(connection)
    )


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
    moved = cursor.execute(
        "UPDATE lake.sync_state SET pos = $end WHERE pos = $start",
        {"end": batch.end, "start": batch.start},
    ).fetchone()
    if moved is None or moved[0] != 1:
        raise LakeConflictError("another sync was first")
    phase("sync.position")
