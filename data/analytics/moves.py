"""Delivery receipts on their way into the analytics store: a batch that follows its lines.

A receipt goes over with its line or after it, never before: the batch ends before the first one
whose line isn't there yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, select

from data.analytics.lake import Cursor
from data.analytics.views import view
from data.proof.seals import raw
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
    """Receipts after ``start`` up to ``end``; ``rows`` are those that analytics hold."""

    start: int
    end: int
    rows: Sequence[Sequence[Any]]
    is_last: bool


def read_moves(
    connection: Connection, start: int, limit: int, *, lines_to: int, newest: int
) -> Moves:
    """At most ``limit`` receipts after a place in their table, of lines up to ``lines_to``.

    ``newest``: the place of the last receipt there is. A sandbox line's receipts are passed, as
    are those that came too late and those that say again what was known.
    """
    if newest == start:
        return Moves(start, start, (), is_last=True)
    lines = usage_lines.c
    found = connection.execute(
        select(
            receipts.c.seq, lines.seq, receipts.c.previous_status, receipts.c.status,
            *(raw(lines[name]) for name in _LINE_COLUMNS), raw(lines.is_sandbox),
        )
        .select_from(receipts.outerjoin(usage_lines, lines.id == receipts.c.line_id))
        .where(receipts.c.seq > start)
        .order_by(receipts.c.seq)
        .limit(limit)
    ).all()  # fmt: skip
    end, rows = start, []
    for row in found:
        seq, line_seq, previous_status, status = row[:4]
        if line_seq is not None and line_seq > lines_to:
            break
        end = seq
        if line_seq is not None and not row[-1] and previous_status not in (None, status):
            rows.append(row[:-1])
    return Moves(start, end, rows, is_last=end >= newest)


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
