"""The clock of the day is put back or ahead while a server runs: nothing is lost, none doubled.

The clock stands in a file, as in every test, so a step is a write to it. What the server measures
by a clock that never steps (lease, throttle, paces) isn't asked here.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from billing.booking import CLOCK_SKEW
from billing.clock import FixedClock
from data import jobs
from data.analytics.sync import sync_all
from data.clock_watch import LEAP, SETTLE_SECONDS, ClockWatch
from data.proof.verify import verify
from data.tables import events, statements, wallet_entries
from tests.api_client import ApiClient, codes, sms
from tests.live import NOW, OWNER, Live, LiveServer
from tests.stream_ear import listening, set_clock, wait_for
from tests.web_client import WebClient

_names = count()
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveServer]:
    monkeypatch.setattr(jobs, "CLOSING_SECONDS", 1)
    monkeypatch.setattr(jobs, "EXPIRY_SECONDS", 1)
    server = LiveServer(tmp_path, sync_seconds=1)
    yield server
    server.stop()


@pytest.fixture
def live(server: LiveServer) -> Iterator[Live]:
    live = server.start()
    yield live
    proves(live)


def proves(live: Live) -> None:
    sync_all(live.installation.database, live.installation.lake)
    report = verify(live.installation.database, live.installation.lake)
    assert report.passed, [check for check in report.checks if not check.passed]


def ready(live: Live) -> tuple[int, dict[str, str]]:
    answer = httpx.get(f"{live.url}/readyz", timeout=30)
    return answer.status_code, answer.json()["checks"]


def clock_is(live: Live, state: str) -> None:
    wait_for(lambda: ready(live)[1]["clock"] == state)
    assert ready(live)[0] == 200, "requests go on"


def message(at: datetime) -> dict[str, Any]:
    return sms(_id=f"clock-{next(_names)}", _time=at.isoformat())


def kept(live: Live) -> list[str]:
    with live.installation.database.read() as connection:
        return list(connection.scalars(select(events.c.id).where(events.c.id.like("clock-%"))))


def runs(live: Live, name: str) -> int:
    found: int = live.application.state.readiness.jobs.records[name].runs
    return found


def job_runs_again(live: Live, *names: str) -> None:
    before = {name: runs(live, name) for name in names}
    wait_for(lambda: all(runs(live, name) >= before[name] + 2 for name in names))


@pytest.mark.parametrize("step", [-2 * HOUR, -DAY, 3 * DAY])
def test_a_step_loses_and_doubles_nothing_and_every_screen_goes_on(
    live: Live, server: LiveServer, step: timedelta
):
    client, owner = ApiClient(live), WebClient(live.url, OWNER)
    with listening(live, client.bearer) as ear:
        sent = [message(NOW - timedelta(minutes=n)) for n in range(1, 4)]
        assert client.send(*sent).status_code == 204
        set_clock(server, NOW + step)
        clock_is(live, "degraded")
        by_this_clock = [message(NOW + step - timedelta(minutes=n)) for n in range(1, 4)]
        assert client.send(*by_this_clock).status_code == 204, "what has passed by it is taken"
        assert client.send(*sent).headers["Usage-Duplicates"] == "3", "and nothing is taken twice"
        by_right_clock = message(NOW)
        answer = client.send(by_right_clock)
        if step < timedelta(0):  # what hasn't happened yet is refused by name, to be sent again
            assert codes(answer) == {0: "in_future"}
        else:
            assert answer.status_code == 204
        if step < DAY:  # a session ends with the day of its clock
            page = owner.page("/billing/usage", "")
            assert "Complete to" in page
            assert "could not be loaded" not in page
        assert client.get("/usage").json()["watermark"].startswith(f"{NOW + step:%Y-%m-%dT%H}")
        set_clock(server, NOW)
        clock_is(live, "degraded" if step > timedelta(0) else "ok")
        assert client.send(by_right_clock).status_code == 204
        clock_is(live, "ok" if step < timedelta(0) else "degraded")
        assert client.send(message(NOW)).status_code == 204
        clock_is(live, "ok")
        everything = kept(live)
        assert len(everything) == len(set(everything)) == 8
        wait_for(lambda: len(ear.lines) == 8)
        assert sorted(ear.lines) == sorted(everything), "told once each, in order of the ledger"
    assert "Complete to" in owner.page("/billing/usage", "")
    client.close()
    owner.close()


def test_a_clock_far_ahead_closes_no_period_and_ends_no_credit(live: Live, server: LiveServer):
    """The welcome credit would end on 12 December, November would be closed on the 4th."""
    job_runs_again(live, "close_periods", "expire_credit")
    before = settled(live)
    set_clock(server, NOW + 22 * DAY)
    job_runs_again(live, "close_periods", "expire_credit")
    assert settled(live) == before
    clock_is(live, "degraded")
    set_clock(server, NOW)
    clock_is(live, "ok")
    job_runs_again(live, "close_periods", "expire_credit")
    assert settled(live) == before


def test_a_clock_that_is_stepped_while_a_job_runs_brings_the_job_nothing_new(
    live: Live, server: LiveServer, monkeypatch: pytest.MonkeyPatch
):
    before = settled(live)
    monkeypatch.setattr(
        jobs, "stop_stale_imports", lambda *_: set_clock(server, NOW + 22 * DAY)
    )  # which comes between the job's question and its closing
    live.application.state.readiness.jobs._close_periods()
    monkeypatch.undo()
    assert live.installation.clock.now() == NOW + 22 * DAY
    assert settled(live) == before
    set_clock(server, NOW)


def settled(live: Live) -> tuple[int, int]:
    """How many statements and how many entries there are."""
    with live.installation.database.read() as connection:
        return tuple(
            int(connection.scalar(select(func.count()).select_from(table)) or 0)
            for table in (statements, wallet_entries)
        )  # type: ignore[return-value]


def test_a_clock_put_back_behind_a_closing_books_nothing_into_what_is_closed(
    live: Live, server: LiveServer
):
    """A clock that is meant, as after an hour, closes November; then it is put back into it."""
    client = ApiClient(live)
    installation = live.installation
    set_clock(server, NOW + 22 * DAY)
    watch = live.application.state.readiness.jobs.clock_watch
    watch.believable()
    watch._stepped_steady -= SETTLE_SECONDS + 1
    wait_for(lambda: settled(live)[0] >= 2)
    for at in (NOW + 22 * DAY, NOW):
        set_clock(server, at)
        assert client.send(message(NOW - HOUR), message(NOW - DAY)).status_code == 204
    with installation.database.read() as connection:
        closed_on = connection.scalar(
            select(func.max(statements.c.period_end)).where(statements.c.account_id == "acme")
        )
    rows = client.get("/transactions", **{"from": "2026-11-01", "to": "2026-12-31"}).json()
    late = [row for row in rows["transactions"] if row["source_id"].startswith("clock-")]
    assert len(late) == len(kept(live)) == 4
    assert all(row["booked_on"] >= str(closed_on) for row in late), "as corrections, later"
    client.close()
    proves(live)


def test_failed_sign_ins_of_a_clock_ahead_keep_nobody_out_for_longer(
    live: Live, server: LiveServer
):
    set_clock(server, NOW + DAY)
    with httpx.Client(base_url=live.url) as http:
        http.get("/sign-in")

        def attempt() -> httpx.Response:
            token = http.cookies["_csrf_token"]
            given = {"email": OWNER, "password": "wrong", "csrf_token": token}
            return http.post("/sign-in", data=given)

        wait_for(lambda: attempt().status_code == 429)
        set_clock(server, NOW)
        assert attempt().status_code == 401, "they were made tomorrow: nobody waits for a day"


# --- the watch itself ----------------------------------------------------------------------------
class Steady:
    """A clock that never steps, turned by hand."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.mark.parametrize("minutes", [1, 4])
def test_what_a_time_service_does_by_the_way_is_no_step(minutes: int):
    clock, steady = FixedClock(NOW), Steady()
    watch = ClockWatch(clock, steady)
    for step in (minutes, -minutes):
        clock.at += timedelta(minutes=step)
        assert not watch.is_odd()


def test_a_machine_that_slept_has_not_stepped():
    clock, steady = FixedClock(NOW), Steady()
    watch = ClockWatch(clock, steady)
    clock.at, steady.seconds = NOW + 3 * DAY, 3 * 86_400.0
    assert watch.believable() == clock.at
    assert not watch.is_odd()


def test_a_step_is_odd_until_it_is_undone_or_has_lasted():
    clock, steady = FixedClock(NOW), Steady()
    watch = ClockWatch(clock, steady)
    clock.at = NOW + LEAP
    assert watch.believable() is None
    assert watch.is_odd()
    clock.at = NOW
    assert watch.believable() == clock.at
    assert not watch.is_odd()
    clock.at = NOW + LEAP
    assert watch.believable() is None
    clock.at, steady.seconds = clock.at + 2 * HOUR, SETTLE_SECONDS * 2
    assert watch.believable() == clock.at
    assert not watch.is_odd(), "it was meant"
    assert watch.is_odd(clock.at + 2 * CLOCK_SKEW), "the ledger knows better"
