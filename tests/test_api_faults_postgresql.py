"""PostgreSQL goes away, fills up, is held up: what is refused, what is said, how it comes back.

Each fault meets a real server on a PostgreSQL of its own, under clients that send events with ids
and send again what was refused. At the end nothing they were told is kept is missing, nothing is
there twice, and the ledger proves itself. docs/faults.md says the same in words.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy import func, select

from billing.access import ALL_ACCOUNTS
from data import backlog, database, jobs, writer
from data.analytics.sync import sync_all
from data.proof.verify import verify
from data.savepoints import BusyError
from data.tables import events, usage_lines
from tests.api_client import ApiClient, sms
from tests.live import OWNER, Live, LiveServer
from tests.own_postgresql import Mode, OwnPostgresql, own_postgresql
from tests.stream_ear import hub_of, listening, wait_for
from tests.web_client import WebClient, page_request

SENDERS, BATCH = 3, 20
CRASHES = 15
BACK_WITHIN = 20.0  # seconds, on a busy machine
SLOW_SECONDS = 30.0
PASSING = {429, 503}
DISK_BYTES = 48_000_000
LEFT_BYTES = 32_768


@pytest.fixture(scope="module")
def server() -> Iterator[OwnPostgresql]:
    with own_postgresql() as server:
        yield server


@pytest.fixture
def live(server: OwnPostgresql, tmp_path: Path) -> Iterator[Live]:
    """A running server on a new database; whatever happened to it, it proves itself at the end."""
    with serving(server.new_database(f"t{time.monotonic_ns()}"), tmp_path) as live:
        yield live


@contextmanager
def serving(url: str, folder: Path) -> Iterator[Live]:
    running = LiveServer(folder, database_url=url, sync_seconds=1)
    try:
        live = running.start()
        yield live
        sync_all(live.installation.database, live.installation.lake)
        report = verify(live.installation.database, live.installation.lake)
        assert report.passed, [check for check in report.checks if not check.passed]
    finally:
        running.stop()


@dataclass
class Load:
    """Senders that never give up: ``kept`` are ids that were answered with 2xx."""

    live: Live
    make: Callable[[str], dict[str, Any]] = lambda name: sms(_id=name, _source="fault")
    kept: set[str] = field(default_factory=set)
    answers: list[httpx.Response] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)
    batches: int = 0

    def send(self, number: int) -> None:
        client = ApiClient(self.live)
        turn = 0
        while not self.is_over.is_set():
            names = [f"{number}-{turn}-{n}" for n in range(BATCH)]
            while True:  # what was begun is sent until it is in
                try:
                    answer = client.send(*map(self.make, names))
                except httpx.TransportError as error:
                    self.broken.append(repr(error))
                    time.sleep(0.1)
                    continue
                self.answers.append(answer)
                if answer.status_code == 204:
                    self.kept.update(names)
                    break
                assert answer.status_code in PASSING, answer.text
                time.sleep(0.2)
            turn += 1
            self.batches += 1
        client.close()

    @property
    def refused(self) -> list[httpx.Response]:
        return [each for each in self.answers if each.status_code != 204]

    def goes_on(self, seconds: float = BACK_WITHIN) -> None:
        """Every sender gets on: nobody waits for something that went with the fault."""
        before = self.batches
        wait_for(lambda: self.batches >= before + 3 * SENDERS, seconds)

    def is_exact(self) -> None:
        """Each event that was answered with 2xx is there once, and no other."""
        with self.live.installation.database.read() as connection:
            wanted = select(events.c.id).where(events.c.source == "fault")
            found = list(connection.scalars(wanted))
        assert len(found) == len(set(found)), "an event is there twice"
        assert set(found) == self.kept


@contextmanager
def load(live: Live, **rest: Any) -> Iterator[Load]:
    given = Load(live, **rest)
    threads = [threading.Thread(target=given.send, args=(n,)) for n in range(SENDERS)]
    for each in threads:
        each.start()
    try:
        given.goes_on()
        yield given
    finally:
        given.is_over.set()
        for each in threads:
            each.join(60)
    assert not any(each.is_alive() for each in threads), "a sender never got its answer"


def ready(live: Live) -> tuple[int, dict[str, str]]:
    answer = httpx.get(f"{live.url}/readyz", timeout=30)
    return answer.status_code, answer.json()["checks"]


def checked(live: Live, part: str) -> str:
    return ready(live)[1][part]


def is_problem(answer: httpx.Response, code: str = "unavailable") -> None:
    assert answer.status_code == 503, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == code
    assert int(answer.headers["Retry-After"]) >= 1


# --- the server goes away ------------------------------------------------------------------------
@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_server_that_is_stopped_or_crashes_and_comes_back(
    live: Live, server: OwnPostgresql, mode: Mode
):
    client, owner = ApiClient(live), WebClient(live.url, OWNER)
    browser = dict(owner.http.headers) | {"Accept": "text/html"}
    with listening(live, client.bearer) as ear, load(live) as sent:
        wait_for(lambda: len(ear.lines) > 0)
        server.stop(mode)
        down_at = time.monotonic()
        try:
            wait_for(lambda: ready(live)[0] == 503)
            wait_for(lambda: checked(live, "ledger_write") == "failed")
            checks = ready(live)[1]
            assert checks["ledger_read"] == "failed"
            assert httpx.get(f"{live.url}/healthz").status_code == 200, "the process itself is well"
            for answer in (client.get("/balance"), client.get("/usage"), client.send(sms())):
                is_problem(answer)
            is_problem(client.http.get(f"{live.url}/stream"))
            is_problem(owner.callback(page_request("/billing/usage", "")))
            page = owner.http.get("/billing/usage", headers=browser)
            assert page.status_code == 503
            assert "can’t be reached" in page.text
            assert "is lost" in page.text
            assert int(page.headers["Refresh"]) >= 1, "a browser asks again by itself"
            wait_for(lambda: not live.application.state.hub._listener.is_hearing)
        finally:
            time.sleep(max(0.0, 3.0 - (time.monotonic() - down_at)))
            server.start()
        up_at = time.monotonic()
        sent.goes_on()
        wait_for(lambda: ready(live)[0] == 200, BACK_WITHIN)
        assert time.monotonic() - up_at < BACK_WITHIN
        assert "Complete to" in owner.page("/billing/usage", "")
        assert client.get("/balance").status_code == 200
        wait_for(lambda: hub_of(live)._listener.is_hearing, BACK_WITHIN)  # type: ignore[union-attr]
        wait_for(lambda: checked(live, "scheduler") == "ok", BACK_WITHIN)
    assert sent.refused, "the outage was felt"
    assert {each.status_code for each in sent.answers} <= {204, *PASSING}
    for each in sent.refused:
        if each.status_code == 503:
            is_problem(each)
    sent.is_exact()
    wait_for(lambda: sync_is_done(live), BACK_WITHIN)
    heard, place = ear.lines, next(each for _, _, each in reversed(ear.events) if each)
    with listening(live, client.bearer, None, **{"Last-Event-ID": place}) as again:
        wait_for(lambda: len(heard) + len(again.lines) >= len(sent.kept))
    everything = heard + again.lines
    assert len(everything) == len(set(everything)), "a transaction was told twice"
    assert set(everything) == sent.kept, "a transaction was never told"
    client.close()
    owner.close()


@pytest.mark.long
def test_a_server_that_crashes_again_and_again_loses_and_doubles_nothing(
    live: Live, server: OwnPostgresql
):
    """Also while it is still recovering, and while connections are being made again."""
    dice = random.Random(7)
    with load(live) as sent:
        for _ in range(CRASHES):
            time.sleep(dice.uniform(0.0, 3.0))
            server.stop(dice.choice(["immediate", "immediate", "fast"]))
            time.sleep(dice.uniform(0.0, 1.0))
            server.start()
        sent.goes_on()
    wait_for(lambda: sync_is_done(live), BACK_WITHIN)
    sent.is_exact()


def sync_is_done(live: Live) -> bool:
    """The background's own sync has taken in everything: whoever led leads again."""
    return httpx.get(f"{live.url}/readyz").status_code == 200 and not lines_waiting(live)


def lines_waiting(live: Live) -> int:
    return live.application.state.readiness.jobs.standing().lines


# --- its disk is full ----------------------------------------------------------------------------
@dataclass
class SmallDisk:
    """A file system of a few megabytes: filled to the brim by a file, which is then taken away."""

    folder: Path

    @property
    def _ballast(self) -> Path:
        return self.folder / "ballast"

    def fill(self, left_bytes: int) -> None:
        free = shutil.disk_usage(self.folder).free
        with self._ballast.open("wb") as ballast:
            os.posix_fallocate(ballast.fileno(), 0, free - left_bytes)

    def clear(self) -> None:
        self._ballast.unlink(missing_ok=True)


@pytest.fixture
def disk(server: OwnPostgresql) -> Iterator[SmallDisk]:
    folder = Path(tempfile.mkdtemp(prefix="usage-small-disk-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=777", "tmpfs", str(folder)],
        check=False, capture_output=True,
    )  # fmt: skip
    if mounted.returncode:
        folder.rmdir()
        pytest.skip("a file system of its own takes root")
    server.give(folder)
    yield SmallDisk(folder)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
    folder.rmdir()


def test_a_full_disk_refuses_what_does_not_fit_and_takes_it_once_there_is_room(
    server: OwnPostgresql, disk: SmallDisk, tmp_path: Path
):
    name = f"t{time.monotonic_ns()}"
    server.run_sql(f"CREATE TABLESPACE {name} LOCATION '{disk.folder}'")
    url = server.new_database(name, f"TABLESPACE {name}")
    with serving(url, tmp_path) as live:
        client, owner = ApiClient(live), WebClient(live.url, OWNER)
        with load(live) as sent:
            disk.fill(LEFT_BYTES)
            wait_for(lambda: len(sent.refused) > 3 * SENDERS)
            wait_for(lambda: ready(live)[0] == 503)
            assert checked(live, "ledger_read") == "ok"
            balance = client.get("/balance")
            assert balance.status_code == 200, "reading goes on"
            assert client.get("/usage").status_code == 200
            assert "Complete to" in owner.page("/billing/usage", "")
            for answer in sent.refused:
                is_problem(answer)
                assert "can't be written" in answer.json()["detail"]
            disk.clear()
            sent.goes_on()
            wait_for(lambda: ready(live)[0] == 200)
            assert checked(live, "ledger_write") == "degraded", "it was refused a moment ago"
        sent.is_exact()
        client.close()
        owner.close()
    server.run_sql(f"DROP DATABASE {name} WITH (FORCE)")
    server.run_sql(f"DROP TABLESPACE {name}")
    assert "No space left on device" in server.log


# --- a transaction is held open ------------------------------------------------------------------
@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes minutes takes a second or two."""
    monkeypatch.setattr(backlog, "LONG_TRANSACTION_SECONDS", 1.0)
    monkeypatch.setattr(backlog, "TAIL_LIMIT_LINES", 100)
    monkeypatch.setattr(jobs, "WATCH_SECONDS", 1)
    monkeypatch.setattr(writer, "RECENT_SECONDS", 1.0)


@pytest.mark.usefixtures("impatient")
def test_a_transaction_that_is_held_open_keeps_analytics_waiting_and_figures_exact(
    server: OwnPostgresql, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    url = server.new_database(f"t{time.monotonic_ns()}")
    with serving(url, tmp_path) as live:
        with psycopg.connect(f"{server.address}/postgres") as foreign:  # another database's at that
            foreign.execute("SELECT pg_current_xact_id()")
            before = live.installation.lake.position()
            with load(live) as sent:
                wait_for(lambda: checked(live, "transactions") == "degraded")
                wait_for(lambda: checked(live, "tail") == "degraded")
                is_exact_everywhere(live)
            assert live.installation.lake.position() == before, "nothing could be taken in"
            status, checks = ready(live)
            assert status == 200, "requests go on"
            assert {name for name, state in checks.items() if state != "ok"} == {
                "transactions", "tail",
            }  # fmt: skip
            admin = ApiClient(live, ALL_ACCOUNTS)
            told = admin.http.get(f"{live.url}/metrics").text
            admin.close()
            assert metric(told, "usage_oldest_transaction_seconds") > 1
            assert metric(told, "usage_sync_lag_lines") > 100
            wait_for(lambda: "a transaction of the database has been open" in caplog.text)
            wait_for(lambda: "aren't in analytics" in caplog.text)
        wait_for(lambda: not lines_waiting(live), BACK_WITHIN)
        wait_for(lambda: ready(live)[1]["transactions"] == ready(live)[1]["tail"] == "ok")
        is_exact_everywhere(live)
        sent.is_exact()


def test_a_transaction_of_our_own_that_hangs_is_ended_by_the_server(
    live: Live, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(database, "IDLE_SECONDS", 1)
    live.installation.database.writer_engine.dispose()  # new connections have the new time
    client = ApiClient(live)
    asleep = live.installation.writer.submit(lambda _: time.sleep(2.5))
    with pytest.raises(BusyError, match="can't be written"):
        asleep.result(SLOW_SECONDS)
    assert client.send(sms()).status_code == 204
    client.close()


def metric(text: str, name: str) -> float:
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))


def is_exact_everywhere(live: Live) -> None:
    """What the API says of a month is what the ledger has, read at once or between two equal."""
    client = ApiClient(live)
    try:
        for _ in range(50):
            before = in_ledger(live)
            found = client.get("/usage", **{"from": "2026-11-01", "to": "2026-11-30"}).json()
            if before == in_ledger(live):
                assert (found["totals"]["cost_micros"], found["totals"]["count"]) == before
                return
        pytest.fail("it never stood still")
    finally:
        client.close()


def in_ledger(live: Live) -> tuple[int, int]:
    lines = usage_lines.c
    wanted = select(func.sum(lines.cost_micros), func.count()).where(
        lines.account_id == "acme", lines.booked_on.between(date(2026, 11, 1), date(2026, 11, 30))
    )
    with live.installation.database.read() as connection:
        cost, count = connection.execute(wanted).one()
    return int(cost), int(count)
