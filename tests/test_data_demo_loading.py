"""Loading the demo: the same every time, complete after any interruption, and kept up to date."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from billing.clock import FixedClock
from billing.errors import InputError
from billing.plans import Plan
from data import demo
from data.accounts import NewAccount, add_account, read_account
from data.database import Database
from data.demo.state import read_state
from data.ledger.posting import Poster
from tests.demos import NOW, PSEUDONYMS, fingerprint, load, open_truth, rows
from tests.test_data_demo import test_the_wallet_equals_the_lines as check_wallet

ROOT = Path(__file__).resolve().parent.parent

CHILD = """
import sys, time
from tests import demos
from data.ledger.posting import Poster
flushes = []
def stop_in_the_middle(poster, flush=Poster.flush):
    flush(poster)
    flushes.append(poster.account.id)
    if len(flushes) == 3:
        print(poster.account.id, flush=True)
        time.sleep(60)
Poster.flush = stop_in_the_middle
demos.load(demos.open_truth(sys.argv[1]))
"""


class KilledError(Exception):
    pass


@pytest.fixture(scope="module")
def loaded(tmp_path_factory) -> Database:
    """One complete demo; tests that read share it."""
    database = open_truth(tmp_path_factory.mktemp("demo"))
    load(database)
    return database


def test_the_same_parameters_give_the_same_demo(loaded: Database, tmp_path: Path):
    again = open_truth(tmp_path)
    load(again)
    assert fingerprint(again) == fingerprint(loaded)


def test_another_seed_gives_another_demo(loaded: Database, tmp_path: Path):
    other = open_truth(tmp_path)
    load(other, seed="another")
    assert fingerprint(other)[0] != fingerprint(loaded)[0]


def test_a_second_run_adds_nothing(loaded: Database):
    before = fingerprint(loaded)
    report = load(loaded, NOW + timedelta(days=3))
    assert (report.added, report.was_complete) == (0, True)
    assert demo.load_demo(loaded, FixedClock(NOW), PSEUDONYMS, lambda *_: None).added == 0
    assert fingerprint(loaded) == before


def test_a_different_demo_over_this_one_is_refused(loaded: Database):
    with pytest.raises(InputError, match="was made with 6000"):
        load(loaded, lines=7_000)


@pytest.mark.parametrize("stop_at", [1, 2, 4])
def test_it_goes_on_after_an_error_in_a_transaction(
    loaded: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_at: int
):
    database = open_truth(tmp_path)
    flushes = []
    flush = Poster.flush

    def fail_once(poster: Poster) -> None:
        flush(poster)
        flushes.append(poster.account.id)
        if len(flushes) == stop_at:
            raise KilledError

    monkeypatch.setattr(Poster, "flush", fail_once)
    with pytest.raises(KilledError):
        load(database)
    with database.read() as connection:
        shown = demo.read_progress(connection)
    assert shown is not None
    assert not shown.is_done
    assert shown.percent < 100
    load(database, NOW + timedelta(hours=5))  # later: it still ends when it first began
    assert fingerprint(database) == fingerprint(loaded)


def test_it_goes_on_after_a_kill(loaded: Database, tmp_path: Path):
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    assert child.stdout.readline().strip(), "the child must reach its third batch"
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    database = open_truth(tmp_path)
    [(before,)] = rows(database, "SELECT COUNT(*) FROM usage_lines")
    assert before > 0
    assert load(database).added > 0
    assert fingerprint(database) == fingerprint(loaded)


def test_everybody_gets_a_sign_in(tmp_path: Path):
    people: list[tuple] = []
    load(open_truth(tmp_path), people=people, days=14, lines=500)
    assert len(people) == len(demo.DEMO_PEOPLE)
    assert {password for _, _, password, _, _ in people} == {demo.DEMO_PASSWORD}
    assert all(email.endswith(".example") for email, *_ in people)


def test_real_accounts_are_left_alone(tmp_path: Path):
    database = open_truth(tmp_path)
    with database.write() as connection:
        new = NewAccount("real-one", "Real one", Plan.LAUNCH, "USD", "UTC")
        add_account(connection, new, NOW)
    with pytest.raises(InputError, match="never mixed with real data"):
        load(database)
    assert rows(database, "SELECT id FROM accounts") == [("real-one",)]


@pytest.mark.parametrize(("days", "lines"), [(13, 6_000), (45, 10), (5_000, 6_000)])
def test_absurd_sizes_are_refused(tmp_path: Path, days: int, lines: int):
    with pytest.raises(InputError):
        load(open_truth(tmp_path), days=days, lines=lines)


def after(days: float) -> FixedClock:
    return FixedClock(NOW + timedelta(days=days))


def small_demo(tmp_path: Path) -> Database:
    database = open_truth(tmp_path)
    load(database, days=20, lines=1_500)
    return database


def test_days_that_are_missing_are_added(tmp_path: Path):
    database = small_demo(tmp_path)
    assert demo.extend_demo(database, after(0), PSEUDONYMS) == 0
    assert demo.extend_demo(database, after(9.5), PSEUDONYMS) > 100
    assert demo.extend_demo(database, after(9.5), PSEUDONYMS) == 0
    days = rows(
        database,
        "SELECT COUNT(DISTINCT booked_on) FROM usage_lines "
        "WHERE account_id = 'acme-outreach' AND booked_on > '2026-11-22'",
    )
    assert days[0][0] >= 9
    assert rows(database, "SELECT status, rows_rejected + rows_duplicate FROM imports") == [
        ("done", 0)
    ]
    check_wallet(database)


def test_small_steps_add_the_same_usage_as_one(tmp_path: Path):
    one, many = small_demo(tmp_path / "one"), small_demo(tmp_path / "many")
    demo.extend_demo(one, after(1), PSEUDONYMS)
    for hour in range(1, 25):
        demo.extend_demo(many, after(hour / 24), PSEUDONYMS)
    assert sorted(fingerprint(one)[0], key=repr) == sorted(fingerprint(many)[0], key=repr)


def test_only_the_last_sixty_days_are_added(tmp_path: Path):
    database = small_demo(tmp_path)
    demo.extend_demo(database, after(100), PSEUDONYMS)
    found = rows(
        database,
        "SELECT MIN(booked_on), MAX(booked_on) FROM usage_lines WHERE booked_on > '2026-11-23'",
    )
    assert found[0] == ("2027-01-01", "2027-03-02")


def test_usage_of_a_closed_period_counts_when_it_comes(tmp_path: Path):
    database = small_demo(tmp_path)
    with database.write() as connection:
        connection.execute(
            text(
                "INSERT INTO statements VALUES ('acme-outreach', '2026-11-01', '2026-12-01', "
                "0, 0, 0, 'INR', 0, 0, 0)"
            )
        )
    demo.extend_demo(database, after(12), PSEUDONYMS)
    late = rows(
        database,
        "SELECT DISTINCT booked_on, corrects_period FROM usage_lines "
        "WHERE account_id = 'acme-outreach' AND corrects_period IS NOT NULL",
    )
    assert late == [("2026-12-04", "2026-11-01")]
    assert not rows(
        database,
        "SELECT 1 FROM wallet_entries WHERE account_id = 'acme-outreach' "
        "AND booked_on > '2026-11-22' AND booked_on < '2026-12-01'",
    )


def test_a_free_session_sees_something(tmp_path: Path):
    database = small_demo(tmp_path)
    with database.write() as connection:
        tinker = read_account(connection, demo.SANDBOX_ACCOUNT)
        added = demo.sandbox_tick(connection, tinker, PSEUDONYMS, after(0.1))
        assert 1 <= added <= 3
        assert demo.sandbox_tick(connection, tinker, PSEUDONYMS, after(0.1)) == 0
    found = rows(
        database,
        "SELECT DISTINCT is_sandbox, account_id FROM usage_lines WHERE occurred_at > :now",
        now=int(NOW.timestamp()) * 1_000_000,
    )
    assert found == [(1, demo.SANDBOX_ACCOUNT)]
    with database.read() as connection:
        state = read_state(connection)
    assert state is not None
    assert state.is_complete
