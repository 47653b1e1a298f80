"""The lease: one holder of many, on both databases; no effect of two at once; a quick takeover.

Times are a quarter of the product's (its time to live is 6 s here 1.5 s), the rules the same.
"""

from __future__ import annotations

import itertools
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text, update

from data import lease as lease_module
from data.database import Database, open_database, sqlite_url
from data.lease import RELEASED, Fenced, Lease, LeaseLostError
from data.migrate import migrate
from data.tables import leases
from data.writer import Writer
from tests.databases import postgresql_url
from tests.lease_holders import (
    NAME,
    TTL_SECONDS,
    acting,
    acts,
    named,
    prepare,
    start_holder,
    writes_of,
)

SOON = 20.0
SLACK_SECONDS = 2.5  # of a busy machine


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    file = tmp_path / "truth.sqlite"
    found = sqlite_url(file) if request.param == "sqlite" else postgresql_url(file)
    database = open_database(found)
    migrate(database)
    prepare(database)
    database.dispose()
    return found


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    opened = open_database(url)
    yield opened
    opened.dispose()


@contextmanager
def holding(database: Database, **rest: object) -> Iterator[Lease]:
    """A part in the lease on threads of this process, not yet started."""
    writes = writes_of(database)
    lease = Lease(database, writes, NAME, ttl_seconds=TTL_SECONDS, **rest)  # type: ignore[arg-type]
    yield lease
    lease.stop()
    if isinstance(writes, Writer):
        writes.close()


def wait_until(what, seconds: float = SOON) -> float:
    begun = time.monotonic()
    while not what():
        assert time.monotonic() - begun < seconds, "it did not happen in time"
        time.sleep(0.01)
    return time.monotonic() - begun


def die(lease: Lease) -> None:
    """Ends its thread and lets go of nothing."""
    lease._ending.set()
    assert lease._thread is not None
    lease._thread.join()


def row(database: Database):
    with database.read() as connection:
        return connection.execute(select(leases).where(leases.c.name == NAME)).one()


def no_overlap(database: Database) -> list[int]:
    """Fences that acted, in order: each holder's acts lie between those of its neighbours."""
    found = acts(database)
    fences = [fence for _, fence, _, _ in found]
    assert fences == sorted(fences), "two holders acted among each other"
    by_fence = [list(group) for _, group in itertools.groupby(found, key=lambda each: each[1])]
    for group in by_fence:
        assert len({holder for _, _, _, holder in group}) == 1, "one fence, two holders"
        numbers = [n for _, _, n, _ in group]
        assert len(set(numbers)) == len(numbers), "an act came twice"
    return sorted(set(fences))


# --- taking, keeping, letting go ---------------------------------------------------------------
def test_the_first_has_it_at_once_and_a_stop_lets_it_go(database: Database):
    with holding(database) as first, holding(database) as second:
        first.start()
        assert first.is_held
        assert first.fence == 1
        second.start()
        time.sleep(1.5 * TTL_SECONDS)
        assert first.is_held, "it is renewed"
        assert not second.is_held
        assert second.has_leader
        with pytest.raises(LeaseLostError):
            _ = second.fence
        first.stop()
        assert not first.is_held
        assert row(database).until == RELEASED or second.is_held
        took = wait_until(lambda: second.is_held)
        assert took < TTL_SECONDS, "what was let go needs no waiting"
        assert second.fence == 2


@pytest.mark.parametrize("count", [2, 5])
def test_many_threads_never_act_among_each_other(url: str, count: int):
    with ExitStack() as stack:
        databases = [open_database(url) for _ in range(count)]
        ending = threading.Event()
        found: list[tuple[Lease, threading.Thread]] = []
        for each in databases:
            stack.callback(each.dispose)
            lease = stack.enter_context(holding(each))
            writes = lease._writes
            found.append((lease, threading.Thread(target=acting, args=(lease, writes, ending))))
        for lease, thread in found:
            lease.start()
            thread.start()
        for _ in range(2):  # each time the holder leaves
            wait_until(lambda: sum(lease.is_held for lease, _ in found) == 1)
            time.sleep(0.2)
            next(lease for lease, _ in found if lease.is_held).stop()
        ending.set()
        for _, thread in found:
            thread.join(SOON)
        fences = no_overlap(databases[0])
    assert fences[0] == 1
    assert len(fences) == 2


# --- clocks ------------------------------------------------------------------------------------
@pytest.mark.parametrize("step", [timedelta(days=365), timedelta(days=-365), timedelta(hours=1)])
def test_no_step_of_the_clock_makes_two_holders(database: Database, monkeypatch, step: timedelta):
    class Stepped:
        def now(self) -> datetime:
            return datetime.now(UTC) + step

    with holding(database) as first, holding(database) as second:
        first.start()
        second.start()
        monkeypatch.setattr(lease_module, "SystemClock", Stepped)
        until = time.monotonic() + 1.5 * TTL_SECONDS
        while time.monotonic() < until:
            assert first.is_held
            assert not second.is_held
            time.sleep(0.02)
        first.stop()
        wait_until(lambda: second.is_held, TTL_SECONDS)


def test_an_instant_far_ahead_in_the_row_keeps_nobody_waiting(database: Database):
    """As left by a holder that died while the clock was a year ahead."""
    with holding(database) as dead:
        dead.start()
        die(dead)
        with database.write() as connection:
            connection.execute(update(leases).values(until=datetime(2030, 1, 1, tzinfo=UTC)))
        with holding(database) as next_one:
            next_one.start()
            assert wait_until(lambda: next_one.is_held) > 0.8 * TTL_SECONDS
            assert not dead.is_held
            assert next_one.fence == 2


# --- what is written under it ------------------------------------------------------------------
def test_a_holder_that_was_passed_over_writes_nothing(database: Database):
    """It still believes in its lease: the fence is what stops it."""
    with holding(database) as old:
        old.start()
        die(old)
        with database.write() as connection:
            connection.execute(update(leases).values(fence=2, holder="x" * 36))
        old._deadline = float("inf")
        assert old.is_held
        wrote: list[object] = []
        with pytest.raises(LeaseLostError):
            Fenced(old, old._writes).write(wrote.append)
        assert wrote == []


def test_nobody_takes_it_while_a_fenced_transaction_is_open(database: Database):
    with holding(database) as old, holding(database) as new:
        old.start()
        begun, go_on = threading.Event(), threading.Event()

        def slow(connection):
            old.require(connection)
            begun.set()
            while not go_on.wait(0.1):  # at work: one that is idle for its time is ended
                connection.execute(text("SELECT 1"))

        thread = threading.Thread(target=lambda: _write_alone(database, slow))
        thread.start()
        assert begun.wait(SOON)
        old._ending.set()  # it dies here, its transaction still open
        new.start()
        time.sleep(1.5 * TTL_SECONDS)
        assert not new.is_held
        go_on.set()
        thread.join(SOON)
        wait_until(lambda: new.is_held)
        assert new.fence == 2


def _write_alone(database: Database, work) -> None:
    with database.write() as connection:
        work(connection)


def test_a_ledger_that_cannot_be_written_ends_the_holders_turn(database: Database, monkeypatch):
    with holding(database) as lease:
        lease.start()
        real = lease._writes.write

        def fails(_):
            raise OSError("no space left on device")

        monkeypatch.setattr(lease._writes, "write", fails)
        wait_until(lambda: not lease.is_held)
        assert lease.is_alive
        monkeypatch.setattr(lease._writes, "write", real)
        wait_until(lambda: lease.is_held)
        assert lease.fence == 1, "nobody else had it"


# --- processes ---------------------------------------------------------------------------------
def acting_pid(database: Database, holders: dict[str, int]) -> tuple[int, int]:
    """The process that acts now, and its fence."""
    before = len(acts(database))
    wait_until(lambda: len(acts(database)) > before)
    _, fence, _, holder = acts(database)[-1]
    return holders[holder], fence


def put_to_sleep(database: Database, pid: int) -> None:
    """Stops a process; on SQLite between two transactions, or nobody at all could write."""
    while True:
        os.kill(pid, signal.SIGSTOP)
        os.waitpid(pid, os.WUNTRACED)  # until it has stopped, or it may take the lock still
        if database.dialect == "postgresql":
            return
        probe = sqlite3.connect(database.writer_engine.url.database or "", timeout=0.05)
        try:
            probe.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            os.kill(pid, signal.SIGCONT)
            time.sleep(0.02)
        else:
            return
        finally:
            probe.close()


@pytest.mark.parametrize("count", [3, pytest.param(5, marks=pytest.mark.long)])
def test_a_killed_holder_is_followed_and_a_sleeping_one_does_nothing(
    url: str, database: Database, count: int
):
    holders = [start_holder(url) for _ in range(count)]
    try:
        by_id = named(holders)
        killed, fence = acting_pid(database, by_id)
        os.kill(killed, signal.SIGKILL)
        took = wait_until(lambda: acts(database)[-1][1] > fence)
        assert took < TTL_SECONDS + SLACK_SECONDS
        print(f"{count} holders: takeover {took:.2f} s after kill -9, time to live {TTL_SECONDS}")
        slept, fence = acting_pid(database, by_id)
        put_to_sleep(database, slept)
        took = wait_until(lambda: acts(database)[-1][1] > fence)
        print(f"{took:.2f} s after it was put to sleep")
        woken_at = time.monotonic_ns()
        os.kill(slept, signal.SIGCONT)
        asleep = next(holder for holder, pid in by_id.items() if pid == slept)
        time.sleep(TTL_SECONDS)
        assert not [each for each in acts(database) if each[3] == asleep and each[0] > woken_at]
    finally:
        for each in holders:
            each.end()
    assert no_overlap(database)[:3] == [1, 2, 3]
    assert row(database).until == RELEASED, "the last one stopped cleanly"
