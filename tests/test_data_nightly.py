"""The nightly proof: months that differ are found, made again and right; nothing else moves."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from billing.clock import FixedClock
from billing.errors import ProductError
from data.analytics import months as months_module
from data.analytics.lake import Lake
from data.analytics.months import rebuild_month
from data.analytics.sync import sync_all
from data.database import Database
from data.installation import Installation
from data.lease import DirectWrites
from data.nightly import ProofState, is_due, last_proof, prove_and_mend
from data.proof.months import prove_months
from data.proof.verify import verify
from data.settings import load_settings
from tests.ledger_builder import NOW, LedgerBuilder, Line, open_store

DAYS = (date(2026, 9, 30), date(2026, 10, 5), date(2026, 10, 31), date(2026, 11, 3))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_store(tmp_path)
    yield opened
    opened.dispose()


@pytest.fixture
def installation(tmp_path: Path, database: Database) -> Iterator[Installation]:
    """Lines in three months of two accounts, with receipts, all in analytics."""
    ledger = LedgerBuilder(database)
    for account_id in ("acme", "globex"):
        ledger.add_account(account_id)
        lines = [
            Line(
                account_id=account_id,
                day=day,
                second=600 * n,
                cost=1_000 + n,
                campaign=f"c{n % 3}",
            )
            for day in DAYS
            for n in range(30)
        ]
        ledger.add_lines(*lines)
        ledger.add_receipts(*((line, "delivered") for line in lines[::2]))
    settings = load_settings(data_dir=tmp_path, secret_key="s" * 40, _env_file=None)
    opened = Installation(settings, FixedClock(NOW), database, "s" * 40)
    sync_all(database, opened.lake)
    yield opened
    opened.lake.close()


def damage(lake: Lake, sql: str) -> None:
    lake.change(lambda cursor: cursor.execute(sql))


def prove(installation: Installation) -> ProofState:
    return prove_and_mend(installation, DirectWrites(installation.database))


def test_equal_months_are_proved_and_left_alone(installation: Installation):
    before = installation.lake.state
    state = prove(installation)
    assert (state.month_count, state.differing) == (3, ())
    assert installation.lake.state == before
    with installation.database.read() as connection:
        assert last_proof(connection) == state


@pytest.mark.parametrize(
    ("sql", "months"),
    [
        ("DELETE FROM lake.lines WHERE booked_on = '2026-10-05' AND account_id = 'acme'",
         ("2026-10",)),
        ("UPDATE lake.lines SET cost_micros = cost_micros + 1 WHERE booked_on = '2026-09-30'",
         ("2026-09",)),
        ("DELETE FROM lake.roll_campaign WHERE booked_on = '2026-11-03'", ("2026-11",)),
        ("INSERT INTO lake.roll_day SELECT * FROM lake.roll_day WHERE account_id = 'globex'",
         ("2026-09", "2026-10", "2026-11")),
        ("UPDATE lake.roll_consumer SET base_units = base_units + 1",
         ("2026-09", "2026-10", "2026-11")),
        ("DELETE FROM lake.roll_campaign_metric "
         "WHERE campaign_id = 'c1' AND booked_on < '2026-10-01'", ("2026-09",)),
        ("UPDATE lake.roll_consumer_metric SET cost_micros = 7 WHERE booked_on = '2026-10-31'",
         ("2026-10",)),
        ("INSERT INTO lake.roll_campaign_consumer SELECT * FROM lake.roll_campaign_consumer "
         "WHERE local_month = '2026-11'", ("2026-11",)),
        ("UPDATE lake.roll_campaign_consumer SET local_month = '2026-10' "
         "WHERE booked_on = '2026-11-03'", ("2026-10", "2026-11")),
    ],
)  # fmt: skip
def test_a_month_that_differs_is_named_and_made_again(
    installation: Installation, caplog: pytest.LogCaptureFixture, sql: str, months: tuple[str, ...]
):
    generation = installation.lake.state[0]
    damage(installation.lake, sql)
    with caplog.at_level(logging.ERROR):
        state = prove(installation)
    assert state.differing == months
    assert state.is_mended
    for month in months:
        assert f"analytics of {month} differ" in caplog.text
    assert installation.lake.state[0] == generation, "the months alone were made again"
    report = verify(installation.database, installation.lake)
    assert report.passed, [check for check in report.checks if not check.passed]
    again = prove(installation)
    assert again.differing == ()


def test_lines_that_come_while_a_month_is_made_again_are_neither_lost_nor_doubled(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
):
    database, lake = installation.database, installation.lake
    other = Lake(installation.settings.data_dir, database)
    damage(lake, "DELETE FROM lake.lines WHERE local_month = '2026-10'")
    monkeypatch.setattr(months_module, "PIECE_ROWS", 50)
    ledger = LedgerBuilder(database)
    times: list[int] = []
    ledger.add_account("initech")

    def meanwhile() -> None:
        if not times:  # another process syncs in the middle of the first attempt
            ledger.add_lines(
                *(Line(account_id="initech", day=DAYS[1], second=n) for n in range(20))
            )
            sync_all(database, other)
        times.append(1)

    assert rebuild_month(database, lake, "2026-10", meanwhile) == 2 * 2 * 30 + 20
    assert len(times) > 4, "it began anew"
    assert prove_months(database, lake).differing == {}
    assert verify(database, lake).passed
    other.close()


def test_what_ends_between_two_pieces_changes_nothing(installation: Installation):
    damage(installation.lake, "DELETE FROM lake.lines WHERE local_month = '2026-10'")
    wrong = prove_months(installation.database, installation.lake)

    def ends() -> None:
        raise ProductError("not any more")

    with pytest.raises(ProductError):
        rebuild_month(installation.database, installation.lake, "2026-10", ends)
    assert prove_months(installation.database, installation.lake) == wrong


def test_analytics_that_cannot_be_read_are_made_again_as_a_whole(installation: Installation):
    generation = installation.lake.state[0]
    for file in installation.lake.directory.rglob("*.parquet"):
        file.write_bytes(b"no longer parquet")
    state = prove(installation)
    assert state.differing == ("*",)
    assert state.is_mended
    assert installation.lake.state[0] != generation
    assert verify(installation.database, installation.lake).passed


def test_a_proof_is_due_once_a_night_and_made_up_for():
    two = datetime(2026, 11, 22, 2, tzinfo=UTC)

    def proof(at: datetime) -> ProofState:
        return ProofState(at, 1, (), is_mended=False)

    assert is_due(None, two)
    assert is_due(proof(two - timedelta(minutes=1)), two)
    assert not is_due(proof(two - timedelta(minutes=1)), two - timedelta(seconds=1))
    assert not is_due(proof(two), two + timedelta(hours=23))
    assert is_due(proof(two), two + timedelta(days=1))
    assert is_due(proof(two - timedelta(days=9)), two + timedelta(hours=9))
