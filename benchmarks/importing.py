"""How fast a log comes into the ledger, beside SQLite storing the very same rows.

Each import runs in a process of its own, into a fresh installation, so that its memory is its
own. The raw limit is the standard library's ``executemany`` of the rows that the import wrote:
the same tables, indexes, guards and pragmas, the same rows a transaction.
"""

from __future__ import annotations

import json
import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.call_log import (
    DESTINATION,
    INCREMENT,
    MAP,
    PRICES,
    Expected,
    write_call_log,
)
from benchmarks.tables import Results, spread
from billing.lots import LotKind
from billing.plans import Plan
from data import tables as t
from data.accounts import NewAccount, add_account
from data.database import SQLITE_PRAGMAS, open_database, sqlite_url
from data.importers.importing import ImportOptions, ImportTarget, import_file
from data.importers.price_lists import import_rates, read_price_list
from data.importers.report import BATCH_ROWS
from data.installation import Installation, open_installation
from data.ledger.bulk import bulk_columns, insert_sql
from data.ledger.wallet import Credit, OpenWallet, Posting
from data.migrate import migrate
from data.settings import load_settings

ACCOUNT = "acme"
ROW_COUNT = 45_000
LARGE_ROW_COUNT = 1_000_000
RUNS, LARGE_RUNS = 3, 1
TOP_UP_MICROS = 10**13
LEDGER = "ledger.db"
TABLES = (t.events, t.usage_lines, t.wallet_entries, t.lot_draws)
# What both ledgers must agree on.
SUMS = (
    "SELECT count(*), count(DISTINCT event_id) FROM events",
    "SELECT count(*), sum(base_units), sum(talk_seconds), sum(cost_micros) FROM usage_lines",
    "SELECT count(*), sum(amount_micros) FROM wallet_entries WHERE kind = 'charge'",
    "SELECT count(*), sum(micros) FROM lot_draws",
)


@dataclass(frozen=True, slots=True)
class Run:
    """One import and its raw limit: seconds that passed, and of CPU; bytes at the highest."""

    import_seconds: float
    import_cpu_seconds: float
    raw_seconds: float
    raw_cpu_seconds: float
    memory_bytes: int


def measure(scratch: Path, row_count: int = ROW_COUNT, runs: int = RUNS) -> Results:
    """The import and its raw limit, taken in turns."""
    scratch.mkdir(parents=True, exist_ok=True)
    log = scratch / "calls.csv"
    expected = write_call_log(log, row_count)
    found = [_run(scratch / f"run-{number}", log, expected) for number in range(runs)]
    log.unlink()
    return _results(expected, found)


def _results(expected: Expected, runs: list[Run]) -> Results:
    rows = expected.row_count
    return Results(
        f"Import of {rows:,} rows ({expected.line_count:,} usage lines)",
        ("", "least · median · most"),
        (
            ("import, rows/s", spread([rows / run.import_seconds for run in runs], ",.0f")),
            ("raw insert, rows/s", spread([rows / run.raw_seconds for run in runs], ",.0f")),
            ("ratio", spread([run.raw_seconds / run.import_seconds for run in runs], ".2f")),
            (
                "import, rows per CPU second",
                spread([rows / run.import_cpu_seconds for run in runs], ",.0f"),
            ),
            (
                "raw insert, rows per CPU second",
                spread([rows / run.raw_cpu_seconds for run in runs], ",.0f"),
            ),
            (
                "ratio by CPU",
                spread([run.raw_cpu_seconds / run.import_cpu_seconds for run in runs], ".2f"),
            ),
            ("memory at the highest, MB", spread([run.memory_bytes / 1e6 for run in runs], ".0f")),
        ),
        (
            f"{len(runs)} runs, import and raw insert in turns; batches of {BATCH_ROWS:,} rows. "
            "Aims: ratio ≥ 0.25, 10,000 rows/s, below 500 MB whatever the file's size.",
            "The import reads the file twice, tells rows apart, rates, books and charges. The raw "
            "insert stores the events, lines, entries and draws it left, and nothing else.",
            "Where other programs run, the CPU figures say more: they don't count waiting.",
        ),
    )


def _run(folder: Path, log: Path, expected: Expected) -> Run:
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.importing", str(folder), str(log)],
        check=True, capture_output=True, text=True, cwd=Path(__file__).resolve().parent.parent,
    )  # fmt: skip
    report = json.loads(done.stdout)
    assert report["rows_accepted"] == expected.row_count
    assert report["line_count"] == expected.line_count
    assert report["cost_micros"] == expected.cost_micros
    raw_seconds, raw_cpu = insert_again(folder / LEDGER, folder / "raw.db", expected)
    for file in sorted(folder.rglob("*"), reverse=True):
        file.unlink() if file.is_file() else file.rmdir()
    return Run(
        report["seconds"], report["cpu_seconds"], raw_seconds, raw_cpu, report["memory_bytes"]
    )


def insert_again(
    ledger: Path, raw: Path, expected: Expected, batch_rows: int = BATCH_ROWS
) -> tuple[float, float]:
    """Stores what a ledger holds into an empty one, batch by batch; gives (passed, CPU) seconds."""
    database = open_database(sqlite_url(raw))
    migrate(database)
    database.dispose()
    source, target = sqlite3.connect(ledger), sqlite3.connect(raw, isolation_level=None)
    for pragma in SQLITE_PRAGMAS:
        target.execute(pragma)
    seconds = cpu_seconds = 0.0
    for batch in _batches(source, batch_rows):
        began, computed = time.perf_counter(), time.process_time()
        target.execute("BEGIN IMMEDIATE")
        for sql, rows in batch:
            target.executemany(sql, rows)
        target.execute("COMMIT")
        seconds += time.perf_counter() - began
        cpu_seconds += time.process_time() - computed
    sums = [[connection.execute(sql).fetchone() for sql in SUMS] for connection in (source, target)]
    assert sums[0] == sums[1], "the raw insert must store what the import stored"
    assert sums[0][0][0] == expected.row_count
    assert sums[0][1] == (
        expected.line_count,
        sums[0][1][1],
        expected.talk_seconds,
        expected.cost_micros,
    )
    assert sums[0][2][1] == -expected.cost_micros
    assert sums[0][3][1] == expected.cost_micros
    source.close()
    target.close()
    return seconds, cpu_seconds


def _batches(
    source: sqlite3.Connection, batch_rows: int
) -> Iterator[list[tuple[str, list[tuple[Any, ...]]]]]:
    """The statements and rows of each transaction, in the order in which they were written."""
    inserts = [insert_sql(table, "sqlite") for table in TABLES]
    events, lines, entries, draws = [", ".join(bulk_columns(table)) for table in TABLES]
    # Ids grow in the order in which they were made, so one range of them is one transaction.
    queries = (
        f"SELECT {events} FROM events WHERE event_id > ? AND event_id <= ? ORDER BY event_id",
        f"SELECT {lines} FROM usage_lines WHERE event_id > ? AND event_id <= ? "
        f"AND account_id = '{ACCOUNT}' ORDER BY event_id, seq",
        f"SELECT {entries} FROM wallet_entries WHERE id > ? AND id <= ? ORDER BY id",
        f"SELECT {draws} FROM lot_draws WHERE entry_id > ? AND entry_id <= ? ORDER BY entry_id",
    )
    last, next_end = "", "SELECT event_id FROM events WHERE event_id > ? ORDER BY event_id LIMIT 1 "
    while True:
        found = source.execute(next_end + f"OFFSET {batch_rows - 1}", (last,)).fetchone()
        end = found[0] if found else "~"
        # A batch's entries are made between its first event and the first one of the next batch.
        after = source.execute(next_end, (end,)).fetchone()
        entries_end = after[0] if after else "~"
        entries_from = source.execute(next_end, (last,)).fetchone()
        if entries_from is None:
            return
        ranges = ((last, end), (last, end), *[(entries_from[0], entries_end)] * 2)
        yield [
            (sql, source.execute(query, bounds).fetchall())
            for sql, query, bounds in zip(inserts, queries, ranges, strict=True)
        ]
        last = end


def import_once(folder: Path, log: Path) -> dict[str, float]:
    """One import into a fresh installation below ``folder``; what the parent process checks."""
    installation = new_installation(folder)
    target = ImportTarget(
        installation.database, installation.clock, installation.pseudonyms, folder
    )
    options = ImportOptions(file=log, account_id=ACCOUNT, map=MAP, destination=DESTINATION)
    computed = time.process_time()
    report = import_file(target, options)
    computed = time.process_time() - computed
    installation.close()
    return {
        "seconds": report.seconds,
        "cpu_seconds": computed,
        "rows_accepted": report.rows_accepted,
        "line_count": report.line_count,
        "cost_micros": report.cost_micros,
        "memory_bytes": highest_memory_bytes(),
    }


def new_installation(folder: Path) -> Installation:
    """A fresh installation with one funded account and its prices."""
    installation = open_installation(load_settings(data_dir=folder, _env_file=None))
    now = datetime.now(UTC)
    prices = folder / "prices.csv"
    prices.write_text(PRICES, encoding="utf-8")
    listed = read_price_list(prices, currency="USD", valid_from="always", increment=INCREMENT)
    with installation.database.write() as connection:
        new = NewAccount(ACCOUNT, "Acme", Plan.GROWTH, "USD", "Europe/Lisbon")
        account = add_account(connection, new, now)
        import_rates(connection, listed, level="default", level_id=None, at=now)
        wallet = OpenWallet.open(connection, account)
        posting = Posting(now, now, now, account.today(now))
        wallet.credit(Credit(LotKind.PAID, TOP_UP_MICROS, "benchmark"), posting)
        wallet.flush(now)
    return installation


def highest_memory_bytes() -> int:
    """The most memory this process ever held; what its parent held doesn't count."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


if __name__ == "__main__":
    print(json.dumps(import_once(Path(sys.argv[1]), Path(sys.argv[2]))))
