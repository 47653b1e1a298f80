"""``verify`` names a top-up that isn't in the wallet as it was paid, or that came twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from data.ledger.guards import create_guards, drop_guards
from tests import recharge_ledger as gate
from tests.recharge_ledger import UNIT, Topping

ENTRY = "(SELECT entry_id FROM recharges ORDER BY asked_at, id LIMIT 1)"
OTHER = "(SELECT id FROM wallet_entries WHERE kind = 'top_up' AND actor IS NULL)"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Topping]:
    """Two that were paid on one day, 40 of 50, and one of them after a decline."""
    with Topping(tmp_path) as opened:
        opened.add()
        opened.owned()
        opened.credit(100 * UNIT)
        opened.gateway.answers = [gate.PAYS, gate.DECLINES]
        opened.set()
        opened.spend(95)
        opened.run()
        opened.spend(20)
        opened.run()
        opened.wait(minutes=15)
        opened.run()
        assert opened.states() == ["done", "declined", "done"]
        assert opened.broken() == []
        yield opened


def tamper(ledger: Topping, *statements: str) -> list[str]:
    """What is found of recharges after somebody with the file and no scruples was here."""
    with ledger.database.write() as connection:
        drop_guards(connection)
        for each in statements:
            connection.execute(text(each))
        create_guards(connection)
    return [each for each in ledger.broken() if "recharge" in each]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (f"UPDATE wallet_entries SET amount_micros = 7 WHERE id = {ENTRY}", "is of 7"),
        (f"UPDATE wallet_entries SET account_id = 'globex' WHERE id = {ENTRY}", "no entry in its"),
        (f"DELETE FROM wallet_entries WHERE id = {ENTRY}", "of 20000000 micros: no entry"),
        (f"UPDATE wallet_entries SET actor = 'person:x' WHERE id = {ENTRY}", "no automatic top-up"),
        (f"UPDATE wallet_entries SET kind = 'grant' WHERE id = {ENTRY}", "no automatic top-up"),
        (f"DELETE FROM recharges WHERE entry_id = {ENTRY}", "an automatic top-up of 0 recharges"),
        (f"UPDATE wallet_entries SET actor = 'auto-recharge' WHERE id = {OTHER}", "of 0 recharges"),
        (f"UPDATE recharges SET amount_micros = 1 WHERE entry_id = {ENTRY}", "is of 20000000"),
        ("UPDATE recharges SET counted_on = '2026-11-22', state = 'waiting', next_at = asked_at "
         "WHERE state = 'declined'", "recharges of 60000000 micros, and a day may take 50000000"),
    ],
)  # fmt: skip
def test_a_recharge_that_is_not_as_it_was_paid_is_named(
    ledger: Topping, change: str, expected: str
):
    assert any(expected in each for each in tamper(ledger, change)), expected


def test_an_entry_of_two_recharges_is_named(ledger: Topping):
    found = tamper(
        ledger,
        "CREATE TABLE kept AS SELECT * FROM recharges",
        f"INSERT INTO kept SELECT * FROM recharges WHERE entry_id = {ENTRY}",
        "DROP TABLE recharges",
        "ALTER TABLE kept RENAME TO recharges",
    )
    assert any("an automatic top-up of 2 recharges" in each for each in found)


def test_two_in_flight_are_named(ledger: Topping):
    found = tamper(
        ledger,
        "DROP INDEX ix_recharges_open",
        "UPDATE recharges SET state = 'waiting', next_at = asked_at, entry_id = NULL",
    )
    assert "account acme: 3 recharges are in flight" in found


def test_a_ceiling_that_was_lowered_since_is_no_fault(ledger: Topping):
    ledger.set(daily_ceiling_micros=20 * UNIT)
    assert ledger.broken() == []
