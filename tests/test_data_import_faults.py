"""Imports under faults: the disk runs full, two processes bring the same log at once."""

import os
from pathlib import Path

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from tests import forked, import_crash
from tests.databases import of_sqlite
from tests.import_crash import BATCH_ROWS
from tests.import_ledger import new_ledger, open_ledger, rows, run
from tests.test_data_import_crash import MAP

ROW_COUNT = 1_200


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log long enough that two importers meet in the middle of it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "calls.toml").write_text(MAP)
    lines = ["at,seconds,who"]
    lines += [
        f"2026-10-{1 + n // 60:02d}T10:{n % 60:02d}:00,{n % 400},ana" for n in range(ROW_COUNT)
    ]
    file = tmp_path / "calls.csv"
    file.write_text("\n".join(lines) + "\n")
    return file


def sums(folder: Path) -> tuple[int, int, int]:
    """Events, charges less draws, and entries less the balance: the last two must be zero."""
    target = open_ledger(folder)
    ((events,),) = rows(target, "SELECT count(*) FROM events")
    ((undrawn,),) = rows(
        target,
        "SELECT (SELECT coalesce(sum(amount_micros), 0) FROM wallet_entries WHERE kind = 'charge')"
        " + (SELECT coalesce(sum(micros), 0) FROM lot_draws)",
    )
    ((drift,),) = rows(
        target,
        "SELECT (SELECT coalesce(sum(amount_micros), 0) FROM wallet_entries)"
        " - (SELECT sum(posted_micros) FROM balances)",
    )
    return events, undrawn, drift


@of_sqlite  # of PostgreSQL: test_api_faults_postgresql.py
def test_a_full_disk_stops_the_import_whole_and_a_second_run_ends_it(
    tmp_path: Path, log: Path
) -> None:
    target = new_ledger(tmp_path / "ledger")
    with target.database.read() as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()

    def is_full(connection, _record) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages + 60}")

    target.database.writer_engine.dispose()
    event.listen(target.database.writer_engine, "connect", is_full)
    with pytest.raises(OperationalError, match="full"):
        run(target, log, "calls.toml", batch_rows=BATCH_ROWS)
    event.remove(target.database.writer_engine, "connect", is_full)
    target.database.dispose()

    events, undrawn, drift = sums(tmp_path / "ledger")
    assert 0 < events < ROW_COUNT
    assert events % BATCH_ROWS == 0  # whole batches only
    assert (undrawn, drift) == (0, 0)

    report = run(open_ledger(tmp_path / "ledger"), log, "calls.toml", batch_rows=BATCH_ROWS)
    assert (report.rows_accepted, report.rows_duplicate) == (ROW_COUNT - events, events)
    assert sums(tmp_path / "ledger") == (ROW_COUNT, 0, 0)


def test_two_processes_with_the_same_log_bring_every_row_once(tmp_path: Path, log: Path) -> None:
    folder = tmp_path / "ledger"
    new_ledger(folder).database.dispose()
    told = [tmp_path / "one", tmp_path / "other"]
    importers = [
        forked.start(
            import_crash.main, folder, log, "never", 1, environment={**os.environ}, told=file
        )
        for file in told
    ]
    for importer in importers:
        importer.join(120)
    found = [importer.exitcode for importer in importers]
    assert found == [0, 0], [file.read_text() for file in told]
    events, _, drift = sums(folder)
    assert (events, drift) == (ROW_COUNT, 0)
    ((lines, distinct),) = rows(
        open_ledger(folder), "SELECT count(*), count(DISTINCT id) FROM usage_lines"
    )
    assert lines == distinct
