"""Walks the ledger's lines and receipts for proofs: raw values in order, a piece at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from data.proof.seals import raw, sealed_columns
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

    def __init__(self, connection: Connection, account_id: str | None) -> None:
        self._connection = connection
        self.account_id = account_id

    def lines(self, last_seq: int) -> Iterator[Lines]:
        """Every line up to a ``seq`` (included), as ``SEALED_COLUMNS`` with raw values."""
        yield from self.between(0, last_seq)

    def between(self, after_seq: int, last_seq: int) -> Iterator[Lines]:
        """The lines after one ``seq`` and up to another (included)."""
        statement = select(*sealed_columns()).order_by(usage_lines.c.seq).limit(PIECE_ROWS)
        if self.account_id is not None:
            statement = statement.where(usage_lines.c.account_id == self.account_id)
        after = after_seq
        while True:
            lines = self._connection.execute(
                statement.where(usage_lines.c.seq > after, usage_lines.c.seq <= last_seq)
            ).all()
            if lines:
                yield lines
            if len(lines) < PIECE_ROWS:
                return
            after = lines[-1][0]

    def moves(self, last_seq: int) -> Iterator[Lines]:
        """Receipts up to a ``seq`` (included) that took a line to another status; no sandbox.

        Values are those of ``MOVE_COLUMNS`` and ``MOVED_COLUMNS``.
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
            .order_by(receipts.c.seq)
            .limit(PIECE_ROWS)
        )  # fmt: skip
        if self.account_id is not None:
            statement = statement.where(usage_lines.c.account_id == self.account_id)
        after = 0
        while True:
            moves = self._connection.execute(
                statement.where(receipts.c.seq > after, receipts.c.seq <= last_seq)
            ).all()
            if moves:
                yield moves
            if len(moves) < PIECE_ROWS:
                return
            after = moves[-1][0]

    def newest_receipt(self) -> int:
        """The ``seq`` of the last receipt of any account, 0 for none."""
        return int(self._connection.scalar(select(func.max(receipts.c.seq))) or 0)
