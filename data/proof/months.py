"""The nightly proof: lines, units and cost of each open month, analytics against the ledger.

Quick enough for every night where ``verify`` proves each line; a month is open while a billing
period of any account reaches into it or past it. Must not know what is done about a difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, String, cast, func, select

from data import tables as t
from data.analytics.lake import ROLLUPS, Cursor, Lake, positions
from data.analytics.views import run_view
from data.database import Database
from data.reading.position import ledger_order

PARTS = ("lines", *ROLLUPS)
MOST_NAMED = 5
Sums = tuple[int, int, int]  # lines, base units, micros
Cells = dict[tuple[str, str], Sums]  # by month and account
_NOTHING: Sums = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class MonthProof:
    """Months that were compared, and of those that differ the first differences, as sentences."""

    months: tuple[str, ...]
    differing: Mapping[str, tuple[str, ...]]


def prove_months(database: Database, lake: Lake) -> MonthProof:
    """Compares every open month. Errors: ``LakeError`` when analytics can't be read at all."""

    def prove(cursor: Cursor) -> MonthProof:
        to = positions(cursor).lines  # the ledger's snapshot comes later, so it has all of this
        with database.read() as connection:
            first_on = first_open_day(connection)
            if first_on is None:
                return MonthProof((), {})
            ledger = _ledger_sums(connection, database.dialect, first_on, to)
        found: dict[str, Cells] = {part: {} for part in PARTS}
        for part, month, account_id, *sums in run_view(
            cursor, "month_sums", {"first_on": first_on.isoformat()}
        ):
            found[part][month, account_id] = (sums[0], sums[1], sums[2])
        return _compared(ledger, found)

    return lake.snapshot(prove)


def first_open_day(connection: Connection) -> date | None:
    """The first day of the first month that isn't closed for every account; none without lines."""
    statements, lines = t.statements.c, t.usage_lines.c
    ends = select(func.max(statements.period_end)).group_by(statements.account_id)
    days = list(connection.scalars(ends))
    stated = select(statements.account_id)
    first = connection.scalar(
        select(func.min(lines.booked_on)).where(lines.account_id.not_in(stated))
    )
    if first is not None:
        days.append(first)
    return min(days).replace(day=1) if days else None


def _ledger_sums(connection: Connection, dialect: str, first_on: date, to: int) -> Cells:
    lines = t.usage_lines.c
    month = func.substr(cast(lines.booked_on, String(10)), 1, 7).label("local_month")
    rows = connection.execute(
        select(
            month, lines.account_id, func.count(), func.sum(lines.base_units),
            func.sum(lines.cost_micros),
        )
        .where(
            lines.booked_on >= first_on, lines.is_sandbox.is_(False),
            ledger_order(dialect).up_to(to),
        )
        .group_by(month, lines.account_id)
    )  # fmt: skip
    return {(row[0], row[1]): (int(row[2]), int(row[3]), int(row[4])) for row in rows}


def _compared(ledger: Cells, analytics: Mapping[str, Cells]) -> MonthProof:
    differing: dict[str, list[str]] = {}
    months = {month for month, _ in ledger}
    for part, cells in analytics.items():
        months |= {month for month, _ in cells}
        for key in sorted(ledger.keys() | cells.keys()):
            expected, found = ledger.get(key, _NOTHING), cells.get(key, _NOTHING)
            if expected != found:
                month, account_id = key
                differing.setdefault(month, []).append(
                    f"{part} of {account_id}: lines {found[0]} of {expected[0]}, "
                    f"units {found[1]} of {expected[1]}, micros {found[2]} of {expected[2]}"
                )
    named = {month: tuple(texts[:MOST_NAMED]) for month, texts in sorted(differing.items())}
    return MonthProof(tuple(sorted(months)), named)
