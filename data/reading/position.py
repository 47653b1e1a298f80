"""How far into the ledger something has come: the one place that knows what a position is.

On SQLite a position is the ``seq`` of a row, because one writer at a time makes sequence numbers
visible in order. On PostgreSQL they become visible out of order; there a position is the number
of a transaction (the column ``tx``, data/postgres.py), and rows are taken only once no
transaction that is still at work can put others before them.

Within one account ``seq`` is in order of commit on both, because whoever writes an account's
lines holds the lock on its balance until the commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    Select,
    Table,
    func,
    literal_column,
    select,
    text,
    tuple_,
)

from data.tables import receipts, usage_lines

_SETTLED = text("SELECT ledger_settled()")
Rows = Sequence[Row[*tuple[Any, ...]]]


class SeqOrder:
    """Rows of ``usage_lines`` or ``receipts`` in order of ``seq``.

    A position is the place of the last row that was taken, 0 for none.
    """

    def place(self, table: Table = usage_lines) -> ColumnElement[int]:
        """The position of a row."""
        return table.c.seq

    def sort(self, table: Table = usage_lines) -> tuple[ColumnElement[int], ...]:
        """What to order rows by."""
        return (table.c.seq,)

    def past(self, row: Sequence[Any], table: Table = usage_lines) -> ColumnElement[bool]:
        """Rows after one whose first value is its ``seq`` and whose last is its place."""
        is_past: ColumnElement[bool] = table.c.seq > row[0]
        return is_past

    def after(self, position: int, table: Table = usage_lines) -> ColumnElement[bool]:
        """Rows that a reader at ``position`` has not seen."""
        return self.place(table) > position

    def up_to(self, position: int, table: Table = usage_lines) -> ColumnElement[bool]:
        """Rows that a reader at ``position`` has seen."""
        return self.place(table) <= position

    def newest(self, connection: Connection, table: Table = usage_lines) -> int:
        """The highest place in the connection's snapshot, 0 for none."""
        highest = select(func.max(self.place(table))).select_from(table)
        return int(connection.scalar(highest) or 0)

    def settled(self, connection: Connection) -> int:
        """Up to where no line can appear any more that the connection's snapshot doesn't show."""
        return self.newest(connection)

    def settled_receipts(self, connection: Connection, lines_to: int) -> int:
        """The same of receipts; ``lines_to``: the place up to which lines are taken."""
        return self.newest(connection, receipts)

    def batch(
        self,
        connection: Connection,
        statement: Select[Any],
        table: Table,
        start: int,
        end: int,
        limit: int,
    ) -> tuple[Rows, int]:
        """About ``limit`` rows after ``start`` and up to ``end``, each with its place at its end.

        ``statement``: what to select from the table, ``seq`` first. Also gives the position up
        to which everything is among them.
        """
        rows = connection.execute(
            self._between(statement, table, start, end).limit(limit)
        ).all()  # fmt: skip
        return rows, rows[-1][-1] if len(rows) == limit else end

    def _between(self, statement: Select[Any], table: Table, start: int, end: int) -> Select[Any]:
        return (
            statement.add_columns(self.place(table).label("place"))
            .where(self.after(start, table), self.up_to(end, table))
            .order_by(*self.sort(table))
        )


class TransactionOrder(SeqOrder):
    """The same rows in order of the transaction that wrote them."""

    def place(self, table: Table = usage_lines) -> ColumnElement[int]:
        """The number of the transaction that wrote a row."""
        return literal_column(f"{table.name}.tx", BigInteger)

    def sort(self, table: Table = usage_lines) -> tuple[ColumnElement[int], ...]:
        """By transaction, within one by ``seq``."""
        return self.place(table), table.c.seq

    def past(self, row: Sequence[Any], table: Table = usage_lines) -> ColumnElement[bool]:
        """Rows after one whose first value is its ``seq`` and whose last is its place."""
        return tuple_(*self.sort(table)) > (row[-1], row[0])

    def settled(self, connection: Connection) -> int:
        """The transaction before the oldest one that is still at work."""
        return int(connection.scalar(_SETTLED) or 0)

    def settled_receipts(self, connection: Connection, lines_to: int) -> int:
        """As far as lines: a receipt is written with its line or after it."""
        return lines_to

    def batch(
        self,
        connection: Connection,
        statement: Select[Any],
        table: Table,
        start: int,
        end: int,
        limit: int,
    ) -> tuple[Rows, int]:
        """About ``limit`` rows, as above: a transaction is taken whole, however large it is."""
        places = (
            select(self.place(table)).select_from(table)
            .where(self.after(start, table), self.up_to(end, table))
            .order_by(self.place(table))
        )  # fmt: skip
        beyond = connection.scalar(places.offset(limit).limit(1))
        if beyond is not None:
            first = connection.scalar(places.limit(1))
            end = beyond if first == beyond else beyond - 1
        return connection.execute(self._between(statement, table, start, end)).all(), end


def ledger_order(dialect: str) -> SeqOrder:
    """The order of the ledger on a database."""
    return TransactionOrder() if dialect == "postgresql" else SeqOrder()
