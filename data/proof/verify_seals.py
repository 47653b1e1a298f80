"""Proves the seals: the chain unbroken, and every sealed line as it was when it was sealed."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select

from data.columns import to_micros
from data.proof.seals import DIGEST_BYTES, NO_HASH, SEALED_COLUMNS, row_digest, seal_hash
from data.proof.verify_ledger import Lines
from data.tables import seals

MOST_COUNTED = 10_000  # a ledger that is broken throughout must not fill the memory
_ID = SEALED_COLUMNS.index("id")


@dataclass(slots=True)
class _OpenSeal:
    """The digests of one seal that no line was found for yet."""

    first_seq: int
    last_seq: int
    waiting: set[bytes]
    altered_count: int = 0


class SealProof:
    """Takes the lines in ledger order and says which don't match what was sealed.

    A digest covers the line's ``seq``, so each line has its own.
    """

    def __init__(self, connection: Connection, account_id: str | None) -> None:
        self._connection = connection
        self._is_whole = account_id is None
        self._broken: list[str] = []
        self._missing: list[str] = []
        self._lasts: list[int] = []
        self._open: _OpenSeal | None = None
        self._next = 0
        self._line_count = 0
        self._prove_chain()

    @property
    def sealed_to(self) -> int:
        """The place of the last sealed line, 0 for none."""
        return self._lasts[-1] if self._lasts else 0

    @property
    def figures(self) -> Mapping[str, int]:
        """How much was proved."""
        return {"seals": len(self._lasts), "lines": self._line_count}

    def take(self, lines: Lines) -> None:
        """Compares lines that follow those taken before."""
        for line in lines:
            if line[-1] > self.sealed_to:
                return
            found = self._seal_of(line[-1])
            self._line_count += 1
            digest = row_digest(line)
            if digest in found.waiting:
                found.waiting.remove(digest)
            else:
                found.altered_count += 1
                if len(self._broken) < MOST_COUNTED:
                    self._broken.append(f"line seq {line[0]} ({line[_ID]}) is not as it was sealed")

    def broken(self) -> list[str]:
        """Everything that is wrong, by name; call it after the last line."""
        while self._is_whole and self._next < len(self._lasts):
            self._enter(self._next)
        self._leave()
        return [*self._broken, *self._missing]

    def _prove_chain(self) -> None:
        previous_hash, previous_last = NO_HASH, 0
        for row in self._connection.execute(select(seals).order_by(seals.c.seq)):
            expected = seal_hash(
                previous_hash, row.first_seq, row.last_seq, row.row_digests,
                to_micros(row.sealed_at),
            )  # fmt: skip
            is_whole = len(row.row_digests) == DIGEST_BYTES * row.row_count
            if row.hash != expected or row.previous_hash != previous_hash or not is_whole:
                self._broken.append(f"seal {row.seq} (lines {row.first_seq} to {row.last_seq})")
            if row.first_seq <= previous_last or row.last_seq < row.first_seq:
                self._broken.append(f"seal {row.seq} overlaps the one before")
            previous_hash, previous_last = row.hash, row.last_seq
            self._lasts.append(row.last_seq)

    def _seal_of(self, place: int) -> _OpenSeal:
        """The seal that covers a line's place; those passed on the way are finished."""
        if self._open is None or place > self._open.last_seq:
            number = bisect_left(self._lasts, place)
            while self._is_whole and self._next < number:
                self._enter(self._next)
            self._enter(number)
        assert self._open is not None
        return self._open

    def _enter(self, number: int) -> None:
        self._leave()
        row = self._read(self._lasts[number])
        waiting = {
            bytes(row.row_digests[i : i + DIGEST_BYTES])
            for i in range(0, len(row.row_digests), DIGEST_BYTES)
        }
        self._open = _OpenSeal(row.first_seq, row.last_seq, waiting)
        self._next = number + 1

    def _leave(self) -> None:
        """Says how many lines of the seal are gone, beyond those that were altered."""
        seal, self._open = self._open, None
        if seal is None or not self._is_whole:
            return
        gone = len(seal.waiting) - seal.altered_count
        if gone > 0:
            self._missing.append(
                f"{gone} sealed line(s) missing between places {seal.first_seq} and {seal.last_seq}"
            )

    def _read(self, last_seq: int) -> Row[*tuple[Any, ...]]:
        return self._connection.execute(
            select(seals.c.first_seq, seals.c.last_seq, seals.c.row_digests).where(
                seals.c.last_seq == last_seq
            )
        ).one()
