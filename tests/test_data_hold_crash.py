"""kill -9 in a storm of authorize and settle: what was answered is there, and nothing twice."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from data import tables as t
from data.database import open_database, sqlite_url
from data.migrate import migrate
from tests import forked, hold_crash
from tests.databases import postgresql_url
from tests.hold_ledger import Holding

KILLS = 4
PRICE = 10_000
ANSWERS = 60  # before a kill
PATIENCE_SECONDS = 60


def told(folder: Path) -> list[tuple[str, int, str]]:
    """Every answer that the callers had; a line that the kill cut off is none."""
    file = folder / "told"
    lines = file.read_text().splitlines(keepends=True) if file.exists() else []
    parts = [line.split() for line in lines if line.endswith("\n")]
    return [(kind, int(number), hold) for kind, number, hold in parts]


def storm(url: str, folder: Path, first: int) -> None:
    """Callers at work, and a kill while they are."""
    before = len(told(folder))
    process = forked.start(
        hold_crash.main, url, folder, first, environment={**os.environ}, told=folder / "output"
    )
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(told(folder)) < before + ANSWERS:
        assert process.is_alive(), (folder / "output").read_text()
        assert time.monotonic() < deadline, "nothing is answered"
        time.sleep(0.002)
    process.kill()
    process.join(PATIENCE_SECONDS)
    assert process.exitcode == -9


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_after_a_kill_every_answer_is_in_the_ledger_and_a_retry_charges_once(
    tmp_path: Path, dialect: str
):
    url = sqlite_url(tmp_path / "k.db") if dialect == "sqlite" else postgresql_url(tmp_path / "k")
    database = open_database(url)
    migrate(database)
    with Holding(tmp_path, database) as ledger:
        ledger.add()
        ledger.credit(10**9)
        for kill in range(KILLS):
            storm(url, tmp_path, kill * 10_000)
            assert ledger.broken() == [], "reserved = open holds, windows, entries, lots"
            holds = {row.id: row for row in ledger.rows(t.holds, "acme")}
            for kind, number, hold in told(tmp_path):
                assert holds[hold].request_id == f"request-{number}"
                assert kind == "hold" or holds[hold].state == "settled"
        _retry(ledger, tmp_path)


def _retry(ledger: Holding, folder: Path) -> None:
    """Everything that was begun is sent again, answered or not: each is charged once."""
    holds = {row.request_id: row for row in ledger.rows(t.holds, "acme")}
    known = {number: hold for kind, number, hold in told(folder) if kind == "hold"}
    numbers = sorted({*known, *(int(request.split("-")[1]) for request in holds)})
    for number in numbers:
        decided = ledger.decisions.submit("acme", hold_crash.request_of(number)).result(60)
        assert decided["hold_id"] == known.get(number, decided["hold_id"]), "the first answer"
        answer = ledger.decisions.submit(
            "acme", hold_crash.settle_of(number, decided["hold_id"])
        ).result(60)
        assert answer["state"] == "settled"
    assert ledger.broken() == []
    lines = ledger.lines()
    assert len(lines) == len(numbers)
    assert sum(line.cost_micros for line in lines) == sum(
        (1 + number % 2) * PRICE for number in numbers
    )
    assert {line.flags for line in lines} == {None}
    (balance,) = ledger.rows(t.balances)
    assert balance.reserved_micros == 0
