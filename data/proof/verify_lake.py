"""Proves that analytics equal the ledger: each line, each move, and each cell of every rollup.

The ledger's lines are summed up again here, apart from the code that fills the lake, and both
sides are compared by DuckDB: lines by hashes over small stretches of the ledger, rollups cell by
cell. Only stretches that differ are looked at line by line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from data.analytics.lake import Cursor
from data.proof.seals import SEALED_COLUMNS
from data.proof.verify_ledger import Ledger, Lines
from data.proof.verify_moves import MoveProof

STRETCH_ROWS = 8_192
MOST_STRETCHES = 20
MOST_CELLS = 1_000
_SUMS = ("line_count", "base_units", "pulses", "talk_seconds", "cost_micros")
_INTEGERS = (
    "seq", "base_units", "pulses", "talk_seconds", "connect_fee_micros", "cost_micros",
)  # fmt: skip
_COMPARED = (
    "seq", "id", "account_id", "event_id", "metric", "service", "direction", "agent", "status",
    "campaign_id", "consumer_id", "occurred_at", "booked_on", "local_month", "base_units",
    "pulses", "talk_seconds", "connect_fee_micros", "cost_micros", "currency",
)  # fmt: skip
_DAY = ("account_id", "booked_on", "local_month")
_METRIC = ("metric", "service", "direction")
_ROLLUPS: Mapping[str, tuple[str, ...]] = {
    "roll_day": ("account_id", "booked_on", "metric", "service", "direction", "status"),
    "roll_campaign": ("account_id", "booked_on", "campaign_id"),
    "roll_consumer": ("account_id", "booked_on", "consumer_id"),
    "roll_campaign_metric": (*_DAY, "campaign_id", *_METRIC),
    "roll_consumer_metric": (*_DAY, "consumer_id", *_METRIC),
    "roll_campaign_consumer": (*_DAY, "campaign_id", "consumer_id"),
}
_LINE_HASHES = f"""
    local_month, seq // {STRETCH_ROWS} AS stretch, count(*)::BIGINT AS line_count,
    sum(hash({", ".join(_COMPARED)}))::HUGEINT AS hashes
"""

Result = tuple[str, Mapping[str, int], list[str]]


class LakeProof:
    """Takes the ledger's lines up to a position, then compares with a snapshot of the lake.

    What it keeps in between are temporary tables, which end with the cursor.
    """

    def __init__(self, cursor: Cursor, ledger: Ledger, synced_to: int) -> None:
        self._cursor = cursor
        self._ledger = ledger
        self._synced_to = synced_to
        self._is_started = False
        self._line_count = 0
        self._moves = MoveProof(cursor, ledger.account_id)

    def take(self, lines: Lines) -> None:
        """Adds lines; sandbox lines and those after the position belong to no analytics."""
        sandbox = SEALED_COLUMNS.index("is_sandbox")
        kept = [line for line in lines if line[-1] <= self._synced_to and not line[sandbox]]
        self._line_count += len(kept)
        self._load(kept)
        verb = "INSERT INTO {} SELECT" if self._is_started else "CREATE TEMP TABLE {} AS SELECT"
        for name, keys in _ROLLUPS.items():
            self._cursor.execute(
                f"{verb.format(f'proof_{name}')} {', '.join(keys)}, count(*)::BIGINT AS line_count,"
                + ", ".join(f"sum({name})::BIGINT AS {name}" for name in _SUMS[1:])
                + " FROM proof_lines GROUP BY ALL"
            )
        self._cursor.execute(
            f"{verb.format('proof_hashes')} {_LINE_HASHES} FROM proof_lines GROUP BY ALL"
        )
        self._is_started = True

    def take_moves(self, moves: Lines) -> None:
        """Adds what receipts did to lines that were taken: sums by status follow."""
        if not self._is_started:
            self.take([])
        self._moves.take(moves)
        keys = ", ".join(_ROLLUPS["roll_day"])
        sums = ", ".join(f"sum(sign * {name})::BIGINT" for name in _SUMS[1:])
        self._cursor.execute(
            f"""
            INSERT INTO proof_roll_day
            SELECT {keys}, sum(sign)::BIGINT, {sums}
            FROM (
                SELECT * REPLACE (previous_status AS status), -1 AS sign FROM proof_moved
                UNION ALL
                SELECT *, 1 AS sign FROM proof_moved
            )
            GROUP BY ALL
            """  # noqa: S608
        )

    def results(self) -> Iterator[Result]:
        """The name, figures and broken rows of each comparison; call it after the last line."""
        if not self._is_started:
            self.take([])
        yield "analytics: lines = ledger", {"lines": self._line_count}, self._differing_lines()
        yield "analytics: moves = receipts", self._moves.figures, self._moves.broken()
        for name, keys in _ROLLUPS.items():
            cells, broken = self._differing_cells(name, keys)
            yield f"analytics: {name} = ledger", {"cells": cells}, broken

    def _load(self, lines: Lines) -> None:
        """Puts lines into the view ``proof_lines``, with the types that the lake has."""
        arrays: dict[str, Any] = {}
        for name in _COMPARED:
            if name == "local_month":
                continue
            place = SEALED_COLUMNS.index(name)
            kind = pa.int64() if name in _INTEGERS else pa.string()
            kind = pa.timestamp("us") if name == "occurred_at" else kind
            arrays[name] = pa.array([line[place] for line in lines], type=kind)
        self._cursor.register("proof_arrow", pa.table(arrays))
        self._cursor.execute(
            "CREATE OR REPLACE TEMP VIEW proof_lines AS "
            "SELECT * REPLACE (booked_on::DATE AS booked_on), "
            "strftime(booked_on::DATE, '%Y-%m') AS local_month FROM proof_arrow"
        )

    @property
    def _own(self) -> str:
        return "TRUE" if self._ledger.account_id is None else "account_id = $account_id"

    @property
    def _parameters(self) -> dict[str, str]:
        account_id = self._ledger.account_id
        return {} if account_id is None else {"account_id": account_id}

    def _differing_lines(self) -> list[str]:
        stretches = self._cursor.execute(
            f"""
            WITH ledger AS (
                SELECT local_month, stretch, sum(line_count) AS line_count, sum(hashes) AS hashes
                FROM proof_hashes GROUP BY ALL
            ), analytics AS (
                SELECT {_LINE_HASHES} FROM lake.lines WHERE {self._own} GROUP BY ALL
            )
            SELECT DISTINCT stretch
            FROM ledger FULL JOIN analytics USING (local_month, stretch)
            WHERE ledger.line_count IS DISTINCT FROM analytics.line_count
                OR ledger.hashes IS DISTINCT FROM analytics.hashes
            ORDER BY stretch LIMIT {MOST_STRETCHES}
            """,  # noqa: S608
            self._parameters,
        ).fetchall()
        return [text for (stretch,) in stretches for text in self._differing_in(stretch)]

    def _differing_in(self, stretch: int) -> list[str]:
        """Names each line of one stretch that is missing, too much or different."""
        first, last = stretch * STRETCH_ROWS, (stretch + 1) * STRETCH_ROWS - 1
        sandbox = SEALED_COLUMNS.index("is_sandbox")
        lines = [
            line
            for piece in self._ledger.lines(self._synced_to, seqs=(first, last))
            for line in piece
            if not line[sandbox]
        ]
        self._load(lines)
        columns = ", ".join(_COMPARED)
        rows = self._cursor.execute(
            f"""
            WITH both_sides AS (
                SELECT 'ledger' AS side, {columns} FROM proof_lines
                UNION ALL
                SELECT 'analytics' AS side, {columns} FROM lake.lines
                WHERE seq BETWEEN {first} AND {last} AND {self._own}
            )
            SELECT seq, local_month, id, list(side ORDER BY side),
                {", ".join(f"list({name}::VARCHAR ORDER BY side)" for name in _COMPARED[1:])}
            FROM (SELECT *, any_value(id) OVER (PARTITION BY seq) AS one_id FROM both_sides)
            GROUP BY seq, local_month, id
            HAVING NOT (count(*) = 2 AND {
                " AND ".join(
                    f"count(DISTINCT coalesce({name}::VARCHAR, '')) = 1" for name in _COMPARED
                )
            })
            ORDER BY seq, local_month, id
            """,  # noqa: S608
            self._parameters,
        ).fetchall()
        return [_line_difference(row) for row in rows]

    def _differing_cells(self, name: str, keys: tuple[str, ...]) -> tuple[int, list[str]]:
        named = ", ".join(keys)
        sums = ", ".join(
            f"coalesce(sum({column}) FILTER (side = '{side}'), 0)::BIGINT AS {side}_{column}"
            for side in ("ledger", "analytics")
            for column in _SUMS
        )
        columns = ", ".join(_SUMS)
        self._cursor.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE proof_cells AS
            SELECT {named}, {sums}
            FROM (
                SELECT 'ledger' AS side, {named}, {columns} FROM proof_{name}
                UNION ALL
                SELECT 'analytics' AS side, {named}, {columns} FROM lake.{name} WHERE {self._own}
            )
            GROUP BY ALL
            """,  # noqa: S608
            self._parameters,
        )
        counted = self._cursor.execute("SELECT count(*) FROM proof_cells").fetchone()
        differs = " OR ".join(f"ledger_{name} <> analytics_{name}" for name in _SUMS)
        rows = self._cursor.execute(
            f"SELECT * FROM proof_cells WHERE {differs} "  # noqa: S608
            f"ORDER BY {named} LIMIT {MOST_CELLS}"
        ).fetchall()
        self._cursor.execute("DROP TABLE proof_cells")
        return counted[0] if counted else 0, [_cell_difference(name, keys, row) for row in rows]


def _line_difference(row: tuple[Any, ...]) -> str:
    seq, local_month, line_id, sides = row[:4]
    where = f"line seq {seq} ({line_id}) of {local_month}"
    if sides == ["ledger"]:
        return f"{where} is missing from analytics"
    if sides == ["analytics"]:
        return f"{where} is not in the ledger"
    if len(sides) != 2:
        return f"{where} is in analytics {sides.count('analytics')} times"
    differing = [
        f"{name} {values[1]} in the ledger, {values[0]} in analytics"
        for name, values in zip(_COMPARED[1:], row[4:], strict=True)
        if values[0] != values[1]
    ]
    return f"{where}: {'; '.join(differing)}"


def _cell_difference(name: str, keys: tuple[str, ...], row: tuple[Any, ...]) -> str:
    cell = ", ".join("none" if value is None else str(value) for value in row[: len(keys)])
    ledger = row[len(keys) : len(keys) + len(_SUMS)]
    analytics = row[len(keys) + len(_SUMS) :]
    differing = [
        f"{column} {left} in the ledger, {right} in analytics"
        for column, left, right in zip(_SUMS, ledger, analytics, strict=True)
        if left != right
    ]
    return f"{name} ({cell}): {'; '.join(differing)}"
