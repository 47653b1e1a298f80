"""Walks the ledger's lines for proofs: raw values in ledger order, a piece at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, select

from data.proof.seals import sealed_columns
from data.tables import usage_lines

PIECE_ROWS = 30_000

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
