"""Sums read from the files of a snapshot are those of the tables, whatever changes meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from billing.periods import Period
from billing.queries import Filters
from billing.usage import Dimension, Question
from data.analytics.lake import Cursor, Lake, LakeError
from data.analytics.months import rebuild_month
from data.analytics.rebuild import rebuild
from data.analytics.sync import sync_all
from data.analytics.upkeep import merge
from data.reading import parts as reading_parts
from data.reading.parts import KnownParts, Parts
from data.reading.usage_reader import LedgerReader
from tests.ledger_builder import Line, account, scope
from tests.reading import ALL, AUTUMN, Store

DAY, METRIC, STATUS = Dimension.DAY, Dimension.METRIC, Dimension.STATUS
CAMPAIGN, CONSUMER = Dimension.CAMPAIGN, Dimension.CONSUMER
SPRING = Filters(campaigns=("spring",))
QUESTIONS = (
    Question(AUTUMN, (DAY,)),
    Question(AUTUMN, (DAY, METRIC)),
    Question(Period(date(2026, 10, 5), date(2026, 11, 2)), (CAMPAIGN,)),
    Question(AUTUMN, (CONSUMER,)),
    Question(AUTUMN, (DAY, METRIC), SPRING),
    Question(AUTUMN, (CONSUMER,), SPRING),
    Question(AUTUMN, (METRIC,), Filters(services=("SMS",))),
)


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path)
    opened.builder.add_account()
    yield opened
    opened.close()


def add(store: Store, count: int, cost: int = 100) -> None:
    store.add(
        *(
            Line(
                cost=cost + number, day=date(2026, 9, 20) + timedelta(days=number % 50),
                campaign=(None, "spring", "autumn")[number % 3],
                consumer=("ana", "app:crm")[number % 2],
            )
            for number in range(count)
        )
    )  # fmt: skip


def answers(store: Store) -> list[Any]:
    found = store.reader.readings(scope(account()), QUESTIONS)
    return [reading.cells for reading in found]


def ledger_alone(store: Store, tmp_path: Path) -> list[Any]:
    """The same answers with an analytics store that has nothing: all of it is the ledger's."""
    empty = Lake(tmp_path / "empty", store.database)
    try:
        reader = type(store.reader)(store.database, empty, store.clock)  # type: ignore[call-arg]
        return [each.cells for each in reader.readings(scope(account()), QUESTIONS)]
    finally:
        empty.close()


def change_nothing(store: Store) -> None:
    pass


def change_sync(store: Store) -> None:
    add(store, 40, 7)
    sync_all(store.database, store.lake)


def change_merge(store: Store) -> None:
    for _ in range(3):
        change_sync(store)
    assert merge(store.lake, 2)


def change_month(store: Store) -> None:
    rebuild_month(store.database, store.lake, "2026-10")


def change_all(store: Store) -> None:
    rebuild(store.database, store.lake.directory.parent)


@pytest.mark.parametrize(
    "change", [change_nothing, change_sync, change_merge, change_month, change_all]
)
def test_files_say_what_tables_say(store: Store, tmp_path: Path, change):
    add(store, 200)
    sync_all(store.database, store.lake)
    assert answers(store) == ledger_alone(store, tmp_path)
    change(store)
    add(store, 10, 3)
    assert answers(store) == ledger_alone(store, tmp_path)


def test_a_table_with_deleted_rows_is_asked_itself(store: Store):
    add(store, 200)
    sync_all(store.database, store.lake)
    known = KnownParts(store.lake)
    assert all(known.read(lambda _, parts: parts).files.values())
    rebuild_month(store.database, store.lake, "2026-10")
    files = known.read(lambda _, parts: parts).files
    assert files["roll_day"] is None, "one file has days of several months"
    assert files["lines"], "a month of lines is files of its own"
    assert files["roll_campaign_metric"], "and a month of sums with many cells"
    assert sum(cell.count for cell in answers(store)[0]) == 200


class Noting:
    """Stands before a store and notes what is executed on it."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self.statements: list[str] = []

    def snapshot(self, read: Any) -> Any:
        return self.lake.snapshot(lambda cursor: read(self.Cursor(cursor, self.statements)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.lake, name)

    class Cursor:
        def __init__(self, cursor: Cursor, statements: list[str]) -> None:
            self.cursor, self.statements = cursor, statements

        def execute(self, statement: str, *parameters: Any) -> Cursor:
            self.statements.append(statement)
            return self.cursor.execute(statement, *parameters)


def test_a_page_asks_each_table_once_and_the_catalog_not_at_all(store: Store):
    add(store, 200)
    sync_all(store.database, store.lake)
    noting = Noting(store.lake)
    reader = LedgerReader(store.database, noting, store.clock)  # type: ignore[arg-type]
    reader.readings(scope(account()), QUESTIONS)
    reader.forget()
    noting.statements.clear()
    reader.readings(scope(account()), QUESTIONS)
    assert len(noting.statements) == 5
    assert all("read_parquet" in statement for statement in noting.statements)


def test_one_campaign_is_answered_without_reading_lines(store: Store):
    """Whatever a page of one campaign, one person or one metric asks, and nothing of others."""
    add(store, 200)
    sync_all(store.database, store.lake)
    noting = Noting(store.lake)
    reader = LedgerReader(store.database, noting, store.clock)  # type: ignore[arg-type]
    person, metric = Filters(consumers=("ana",)), Filters(metrics=("sms_credits",))
    for filters in (SPRING, person, metric):
        asked = [
            Question(AUTUMN, by, filters)
            for by in ((DAY, METRIC), (CONSUMER,), (CAMPAIGN,), (DAY,))
        ]
        for reading in reader.readings(scope(account()), asked):
            assert reading.cells
    listed = [statement for statement in noting.statements if "ducklake_list_files" in statement]
    assert len(listed) == 6, "each rollup once, and no lines"
    assert not any("lines" in statement for statement in noting.statements)


def test_tables_that_are_asked_later_are_of_the_same_snapshot(store: Store, tmp_path: Path):
    """What is listed later, after another process changed the store, makes all listed anew."""
    add(store, 30)
    sync_all(store.database, store.lake)
    other = Lake(tmp_path, store.database)
    known = KnownParts(store.lake)

    def parts(name: str) -> Parts:
        return known.read(lambda _, found: found, [name])

    first = parts("cells_day")
    assert set(first.files) == {"roll_day"}
    second = parts("cells_campaign_metric")
    assert (second.snapshot, set(second.files)) == (
        first.snapshot, {"roll_day", "roll_campaign_metric"},
    )  # fmt: skip
    add(store, 30)
    sync_all(store.database, other)
    assert parts("cells_day") == second, "trusted for some seconds"
    third = parts("cells_consumer")
    assert third.snapshot > first.snapshot
    assert third.positions.lines > first.positions.lines
    assert set(third.files) == {"roll_consumer"}
    other.close()


def test_another_process_is_noticed(store: Store, tmp_path: Path, monkeypatch):
    """Its change shows in the answers at once, and in the parts after a few seconds."""
    add(store, 30)
    sync_all(store.database, store.lake)
    other, clock = Lake(tmp_path, store.database), Clock()
    known = KnownParts(store.lake, clock)

    def parts() -> Parts:
        return known.read(lambda _, found: found)

    first = parts()
    add(store, 30)
    sync_all(store.database, other)
    assert parts() == first
    clock.seconds = reading_parts.TRUSTED_SECONDS
    second = parts()
    assert second.positions.lines > first.positions.lines
    clock.seconds *= 2
    listed: list[object] = []
    monkeypatch.setattr(reading_parts, "_listed", lambda *given: listed.append(given))
    assert parts().files == second.files
    assert not listed, "the same snapshot is not listed again"
    other.close()


def test_a_missing_file_is_said(store: Store):
    add(store, 30)
    sync_all(store.database, store.lake)
    known = KnownParts(store.lake)
    gone = (known.read(lambda _, parts: parts).files["roll_day"] or [""])[0]
    Path(gone).unlink()
    with pytest.raises(LakeError, match="can't be read"):
        store.reader.usage(scope(account()), AUTUMN, (DAY,), ALL)


def test_parts_of_a_generation_are_not_kept_for_another(store: Store):
    """A rebuild that ends while parts are listed."""
    add(store, 30)
    sync_all(store.database, store.lake)
    known = KnownParts(store.lake)

    def read(cursor: Cursor, parts: Parts) -> Parts:
        add(store, 5)
        rebuild(store.database, store.lake.directory.parent)
        return parts

    before = known.read(read)
    after = known.read(lambda _, parts: parts)
    assert after.positions.lines > before.positions.lines
    assert set(after.files["roll_day"] or ()).isdisjoint(before.files["roll_day"] or ())
