"""kill -9 at every step of a top-up: it is paid once, and in the wallet once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from data import tables as t
from data.database import open_database, sqlite_url
from data.migrate import migrate
from data.payments.test_gateway import LOSES_ANSWER, SUCCEEDS, TIMES_OUT, TestGateway
from data.phases import RECHARGE_PHASES
from tests import forked, recharge_crash
from tests.databases import postgresql_url
from tests.recharge_ledger import UNIT, Topping

STATE_AFTER_KILL = {  # the try, and whether the gateway has taken the amount
    "recharge.sent": ("sent", 0), "recharge.charged": ("sent", 1), "recharge.noted": ("done", 1),
}  # fmt: skip


def run(url: str, ledger: Topping, folder: Path, kill_at: str | None = None) -> None:
    """One run of the job in a process of its own, killed at a phase or not."""
    code, told = forked.run(
        recharge_crash.main, url, ledger.clock.at.isoformat(), folder / "phases", kill_at,
        environment=dict(os.environ),
    )  # fmt: skip
    assert code == (-9 if kill_at else 0), told


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
@pytest.mark.parametrize("phase", RECHARGE_PHASES)
def test_a_kill_at_any_phase_leads_to_exactly_one_top_up(tmp_path: Path, dialect: str, phase: str):
    url = sqlite_url(tmp_path / "k.db") if dialect == "sqlite" else postgresql_url(tmp_path / "k")
    database = open_database(url)
    migrate(database)
    with Topping(tmp_path, database) as ledger:
        ledger.add()
        ledger.credit(5 * UNIT)
        ledger.gateway = TestGateway(ledger.database, ledger.writer, ledger.clock)
        ledger.set(method=SUCCEEDS)
        run(url, ledger, tmp_path, kill_at=phase)
        assert (tmp_path / "phases").read_text().split()[-1] == phase, "it was hit"
        state, taken = STATE_AFTER_KILL[phase]
        assert ledger.states() == [state]
        assert len(ledger.rows(t.test_gateway_charges)) == taken
        for _ in range(3):
            ledger.wait(minutes=2)
            run(url, ledger, tmp_path)
        assert ledger.states() == ["done"]
        assert len(ledger.rows(t.test_gateway_charges)) == 1
        (entry,) = [row for row in ledger.rows(t.wallet_entries) if row.actor == "auto-recharge"]
        assert entry.amount_micros == 20 * UNIT
        assert ledger.posted() == 25 * UNIT
        assert ledger.broken() == []


@pytest.mark.parametrize("method", [LOSES_ANSWER, TIMES_OUT])
def test_kills_one_after_another_charge_nothing_twice(tmp_path: Path, method: str):
    """At each phase in turn, by a card whose answers are lost, or whose charges never arrive."""
    url = sqlite_url(tmp_path / "k.db")
    database = open_database(url)
    migrate(database)
    with Topping(tmp_path, database) as ledger:
        ledger.add()
        ledger.credit(5 * UNIT)
        ledger.gateway = TestGateway(ledger.database, ledger.writer, ledger.clock)
        ledger.set(method=method)
        run(url, ledger, tmp_path, kill_at="recharge.sent")
        for _ in range(3):
            ledger.wait(hours=1)
            run(url, ledger, tmp_path, kill_at="recharge.sent")
        ledger.wait(hours=1)
        run(url, ledger, tmp_path)
        ledger.wait(hours=1)
        if method == LOSES_ANSWER:
            run(url, ledger, tmp_path, kill_at="recharge.charged")
            ledger.wait(hours=1)
            run(url, ledger, tmp_path)
            assert ledger.states() == ["done"]
            assert ledger.posted() == 25 * UNIT
        else:
            run(url, ledger, tmp_path)
            assert ledger.states() == ["sent"]
            assert ledger.posted() == 5 * UNIT
        assert len(ledger.rows(t.test_gateway_charges)) == int(method == LOSES_ANSWER)
        assert ledger.broken() == []
