"""Where a line stands now, as SQL: its own status, or that of the last receipt that moved it.

Must not know who asks. One step in the index of receipts for each line looked at.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, func, select, true

from data.tables import receipts, usage_lines


def last_move(
    lines: FromClause, column: ColumnElement[Any], up_to: int | None = None
) -> Select[Any]:
    """A column of the last receipt that moved a line; a correlated statement of one row or none.

    ``up_to``: the ``seq`` of the last receipt that counts; none: all do.
    """
    return (
        select(column)
        .where(
            receipts.c.account_id == lines.c.account_id,
            receipts.c.line_id == lines.c.id,
            receipts.c.previous_status.is_not(None),
            receipts.c.seq <= up_to if up_to is not None else true(),
        )
        .order_by(receipts.c.seq.desc())
        .limit(1)
        .correlate(lines)
    )


def standing(lines: FromClause = usage_lines, up_to: int | None = None) -> ColumnElement[str]:
    """The status of a line of the ledger's table, or a part of it, as it is now."""
    moved = last_move(lines, receipts.c.status, up_to).scalar_subquery()
    return func.coalesce(moved, lines.c.status).label("status")
