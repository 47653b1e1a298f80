"""Walks the ledger's lines and receipts for proofs: raw values in order, a piece at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Select, Table, select

from data.proof.seals import raw, sealed_columns
from data.reading.position import SeqOrder
from data.tables import receipts, usage_lines

PIECE_ROWS = 30_000
# What a move is compared by: of the receipt, then of the line that it moved.
MOVE_COLUMNS = ("seq", "line_seq", "previous_status", "status")
MOVED_COLUMNS = (
    "account_id", "metric", "service", "direction", "campaign_id", "consumer_id", "occurred_at",
    "booked_on", "base_units", "pulses", "talk_seconds", "cost_micros",
)  # fmt: skip

Lines = Sequence[Sequence[Any]]


class Ledger:
    """The lines of one snapshot of the truth, of all accounts or one."""

    def __init__(self, connection: Connection, order: SeqOrder, account_id: str | None) -> None:
        self._connection = connection
        self._order = order
        self.account_id = account_id

    def lines(self, to: int, *, seqs: tuple[int, int] | None = None) -> Iterator[Lines]:
        """Every line up to a place (included): ``SEALED_COLUMNS`` with raw values, its place.

        ``seqs``: only lines between two ``seq``, both included.
        """
        statement = select(*sealed_columns())
        if seqs is not None:
            statement = statement.where(usage_lines.c.seq.between(*seqs))
        yield from self._walk(statement, usage_lines, to)

    def moves(self, to: int) -> Iterator[Lines]:
        """Receipts up to a place (included) that took a line to another status; no sandbox.

        Values are those of ``MOVE_COLUMNS`` and ``MOVED_COLUMNS``, and the receipt's place.
        """
        moved = [raw(usage_lines.c[name]) for name in MOVED_COLUMNS]
        statement = (
            select(
                receipts.c.seq, usage_lines.c.seq, receipts.c.previous_status, receipts.c.status,
                *moved,
            )
            .join_from(receipts, usage_lines, usage_lines.c.id == receipts.c.line_id)
            .where(receipts.c.previous_status != receipts.c.status)
            .where(usage_lines.c.is_sandbox.is_(False))
        )  # fmt: skip
        yield from self._walk(statement, receipts, to)

    def newest_receipt(self) -> int:
        """The place of the last receipt of any account, 0 for none."""
        return self._order.newest(self._connection, receipts)

    def _walk(self, statement: Select[Any], table: Table, to: int) -> Iterator[Lines]:
        """A statement's rows in ledger order, ``PIECE_ROWS`` at a time."""
        if self.account_id is not None:
            statement = statement.where(usage_lines.c.account_id == self.account_id)
        place = self._order.place(table).label("place")
        statement = statement.add_columns(place).where(self._order.up_to(to, table))
        statement = statement.order_by(*self._order.sort(table)).limit(PIECE_ROWS)
        piece = statement
        while True:
            rows = self._connection.execute(piece).all()
            if rows:
                yield rows
            if len(rows) < PIECE_ROWS:
                return
            piece = statement.where(self._order.past(rows[-1], table))
