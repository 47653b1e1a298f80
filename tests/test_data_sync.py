"""Sync: each line and receipt exactly once, whatever is killed, competes or comes late."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from billing.clock import FixedClock
from billing.periods import Period
from billing.queries import Filters, TransactionSort
from billing.usage import Dimension
from data.analytics.lake import BY_MONTH, ROLLUPS, Lake, LakeError, data_files, table_files
from data.analytics.pointer import current_generation
from data.analytics.rebuild import rebuild
from data.analytics.sync import sync, sync_all
from data.analytics.upkeep import expire, merge
from data.database import Database
from data.phases import REBUILD_PHASES, SYNC_PHASES
from data.proof.seals import SEALED_COLUMNS
from data.proof.verify import verify
from data.reading.usage_reader import LedgerReader
from data.tables import receipts, seals, usage_lines
from tests import sync_crash
from tests.databases import of_sqlite
from tests.ledger_builder import NOW, LedgerBuilder, Line, account, open_store, scope
from tests.reading import by_status

AUTUMN = Period(date(2026, 9, 1), date(2026, 12, 1))
ALL = Filters()
DELIVERED = Filters(statuses=("delivered",))


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


def total(database: Database, lake: Lake) -> tuple[int, int]:
    reader = LedgerReader(database, lake, FixedClock(NOW))
    cells = reader.usage(scope(account()), AUTUMN, [], ALL).cells
    return (cells[0].count, cells[0].cost_micros) if cells else (0, 0)


def held(lake: Lake, table: str = "lines") -> tuple[int, int]:
    count = "count(*)" if table == "lines" else "coalesce(sum(line_count), 0)"
    row = lake.snapshot(
        lambda cursor: cursor.execute(
            f"SELECT {count}::BIGINT, coalesce(sum(cost_micros), 0)::BIGINT FROM lake.{table}"
        ).fetchone()
    )
    assert row is not None
    return row


def seal_ranges(database: Database) -> list[tuple[int, int, int]]:
    with database.read() as connection:
        rows = connection.execute(
            select(seals.c.first_seq, seals.c.last_seq, seals.c.row_count).order_by(seals.c.seq)
        )
        return [tuple(row) for row in rows]


@of_sqlite
def test_batches_carry_every_line_once(database, builder, lake):
    builder.add_lines(*some_lines(50))
    assert (first := sync(database, lake, 30)).rows == 30
    assert not first.is_caught_up
    assert sync(database, lake, 30) == type(first)(20, 50, True)
    assert sync(database, lake, 30) == type(first)(0, 50, True)
    for table in ("lines", *ROLLUPS):
        assert held(lake, table) == (50, 50 * 51 // 2)


def test_a_batch_that_ends_with_the_ledger_is_caught_up(database, builder, lake):
    builder.add_lines(*some_lines(30))
    assert sync(database, lake, 30).is_caught_up


@of_sqlite
def test_sandbox_lines_are_passed_and_sealed_but_never_held(database, builder, lake):
    builder.add_lines(*(Line(is_sandbox=True) for _ in range(5)))
    assert sync_all(database, lake).position == 5
    builder.add_lines(Line(cost=9), Line(cost=5, is_sandbox=True))
    assert sync_all(database, lake).rows == 2
    assert held(lake) == held(lake, "roll_day") == (1, 9)
    assert seal_ranges(database) == [(1, 5, 5), (6, 7, 2)]


def test_every_column_of_a_line_is_sealed():
    assert tuple(usage_lines.columns.keys()) == SEALED_COLUMNS


def test_a_store_ahead_of_the_ledger_is_refused(tmp_path, database, builder, lake):
    builder.add_lines(*some_lines(3))
    sync_all(database, lake)
    lake.change(
        lambda cursor: cursor.execute("UPDATE lake.sync_state SET pos = 99999999").fetchall()
    )
    with pytest.raises(LakeError, match=r"older backup.*usage-dashboard rebuild"):
        sync(database, lake)


def test_two_syncers_at_once_double_nothing(tmp_path, database, builder, lake):
    builder.add_lines(*some_lines(120))
    other = Lake(tmp_path, database)  # as another process has it
    work = [threading.Thread(target=sync_all, args=(database, each, 15)) for each in (lake, other)]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join(60)
    assert held(lake) == held(lake, "roll_day") == (120, 120 * 121 // 2)
    assert sum(count for *_, count in seal_ranges(database)) == 120
    assert verify(database, lake).passed


def test_killed_at_any_phase_nothing_is_lost_or_doubled(tmp_path, database, builder, lake):
    count, lines = 0, []
    for kill_at in SYNC_PHASES:
        new = some_lines(50, first=count)
        builder.add_lines(*new)
        # Receipts of lines that come with them, and of lines that went over long before.
        lines += new
        heard = [*new[::3], *lines[::20]]
        builder.add_receipts(*((line, "delivered") for line in heard))
        builder.add_receipts(*((line, None) for line in heard[4::5]))
        count += 50
        expected_statuses = dict(Counter(line.status for line in lines))
        code, phases = sync_crash.run("sync", tmp_path, kill_at)
        assert code == -9, f"{kill_at} was never reached"
        assert phases == list(SYNC_PHASES[: SYNC_PHASES.index(kill_at) + 1])
        assert total(database, lake) == (count, count * (count + 1) // 2), kill_at
        assert by_status(database, lake) == expected_statuses, kill_at
    builder.add_lines(*some_lines(10, first=count))
    builder.add_receipts((lines[0], "read"), (lines[0], "failed"))
    lines += some_lines(10, first=count)
    count += 10
    sync_all(database, lake, 17)
    expected = (count, count * (count + 1) // 2)
    assert by_status(database, lake) == dict(Counter(line.status for line in lines))
    assert held(lake) == held(lake, "roll_day") == total(database, lake) == expected
    assert verify(database, lake).passed


def test_a_killed_rebuild_is_taken_up_and_never_seen_half(tmp_path, database, builder, lake):
    builder.add_lines(*some_lines(50))
    sync_all(database, lake)
    for kill_at in REBUILD_PHASES:
        code, phases = sync_crash.run("rebuild", tmp_path, kill_at)
        assert code == -9, f"{kill_at} was never reached"
        assert phases[-1] == kill_at
        assert total(database, lake) == (50, 50 * 51 // 2), kill_at
    builder.add_lines(*some_lines(10, first=50))
    assert total(database, lake) == (60, 60 * 61 // 2)
    rebuild(database, tmp_path)
    assert total(database, lake) == held(lake) == (60, 60 * 61 // 2)
    folders = [path.name for path in (tmp_path / "lake").iterdir() if path.is_dir()]
    assert folders == [current_generation(tmp_path / "lake")]
    assert verify(database, lake).passed


@of_sqlite
def test_a_rebuild_killed_while_filling_goes_on_where_it_was(tmp_path, database, builder):
    builder.add_lines(*some_lines(50))
    code, phases = sync_crash.run("rebuild", tmp_path, "sync.committed")
    assert code == -9
    assert "rebuild.started" in phases
    assert rebuild(database, tmp_path, limit=20).rows == 30


def test_a_damaged_store_is_rebuilt(tmp_path, database, builder, lake):
    builder.add_lines(*some_lines(20))
    sync_all(database, lake)
    lake.close()
    (tmp_path / "lake" / "CURRENT").write_text("gone")
    with pytest.raises(LakeError):
        Lake(tmp_path, database)
    rebuild(database, tmp_path)
    assert held(Lake(tmp_path, database)) == (20, 210)


def test_merging_and_expiring_leave_few_files_and_change_no_figure(
    database, builder, lake, monkeypatch
):
    for n in range(4):
        builder.add_lines(*some_lines(10, first=10 * n), *(Line(cost=n) for _ in range(5)))
        sync_all(database, lake)
    folder = lake.directory
    before, figures = held(lake), held(lake, "roll_campaign")
    assert len(lake.snapshot(lambda cursor: table_files(cursor, "roll_day"))) == 4
    assert merge(lake) == 0  # not crowded yet
    assert merge(lake, from_files=2) >= len(ROLLUPS) + 1
    assert len(lake.snapshot(lambda cursor: table_files(cursor, "roll_day"))) == 1
    for table in ("lines", *(name for name in ROLLUPS if name in BY_MONTH)):
        files = lake.snapshot(lambda cursor, table=table: table_files(cursor, table))
        assert sum("local_month=2026-10" in file for file in files) == 1
    files = lake.snapshot(data_files)
    assert (held(lake), held(lake, "roll_campaign")) == (before, figures)
    in_use = {Path(file).resolve() for file in files}
    assert {path.resolve() for path in folder.rglob("*.parquet")} > in_use
    ahead = datetime.now(UTC) + timedelta(days=9)
    expire(lake, ahead)
    assert {path.resolve() for path in folder.rglob("*.parquet")} > in_use  # all are recent
    for age in ("EXPIRE_AFTER", "CLEAN_AFTER"):
        monkeypatch.setattr(f"data.analytics.upkeep.{age}", timedelta(seconds=-60))
    expire(lake, ahead)
    in_use = {Path(file).resolve() for file in lake.snapshot(data_files)}
    assert {path.resolve() for path in folder.rglob("*.parquet")} == in_use
    builder.add_lines(*some_lines(3))
    sync_all(database, lake)
    assert held(lake)[0] == before[0] + 3
    assert verify(database, lake).passed


def test_sums_in_many_pieces_become_one_cell_each(database, builder, lake):
    for n in range(5):
        builder.add_lines(Line(cost=n + 1))
        sync_all(database, lake)
    merge(lake, from_files=5)
    for table in ROLLUPS:
        rows = lake.snapshot(
            lambda cursor, table=table: cursor.execute(
                f"SELECT line_count, cost_micros FROM lake.{table}"
            ).fetchall()
        )
        assert rows == [(5, 15)]
    assert verify(database, lake).passed


def test_readers_are_exact_while_lines_come_in_and_are_carried_over(
    tmp_path, database, builder, lake
):
    check_readers(tmp_path, database, builder, lake, writes=40, rebuilds=0)


@pytest.mark.long
def test_readers_stay_exact_for_long_and_through_rebuilds(tmp_path, database, builder, lake):
    check_readers(tmp_path, database, builder, lake, writes=500, rebuilds=4)


def ledger_count(database: Database, table=usage_lines) -> int:
    with database.read() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def wrong_delivered(database: Database, reader: LedgerReader, turn: int) -> list[str]:
    """What is wrong with one read of what ``check_readers`` says was delivered."""
    who, wrong, is_full = scope(account()), [], False
    least = ledger_count(database, receipts)
    if turn % 2:
        sort = (TransactionSort.NEWEST, TransactionSort.COST)[turn // 2 % 2]
        lines = reader.transactions(who, AUTUMN, DELIVERED, sort, None, 1_000).lines
        count, is_full = len(lines), len(lines) == 1_000
        if any(line.status != "delivered" for line in lines):
            wrong.append("a line was listed that isn't delivered")
    else:
        by = [[], [Dimension.STATUS], [Dimension.DAY, Dimension.CAMPAIGN]][turn // 2 % 3]
        cells = reader.usage(who, AUTUMN, by, DELIVERED).cells
        count = sum(cell.count for cell in cells)
        if any(cell.count < 0 or cell.cost_micros != 10 * cell.count for cell in cells):
            wrong.append("a cell of delivered lines is torn")
    most = ledger_count(database, receipts)
    if (count % 20 or not least <= count <= most) and not is_full:
        wrong.append(f"{count} delivered, between {least} and {most}")
    return wrong


def check_readers(tmp_path, database, builder, lake, *, writes: int, rebuilds: int) -> None:
    """A writer, a syncer, a merger and readers at once: no read may be wrong or go back.

    Each write adds ten lines of cost 10 in one transaction, so every sum is ten times its count
    and never torn; what the ledger had before a read must be in it. Each second write says in
    another transaction that twenty lines were delivered, ten of which may be in the lake already.
    """
    reader = LedgerReader(database, lake, FixedClock(NOW))
    who, done, wrong = scope(account()), threading.Event(), []
    reads = [0, 0]

    def keep(work) -> None:
        while not done.is_set():
            try:
                work()
            except Exception as error:
                wrong.append(repr(error))
                return

    def read(place: int) -> None:
        by = [[], [Dimension.DAY], [Dimension.CAMPAIGN, Dimension.STATUS]][reads[place] % 3]
        least = ledger_count(database)
        cells = reader.usage(who, AUTUMN, by, ALL).cells
        most = ledger_count(database)
        count = sum(cell.count for cell in cells)
        if not least <= count <= most or count % 10:
            wrong.append(f"{count} lines, between {least} and {most}")
        if sum(cell.cost_micros for cell in cells) != 10 * count:
            wrong.append(f"costs of {count} lines are torn")
        wrong.extend(wrong_delivered(database, reader, reads[place]))
        reads[place] += 1

    threads = [
        threading.Thread(target=keep, args=(work,))
        for work in (lambda: sync(database, lake, 37), lambda: read(0), lambda: read(1))
    ]
    for thread in threads:
        thread.start()
    last: list[Line] = []
    for n in range(writes):
        last += [Line(cost=10, day=date(2026, 10, 1 + n % 28)) for _ in range(10)]
        builder.add_lines(*last[-10:])
        if n % 2:
            builder.add_receipts(*((line, "delivered") for line in last))
            last.clear()
        if rebuilds and n % (writes // rebuilds) == 0:
            rebuild(database, tmp_path)
        elif n % 10 == 9:
            merge(lake, from_files=3)
    done.set()
    for thread in threads:
        thread.join(60)
    assert not wrong
    assert min(reads) > 3, reads
    sync_all(database, lake)
    assert held(lake) == held(lake, "roll_day") == (10 * writes, 100 * writes)
    assert by_status(database, lake) == {"delivered": 10 * writes}
    assert verify(database, lake).passed
