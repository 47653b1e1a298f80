"""How fast holds are decided in process, beside SQLite storing the same rows.

A pair is one authorize and one settle of an answered call: a hold, its closing, an event, two
lines, two entries with their draws, and four windows twice. One hot account with every kind of
cap; the ledger is on a real disk and flushed at every commit.
"""

from __future__ import annotations

import gc
import sqlite3
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.importing import ACCOUNT, new_installation
from benchmarks.tables import Results, percentile, spread
from billing.caps import Cap, CapKind, Limits
from billing.events import CallEvent
from billing.holds import HoldKind, HoldRequest
from billing.lots import LotKind
from data.accounts import read_account
from data.installation import Installation
from data.ledger.hold_answers import Answer, Settle
from data.ledger.limits import set_limits
from data.ledger.wallet import Credit, OpenWallet, Posting

PAIR_COUNT = 10_000
CALLERS = 64
RUNS = 3
PATIENCE_SECONDS = 600
MUCH_MICROS = 10**14
# What a pair stores; the raw limit stores rows of these tables again, as they are.
STORED = ("holds", "events", "usage_lines", "wallet_entries", "lot_draws")


@dataclass(frozen=True, slots=True)
class Run:
    """One run: pairs a second of each way, and how long each pair took."""

    pairs: float
    processor_micros: float  # of the whole process, a pair
    latencies: tuple[float, ...]
    commits: int
    raw: float
    raw_alone: float


class _Callers:
    """Callers that authorize, settle, and begin again, until so many pairs are done."""

    def __init__(self, installation: Installation, pair_count: int) -> None:
        self._decisions = installation.decisions
        self._left, self._open = pair_count, pair_count
        self._lock, self._done = threading.Lock(), threading.Event()
        self.latencies: list[float] = []
        self.failure: BaseException | None = None

    def run(self, caller_count: int) -> float:
        """Seconds until all pairs are done."""
        began = time.perf_counter()
        for _ in range(caller_count):
            self._begin()
        assert self._done.wait(PATIENCE_SECONDS), "it never ended"
        if self.failure is not None:
            raise self.failure
        return time.perf_counter() - began

    def _begin(self) -> None:
        with self._lock:
            if not self._left:
                return
            self._left -= 1
            number = self._left
        began = time.perf_counter()
        request = HoldRequest(
            f"request-{number}", HoldKind.CALL_HUMAN, f"campaign-{number % 7}",
            f"user:{number % 23}", f"1415555{number % 10_000:04d}", 60,
        )  # fmt: skip
        held = self._decisions.submit(ACCOUNT, request)
        held.add_done_callback(lambda answer: self._settle(number, began, answer))

    def _settle(self, number: int, began: float, answer: Future[Answer]) -> None:
        try:
            hold_id = answer.result()["hold_id"]
        except BaseException as error:  # raised where the run is waited for
            self.failure = error
            self._done.set()
            return
        now = datetime.now(UTC)
        event = CallEvent(
            source="dialler", id=f"call-{number}", occurred_at=now, direction="outbound",
            agent="human", is_answered=True, duration_seconds=1 + number % 60,
            counterparty=f"1415555{number % 10_000:04d}", hold_id=hold_id,
        )  # fmt: skip
        settled = self._decisions.submit(ACCOUNT, Settle(event, now))
        settled.add_done_callback(lambda answer: self._end(began, answer))

    def _end(self, began: float, answer: Future[Answer]) -> None:
        self.failure = self.failure or answer.exception()
        self.latencies.append(time.perf_counter() - began)
        with self._lock:
            self._open -= 1
            is_done = not self._open
        if is_done or self.failure is not None:
            self._done.set()
        self._begin()


def measure(scratch: Path, pair_count: int = PAIR_COUNT, runs: int = RUNS) -> Results:
    """Pairs decided by the product and stored bare, in turns."""
    scratch.mkdir(parents=True, exist_ok=True)
    return _results(pair_count, [_run(scratch / f"run-{n}", pair_count) for n in range(runs)])


def _run(folder: Path, pair_count: int) -> Run:
    folder.mkdir()
    installation = new_installation(folder)
    prepare(installation)
    commits: list[int] = []
    installation.writer.watch(lambda commit: commits.append(commit.decisions))
    callers = _Callers(installation, pair_count)
    gc.collect()
    gc.freeze()
    processor = time.process_time()
    seconds = callers.run(CALLERS)
    processor = time.process_time() - processor
    file = installation.database.writer_engine.url.database or ""
    installation.close()
    gc.unfreeze()
    group = max(1, 2 * pair_count // max(1, len(commits)) // 2)
    raw, alone = (_store_again(Path(file), folder / f"raw-{n}.db", n) for n in (group, 1))
    return Run(
        pair_count / seconds, 1e6 * processor / pair_count, tuple(callers.latencies),
        len(commits), pair_count / raw, pair_count / alone,
    )  # fmt: skip


def prepare(installation: Installation) -> None:
    """Credit and caps in plenty: nothing is denied, everything is looked at."""

    def fill(connection: Any) -> None:
        now = installation.clock.now()
        account = read_account(connection, ACCOUNT)
        wallet = OpenWallet.open(connection, account)
        wallet.credit(
            Credit(LotKind.PAID, MUCH_MICROS, "benchmark"),
            Posting(now, now, now, account.today(now)),
        )
        wallet.flush(now)
        windows = (CapKind.DAILY, CapKind.WEEKLY, CapKind.MONTHLY)
        budgets = [Cap(CapKind.CAMPAIGN, MUCH_MICROS, campaign=f"campaign-{n}") for n in range(7)]
        caps = (*(Cap(kind, MUCH_MICROS) for kind in windows), *budgets)
        set_limits(connection, account, Limits(caps), "person:benchmark", now)

    installation.writer.write(fill)


def _store_again(ledger: Path, file: Path, group: int) -> float:
    """Seconds to insert the same rows into tables of the same shape, so many pairs a commit.

    One by one only the first thousand pairs are stored, and the time of all is reckoned from it.
    """
    source = sqlite3.connect(ledger)
    target = sqlite3.connect(file, isolation_level=None)
    target.execute("PRAGMA journal_mode=WAL")
    target.execute("PRAGMA synchronous=FULL")
    rows: dict[str, list[tuple[Any, ...]]] = {}
    for table in STORED:
        made = source.execute(
            "SELECT sql FROM sqlite_master WHERE tbl_name = ? AND sql IS NOT NULL "
            "AND type IN ('table', 'index') ORDER BY type DESC", (table,)
        )  # fmt: skip
        for (statement,) in made.fetchall():
            target.execute(statement)
        rows[table] = source.execute(f"SELECT * FROM {table}").fetchall()
    source.close()
    pair_count = len(rows["holds"])
    stored = min(pair_count, 1_000) if group == 1 else pair_count
    began = time.perf_counter()
    for start in range(0, stored, group):
        target.execute("BEGIN IMMEDIATE")
        for found in rows.items():
            _insert_part(target, *found, start / pair_count, (start + group) / pair_count)
        target.execute("COMMIT")
    seconds = time.perf_counter() - began
    target.close()
    return seconds * pair_count / stored


def _insert_part(
    target: sqlite3.Connection, table: str, rows: list[tuple[Any, ...]], first: float, end: float
) -> None:
    part = rows[round(first * len(rows)) : round(end * len(rows))]
    if part:
        marks = ", ".join("?" * len(part[0]))
        target.executemany(f"INSERT INTO {table} VALUES ({marks})", part)


def _results(pair_count: int, runs: list[Run]) -> Results:
    latencies = [each for run in runs for each in run.latencies]
    milliseconds = (f"{1000 * percentile(latencies, share):.0f}" for share in (0.5, 0.95))
    return Results(
        f"Holds in process: {pair_count:,} times authorize and settle by {CALLERS} callers",
        ("", "least · median · most"),
        (
            ("decided, pairs/s", spread([run.pairs for run in runs], ",.0f")),
            ("processor time a pair, µs", spread([run.processor_micros for run in runs], ",.0f")),
            ("the same rows, as many a commit, pairs/s", spread([run.raw for run in runs], ",.0f")),
            (
                "the same rows, one pair a commit, pairs/s",
                spread([run.raw_alone for run in runs], ",.0f"),
            ),
            ("ratio to as many a commit", spread([run.pairs / run.raw for run in runs], ".2f")),
            ("pair, p50 · p95 ms", " · ".join(milliseconds)),
            ("commits", spread([run.commits for run in runs], ",.0f")),
        ),
        (
            f"{len(runs)} runs on SQLite with synchronous=FULL, one account with ten caps. The "
            "raw limits store the same rows and update nothing. Aim: 5,000 pairs/s.",
        ),
    )  # fmt: skip
