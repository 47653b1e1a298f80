"""Sync of delivery receipts: with their lines or after them, and stores made before there were any.

Kills, competitors and readers beside it are tested in test_data_sync, receipts included.
"""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import pytest

from data.analytics.lake import Lake, LakeError, LakeLayoutError
from data.analytics.opening import open_lake
from data.analytics.sync import sync, sync_all
from data.database import Database
from data.proof.verify import verify
from tests import sync_crash
from tests.databases import of_sqlite
from tests.ledger_builder import LedgerBuilder, Line, open_store
from tests.reading import by_status


@pytest.fixture
def database(tmp_path: Path):
    database = open_store(tmp_path)
    yield database
    database.dispose()


@pytest.fixture
def builder(database: Database) -> LedgerBuilder:
    builder = LedgerBuilder(database)
    builder.add_account()
    return builder


@pytest.fixture
def lake(tmp_path: Path, database: Database):
    lake = Lake(tmp_path, database)
    yield lake
    lake.close()


def some_lines(count: int, first: int = 0) -> list[Line]:
    return [
        Line(
            cost=n + 1,
            units=n % 7,
            day=date(2026, 9, 20) + timedelta(days=n % 60),
            campaign=(None, "spring", "autumn")[n % 3],
            status=("sent", "failed")[n % 2],
        )
        for n in range(first, first + count)
    ]


def held(lake: Lake, table: str = "lines") -> tuple[int, int]:
    count = "count(*)" if table == "lines" else "coalesce(sum(line_count), 0)"
    row = lake.snapshot(
        lambda cursor: cursor.execute(
            f"SELECT {count}::BIGINT, coalesce(sum(cost_micros), 0)::BIGINT FROM lake.{table}"
        ).fetchone()
    )
    assert row is not None
    return row


@of_sqlite
def test_a_receipt_goes_over_with_its_line_or_after_it(database, builder, lake):
    lines = some_lines(50)
    builder.add_lines(*lines)
    builder.add_receipts((lines[40], "delivered"), (lines[3], "delivered"))
    first = sync(database, lake, 30)
    assert (first.rows, first.receipts, first.is_caught_up) == (30, 0, False)
    assert lake.positions() == (30, 0)
    assert sync(database, lake, 30) == type(first)(20, 50, True, receipts=2)
    builder.add_receipts((lines[3], "read"))
    assert sync(database, lake) == type(first)(0, 50, True, receipts=1)
    assert lake.positions() == (50, 3)
    assert held(lake, "roll_day") == held(lake) == (50, 50 * 51 // 2)
    assert by_status(database, lake) == dict(Counter(line.status for line in lines))
    assert verify(database, lake).passed


@of_sqlite
def test_a_batch_of_receipts_has_a_bound(database, builder, lake):
    lines = some_lines(20)
    builder.add_lines(*lines)
    builder.add_receipts(*((line, "delivered") for line in lines))
    found = [sync(database, lake, 8) for _ in range(4)]
    assert [each.receipts for each in found] == [8, 8, 4, 0]
    assert [each.is_caught_up for each in found] == [False, False, True, True]
    assert verify(database, lake).passed


def test_receipts_that_move_nothing_are_passed(database, builder, lake):
    sandbox, late, same = Line(is_sandbox=True), Line(), Line()
    builder.add_lines(sandbox, late, same)
    builder.add_receipts((sandbox, "delivered"), (late, "sent"), (late, None), (same, "sent"))
    assert sync_all(database, lake).receipts == 4
    count = lake.snapshot(lambda cursor: cursor.execute("FROM lake.moves").fetchall())
    assert count == []
    assert verify(database, lake).passed


def test_a_store_ahead_of_the_ledgers_receipts_is_refused(database, builder, lake):
    builder.add_lines(*some_lines(3))
    sync_all(database, lake)
    lake.change(lambda cursor: cursor.execute("UPDATE lake.sync_state SET receipts_pos = 99999999"))
    with pytest.raises(LakeError, match="older backup"):
        sync(database, lake)
    assert not verify(database, lake).passed


FIRST_LAYOUT = (
    "DROP TABLE lake.moves",
    "ALTER TABLE lake.sync_state DROP COLUMN layout",
    "ALTER TABLE lake.sync_state DROP COLUMN receipts_pos",
)
SECOND_LAYOUT = (
    "DROP TABLE lake.roll_campaign_metric",
    "DROP TABLE lake.roll_consumer_metric",
    "DROP TABLE lake.roll_campaign_consumer",
    "UPDATE lake.sync_state SET layout = 2",
)


@of_sqlite
@pytest.mark.parametrize("changes", [FIRST_LAYOUT, SECOND_LAYOUT], ids=["first", "second"])
def test_a_store_of_an_older_layout_is_made_again_when_it_is_opened(
    tmp_path, database, builder, changes
):
    lines = some_lines(20)
    builder.add_lines(*lines)
    builder.add_receipts(*((line, "delivered") for line in lines[:5]))
    lake = Lake(tmp_path, database)
    sync_all(database, lake)

    def alter(statement: str) -> None:
        lake.change(lambda cursor: cursor.execute(statement).fetchall())

    for change in changes:
        alter(change)
    lake.close()
    with pytest.raises(LakeLayoutError):
        Lake(tmp_path, database)
    code, _ = sync_crash.run("open", tmp_path, "rebuild.filled")  # and killed while it is made
    assert code == -9
    with closing(open_lake(tmp_path, database)) as opened:
        assert held(opened) == held(opened, "roll_day") == (20, 210)
        assert opened.positions() == (20, 5)
        assert by_status(database, opened) == dict(Counter(line.status for line in lines))
        assert verify(database, opened).passed
    with closing(open_lake(tmp_path, database)) as again:
        assert again.positions() == (20, 5)
