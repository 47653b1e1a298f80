"""Background jobs of several processes: only the leader's run, and what falls behind is said."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, text

from billing.clock import FixedClock
from data import backlog
from data.backlog import Backlog
from data.clocks import SystemClock
from data.installation import Installation, open_installation
from data.jobs import Jobs
from data.settings import load_settings
from data.tables import facts
from tests.databases import ON_POSTGRESQL, postgresql_url
from tests.ledger_builder import NOW, LedgerBuilder, Line

SOON = 30.0


def opened(folder: Path, *, on_postgresql: bool = ON_POSTGRESQL, **rest: Any) -> Installation:
    url = postgresql_url(folder / "ledger.db") if on_postgresql else None
    given = {"data_dir": folder, "secret_key": "s" * 40, "sync_seconds": 1, "_env_file": None}
    return open_installation(load_settings(database_url=url, **{**given, **rest}))


@contextmanager
def running(installation: Installation) -> Iterator[Jobs]:
    jobs = Jobs(installation, is_demo=False)
    jobs.start()
    yield jobs
    jobs.stop()
    installation.close()


def wait_until(what: Any) -> None:
    deadline = time.monotonic() + SOON
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def runs(jobs: Jobs, name: str = "sync") -> int:
    return jobs.records[name].runs


@pytest.mark.parametrize("on_postgresql", [False, True])
def test_jobs_run_in_the_leader_alone_and_go_over_when_it_stops(tmp_path, on_postgresql):
    first, second = (opened(tmp_path, on_postgresql=on_postgresql) for _ in range(2))
    with running(first) as leader, running(second) as follower:
        wait_until(lambda: runs(leader) >= 2)
        assert runs(follower) == 0
        assert leader.is_running
        assert follower.is_running, "somebody leads"
        assert follower.sync_age_seconds < SOON
        leader.stop()
        wait_until(lambda: runs(follower) >= 1)
        assert runs(follower, "close_periods") >= 1, "what became due meanwhile"
        assert not leader.is_running


def test_a_leader_whose_lease_ran_out_begins_nothing(tmp_path):
    with running(opened(tmp_path)) as jobs:
        wait_until(lambda: runs(jobs) >= 1)
        jobs.lease._ending.set()
        assert jobs.lease._thread is not None
        jobs.lease._thread.join()
        jobs.lease._deadline = 0.0
        time.sleep(0.1)
        before = runs(jobs)
        time.sleep(2.5)
        assert runs(jobs) == before
        assert not jobs.is_running


def test_a_job_that_may_not_go_on_ends_between_its_steps(tmp_path, monkeypatch):
    """The lease is lost while a sync of many batches is at work: it stops after its step."""
    from data.analytics import sync as sync_module

    installation = opened(tmp_path)
    real, steps = sync_module.sync, []

    def one_step(*args: Any, **rest: Any) -> Any:
        steps.append(1)
        jobs.lease._deadline = 0.0
        return real(*args, **{**rest, "limit": 5})

    builder = LedgerBuilder(installation.database)
    builder.add_account()
    builder.add_lines(*(Line(second=n) for n in range(40)))
    monkeypatch.setattr(sync_module, "sync", one_step)
    jobs = Jobs(installation, is_demo=False)
    jobs.start()
    wait_until(lambda: steps)
    time.sleep(0.3)
    assert len(steps) == 1
    assert jobs.records["sync"].failures == 0, "that is no fault"
    jobs.stop()
    installation.close()


def test_a_clock_that_is_put_back_keeps_no_job_waiting(tmp_path, monkeypatch):
    with running(opened(tmp_path)) as jobs:
        wait_until(lambda: runs(jobs) >= 1)
        for job in jobs._scheduler.get_jobs():  # as they look after an hour was put back
            job.modify(next_run_time=SystemClock().now() + timedelta(hours=1))
        before = runs(jobs)
        wait_until(lambda: runs(jobs) > before)


# --- what falls behind -------------------------------------------------------------------------
def test_a_tail_that_grows_is_warned_of_once_and_its_end_is_said(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(backlog, "TAIL_LIMIT_LINES", 10)
    installation = opened(tmp_path, sync_seconds=3600)
    builder = LedgerBuilder(installation.database)
    builder.add_account()
    with running(installation) as jobs, caplog.at_level(logging.INFO):
        jobs._watch()
        assert "aren't in analytics" not in caplog.text
        builder.add_lines(*(Line(second=n) for n in range(11)))
        assert jobs.standing().lines == 11
        jobs._watch()
        jobs._watch()
        assert caplog.text.count("aren't in analytics") == 1
        jobs._sync()
        assert jobs.standing().lines == 0
        jobs._watch()
        assert "what was warned of is over: tail" in caplog.text


def test_a_follower_sees_how_long_lines_wait(tmp_path):
    installation = opened(tmp_path)
    builder = LedgerBuilder(installation.database)
    builder.add_account()
    seen = Backlog(installation.database, lambda: installation.lake)
    assert seen.still_seconds < 1
    builder.add_lines(Line())
    time.sleep(0.3)
    assert seen.still_seconds >= 0.3
    installation.close()


def test_a_transaction_that_stays_open_is_warned_of(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(backlog, "LONG_TRANSACTION_SECONDS", 0.3)
    installation = opened(tmp_path, on_postgresql=True, sync_seconds=3600)
    with running(installation) as jobs:
        assert not jobs.standing().is_held_up
        with installation.database.read() as reading:  # it holds nothing up
            reading.execute(text("SELECT count(*) FROM usage_lines"))
            time.sleep(0.5)
            assert not jobs.standing().is_held_up
        with installation.database.write() as connection:
            connection.execute(insert(facts).values(name="open", value="for long"))
            time.sleep(0.5)
            assert jobs.standing().transaction_seconds >= 0.5
            jobs._watch()
        assert "has been open for" in caplog.text
        assert not jobs.standing().is_held_up


# --- the night ---------------------------------------------------------------------------------
def test_the_nights_proof_runs_once_and_every_process_can_tell_it(tmp_path):
    leader, other = opened(tmp_path, sync_seconds=3600), opened(tmp_path, sync_seconds=3600)
    leader.clock = other.clock = FixedClock(NOW)
    builder = LedgerBuilder(leader.database)
    builder.add_account()
    builder.add_lines(*(Line(second=n) for n in range(20)))
    with running(leader) as jobs, running(other) as follower:
        jobs._sync()
        assert jobs.last_proof() is None
        leader.lake.change(lambda cursor: cursor.execute("DELETE FROM lake.roll_day"))
        jobs._prove()
        found = follower.last_proof()
        assert found is not None
        assert found.differing == ("2026-10",)
        assert found.is_mended
        leader.clock = FixedClock(NOW + timedelta(hours=1))
        jobs._prove()
        assert follower.last_proof() == found, "the same night"
        leader.clock = FixedClock(NOW + timedelta(days=1))
        jobs._prove()
        found = follower.last_proof()
        assert found is not None
        assert found.differing == ()
