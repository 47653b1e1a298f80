"""Proves that the moves between statuses in analytics are the ledger's receipts, one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from data.analytics.lake import Cursor
from data.proof.verify_ledger import MOVE_COLUMNS, MOVED_COLUMNS, Lines

MOST_MOVES = 1_000
_NAMES = (*MOVE_COLUMNS, *MOVED_COLUMNS, "local_month")
_INTEGERS = ("seq", "line_seq", "base_units", "pulses", "talk_seconds", "cost_micros")


class MoveProof:
    """Takes the ledger's moves, then compares them with a snapshot of the lake."""

    def __init__(self, cursor: Cursor, account_id: str | None) -> None:
        self._cursor = cursor
        self._account_id = account_id
        self._count = 0
        self._load([])
        cursor.execute("CREATE OR REPLACE TEMP TABLE proof_moves AS SELECT * FROM proof_moved")

    def take(self, moves: Lines) -> None:
        """Adds moves; until the next ones they are in the view ``proof_moved``."""
        self._count += len(moves)
        self._load(moves)
        self._cursor.execute("INSERT INTO proof_moves SELECT * FROM proof_moved")

    @property
    def figures(self) -> Mapping[str, int]:
        """How much was proved."""
        return {"moves": self._count}

    def broken(self) -> list[str]:
        """Each move that is missing, too much or different; call it after the last one."""
        own = "TRUE" if self._account_id is None else "account_id = $account_id"
        parameters = {} if self._account_id is None else {"account_id": self._account_id}
        columns = ", ".join(_NAMES)
        ledger = f"SELECT {columns} FROM proof_moves"  # noqa: S608
        analytics = f"SELECT {columns} FROM lake.moves WHERE {own}"  # noqa: S608
        missing = self._rows(f"{ledger} EXCEPT ALL {analytics}", parameters)
        foreign = self._rows(f"{analytics} EXCEPT ALL {ledger}", parameters)
        broken = [_difference(row, foreign.pop(seq, None)) for seq, row in missing.items()]
        return broken + [f"{_name(row)} is not in the ledger" for row in foreign.values()]

    def _rows(self, sql: str, parameters: Mapping[str, str]) -> dict[int, tuple[Any, ...]]:
        found = self._cursor.execute(
            f"{sql} ORDER BY seq LIMIT {MOST_MOVES}", dict(parameters)
        ).fetchall()
        return {row[0]: row for row in found}

    def _load(self, moves: Lines) -> None:
        """Puts moves into the view ``proof_moved``, with the types that the lake has."""
        arrays: dict[str, Any] = {}
        for place, name in enumerate(_NAMES[:-1]):
            kind = pa.int64() if name in _INTEGERS else pa.string()
            kind = pa.timestamp("us") if name == "occurred_at" else kind
            arrays[name] = pa.array([move[place] for move in moves], type=kind)
        self._cursor.register("proof_moves_arrow", pa.table(arrays))
        self._cursor.execute(
            "CREATE OR REPLACE TEMP VIEW proof_moved AS "
            "SELECT * REPLACE (booked_on::DATE AS booked_on), "
            "strftime(booked_on::DATE, '%Y-%m') AS local_month FROM proof_moves_arrow"
        )


def _name(row: Sequence[Any]) -> str:
    return f"receipt seq {row[0]} (line seq {row[1]}, {row[2]} to {row[3]})"


def _difference(ledger: Sequence[Any], analytics: Sequence[Any] | None) -> str:
    if analytics is None:
        return f"{_name(ledger)} is missing from analytics"
    differing = [
        f"{name} {left} in the ledger, {right} in analytics"
        for name, left, right in zip(_NAMES, ledger, analytics, strict=True)
        if left != right
    ]
    return f"{_name(ledger)}: {'; '.join(differing)}"
