"""Every sum that analytics keep is proved cell by cell: its figures, and what it is of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from functools import partial
from pathlib import Path

import pytest

from data.analytics.lake import ROLLUPS, Cursor
from data.analytics.sync import sync_all
from data.proof.verify import verify
from tests.ledger_builder import Line
from tests.reading import Store

SUMS = ("line_count", "base_units", "pulses", "talk_seconds", "cost_micros")
NAMES = {
    "metric": "inbound_sms", "service": "Voice", "direction": "inbound", "campaign_id": "autumn",
    "consumer_id": None, "local_month": "2026-09",
}  # fmt: skip
KNOWN = {
    "metric": "sms_credits", "service": "SMS", "direction": "outbound", "campaign_id": "spring",
    "consumer_id": "ana", "local_month": "2026-10",
}  # fmt: skip


def _run(sql: str, given: dict[str, str | None], cursor: Cursor) -> None:
    cursor.execute(sql, given).fetchall()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Two accounts with a line on each of some days, synced in pieces."""
    opened = Store(tmp_path)
    for account_id in ("acme", "beta"):
        opened.builder.add_account(account_id)
        opened.add(
            *(
                Line(
                    account_id=account_id, cost=100 + n, day=date(2026, 10, 1 + n),
                    campaign="spring", consumer="ana",
                )
                for n in range(8)
            )
        )  # fmt: skip
    sync_all(opened.database, opened.lake, 6)
    yield opened
    opened.close()


@pytest.mark.parametrize("table", ROLLUPS)
def test_each_figure_and_each_name_of_a_sum_is_proved(store: Store, table: str):
    """A sum under another name is right as a whole, but not where it is."""
    columns = store.lake.snapshot(
        lambda cursor: cursor.execute(f"SELECT * FROM lake.{table} LIMIT 0").description
    )
    names = [column[0] for column in columns if column[0] in NAMES]
    changes = [*((name, f"{name} + 1") for name in SUMS), *((name, "$new") for name in names)]
    for number, (name, value) in enumerate(changes):  # a column a day, more go around
        day = f"2026-10-{1 + number % 8:02d}"
        sql = f"UPDATE lake.{table} SET {name} = {value} WHERE account_id = 'acme' "
        given = {"new": NAMES[name]} if value == "$new" else {}
        store.lake.change(partial(_run, f"{sql} AND booked_on = '{day}'", given))
    report = verify(store.database, store.lake)
    (check,) = [check for check in report.checks if not check.passed]
    assert check.name == f"analytics: {table} = ledger"
    assert all(each.startswith(f"{table} (acme, 2026-10-0") for each in check.broken)
    for number, (name, value) in enumerate(changes):
        day = f"2026-10-{1 + number % 8:02d}"
        of_day = [each for each in check.broken if day in each]
        if value != "$new":
            assert any(f"{name} " in each for each in of_day), name
            continue
        missing = [each for each in of_day if "line_count 1 in the ledger, 0 in" in each]
        foreign = [each for each in of_day if "line_count 0 in the ledger" in each]
        assert len(missing) == len(foreign) == 1, name
        assert KNOWN[name] in missing[0]
        assert re.search(rf"\b{NAMES[name] or 'none'}\b", foreign[0])
    assert verify(store.database, store.lake, "beta").passed
