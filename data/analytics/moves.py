"""Delivery receipts on their way into the analytics store: a batch that follows its lines.

A receipt goes over with its line or after it, never before: the batch ends before the first one
whose line isn't there yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, Select, select

from data.analytics.lake import Cursor
from data.analytics.views import view
from data.proof.seals import raw
from data.reading.position import SeqOrder
from data.tables import receipts, usage_lines

_LINE_COLUMNS = (
    "account_id", "metric", "service", "direction", "campaign_id", "consumer_id", "occurred_at",
    "booked_on", "base_units", "pulses", "talk_seconds", "cost_micros",
)  # fmt: skip
_NAMES = ("seq", "line_seq", "previous_status", "status", *_LINE_COLUMNS)
_INTEGERS = frozenset(
    {"seq", "line_seq", "base_units", "pulses", "talk_seconds", "cost_micros"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Moves:
    """Receipts after ``start`` up to ``end``, ``count`` of them; ``rows``: those analytics hold."""

    start: int
    end: int
    count: int
    rows: Sequence[Sequence[Any]]
    is_last: bool


def read_moves(
    connection: Connection, order: SeqOrder, start: int, limit: int, *, lines_to: int
) -> Moves:
    """About ``limit`` receipts after a place in their table, of lines up to ``lines_to``.

    A sandbox line's receipts are passed, as are those that came too late and those that say
    again what was known.
    """
    last = order.settled_receipts(connection, lines_to)
    if last <= start:
        return Moves(start, start, 0, (), is_last=True)
    found, covered = order.batch(connection, moves_of(order), receipts, start, last, limit)
    rows: list[list[Any]] = []
    end, count = start, 0
    for *values, is_sandbox, line_place, place in found:
        _, line_seq, previous_status, status = values[:4]
        if line_place is not None and line_place > lines_to:
            return Moves(start, end, count, rows, is_last=False)
        end, count = place, count + 1
        if line_seq is not None and not is_sandbox and previous_status not in (None, status):
            rows.append(values)
    return Moves(start, end, count, rows, is_last=covered >= last)


def moves_of(order: SeqOrder) -> Select[Any]:
    """Receipts with what a move needs of their line: whether it is of the sandbox, its place."""
    lines = usage_lines.c
    return select(
        receipts.c.seq, lines.seq, receipts.c.previous_status, receipts.c.status,
        *(raw(lines[name]) for name in _LINE_COLUMNS), raw(lines.is_sandbox),
        order.place(usage_lines).label("line_place"),
    ).select_from(receipts.outerjoin(usage_lines, lines.id == receipts.c.line_id))  # fmt: skip


def append_moves(cursor: Cursor, moves: Moves) -> None:
    """Puts a batch into the store, and lets the sums by status follow."""
    if not moves.rows:
        return
    table = {
        name: pa.array([row[place] for row in moves.rows], type=_arrow_type(name))
        for place, name in enumerate(_NAMES)
    }
    cursor.register("moved", pa.table(table))
    cursor.execute(view("append_moves"))
    cursor.execute(view("append_roll_day_moves"))


def _arrow_type(name: str) -> pa.DataType:
    if name == "occurred_at":
        return pa.timestamp("us")
    return pa.int64() if name in _INTEGERS else pa.string()
