"""A storm: slow and undone writers, readers that compare, a syncer that is killed at random.

Nothing may be read wrong while it lasts, and nothing be missing or double when it is over.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import func, select

from billing.clock import FixedClock
from billing.events import SmsEvent
from billing.lots import LotKind
from billing.periods import Period
from billing.queries import Filters
from billing.usage import Dimension
from data.analytics.lake import Lake
from data.analytics.sync import sync_all
from data.database import Database, open_database, sqlite_url
from data.migrate import migrate
from data.proof.verify import verify
from data.reading.usage_reader import LedgerReader
from data.tables import usage_lines
from tests import databases, forked, sync_forever
from tests.builders import NOON, Ledger, sms
from tests.ledger_builder import account, scope

ACCOUNTS = [f"tenant-{n}" for n in range(5)]
WRITERS, READERS = 8, 4
SLOWEST_SECONDS = 0.4
WHENEVER = Period(date(2026, 1, 1), date(2027, 1, 1))
DAY, METRIC, CAMPAIGN, CONSUMER = (
    Dimension.DAY, Dimension.METRIC, Dimension.CAMPAIGN, Dimension.CONSUMER,
)  # fmt: skip
# What is asked in turns, of every sum that analytics keep and of lines.
ASKED: list[tuple[list[Dimension], Filters]] = [
    ([], Filters()),
    ([DAY], Filters()),
    ([METRIC, Dimension.STATUS], Filters()),
    ([CAMPAIGN], Filters()),
    ([CAMPAIGN, METRIC], Filters()),
    ([DAY, METRIC], Filters(campaigns=("x",))),
    ([CONSUMER, METRIC], Filters()),
    ([CONSUMER], Filters(campaigns=("y",))),
    ([DAY], Filters(consumers=("user:a",))),
    ([CAMPAIGN, CONSUMER], Filters(metrics=("sms_credits",))),
]


@dataclass
class Storm:
    """What goes on at once, and what went wrong."""

    ledger: Ledger
    folder: Path
    url: str
    second: Database  # as of another process: each has its own few connections
    is_over: threading.Event = field(default_factory=threading.Event)
    wrong: list[str] = field(default_factory=list)
    comparisons: int = 0
    exact: int = 0  # comparisons during which nothing was written to the account
    kills: int = 0
    undone: int = 0
    counting: threading.Lock = field(default_factory=threading.Lock)

    @property
    def database(self) -> Database:
        return self.ledger.database

    def write(self, number: int, _turn: int) -> None:
        """One transaction of a random account: one or more pieces, at times slow or undone."""
        rng = random.Random(f"{number}-{time.monotonic()}")
        account_id = rng.choice(ACCOUNTS)
        slow = rng.random() < 0.2
        is_undone = rng.random() < 0.2
        with (self.database, self.second)[number % 2].write() as connection:
            poster = self.ledger.poster(connection, account_id)
            for piece in range(rng.randint(1, 3)):
                names = [f"{number}-{time.monotonic_ns()}-{piece}-{n}" for n in range(7)]
                poster.post([_message(rng, name) for name in names])
                poster.flush()
                if slow:
                    time.sleep(rng.random() * SLOWEST_SECONDS)
            if is_undone:
                connection.rollback()
        with self.counting:
            self.undone += is_undone

    def truth(self, account_id: str, filters: Filters) -> tuple[int, int]:
        """The plain sums of what a filter lets pass."""
        lines = usage_lines.c
        sums = select(func.count(), func.coalesce(func.sum(lines.cost_micros), 0))
        for column, allowed in (
            (lines.campaign_id, filters.campaigns),
            (lines.consumer_id, filters.consumers),
            (lines.metric, filters.metrics),
        ):
            if allowed:
                sums = sums.where(column.in_(allowed))
        with self.database.read() as connection:
            count, cost = connection.execute(sums.where(lines.account_id == account_id)).one()
        return int(count), int(cost)

    def read(self, reader: LedgerReader, turn: int) -> None:
        """Compares what the product says of an account with the plain sums of the ledger."""
        account_id = ACCOUNTS[turn // len(ASKED) % len(ACCOUNTS)]
        by, filters = ASKED[turn % len(ASKED)]
        who = scope(account(account_id))
        before = self.truth(account_id, filters)
        cells = reader.usage(who, WHENEVER, by, filters).cells
        after = self.truth(account_id, filters)
        found = sum(cell.count for cell in cells), sum(cell.cost_micros for cell in cells)
        is_torn = filters.is_empty and found[0] % 7
        if not before[0] <= found[0] <= after[0] or is_torn or found[1] * 7 % (found[0] or 1):
            self.wrong.append(f"{account_id} {by} {filters}: {found}, from {before} to {after}")
        if before == after and found != before:
            self.wrong.append(f"{account_id} {by} {filters}: {found}, not {before}")
        with self.counting:
            self.comparisons += 1
            self.exact += before == after

    def kill_syncers(self) -> None:
        rng, told = random.Random(7), self.folder / "told by syncers"
        while not self.is_over.is_set():
            process = forked.start(
                sync_forever.main, self.url, self.folder, environment={**os.environ}, told=told
            )
            self.is_over.wait(1.0 + rng.random() * 2)
            if process.exitcode is not None:
                self.wrong.append(f"{process.exitcode}: the syncer ended: {told.read_text()}")
            process.kill()
            process.join(20)
            self.kills += 1

    def keep(self, work: Callable[[int], None]) -> threading.Thread:
        """Repeats until it is over; what is raised is wrong."""

        def repeat() -> None:
            turn = 0
            while not self.is_over.is_set():
                try:
                    work(turn)
                except Exception as error:
                    self.wrong.append(repr(error)[:500])
                    return
                turn += 1

        thread = threading.Thread(target=repeat)
        thread.start()
        return thread


def _message(rng: random.Random, name: str) -> SmsEvent:
    """One of a campaign and a person, coming or going."""
    return sms(
        name, campaign=rng.choice("xyz"), consumer=rng.choice(("user:a", "user:b", None)),
        direction=rng.choice(("outbound", "inbound")),
    )  # fmt: skip


@pytest.fixture(params=["sqlite", "postgresql"])
def storm(request, tmp_path: Path) -> Iterator[Storm]:
    if request.param == "sqlite":
        url = sqlite_url(tmp_path / "truth.sqlite")
    else:
        url = databases.postgresql_url(tmp_path)
    database = open_database(url)
    migrate(database)
    ledger = Ledger(tmp_path, database)
    for account_id in ACCOUNTS:
        ledger.add(account_id)
        ledger.credit(10**12, kind=LotKind.PAID, account_id=account_id)
        ledger.post(*(sms(f"first-{n}") for n in range(7)), account_id=account_id)
    forked.ready()
    # On SQLite a second one in the process would only wait for the file, unfairly.
    second = database if request.param == "sqlite" else open_database(url)
    yield Storm(ledger, tmp_path, url, second)
    second.dispose()
    database.dispose()


def rage(storm: Storm, seconds: float) -> None:
    lake = Lake(storm.folder, storm.database)
    readers = [LedgerReader(storm.database, lake, FixedClock(NOON)) for _ in range(READERS)]
    threads = [storm.keep(partial(storm.write, number)) for number in range(WRITERS)]
    threads += [storm.keep(partial(storm.read, reader)) for reader in readers]
    syncing = threading.Thread(target=storm.kill_syncers)
    syncing.start()
    storm.is_over.wait(seconds)
    storm.is_over.set()
    for thread in (*threads, syncing):
        thread.join(60)
    assert storm.wrong == []
    sync_all(storm.database, lake)
    report = verify(storm.database, lake)
    assert report.passed, [check for check in report.checks if not check.passed]
    print(f"{storm.comparisons} comparisons, {storm.exact} of them exact, {storm.kills} kills")
    lake.close()


def test_a_short_storm(storm: Storm):
    rage(storm, 8)
    assert storm.comparisons > 20
    assert storm.kills > 1
    assert storm.undone > 0


@pytest.mark.long
def test_a_long_storm(storm: Storm):
    rage(storm, 150)
    assert storm.comparisons > 1_000
    assert storm.exact > 10
    assert storm.kills > 20
