"""How far into the ledger something has come: the one place that knows what a position is.

On SQLite a position is the ``seq`` of a line, because one writer at a time makes sequence
numbers visible in order. On PostgreSQL they become visible out of order, and a position must be
a transaction id read through a snapshot's window; that is a second class with these methods.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select

from billing.errors import InputError
from data.tables import receipts, usage_lines


class SeqOrder:
    """The ledger in order of ``seq``; a position is the last one that was taken, 0 for none."""

    def after(self, position: int) -> ColumnElement[bool]:
        """Lines that a reader at ``position`` has not seen."""
        return usage_lines.c.seq > position

    def up_to(self, position: int) -> ColumnElement[bool]:
        """Lines that a reader at ``position`` has seen."""
        return usage_lines.c.seq <= position

    def batch(
        self,
        connection: Connection,
        columns: Sequence[ColumnElement[Any]],
        position: int,
        last: int | None,
        limit: int,
    ) -> Sequence[Row[*tuple[Any, ...]]]:
        """At most ``limit`` lines after a position and up to ``last``, in ledger order.

        The first of ``columns`` must be ``seq``.
        """
        lines = select(*columns).where(self.after(position))
        if last is not None:
            lines = lines.where(self.up_to(last))
        return connection.execute(lines.order_by(usage_lines.c.seq).limit(limit)).all()

    def newest(self, connection: Connection) -> int:
        """The position of a reader that has seen everything in the connection's snapshot."""
        return int(connection.execute(select(func.max(usage_lines.c.seq))).scalar() or 0)

    def newest_receipt(self, connection: Connection) -> int:
        """The same of receipts, which are counted apart from lines."""
        return int(connection.execute(select(func.max(receipts.c.seq))).scalar() or 0)


def ledger_order(dialect: str) -> SeqOrder:
    """The order of the ledger on a database."""
    if dialect != "sqlite":
        raise InputError("USAGE_DATABASE_URL", dialect, "use SQLite: analytics follow no other yet")
    return SeqOrder()
