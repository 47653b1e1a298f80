"""The ledger's tail: what an account has there after the lake's position.

Lines are found by the one index made for that. Receipts come after a position of their own: one
of them may move a line that the lake has, and then the line is part of what is new.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import CTE, ColumnElement, Select, and_, literal, select, union_all

from data.analytics.lake import Positions
from data.ledger.standing import standing
from data.reading.position import SeqOrder
from data.tables import receipts, usage_lines

_COLUMNS = (
    "seq", "account_id", "metric", "service", "direction", "status", "campaign_id",
    "consumer_id", "occurred_at", "stored_at", "booked_on", "base_units", "pulses",
    "talk_seconds", "cost_micros", "is_sandbox",
)  # fmt: skip
_AMOUNTS = frozenset({"base_units", "pulses", "talk_seconds", "cost_micros"})


def newer_lines(
    account_id: str,
    order: SeqOrder,
    synced: Positions,
    *,
    is_by_status: bool,
    names: Collection[str] = _COLUMNS,
) -> CTE:
    """What to add to sums of the lake; receipts are read only where statuses matter.

    ``names``: the columns that it needs.
    """
    if is_by_status:
        return signed_tail(account_id, order, synced, names)
    return tail(account_id, order, synced.lines, names)


def tail(
    account_id: str, order: SeqOrder, synced_to: int, names: Collection[str] = _COLUMNS
) -> CTE:
    """The lines of an account that the lake has not got at a position, as they came.

    Materialized first: a planner that sees a metric or days beside the position prefers their
    index, and would walk the account's whole history to find a few new lines.
    """
    return _materialized(_after(account_id, order, synced_to, usage_lines.c.status, names))


def standing_tail(account_id: str, order: SeqOrder, synced: Positions) -> CTE:
    """Lines that the lake has not got, or not where they stand now; each once, as it stands."""
    known = moved_lines(account_id, order, synced, _columns(standing()))
    return _materialized(_after(account_id, order, synced.lines, standing()), known)


def moved_lines(
    account_id: str, order: SeqOrder, synced: Positions, columns: Sequence[ColumnElement[Any]]
) -> Select[Any]:
    """Lines that the lake has, but not where they stand now."""
    moved = (
        select(receipts.c.line_id)
        .distinct()
        .where(_moves_after(account_id, order, synced.receipts))
        .subquery("moved")
    )
    return (
        select(*columns)
        .join_from(moved, usage_lines, usage_lines.c.id == moved.c.line_id)
        .where(usage_lines.c.account_id == account_id, order.up_to(synced.lines))
    )


def signed_tail(
    account_id: str, order: SeqOrder, synced: Positions, names: Collection[str] = _COLUMNS
) -> CTE:
    """What to add to the lake's sums by status; ``line_count`` and amounts may be negative.

    New lines count where they came; each new receipt takes its line out of one status and puts
    it into another, whichever of the two stores has the line.
    """
    new = _after(account_id, order, synced.lines, usage_lines.c.status, names, sign=1)
    moves = [
        select(*_columns(status, sign, names))
        .join_from(receipts, usage_lines, usage_lines.c.id == receipts.c.line_id)
        .where(_moves_after(account_id, order, synced.receipts))
        .where(usage_lines.c.account_id == account_id)
        for status, sign in ((receipts.c.previous_status, -1), (receipts.c.status, 1))
    ]
    return _materialized(new, *moves)


def _moves_after(account_id: str, order: SeqOrder, position: int) -> ColumnElement[bool]:
    """Receipts of an account after a place in their table that moved a line.

    Found by the place and not by the account's index, which would lead through all it ever had:
    an expression keeps that index out.
    """
    return and_(
        order.after(position, receipts),
        (receipts.c.account_id + "") == account_id,
        receipts.c.previous_status.is_not(None),
    )


def _after(
    account_id: str,
    order: SeqOrder,
    position: int,
    status: ColumnElement[Any],
    names: Collection[str] = _COLUMNS,
    *,
    sign: int = 0,
) -> Select[Any]:
    return select(*_columns(status, sign, names)).where(
        usage_lines.c.account_id == account_id, order.after(position)
    )


def _columns(
    status: ColumnElement[Any], sign: int = 0, names: Collection[str] = _COLUMNS
) -> list[ColumnElement[Any]]:
    """A tail's columns; with a sign, amounts carry it and so does ``line_count``."""
    columns: list[ColumnElement[Any]] = []
    for name in _COLUMNS:
        if name not in names:
            continue
        column: ColumnElement[Any] = usage_lines.c[name]
        if name == "status":
            column = status.label(name)
        elif sign < 0 and name in _AMOUNTS:
            column = (-column).label(name)
        columns.append(column)
    return [*columns, literal(sign).label("line_count")] if sign else columns


def _materialized(*parts: Select[Any]) -> CTE:
    lines = parts[0] if len(parts) == 1 else union_all(*parts)
    return lines.cte("tail").prefix_with("MATERIALIZED")
