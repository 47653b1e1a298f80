"""Sweeps of several processes: the next one goes on when the first is killed; none acts twice."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from billing.caps import Cap, CapKind, Limits
from data import tables as t
from data.database import Database, open_database
from data.jobs import Jobs
from data.ledger.limits import set_limits
from data.ledger.sweeping import sweep
from data.writer import Writer
from tests import forked, sweep_leader
from tests.builders import NOON, Ledger, sms
from tests.databases import postgresql_url

TAKEN_OVER_SECONDS = 30.0  # at most, after a kill
SPENT = Cap(CapKind.DAILY, 10_000)


def place_of(folder: Path, *, is_on_postgresql: bool) -> str | None:
    return postgresql_url(folder / "ledger.db") if is_on_postgresql else None


def waited(what: Callable[[], Any], seconds: float = TAKEN_OVER_SECONDS) -> float:
    """After how many seconds it became true."""
    begun = time.monotonic()
    while not what():
        assert time.monotonic() - begun < seconds, f"it did not happen within {seconds} s"
        time.sleep(0.05)
    return time.monotonic() - begun


def pauses(database: Database) -> list[tuple[str, str | None]]:
    """Account and why it ended, in order."""
    with database.read() as connection:
        rows = connection.execute(select(t.pauses).order_by(t.pauses.c.account_id))
        return [(row.account_id, row.end_cause) for row in rows]


@pytest.mark.parametrize("is_on_postgresql", [False, True])
def test_sweeps_go_on_after_the_leader_is_killed(tmp_path: Path, *, is_on_postgresql: bool):
    url = place_of(tmp_path, is_on_postgresql=is_on_postgresql)
    clock = tmp_path / "clock.txt"
    clock.write_text(NOON.isoformat())
    installation = sweep_leader.opened(tmp_path, url)
    ledger = Ledger(tmp_path, installation.database)
    ledger.add()
    ledger.credit(1_000_000)
    told = tmp_path / "told"
    follower: Jobs | None = None
    process = forked.start(
        sweep_leader.main, tmp_path, url, environment=dict(os.environ), told=told
    )
    try:
        database = installation.database
        waited(lambda: leads(database))
        follower = sweep_leader.leading(installation)
        set_limits_of(installation.writer, ledger, "acme")
        ledger.post(sms("never asked", NOON, 2))
        waited(lambda: pauses(database) == [("acme", None)])
        assert not follower.lease.is_held, "the other process has done that"
        process.kill()
        process.join(10)
        clock.write_text((NOON + timedelta(days=1)).isoformat())
        waited(lambda: pauses(database) == [("acme", "boundary")])
        assert follower.lease.is_held
    finally:
        process.kill()
        if follower is not None:
            follower.stop()
        installation.close()


def leads(database: Database) -> bool:
    with database.read() as connection:
        return connection.execute(select(t.leases)).first() is not None


def set_limits_of(writer: Writer, ledger: Ledger, *account_ids: str) -> None:
    for account_id in account_ids:
        account = ledger.accounts[account_id]
        writer.write(
            lambda c: set_limits(c, account, Limits((SPENT,)), "person:ada", NOON)  # noqa: B023
        )


@pytest.mark.parametrize("is_on_postgresql", [False, True])
def test_two_that_sweep_at_once_never_act_twice(tmp_path: Path, *, is_on_postgresql: bool):
    """As if two led: whatever the lease says, a pause begins once and ends once."""
    url = place_of(tmp_path, is_on_postgresql=is_on_postgresql)
    (tmp_path / "clock.txt").write_text(NOON.isoformat())
    installation = sweep_leader.opened(tmp_path, url)
    ledger = Ledger(tmp_path, installation.database)
    names = [f"account-{number}" for number in range(12)]
    for name in names:
        ledger.add(name)
        ledger.credit(1_000_000, account_id=name)
    set_limits_of(installation.writer, ledger, *names)
    for name in names:
        ledger.post(sms("never asked", NOON, 2), account_id=name)
    others = [open_database(installation.settings.truth_url) for _ in range(2)]
    writers = [Writer(each) for each in others]
    try:
        for now, causes in ((NOON, None), (NOON + timedelta(days=1), "boundary")):
            with ThreadPoolExecutor(4) as pool:
                work = [pool.submit(sweep, others[n % 2], writers[n % 2], now) for n in range(4)]
                done = [each.result() for each in work]
            assert pauses(installation.database) == [(name, causes) for name in sorted(names)]
            assert sum(each.begun + each.ended for each in done) == len(names)
    finally:
        for writer in writers:
            writer.close()
        for each in others:
            each.dispose()
        installation.close()
