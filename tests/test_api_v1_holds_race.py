"""Room for exactly a hundred: 4 processes of 16 callers each ask at once, through running servers.

Whatever the order, exactly a hundred are allowed, the others are told the rule, and the ledger
proves itself: on one server, and on two processes that share one PostgreSQL.
"""

from __future__ import annotations

import os
import socket
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from billing.access import AccountScope, Role
from billing.caps import Cap, CapKind, Limits
from data import tables as t
from data.accounts import read_account
from data.installation import Installation, open_installation
from data.proof.verify import verify
from tests import forked
from tests.api_client import new_key
from tests.databases import postgresql_url
from tests.hold_api import PRICE, open_account
from tests.hold_race import (
    PATIENCE_SECONDS,
    PROCESSES,
    Errand,
    callers,
    serve_at,
    settings_at,
)
from tests.live import NOW, Live, LiveServer, fill

ROOM = 100
COST = 2 * PRICE  # of a minute's call: the dial attempt and the minute
ATTEMPTS = 4  # of each of the 64 callers
RULES = ("balance", "campaign", "daily")


@dataclass
class Race:
    """Servers on one ledger, and an installation that reads it."""

    urls: tuple[str, ...]
    installation: Installation
    clock_file: Path
    folder: Path

    def account(self, rule: str | None, **rest: Any) -> tuple[str, list[str]]:
        """An account in which one rule leaves room for a hundred; a key for each process."""
        credit = ROOM * COST + COST - 1 if rule == "balance" else 10_000 * COST
        account_id = open_account(self.installation, credit, **rest)
        if rule in {"campaign", "daily"}:
            campaign = "spring" if rule == "campaign" else ""
            cap = Cap(CapKind(rule), ROOM * COST + COST - 1, campaign=campaign)
            self.limit(account_id, cap)
        keys = [new_key(self.installation, account_id, "holds:write")[0] for _ in range(PROCESSES)]
        return account_id, keys

    def limit(self, account_id: str, *caps: Cap) -> None:
        with self.installation.database.read() as connection:
            account = read_account(connection, account_id)
        scope = AccountScope(account, Role.OWNER, NOW)
        self.installation.limits.save(scope, "person:ada", Limits(caps))

    def rows(self, table: Any, account_id: str) -> list[Any]:
        with self.installation.database.read() as connection:
            own = table.c.account_id == account_id
            return list(connection.execute(select(table).where(own)))


def run(race: Race, rule: str, name: str) -> None:
    """One race: exactly a hundred of 256 requests are allowed."""
    account_id, keys = race.account(rule)
    errand = Errand(race.urls, ATTEMPTS, "spring" if rule == "campaign" else None)
    with callers(race.folder / f"{name}-{rule}", keys, errand) as answers:
        pass
    assert Counter(each["status"] for each in answers) == {200: PROCESSES * 16 * ATTEMPTS}
    decided = Counter((each["decision"], each.get("rule")) for each in answers)
    assert decided == {("allowed", None): ROOM, ("denied", rule): len(answers) - ROOM}
    assert len({each["hold_id"] for each in answers if "hold_id" in each}) == ROOM
    (balance,) = race.rows(t.balances, account_id)
    assert balance.reserved_micros == ROOM * COST
    holds = race.rows(t.holds, account_id)
    assert sum(each.state == "open" for each in holds) == ROOM
    assert len(holds) == len(answers), "each request is kept, once"


@pytest.fixture(scope="module")
def one_server(live: Live, tmp_path_factory: pytest.TempPathFactory) -> Race:
    folder = tmp_path_factory.mktemp("race")
    return Race((live.url,), live.installation, live.clock_file, folder)


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Race]:
    """Two servers, each a process, on one database; afterwards the ledger proves itself."""
    folder = tmp_path_factory.mktemp("processes")
    (folder / "clock.txt").write_text(NOW.isoformat())
    url = postgresql_url(folder)
    installation = open_installation(settings_at(folder, url), is_demo=True)
    fill(installation)
    ports = [free_port(), free_port()]
    processes = [
        forked.start(
            serve_at, folder, port, url, environment={**os.environ}, told=folder / f"log-{port}"
        )
        for port in ports
    ]
    urls = tuple(f"http://127.0.0.1:{port}" for port in ports)
    try:
        for each in urls:
            wait_until_it_answers(each)
        yield Race(urls, installation, folder / "clock.txt", folder)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.join(PATIENCE_SECONDS)
    report = verify(installation.database, installation.lake)
    assert report.passed, [check for check in report.checks if not check.passed]
    installation.close()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_until_it_answers(url: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            if httpx.get(f"{url}/readyz", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline, f"{url} does not answer"
        time.sleep(0.05)


# --- room for a hundred ----------------------------------------------------------------------
@pytest.mark.parametrize("rule", ["daily"])  # the others every time in the long ones
def test_exactly_a_hundred_are_allowed_on_one_server(one_server, rule):
    run(one_server, rule, "once")


@pytest.mark.parametrize("rule", ["balance", "campaign"])
def test_exactly_a_hundred_are_allowed_on_two_processes(two_processes, rule):
    run(two_processes, rule, "once")


@pytest.mark.long
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("servers", ["one_server", "two_processes"])
def test_exactly_a_hundred_are_allowed_every_time(request, servers, rule):
    race = request.getfixturevalue(servers)
    for number in range(20):
        run(race, rule, f"run-{number}")


# --- midnight, on a day that clocks change ---------------------------------------------------
# The local day that ends, its zone, and the instant of its end.
MIDNIGHTS = {
    "a day of 23 hours": ("America/New_York", date(2027, 3, 14), "2027-03-15T04:00:00+00:00"),
    "a midnight that is skipped": ("Asia/Beirut", date(2027, 3, 27), "2027-03-27T22:00:00+00:00"),
    "a day of 25 hours": ("America/New_York", date(2027, 11, 7), "2027-11-08T05:00:00+00:00"),
}


def set_clock(file: Path, at: datetime) -> None:
    part = file.with_suffix(".part")
    part.write_text(at.isoformat())
    part.replace(file)


def cross(race: Race, name: str) -> None:
    """Callers ask on over midnight: a hundred holds count on the old day, a hundred on the new."""
    zone, day, text = MIDNIGHTS[name]
    midnight = datetime.fromisoformat(text).astimezone(UTC)
    set_clock(race.clock_file, midnight - timedelta(microseconds=1))
    account_id, keys = race.account("daily", timezone=zone)
    with callers(race.folder / f"over {name}", keys, Errand(race.urls, 0)) as answers:
        wait_until_denied(race, account_id, day)
        set_clock(race.clock_file, midnight)
        wait_until_denied(race, account_id, day + timedelta(days=1))
    assert {each["status"] for each in answers} == {200}
    assert {each.get("rule") for each in answers} == {None, "daily"}
    assert sum(each["decision"] == "allowed" for each in answers) == 2 * ROOM
    open_holds = [each for each in race.rows(t.holds, account_id) if each.state == "open"]
    days = Counter(each.cap_on for each in open_holds)
    assert days == {day: ROOM, day + timedelta(days=1): ROOM}
    for each in open_holds:
        assert (each.decided_at < midnight) == (each.cap_on == day)
    windows = {
        row.start_on: row.reserved_micros
        for row in race.rows(t.cap_counters, account_id)
        if row.kind == "daily"
    }
    assert windows == {day: ROOM * COST, day + timedelta(days=1): ROOM * COST}
    resets = {each["resets_at"] for each in answers if each["decision"] == "denied"}
    assert midnight.isoformat().replace("+00:00", "Z") in resets
    assert len(resets) == 2


def wait_until_denied(race: Race, account_id: str, day: date) -> None:
    """Waits until somebody was refused on a local day."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    holds = t.holds.c
    wanted = select(holds.id).where(
        holds.account_id == account_id, holds.rule == "daily", holds.cap_on == day
    )
    while True:
        with race.installation.database.read() as connection:
            if connection.execute(wanted.limit(1)).first() is not None:
                return
        assert time.monotonic() < deadline, f"nobody was refused on {day}"
        time.sleep(0.02)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(each, marks=[pytest.mark.long] * (each != "a day of 25 hours"))
        for each in MIDNIGHTS
    ],
)
def test_over_midnight_each_hold_counts_on_one_day(tmp_path: Path, name: str):
    server = LiveServer(tmp_path / "server")
    live = server.start()
    try:
        cross(Race((live.url,), live.installation, live.clock_file, tmp_path), name)
        report = verify(live.installation.database, live.installation.lake)
        assert report.passed, [check for check in report.checks if not check.passed]
    finally:
        server.stop()


@pytest.mark.long
def test_over_midnight_on_two_processes(two_processes):
    """The last of its file: it moves the clock of the others."""
    cross(two_processes, "a day of 23 hours")
