"""Alerts under several processes' writers and sweeps at once: an episode is told once.

Each ``Writer`` here is as a process's own, with connections of its own. On PostgreSQL they meet at
the account's row, on SQLite at the file.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from billing.alerts import Channel
from data import tables as t
from data.alerts.book import AlertBooks
from data.alerts.sweeping import sweep_alerts
from data.database import Database, open_database, sqlite_url
from data.identity import Pseudonyms
from data.ledger.intake import Intake
from data.migrate import migrate
from data.savepoints import BusyError
from data.writer import Writer
from tests.alert_ledger import OWNER, Alerted, low, usage
from tests.builders import UNIT_PRICE_MICROS, sms
from tests.databases import postgresql_url

PRICE = UNIT_PRICE_MICROS
WRITERS, SWEEPERS, CHARGES, ROUNDS = 4, 2, 15, 3
PATIENCE_SECONDS = 60
_ids = count(1)


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Alerted]:
    """A ledger on one of the databases, whatever the other tests run on."""
    url = sqlite_url(tmp_path / "race.db")
    if request.param == "postgresql":
        url = postgresql_url(tmp_path / "race")
    database = open_database(url)
    migrate(database)
    with Alerted(tmp_path, database) as opened:
        opened.add()
        opened.credit(100 * PRICE)
        yield opened


def opened_again(ledger: Alerted, stack: ExitStack) -> Database:
    url = ledger.database.writer_engine.url.render_as_string(hide_password=False)
    database = open_database(url)
    stack.callback(database.dispose)
    return database


def test_four_writers_and_two_sweeps_tell_each_episode_once(ledger: Alerted):
    told = replace(low(70), channels=(Channel.EMAIL, Channel.DASHBOARD), emails=(OWNER,))
    alerts = [ledger.alert(told), ledger.alert(low(40)),
              ledger.alert(usage(50, scope="campaign spring"))]  # fmt: skip
    with ExitStack() as stack:
        work: list[Callable[[], None]] = []
        for _ in range(WRITERS):
            database = opened_again(ledger, stack)
            writer = Writer(database)
            stack.callback(writer.close)
            work.append(charging(ledger, Intake(writer, ledger.clock, Pseudonyms("test-secret"))))
        for _ in range(SWEEPERS):
            database = opened_again(ledger, stack)
            writer = Writer(database)
            stack.callback(writer.close)
            work.append(sweeping(ledger, database, writer))
        for number in range(ROUNDS):
            together(work)
            spent = WRITERS * CHARGES * PRICE
            assert ledger.posted() == 100 * PRICE - spent, "every charge counted, once"
            ledger.top_up(WRITERS * CHARGES)
            episodes = Counter(row.alert_id for row in ledger.rows(t.alert_episodes))
            assert {episodes[each.id] for each in alerts[:2]} == {number + 1}
            assert episodes[alerts[2].id] == 1, "usage doesn't recover by a top-up"
    fired = [row for row in ledger.rows(t.notices) if row.kind == "alert.fired"]
    assert Counter(row.episode_id for row in fired).most_common(1)[0][1] == 1
    by_alert = Counter(row.alert_id for row in fired)
    # Both levels are told unless one batch went past both, and then the lower one is.
    assert by_alert[alerts[1].id] == ROUNDS
    assert by_alert[alerts[0].id] <= ROUNDS
    sends = ledger.rows(t.notice_sends)
    assert len(sends) == len({row.notice_id for row in sends}) == by_alert[alerts[0].id]
    assert ledger.broken() == []


def charging(ledger: Alerted, intake: Intake) -> Callable[[], None]:
    def run() -> None:
        for _ in range(CHARGES):
            event = sms(f"race-{next(_ids)}", ledger.clock.at, 1, campaign="spring")
            (future,) = intake.submit("acme", [event], ledger.clock.at)
            (outcome,) = future.result(PATIENCE_SECONDS)
            assert outcome.status == "accepted", outcome.error

    return run


def sweeping(ledger: Alerted, database: Database, writer: Writer) -> Callable[[], None]:
    books = AlertBooks()

    def run() -> None:
        for _ in range(CHARGES):
            try:
                sweep_alerts(database, writer, ledger.clock.at, books)
            except BusyError:  # SQLite's file was another's for too long: the next one looks
                continue

    return run


def together(work: list[Callable[[], None]]) -> None:
    barrier, failed = threading.Barrier(len(work)), []

    def run(each: Callable[[], None]) -> None:
        barrier.wait(PATIENCE_SECONDS)
        try:
            each()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(each,)) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert not failed, failed[0]
