"""Holds decided by several processes' writers at once: what there is room for, and no more.

Each ``Writer`` here is as a process's own, with connections of its own. On PostgreSQL they meet at
the account's row, on SQLite at the file.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from billing.errors import ProductError
from billing.holds import HoldKind, HoldRequest
from data import tables as t
from data.database import Database, open_database, sqlite_url
from data.identity import Pseudonyms
from data.ledger import wallet
from data.ledger.deciding import Decisions
from data.ledger.hold_desk import HoldDesk
from data.migrate import migrate
from data.writer import Writer
from tests.databases import postgresql_url
from tests.hold_ledger import Holding, cap

PRICE = 10_000
ROOM = 40
WRITERS, CALLERS, EACH = 3, 8, 4  # a hundred requests, and room for forty
PATIENCE_SECONDS = 60


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Holding]:
    """A ledger on one of the databases, whatever the other tests run on."""
    url = sqlite_url(tmp_path / "race.db")
    if request.param == "postgresql":
        url = postgresql_url(tmp_path / "race")
    database = open_database(url)
    migrate(database)
    with Holding(tmp_path, database) as opened:
        opened.add()
        opened.credit(10**9)
        yield opened


@contextmanager
def several(ledger: Holding, count: int = WRITERS) -> Iterator[list[Decisions]]:
    """What decides in so many processes."""
    with ExitStack() as stack:
        found = []
        for _ in range(count):
            database: Database = open_database(
                ledger.database.writer_engine.url.render_as_string(hide_password=False)
            )
            stack.callback(database.dispose)
            writer = Writer(database)
            stack.callback(writer.close)
            found.append(Decisions(writer, ledger.clock, Pseudonyms("test-secret")))
        yield found


def race(deciders: list[Decisions], ask: Callable[[int], HoldRequest]) -> list[str]:
    """What becomes of every request: its decision, or what went wrong."""
    barrier, found = threading.Barrier(len(deciders) * CALLERS), []

    def call(decisions: Decisions, caller: int) -> None:
        barrier.wait(PATIENCE_SECONDS)
        for number in range(EACH):
            try:
                answer = decisions.submit("acme", ask(caller * EACH + number)).result(
                    PATIENCE_SECONDS
                )
                found.append(answer["decision"] + " " + answer.get("rule", ""))
            except ProductError as error:
                found.append(error.code)
            except Exception as error:
                found.append(type(error).__name__)

    threads = [
        threading.Thread(target=call, args=(decisions, place * CALLERS + caller))
        for place, decisions in enumerate(deciders)
        for caller in range(CALLERS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    return found


def message(number: int, campaign: str | None = None) -> HoldRequest:
    return HoldRequest(f"r{number}", HoldKind.SMS, campaign=campaign)


@pytest.mark.parametrize("kind", ["balance", "daily", "campaign"])
def test_just_as_many_are_allowed_as_there_is_room_for(ledger: Holding, kind: str):
    campaign = "spring" if kind == "campaign" else None
    if kind == "balance":
        ledger.add("poor")
        ledger.credit(ROOM * PRICE, account_id="poor")
        account_id = "poor"
    else:
        ledger.limit(cap(kind, ROOM * PRICE, campaign=campaign or ""))
        account_id = "acme"
    with several(ledger) as deciders:
        given: Any = [_Of(each, account_id) for each in deciders]
        found = race(given, lambda number: message(number, campaign))
    assert sorted(set(found)) == ["allowed ", f"denied {kind}"]
    assert found.count("allowed ") == ROOM
    assert len(found) == WRITERS * CALLERS * EACH
    (balance,) = ledger.rows(t.balances, account_id)
    assert balance.reserved_micros == ROOM * PRICE
    assert ledger.broken() == []


class _Of:
    """Decisions about one account, whichever is named."""

    def __init__(self, decisions: Decisions, account_id: str) -> None:
        self._decisions = decisions
        self._account_id = account_id

    def submit(self, _: str, item: HoldRequest) -> Any:
        return self._decisions.submit(self._account_id, item)


def test_one_request_asked_of_every_process_is_decided_once(ledger: Holding):
    with several(ledger) as deciders:
        found = race(deciders, lambda number: message(number % EACH))
    assert set(found) == {"allowed "}
    assert len(ledger.rows(t.holds, "acme")) == EACH
    (balance,) = ledger.rows(t.balances, "acme")
    assert balance.reserved_micros == EACH * PRICE
    assert ledger.broken() == []


@pytest.mark.parametrize("ledger", ["postgresql"], indirect=True)
@pytest.mark.parametrize("is_locked", [True, False])
def test_without_the_lock_the_same_race_goes_wrong(
    ledger: Holding, monkeypatch: pytest.MonkeyPatch, *, is_locked: bool
):
    """A test of the tests: they notice what they are for. Deciding takes long here."""
    flush = HoldDesk.flush

    def late(desk: HoldDesk) -> None:
        time.sleep(0.03)
        flush(desk)

    monkeypatch.setattr(HoldDesk, "flush", late)
    if not is_locked:
        monkeypatch.setattr(wallet, "_LOCK", wallet._POSTED)
    ledger.limit(cap("daily", ROOM * PRICE))
    with several(ledger) as deciders:
        found = race(deciders, message)
    is_right = set(found) == {"allowed ", "denied daily"} and found.count("allowed ") == ROOM
    assert (is_right and ledger.broken() == []) is is_locked
    assert ledger.counter("daily")[1] <= ROOM * PRICE, "the database's own guard holds all the same"
