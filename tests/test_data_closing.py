"""Closing billing periods: when it happens, what holds it up, and that it is final."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, text, update

from billing.clock import FixedClock
from billing.lots import LotKind
from billing.plans import Plan
from billing.statements import Statement
from data import demo
from data import tables as t
from data.accounts import NewAccount, add_account
from data.analytics.lake import Lake
from data.installation import Installation, open_installation
from data.jobs import Jobs
from data.ledger.closing import close_due, close_next, read_sums
from data.ledger.guards import create_guards, drop_guards
from data.ledger.posting import Poster
from data.ledger.top_ups import top_up
from data.ledger.wallet import Credit, OpenWallet, Posting
from data.proof.verify import verify
from data.settings import load_settings
from data.writer import Writer
from tests import demos
from tests.builders import UNIT_PRICE_MICROS as PRICE
from tests.builders import Ledger, at, day, sms
from tests.databases import settings_url

MADE = at("2026-09-10 12:00")
FINAL = "closed periods: nothing booked afterwards"
STATEMENTS = "statements = wallet by booking date"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path) as ledger:
        make(ledger, "acme")
        yield ledger


def make(ledger: Ledger, account_id: str, **rest: Any) -> None:
    """An account in UTC whose periods are calendar months, made on 10 September."""
    ledger.add(account_id, **{"timezone": "UTC", **rest})
    with ledger.database.write() as connection:
        own = t.accounts.c.id == account_id
        connection.execute(update(t.accounts).where(own).values(created_at=MADE))


def close(ledger: Ledger, now: str | datetime, account_id: str = "acme") -> Statement | None:
    moment = at(now) if isinstance(now, str) else now
    with ledger.database.write() as connection:
        return close_next(connection, account_id, moment)


def close_all(ledger: Ledger, now: str) -> int:
    writer = Writer(ledger.database)
    try:
        return close_due(ledger.database, writer, FixedClock(at(now)))
    finally:
        writer.close()


def use(ledger: Ledger, name: str, when: str, segments: int = 1, account_id: str = "acme") -> None:
    (outcome,) = ledger.post(sms(name, when, segments), received_at=None, account_id=account_id)
    assert outcome.status == "accepted", outcome


def stated(ledger: Ledger, account_id: str = "acme") -> list[tuple[str, int, int, int]]:
    return [
        (f"{row.period_start}", row.opening_micros, row.charges_micros, row.closing_micros)
        for row in ledger.rows(t.statements, account_id)
    ]


def broken(ledger: Ledger, folder: Path) -> dict[str, tuple[str, ...]]:
    lake = Lake(folder / "lake", ledger.database)
    try:
        report = verify(ledger.database, lake)
    finally:
        lake.close()
    return {check.name: check.broken for check in report.checks if not check.passed}


def test_a_period_closes_72_hours_after_its_end_to_the_microsecond(ledger: Ledger):
    ledger.credit(100 * PRICE, at("2026-09-11 08:00"))
    use(ledger, "1", "2026-09-30 23:59", 3)
    use(ledger, "2", "2026-10-01 00:00", 5)
    due = at("2026-10-04 00:00")
    assert close(ledger, due - timedelta(microseconds=1)) is None
    statement = close(ledger, due)
    assert statement is not None
    assert statement.charges_micros == 3 * PRICE
    assert stated(ledger) == [("2026-09-01", 0, 3 * PRICE, 97 * PRICE)]
    (row,) = ledger.rows(t.statements)
    assert (row.period_end, row.currency, row.closed_at) == (day("2026-10-01"), "USD", due)
    assert close(ledger, due) is None


def test_all_that_is_due_is_closed_in_order_once(ledger: Ledger):
    make(ledger, "beta", anchor_day=31, timezone="America/New_York")
    for account_id in ("acme", "beta"):
        ledger.credit(100 * PRICE, at("2026-09-11 08:00"), account_id=account_id)
        use(ledger, "1", "2026-10-31 03:59", 2, account_id)
        use(ledger, "2", "2026-11-15 12:00", 4, account_id)
    assert close_all(ledger, "2026-12-04 00:00") == 6
    assert close_all(ledger, "2026-12-04 00:00") == 0
    assert stated(ledger) == [
        ("2026-09-01", 0, 0, 100 * PRICE),
        ("2026-10-01", 100 * PRICE, 2 * PRICE, 98 * PRICE),
        ("2026-11-01", 98 * PRICE, 4 * PRICE, 94 * PRICE),
    ]
    # In New York 03:59 is still 30 October, the last day of that period.
    assert stated(ledger, "beta") == [
        ("2026-08-31", 0, 0, 100 * PRICE),
        ("2026-09-30", 100 * PRICE, 2 * PRICE, 98 * PRICE),
        ("2026-10-31", 98 * PRICE, 4 * PRICE, 94 * PRICE),
    ]


def test_an_account_without_a_wallet_entry_has_no_statement(ledger: Ledger):
    make(ledger, "trial", plan="free")
    ledger.post(sms("1", "2026-09-20 12:00", is_sandbox=True), received_at=None, account_id="trial")
    assert close_all(ledger, "2027-03-01 00:00") == 0
    assert close(ledger, "2027-03-01 00:00", "trial") is None


def test_while_an_import_runs_nothing_of_its_account_closes(ledger: Ledger):
    make(ledger, "beta")
    for account_id in ("acme", "beta"):
        ledger.credit(PRICE, at("2026-09-11 08:00"), account_id=account_id)
    running = import_row(ledger, "one", "acme")
    assert close_all(ledger, "2026-10-05 00:00") == 1
    assert (len(stated(ledger)), len(stated(ledger, "beta"))) == (0, 1)
    finish(ledger, running)
    assert close_all(ledger, "2026-10-05 00:00") == 1
    everyone = import_row(ledger, "two", "*")
    assert close_all(ledger, "2026-11-05 00:00") == 0
    finish(ledger, everyone)
    assert close_all(ledger, "2026-11-05 00:00") == 2


def import_row(ledger: Ledger, import_id: str, account_id: str) -> str:
    with ledger.database.write() as connection:
        connection.execute(
            insert(t.imports).values(
                id=import_id, account_id=account_id, map="calls", file_name="calls.csv",
                status="running", rows_read=0, rows_accepted=0, rows_duplicate=0, rows_rejected=0,
                started_at=MADE,
            )
        )  # fmt: skip
    return import_id


def finish(ledger: Ledger, import_id: str) -> None:
    with ledger.database.write() as connection:
        own = t.imports.c.id == import_id
        connection.execute(update(t.imports).where(own).values(status="done"))


def test_history_from_before_the_account_may_come_in_at_any_time(ledger: Ledger, tmp_path: Path):
    ledger.credit(100 * PRICE, at("2026-09-11 08:00"))
    close(ledger, "2026-10-04 00:00")
    history = [sms("old", "2014-03-05 12:00", 7), sms("late", "2026-09-05 12:00", 9)]
    found = ledger.post(*history, received_at=at("2026-10-10 12:00"), refuses_closed_periods=True)
    assert [outcome.status for outcome in found] == ["accepted", "refused"]
    assert found[1].error is not None
    assert found[1].error.code == "period_closed"
    close(ledger, "2026-11-04 00:00")
    # What came in since shows as the difference between one closing and the next opening.
    assert stated(ledger) == [
        ("2026-09-01", 0, 0, 100 * PRICE),
        ("2026-10-01", 93 * PRICE, 0, 93 * PRICE),
    ]
    assert broken(ledger, tmp_path) == {}


def test_a_new_anchor_and_a_new_zone_leave_no_gap(ledger: Ledger, tmp_path: Path):
    ledger.credit(100 * PRICE, at("2026-09-11 08:00"))
    with ledger.database.write() as connection:
        connection.execute(insert(t.account_anchors).values(
            account_id="acme", valid_from=day("2026-10-01"), anchor_day=31,
        ))  # fmt: skip
        connection.execute(insert(t.account_zones).values(
            account_id="acme", valid_from=day("2026-10-31"), timezone="America/New_York",
        ))  # fmt: skip
    assert close_all(ledger, "2026-11-03 03:59") == 1
    assert close_all(ledger, "2026-11-03 04:00") == 1  # midnight in New York, 72 hours later
    assert close_all(ledger, "2027-01-10 00:00") == 2
    periods = [(f"{r.period_start}", f"{r.period_end}") for r in ledger.rows(t.statements)]
    assert periods == [
        ("2026-09-01", "2026-10-01"), ("2026-10-01", "2026-10-31"),
        ("2026-10-31", "2026-11-30"), ("2026-11-30", "2026-12-31"),
    ]  # fmt: skip
    assert broken(ledger, tmp_path) == {}


def test_credit_leaves_in_the_period_in_which_it_expired(ledger: Ledger):
    gift: dict[str, Any] = {"expires_at": "2026-09-20 12:00", "kind": LotKind.PROMOTIONAL}
    ledger.credit(9 * PRICE, at("2026-09-11 08:00"), **gift)
    close(ledger, "2026-10-08 00:00")  # nothing ran in between
    assert stated(ledger) == [("2026-09-01", 0, 0, 0)]
    kinds = [
        (row.kind, row.booked_on, row.corrects_period) for row in ledger.rows(t.wallet_entries)
    ]
    assert kinds[-1] == ("expiry", day("2026-09-20"), None)


def test_what_is_known_before_is_only_added_to(ledger: Ledger):
    ledger.credit(100 * PRICE, at("2026-09-11 08:00"))
    use(ledger, "1", "2026-09-20 12:00")
    with ledger.database.read() as connection:
        known = read_sums(connection, "acme")
    use(ledger, "2", "2026-09-20 13:00")
    use(ledger, "3", "2026-10-02 13:00")
    with ledger.database.write() as connection:
        assert read_sums(connection, "acme", known) == read_sums(connection, "acme")
        statement = close_next(connection, "acme", at("2026-10-04 00:00"), known=known)
    assert statement is not None
    assert statement.charges_micros == 2 * PRICE


def test_money_never_lands_in_a_closed_period_even_if_a_clock_is_set_back(ledger: Ledger):
    ledger.credit(PRICE, at("2026-09-11 08:00"))
    close(ledger, "2026-10-04 00:00")
    back = at("2026-09-30 12:00")
    with ledger.database.write() as connection:
        top_up(connection, ledger.accounts["acme"], PRICE, "card", back)
        wallet = OpenWallet.open(connection, ledger.accounts["acme"])
        with pytest.raises(ValueError, match="closed"):
            wallet.credit(Credit(LotKind.PAID, 1, "x"), Posting(back, back, back, back.date()))
    entry = ledger.rows(t.wallet_entries)[-1]
    assert (entry.booked_on, entry.corrects_period) == (day("2026-10-01"), day("2026-09-01"))


def tamper(ledger: Ledger, sql: str) -> None:
    with ledger.database.write() as connection:
        drop_guards(connection)
        assert connection.execute(text(sql)).rowcount, sql
        create_guards(connection)


@pytest.mark.parametrize(
    ("sql", "check", "expected"),
    [
        ("UPDATE wallet_entries SET booked_on = '2026-09-30' WHERE seq = 4", FINAL,
         "entry seq 4 "),
        ("UPDATE wallet_entries SET booked_on = '2026-09-30' WHERE seq = 4", STATEMENTS,
         "statement of acme from 2026-09-01"),
        ("UPDATE usage_lines SET booked_on = '2026-09-30' WHERE seq = 3", FINAL, "line seq 3 "),
        ("UPDATE usage_lines SET corrects_period = '2026-08-01' WHERE seq = 3", FINAL,
         "corrects the period from 2026-08-01, which has no statement"),
        ("DELETE FROM statements WHERE period_start = '2026-10-01'", STATEMENTS,
         "but the one before ends on 2026-10-01"),
        ("UPDATE statements SET opening_micros = 1 WHERE period_start = '2026-10-01'", STATEMENTS,
         "statement of acme from 2026-10-01"),
        ("UPDATE statements SET charges_micros = 1 WHERE period_start = '2026-10-01'", STATEMENTS,
         "charges 1 "),
    ],
)  # fmt: skip
def test_what_came_into_a_closed_period_is_named(
    ledger: Ledger, tmp_path: Path, sql: str, check: str, expected: str
):
    ledger.credit(100 * PRICE, at("2026-09-11 08:00"))
    use(ledger, "1", "2026-09-20 12:00")
    use(ledger, "2", "2026-10-20 12:00")
    close(ledger, "2026-10-04 00:00")
    close(ledger, "2026-11-04 00:00")
    ledger.post(sms("3", "2026-10-21 12:00"), received_at=at("2026-11-05 12:00"))
    close(ledger, "2026-12-04 00:00")
    assert broken(ledger, tmp_path) == {}
    tamper(ledger, sql)
    assert expected in " ".join(broken(ledger, tmp_path).get(check, ()))


def opened(folder: Path, now: str, *, is_demo: bool = False, **settings: Any) -> Installation:
    given = {
        "data_dir": folder,
        "database_url": settings_url(folder),
        "secret_key": "s" * 40,
        "sync_seconds": 3600,
        "_env_file": None,
    }
    installation = open_installation(load_settings(**{**given, **settings}), is_demo=is_demo)
    installation.clock = FixedClock(at(now))
    return installation


def run_jobs_once(installation: Installation, *, is_demo: bool) -> None:
    """Starts the jobs of a server and waits for what runs at the start."""
    jobs = Jobs(installation, is_demo=is_demo)
    record = jobs.records["close_periods"]
    begun = record.done_at
    jobs.start()
    deadline = time.monotonic() + 60
    while record.done_at == begun and not record.failures:
        assert time.monotonic() < deadline, "nothing ran at the start"
        time.sleep(0.01)
    jobs.stop()
    assert (record.runs, record.failures) == (1, 0)


def test_a_server_closes_at_its_start_what_became_due_while_it_was_down(tmp_path: Path):
    installation = opened(tmp_path, "2026-10-02 23:59", close_after_hours=48)
    new = NewAccount("acme", "Acme", Plan.GROWTH, "USD", "UTC")

    def prepare(connection: Any) -> None:
        account = add_account(connection, new, MADE)
        top_up(connection, account, PRICE, "card", MADE)

    installation.writer.write(prepare)
    with installation.database.read() as connection:
        statements = select(t.statements.c.period_start)
        run_jobs_once(installation, is_demo=False)
        assert connection.scalars(statements).all() == []
    installation.clock = FixedClock(at("2026-10-03 00:00"))
    run_jobs_once(installation, is_demo=False)
    with installation.database.read() as connection:
        assert connection.scalars(statements).all() == [day("2026-09-01")]
    installation.close()


def test_a_demo_closes_its_past_once_it_is_complete(tmp_path: Path, monkeypatch):
    installation = opened(tmp_path, f"{demos.NOW:%Y-%m-%d %H:%M}", is_demo=True)

    def fail(_: Poster) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Poster, "flush", fail)
        with pytest.raises(KeyboardInterrupt):
            demos.load(installation.database, days=100, lines=3_000)
    run_jobs_once(installation, is_demo=True)
    count = "SELECT account_id, count(*) FROM statements GROUP BY account_id ORDER BY account_id"
    assert demos.rows(installation.database, count) == []
    demos.load(installation.database, days=100, lines=3_000)
    before = demos.fingerprint(installation.database)
    run_jobs_once(installation, is_demo=True)
    assert demos.fingerprint(installation.database)[1] == before[1]
    closed = dict(demos.rows(installation.database, count))
    assert closed["acme-outreach"] == 3  # August to October
    assert demo.SANDBOX_ACCOUNT not in closed
    # Down for ten days over the end of a month: the days that are missing count where they belong.
    installation.clock = FixedClock(demos.NOW + timedelta(days=14))
    run_jobs_once(installation, is_demo=True)
    assert dict(demos.rows(installation.database, count))["acme-outreach"] == 4
    assert demos.rows(
        installation.database, "SELECT count(*) FROM usage_lines WHERE corrects_period IS NOT NULL"
    ) == [(0,)]
    report = verify(installation.database, installation.lake)
    assert [check for check in report.checks if not check.passed] == []
    installation.close()
