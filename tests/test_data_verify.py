"""Verify: passes on a sound ledger and names what was altered, wherever it was."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import insert, text

from data import tables as t
from data.analytics.lake import Lake
from data.analytics.sync import sync_all
from data.database import Database
from data.ledger.guards import create_guards, drop_guards
from data.proof.verify import Report, verify
from tests.databases import of_sqlite
from tests.ledger_builder import NOW, TRUTH, LedgerBuilder, Line, open_store, open_truth

pytestmark = of_sqlite  # alters the file
WALLET = "wallet: lots = entries = balance"
AFTER = "wallet: balance after each entry"
LOTS = "wallet: each lot = granted less drawn"
DRAWS = "wallet: draws sum to their entry"
WINDOWS = "limits: each window = its charges and open holds"
CHARGES = "charges: one entry a line, one line an entry"
LINES = "lines: each has its account and event"
SEALS = "seals: chain and every sealed line"
LAKE_LINES = "analytics: lines = ledger"
RECEIPTS = "receipts: each has its line, account and event"
CHAIN = "receipts: each moves its line from where it stood"
MOVES = "analytics: moves = receipts"
ROLL_DAY = "analytics: roll_day = ledger"
ROLL_CAMPAIGN = "analytics: roll_campaign = ledger"
ROLL_CONSUMER = "analytics: roll_consumer = ledger"
CAMPAIGN_METRIC = "analytics: roll_campaign_metric = ledger"
CONSUMER_METRIC = "analytics: roll_consumer_metric = ledger"
CAMPAIGN_CONSUMER = "analytics: roll_campaign_consumer = ledger"
ROLLED_UP = {
    ROLL_DAY, ROLL_CAMPAIGN, ROLL_CONSUMER, CAMPAIGN_METRIC, CONSUMER_METRIC, CAMPAIGN_CONSUMER,
}  # fmt: skip


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> tuple[Path, list[Line]]:
    """A folder with a sound ledger of two accounts, synced but for its last lines."""
    directory = tmp_path_factory.mktemp("sound")
    database = open_store(directory)
    builder = LedgerBuilder(database)
    builder.add_account("acme")
    builder.add_account("beta")
    lines = [
        Line(
            account_id=("acme", "beta")[n % 4 == 3],
            cost=100 + n if n % 5 else 0,
            day=date(2026, 9 + n % 3, 1 + n % 28),
            campaign=("spring", None)[n % 2],
            consumer=("ana", None)[n % 3 == 0],
            is_sandbox=n % 10 == 9,
        )
        for n in range(60)
    ]
    lake = Lake(directory, database)
    builder.add_lines(*lines[:50])
    builder.add_receipts(
        (lines[1], "delivered"), (lines[4], "delivered"), (lines[1], "read"),
        (lines[47], "failed"), (lines[4], None),
    )  # fmt: skip
    sync_all(database, lake, 20)
    builder.add_lines(*lines[50:])
    builder.add_receipts((lines[1], "failed"))
    lake.close()
    with database.write() as connection:
        connection.execute(
            insert(t.statements).values(
                account_id="acme", period_start=date(2026, 10, 1), period_end=date(2026, 11, 1),
                opening_micros=_booked(lines, 9), closing_micros=_booked(lines, 10),
                charges_micros=_booked(lines, 9) - _booked(lines, 10), currency="USD",
                closed_at=NOW, last_entry_seq=1_000, last_line_seq=1_000,
            )
        )  # fmt: skip
    database.dispose()
    return directory, lines


def _booked(lines: list[Line], month: int) -> int:
    """The balance of acme by booking date at the end of a month."""
    return 1_000_000_000 - sum(
        line.cost
        for line in lines
        if line.account_id == "acme" and not line.is_sandbox and line.day.month <= month
    )


class Store:
    def __init__(self, database: Database, lake: Lake) -> None:
        self.database = database
        self.lake = lake

    def tamper(self, sql: str, **values: object) -> None:
        """Changes the truth as somebody with the file and no scruples would."""
        with self.database.write() as connection:
            drop_guards(connection)
            assert connection.execute(text(sql), values).rowcount, sql
            create_guards(connection)

    def tamper_lake(self, sql: str) -> None:
        self.lake.change(lambda cursor: cursor.execute(sql).fetchall())

    def verify(self, account_id: str | None = None) -> Report:
        return verify(self.database, self.lake, account_id)


@pytest.fixture(scope="module")
def sound_lake(sound) -> Iterator[Lake]:
    database = open_truth(sound[0])
    lake = Lake(sound[0], database)
    yield lake
    lake.close()
    database.dispose()


@pytest.fixture
def store(tmp_path: Path, sound, sound_lake: Lake) -> Iterator[Store]:
    """A truth of its own to be altered, beside the sound lake, which takes longer to open."""
    shutil.copy(sound[0] / TRUTH, tmp_path)
    database = open_truth(tmp_path)
    yield Store(database, sound_lake)
    database.dispose()


@pytest.fixture
def lake_store(tmp_path: Path, sound) -> Iterator[Store]:
    """A truth and a lake of its own, to be altered."""
    shutil.copytree(sound[0], tmp_path, dirs_exist_ok=True)
    database = open_truth(tmp_path)
    store = Store(database, Lake(tmp_path, database))
    yield store
    store.lake.close()
    database.dispose()


def failed(report: Report) -> dict[str, tuple[str, ...]]:
    return {check.name: check.broken for check in report.checks if not check.passed}


def test_a_sound_ledger_passes_every_check(store: Store):
    report = store.verify()
    assert failed(report) == {}
    assert report.passed
    figures = {check.name: dict(check.figures) for check in report.checks}
    assert figures[WALLET] == {"accounts": 2}
    assert figures[SEALS] == {"seals": 3, "lines": 50}
    assert figures[LAKE_LINES] == {"lines": 45}
    assert (figures[RECEIPTS], figures[MOVES]) == ({"receipts": 6}, {"moves": 4})
    assert figures["statements = wallet by booking date"] == {"statements": 1}


@pytest.mark.parametrize("account_id", ["acme", "beta", "nobody"])
def test_one_account_alone_passes_too(store: Store, account_id: str):
    assert failed(store.verify(account_id)) == {}


def test_an_altered_line_is_named_by_every_check_it_breaks(store: Store, sound):
    line = sound[1][11]
    store.tamper("UPDATE usage_lines SET cost_micros = cost_micros + 1 WHERE seq = 12")
    found = failed(store.verify())
    assert set(found) == {CHARGES, WINDOWS, SEALS, LAKE_LINES, *ROLLED_UP}
    assert found[SEALS] == (f"line seq 12 ({line.id}) is not as it was sealed",)
    (difference,) = found[LAKE_LINES]
    assert f"line seq 12 ({line.id})" in difference
    assert f"cost_micros {line.cost + 1} in the ledger, {line.cost} in analytics" in difference
    assert set(failed(store.verify(line.account_id))) == set(found)
    other = "beta" if line.account_id == "acme" else "acme"
    assert failed(store.verify(other)) == {}


@pytest.mark.parametrize(
    "change",
    ["reason = 'x'", "flags = 'x'", "occurred_at = occurred_at + 1", "cap_on = '2026-01-01'",
     "stored_at = 0", "import_id = 'x'", "agent = 'ai'", "rate_id = ''"],
)  # fmt: skip
def test_no_column_of_a_sealed_line_can_be_altered(store: Store, sound, change: str):
    store.tamper(f"UPDATE usage_lines SET {change} WHERE seq = 30")
    named = failed(store.verify())[SEALS]
    assert named == (f"line seq 30 ({sound[1][29].id}) is not as it was sealed",)


def test_an_unsealed_line_with_another_cost_breaks_its_charge(store: Store, sound):
    store.tamper("UPDATE usage_lines SET cost_micros = 1 WHERE seq = 54")
    found = failed(store.verify())
    assert set(found) == {CHARGES, WINDOWS}
    assert sound[1][53].id in found[CHARGES][0]


def test_a_line_taken_out_is_missed(store: Store, sound):
    store.tamper("DELETE FROM usage_lines WHERE seq = 25")
    found = failed(store.verify())
    assert found[SEALS] == ("1 sealed line(s) missing between places 21 and 40",)
    assert all(words in found[LAKE_LINES][0] for words in ("seq 25", "not in the ledger"))


def test_a_whole_sealed_batch_taken_out_is_missed(store: Store):
    store.tamper("DELETE FROM usage_lines WHERE seq BETWEEN 21 AND 40")
    found = failed(store.verify())
    assert found[SEALS] == ("20 sealed line(s) missing between places 21 and 40",)


def test_a_line_put_in_has_no_seal(store: Store):
    store.tamper("DELETE FROM usage_lines WHERE seq = 10")
    store.tamper(
        "INSERT INTO usage_lines SELECT 10, 'fake', account_id, event_id, source, metric, service, "
        "direction, agent, status, reason, campaign_id, consumer_id, occurred_at, received_at, "
        "stored_at, booked_on, cap_on, base_units, pulses, talk_seconds, rate_id, "
        "connect_fee_micros, 0, currency, hold_id, reverses_line_id, corrects_period, is_sandbox, "
        "import_id, flags, kind FROM usage_lines WHERE seq = 11"
    )
    assert failed(store.verify())[SEALS][0] == "line seq 10 (fake) is not as it was sealed"


@pytest.mark.parametrize(
    "change", ["hash = replace(hash, substr(hash, 1, 1), 'z')", "last_seq = last_seq - 1",
               "row_digests = zeroblob(160)", "sealed_at = 0", "row_count = 19"],
)  # fmt: skip
def test_an_altered_seal_breaks_the_chain(store: Store, change: str):
    store.tamper(f"UPDATE seals SET {change} WHERE seq = 2")
    assert any(text.startswith("seal 2") for text in failed(store.verify())[SEALS])


def test_seals_cut_off_at_the_end_are_missed(store: Store):
    store.tamper("DELETE FROM seals WHERE seq = 3")
    found = failed(store.verify())
    assert list(found) == ["analytics: position within the sealed ledger"]


@pytest.mark.parametrize(
    ("sql", "name", "expected"),
    [
        ("UPDATE wallet_entries SET amount_micros = amount_micros - 1 WHERE seq = 9", AFTER,
         "entry seq 9 "),
        ("UPDATE wallet_entries SET amount_micros = amount_micros - 1 WHERE seq = 9", CHARGES,
         "entry seq 9 "),
        ("UPDATE wallet_entries SET balance_after_micros = 5 WHERE seq = 9", AFTER, "entry seq 9 "),
        ("UPDATE wallet_entries SET line_id = 'lost' WHERE seq = 9", CHARGES, "entry seq 9 "),
        ("DELETE FROM wallet_entries WHERE seq = 9", DRAWS, "no such entry or lot"),
        ("DELETE FROM wallet_entries WHERE seq = 9", CHARGES, "no entry"),
        ("UPDATE balances SET posted_micros = 1 WHERE account_id = 'acme'", WALLET, "account acme"),
        ("UPDATE balances SET reserved_micros = 1 WHERE account_id = 'acme'",
         "wallet: reserved = open holds", "account acme: reserved 1"),
        ("UPDATE lot_balances SET remaining_micros = remaining_micros + 1 "
         "WHERE account_id = 'beta' AND remaining_micros > 0", LOTS, "of beta (paid)"),
        ("DELETE FROM lot_balances WHERE account_id = 'beta'", LOTS, "left unknown"),
        ("UPDATE lot_draws SET micros = micros + 1 WHERE entry_id = "
         "(SELECT id FROM wallet_entries WHERE seq = 9)", DRAWS, "entry seq 9 "),
        ("UPDATE credit_lots SET amount_micros = 5 WHERE kind = 'paid' AND account_id = 'acme'",
         LOTS, "granted 5"),
        ("UPDATE usage_lines SET currency = 'EUR' WHERE seq = 55", LINES, "in EUR, not USD"),
        ("DELETE FROM events WHERE event_id = (SELECT event_id FROM usage_lines WHERE seq = 7)",
         LINES, "line seq 7 "),
        ("UPDATE statements SET closing_micros = 0", "statements = wallet by booking date",
         "statement of acme from 2026-10-01"),
    ],
)  # fmt: skip
def test_an_altered_wallet_is_named(store: Store, sql: str, name: str, expected: str):
    store.tamper(sql)
    assert expected in " ".join(failed(store.verify())[name])


def test_a_missing_guard_is_named(store: Store):
    with store.database.write() as connection:
        connection.execute(text("DROP TRIGGER guard_usage_lines_update"))
    found = failed(store.verify())
    assert found == {"guards: the ledger is append-only": ("guard_usage_lines_update",)}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("cost_micros = 7", "cost_micros"),
        ("campaign_id = NULL", "campaign_id"),
        ("occurred_at = TIMESTAMP '2020-01-01'", "occurred_at"),
        ("booked_on = DATE '2026-09-09'", "booked_on"),
    ],
)
def test_an_altered_row_of_the_lake_is_named(lake_store: Store, sound, change: str, expected: str):
    lake_store.tamper_lake(f"UPDATE lake.lines SET {change} WHERE seq = 13")
    found = failed(lake_store.verify())
    assert list(found) == [LAKE_LINES]
    (difference,) = found[LAKE_LINES]
    assert f"line seq 13 ({sound[1][12].id})" in difference
    assert f"{expected} " in difference
    assert set(failed(lake_store.verify(sound[1][12].account_id))) == {LAKE_LINES}


def test_a_row_lost_or_doubled_in_the_lake_is_named(lake_store: Store):
    lake_store.tamper_lake("DELETE FROM lake.lines WHERE seq = 13")
    lake_store.tamper_lake("INSERT INTO lake.lines SELECT * FROM lake.lines WHERE seq = 14")
    lost, doubled = failed(lake_store.verify())[LAKE_LINES]
    assert "line seq 13" in lost
    assert "missing from analytics" in lost
    assert "line seq 14" in doubled
    assert "2 times" in doubled


def test_a_damaged_lake_fails_by_name_and_the_ledger_is_still_proved(lake_store: Store):
    files = lake_store.lake.directory.rglob("*.parquet")
    for file in files:
        if "/lines/" in str(file):
            file.unlink()
    found = failed(lake_store.verify())
    assert list(found) == ["analytics can be read"]
    assert "usage-dashboard rebuild" in found["analytics can be read"][0]


def test_many_broken_rows_are_counted_and_the_first_named(store: Store):
    store.tamper("UPDATE usage_lines SET reason = 'x'")
    (check,) = [check for check in store.verify().checks if check.name == SEALS]
    assert check.figures["broken"] == 50
    assert len(check.broken) == 21
    assert check.broken[-1] == "… and 30 more"


@pytest.mark.parametrize(
    ("sql", "broken", "expected"),
    [
        ("UPDATE receipts SET status = 'failed' WHERE seq = 1", {CHAIN, MOVES, ROLL_DAY},
         "receipt seq 3 of acme"),
        ("UPDATE receipts SET status = 'read' WHERE seq = 4", {MOVES, ROLL_DAY},
         "receipt seq 4 (line seq 48, sent to read): status read in the ledger, failed in"),
        ("UPDATE receipts SET previous_status = NULL WHERE seq = 4", {CHAIN, MOVES, ROLL_DAY},
         "receipt seq 4 of beta"),
        ("UPDATE receipts SET previous_status = 'delivered' WHERE seq = 5",
         {CHAIN, MOVES, ROLL_DAY}, "receipt seq 5 of acme"),
        ("DELETE FROM receipts WHERE seq = 3", {RECEIPTS, CHAIN, MOVES, ROLL_DAY},
         "neither recorded nor waiting"),
        ("DELETE FROM receipts WHERE seq = 6", {RECEIPTS}, "neither recorded nor waiting"),
        ("UPDATE receipts SET line_id = 'lost' WHERE seq = 4", {RECEIPTS, MOVES, ROLL_DAY},
         "receipt seq 4 of beta: line lost is missing"),
        ("UPDATE receipts SET account_id = 'nobody' WHERE seq = 4", {RECEIPTS},
         "receipt seq 4 of nobody: no such account"),
        ("DELETE FROM events WHERE event_id = (SELECT event_id FROM receipts WHERE seq = 4)",
         {RECEIPTS}, "receipt seq 4 of beta: its event "),
        ("INSERT INTO pending_receipts SELECT account_id, source, id, 'late', 'read', 0, 0 "
         "FROM events WHERE event_id = (SELECT event_id FROM usage_lines WHERE seq = 8)",
         {RECEIPTS}, "receipt late of beta: waits for "),
    ],
)  # fmt: skip
def test_an_altered_receipt_is_named(store: Store, sql: str, broken: set[str], expected: str):
    store.tamper(sql)
    found = failed(store.verify())
    assert set(found) == broken
    assert expected in " ".join(text for texts in found.values() for text in texts)


def test_receipts_of_another_account_are_not_looked_at(store: Store):
    store.tamper("UPDATE receipts SET status = 'read' WHERE seq = 4")
    assert failed(store.verify("acme")) == {}
    assert set(failed(store.verify("beta"))) == {MOVES, ROLL_DAY}


@pytest.mark.parametrize(
    ("sql", "name", "expected"),
    [
        ("DELETE FROM lake.roll_day WHERE line_count < 0", ROLL_DAY, "line_count"),
        ("DELETE FROM lake.moves WHERE seq = 3", MOVES,
         "receipt seq 3 (line seq 2, delivered to read) is missing from analytics"),
        ("INSERT INTO lake.moves SELECT * FROM lake.moves WHERE seq = 3", MOVES,
         "receipt seq 3 (line seq 2, delivered to read) is not in the ledger"),
        ("UPDATE lake.moves SET cost_micros = 7 WHERE seq = 3", MOVES,
         "receipt seq 3 (line seq 2, delivered to read): cost_micros 101 in the ledger, 7 in"),
    ],
)  # fmt: skip
def test_an_altered_move_is_named(lake_store: Store, sql: str, name: str, expected: str):
    lake_store.tamper_lake(sql)
    ((found, broken),) = failed(lake_store.verify()).items()
    assert (found, expected in broken[0]) == (name, True)
