"""Readiness: each part named with its state; what is broken says so, and nothing else is told."""

import shutil
import threading
import time
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace

import httpx
import pytest

from api import readiness
from api.readiness import Readiness, State
from data import writer
from data.backlog import LEAST_BEHIND_SECONDS, LONG_TRANSACTION_SECONDS, TAIL_LIMIT_LINES, Standing
from data.installation import Installation
from data.nightly import ProofState
from data.savepoints import BusyError
from tests.live import NOW
from tests.web_app import installed

PARTS = {
    "ledger_read", "ledger_write", "analytics", "disk", "scheduler", "sync", "tail",
    "transactions", "proof", "clock",
}  # fmt: skip
Disk = namedtuple("Disk", "total used free")


@dataclass
class FakeJobs:
    is_running: bool = True
    sync_age_seconds: float = 1.0
    lines: int = 0
    transaction_seconds: float = 0.0
    proof: ProofState | None = None
    has_odd_clock: bool = False

    def standing(self) -> Standing:
        return Standing(self.lines, self.transaction_seconds)

    def last_proof(self) -> ProofState | None:
        return self.proof

    def is_clock_odd(self) -> bool:
        return self.has_odd_clock


@pytest.fixture
def opened(tmp_path) -> Iterator[Installation]:
    with installed(tmp_path) as installation:
        yield installation


@pytest.fixture
def ready(opened, monkeypatch) -> Readiness:
    """Looks anew each time it is asked."""
    monkeypatch.setattr(readiness, "FRESH_SECONDS", 0)
    return Readiness(opened, FakeJobs())


def test_all_is_well_on_a_running_server(live):
    answer = httpx.get(f"{live.url}/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "checks": dict.fromkeys(PARTS, "ok")}
    assert httpx.get(f"{live.url}/healthz").json() == {"status": "ok"}


def test_a_ledger_that_cannot_be_read_is_not_ready(ready, opened, monkeypatch):
    def fails():
        raise OSError("/a/path/that/nobody/may/see")

    assert ready.report().state is State.OK
    monkeypatch.setattr(opened.database, "read", fails)
    report = ready.report()
    assert not report.is_ready
    assert report.checks["ledger_read"] is State.FAILED
    assert "path" not in str(report.body)


def test_a_writer_that_is_stuck_is_not_ready(ready, opened, monkeypatch):
    monkeypatch.setattr(readiness, "LONGEST_COMMIT_SECONDS", 0.05)
    opened.lake.position()  # open, as in a server; opening it for the first time writes
    begun, go_on = threading.Event(), threading.Event()

    def hangs(_):
        begun.set()
        go_on.wait(20)

    future = opened.writer.submit(hangs)
    assert begun.wait(10)
    threading.Event().wait(0.1)
    assert ready.report().checks["ledger_write"] is State.FAILED
    go_on.set()
    future.result()
    opened.writer.write(lambda _: None)
    assert ready.report().checks["ledger_write"] is State.OK


def test_a_writer_whose_last_commit_failed_is_not_ready_until_one_works(ready, opened, monkeypatch):
    real = opened.database.write

    def fails():
        raise OSError("no space left on device")

    opened.writer.write(lambda _: None)
    monkeypatch.setattr(opened.database, "write", fails)
    with pytest.raises((OSError, BusyError)):
        opened.writer.write(lambda _: None)
    opened.writer._thread.join(0.2)  # the answer comes before the note of it
    assert ready.report().checks["ledger_write"] is State.FAILED
    monkeypatch.setattr(opened.database, "write", real)
    opened.writer.write(lambda _: None)
    opened.writer._thread.join(0.2)
    assert ready.report().is_ready


def test_a_ledger_that_can_be_written_again_is_found_out_without_a_request(
    ready, opened, monkeypatch
):
    """None is sent to a server that isn't ready."""

    def fails():
        raise OSError("no such device")

    with monkeypatch.context() as broken:
        broken.setattr(opened.database, "write", fails)
        with pytest.raises((OSError, BusyError)):
            opened.writer.write(lambda _: None)
        opened.writer._thread.join(0.2)
        assert ready.report().checks["ledger_write"] is State.FAILED
    deadline = time.monotonic() + 20
    while ready.report().checks["ledger_write"] is State.FAILED:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert ready.report().checks["ledger_write"] is State.DEGRADED, "it was refused a moment ago"
    monkeypatch.setattr(writer, "RECENT_SECONDS", 0)
    assert ready.report().state is State.OK


def test_a_refused_decision_is_no_fault_of_the_writer(ready, opened):
    def refuses(_):
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        opened.writer.write(refuses)
    assert ready.report().state is State.OK


def test_a_writer_that_ended_is_not_ready(ready, opened):
    opened.writer.close()
    assert ready.report().checks["ledger_write"] is State.FAILED


def test_analytics_that_cannot_be_read_are_said_and_events_still_come(ready, opened):
    assert ready.report().is_ready
    shutil.rmtree(opened.lake.directory)
    report = ready.report()
    assert report.checks["analytics"] is State.FAILED
    assert report.state is State.DEGRADED
    assert report.is_ready


@pytest.mark.parametrize(
    ("free", "state"),
    [(50_000_000, State.FAILED), (500_000_000, State.DEGRADED), (5_000_000_000, State.OK)],
)
def test_a_disk_that_is_nearly_full_says_so(ready, monkeypatch, free, state):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Disk(10**12, 10**12 - free, free))
    assert ready.report().checks["disk"] is state


def test_the_product_works_with_less(ready):
    ready.jobs.sync_age_seconds = LEAST_BEHIND_SECONDS + 1
    assert ready.report().checks["sync"] is State.DEGRADED
    assert ready.report().is_ready
    ready.jobs = FakeJobs(is_running=False)
    report = ready.report()
    assert report.checks["scheduler"] is State.DEGRADED
    assert report.body["status"] == "degraded"
    assert report.is_ready


@pytest.mark.parametrize(
    ("part", "jobs"),
    [
        ("tail", FakeJobs(lines=TAIL_LIMIT_LINES + 1)),
        ("transactions", FakeJobs(transaction_seconds=LONG_TRANSACTION_SECONDS + 1)),
        ("clock", FakeJobs(has_odd_clock=True)),
        ("proof", FakeJobs(proof=ProofState(NOW, 3, ("2026-11",), is_mended=True))),
    ],
)
def test_what_an_operator_should_look_at_is_said_and_requests_go_on(ready, part, jobs):
    ready.jobs = jobs
    report = ready.report()
    assert [name for name, state in report.checks.items() if state is not State.OK] == [part]
    assert report.checks[part] is State.DEGRADED
    assert report.is_ready
    ready.jobs = FakeJobs(lines=TAIL_LIMIT_LINES, proof=ProofState(NOW, 3, (), is_mended=False))
    assert ready.report().state is State.OK


def test_a_slow_rhythm_of_syncs_is_not_being_behind(opened, monkeypatch):
    slow = SimpleNamespace(settings=opened.settings.model_copy(update={"sync_seconds": 3600}))
    ready = Readiness(slow, FakeJobs(sync_age_seconds=3 * 3600))  # type: ignore[arg-type]
    assert ready._sync() is State.OK


def test_whoever_stops_is_not_ready(live):
    live.application.state.readiness.is_stopping = True
    answer = httpx.get(f"{live.url}/readyz")
    live.application.state.readiness.is_stopping = False
    assert answer.status_code == 503
    assert answer.json() == {"status": "stopping", "checks": {}}


def test_asking_often_looks_once(opened, monkeypatch):
    monkeypatch.setattr(readiness, "FRESH_SECONDS", 60)
    ready = Readiness(opened, FakeJobs())
    first = ready.report()
    assert all(ready.report() is first for _ in range(100))


def test_a_check_that_hangs_keeps_no_thread_for_ever(ready, monkeypatch):
    monkeypatch.setattr(readiness, "PATIENCE_SECONDS", 0.05)
    begun, go_on = threading.Event(), threading.Event()

    def hangs():
        begun.set()
        go_on.wait(20)
        return State.OK

    monkeypatch.setattr(ready, "_analytics", hangs)
    first = threading.Thread(target=ready.report)
    first.start()
    assert begun.wait(10)
    assert not ready.report().is_ready
    go_on.set()
    first.join()
    assert ready.report().is_ready
