"""Sums that are remembered are as exact as new ones, and are forgotten when the store changes."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from billing.clock import FixedClock
from billing.periods import Period
from billing.queries import Filters
from billing.usage import Dimension
from data.analytics.lake import Lake
from data.analytics.sync import sync_all
from data.reading import remembered
from data.reading.remembered import Remembered
from data.reading.usage_reader import LedgerReader
from tests.ledger_builder import NOW, LedgerBuilder, Line, account, open_store, scope

OCTOBER = Period(date(2026, 10, 1), date(2026, 11, 1))


class Counting:
    """Stands before a store and counts what it is asked."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self.asked = 0

    def snapshot(self, read: Any) -> Any:
        self.asked += 1
        return self.lake.snapshot(read)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.lake, name)


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    database = open_store(tmp_path)
    opened = Lake(tmp_path, database)
    yield opened
    opened.close()
    database.dispose()


def test_an_answer_is_kept_for_a_while(lake: Lake):
    clock, given = Clock(), iter(range(9))
    lately = Remembered(lake, clock)

    def ask(view: str = "cells_day", **parameters: Any) -> Any:
        return lately.ask(view, parameters, lambda: (lake.positions(), [(next(given),)]))[1]

    assert ask(metrics=["a"]) == ask(metrics=["a"]) == [(0,)]
    assert ask(metrics=["b"]) == [(1,)]
    assert ask("cells_lines", metrics=["a"]) == [(2,)]
    clock.seconds = remembered.KEPT_SECONDS
    assert ask(metrics=["a"]) == [(3,)]
    lake.change(lambda cursor: cursor.execute("SELECT 1").fetchall())
    assert ask(metrics=["a"]) == [(4,)]


def test_memory_is_bounded(lake: Lake, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(remembered, "MOST_ANSWERS", 3)
    monkeypatch.setattr(remembered, "MOST_ROWS", 2)
    lately = Remembered(lake)
    for number in range(9):
        lately.ask("v", {"n": number}, lambda: (lake.positions(), [(1,)]))
    assert len(lately._answers) == 3
    lately.ask("v", {"n": "long"}, lambda: (lake.positions(), [(1,)] * 3))
    assert all(key[2][1] != "long" for key in lately._answers)  # type: ignore[index]


def test_a_failed_question_is_asked_again(lake: Lake):
    lately = Remembered(lake)

    def fail() -> Any:
        raise OSError("out of reach")

    with pytest.raises(OSError, match="out of reach"):
        lately.ask("v", {}, fail)
    assert lately.ask("v", {}, lambda: (lake.positions(), [])) == (lake.positions(), [])


def test_new_lines_show_at_once_beside_a_remembered_answer(tmp_path: Path):
    database = open_store(tmp_path)
    lake, ledger = Lake(tmp_path, database), LedgerBuilder(database)
    counting = Counting(lake)
    reader = LedgerReader(database, counting, FixedClock(NOW))  # type: ignore[arg-type]
    ledger.add_account()

    def total() -> int:
        cells = reader.usage(scope(account()), OCTOBER, [Dimension.METRIC], Filters()).cells
        return sum(cell.count for cell in cells)

    ledger.add_lines(Line(), Line())
    sync_all(database, lake)
    assert total() == 2
    for more in range(1, 4):
        ledger.add_lines(Line())
        assert total() == 2 + more
    assert counting.asked == 1
    sync_all(database, lake)
    assert total() == 5
    assert counting.asked == 2
    lake.close()
    database.dispose()
