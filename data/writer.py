"""Group commit: one thread of a process writes, many callers share each transaction.

On SQLite nothing else in the process may write. Callers hand over a function of a connection;
whatever is waiting runs in one transaction, each inside its own savepoint, so that a broken one
fails alone. Bulk pieces of one account share a savepoint, and get one each when any of them fails.
An answer is given only after the commit.

There are two lanes. Decisions (``write``) go first and all together; bulk (``submit_bulk``) is
cut into small pieces, taken from one account after another, so that neither a decision nor a
small account waits behind somebody's million events.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from billing.errors import ProductError
from data.announcing import tell_as
from data.changes import begin_changes, changed_accounts
from data.database import Database
from data.outage import beginning, is_outage, may_pass, reason_of
from data.phases import phase

T = TypeVar("T")
Work = Callable[[Connection], Any]
Listener = Callable[[frozenset[str]], None]

LONGEST_QUEUE = 10_000  # decisions
MOST_PER_COMMIT = 256  # decisions
MOST_BULK_ROWS = 50_000  # waiting, of all accounts
MOST_ACCOUNT_ROWS = 20_000  # waiting, of one account
SLICE_ROWS = 100  # in one transaction, while decisions wait
ALONE_ROWS = 500  # in one transaction, while none do
RETRY_SECONDS = 1
TRY_SECONDS = 2.0  # between tries, with nothing to write, whether it goes again
RECENT_SECONDS = 30.0  # for which a write that was refused is told of
DEADLOCK_TRIES = 3
SCRATCH = "writer_scratch"
# Takes a transaction number, so that PostgreSQL has to write its end down.
_TRY = text("SELECT pg_current_xact_id()")
_log = logging.getLogger(__name__)


class BusyError(ProductError):
    """Nothing was written: try again in a moment."""

    code = "busy"
    retry_after_seconds = RETRY_SECONDS


class _LostTransactionError(Exception):
    """The database gave up the whole transaction, not one job's part of it."""


@dataclass(slots=True)
class _Job:
    work: Work
    answer: Future[Any]
    rows: int = 0  # of bulk; 0 for a decision
    account_id: str | None = None
    finish: Work | None = None


@dataclass(frozen=True, slots=True)
class Commit:
    """One transaction: how long it took, and how much was in it. ``is_kept``: it was committed."""

    seconds: float
    decisions: int
    rows: int
    is_kept: bool


class Writer:
    """Runs writes one after another on a thread of its own; ``close`` drains the queue."""

    def __init__(self, database: Database, *, slice_rows: int = SLICE_ROWS) -> None:
        self.name = str(uuid.uuid4())  # by which this process knows its own news
        self._database = database
        self._slice_rows = slice_rows
        self._decisions: deque[_Job] = deque()
        self._bulk: dict[str, deque[_Job]] = {}  # by account, the next one's turn first
        self._bulk_rows: dict[str, int] = {}
        self._is_closed = False
        self._listeners: list[Listener] = []
        self._watchers: list[Callable[[Commit], None]] = []
        self._busy_since: float | None = None  # of the clock that never steps back
        self._was_kept = True
        self._refused_at: float | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def write(self, work: Callable[[Connection], T]) -> T:
        """Runs ``work`` in a write transaction and gives its result once it is committed.

        Errors: whatever ``work`` raises; ``BusyError`` when the queue is full or closed, or the
        database could not be written.
        """
        assert threading.current_thread() is not self._thread, "a job can't wait for another job"
        return self.submit(work).result()

    def submit(self, work: Callable[[Connection], T]) -> Future[T]:
        """Queues a decision; its result comes with the commit. ``BusyError`` as for ``write``."""
        job = _Job(work, Future())
        with self._changed:
            self._refuse_if_closed()
            if len(self._decisions) >= LONGEST_QUEUE:
                raise BusyError("Too much is waiting: try again in a moment.")
            self._decisions.append(job)
            self._changed.notify()
        return job.answer

    def submit_bulk(
        self,
        account_id: str,
        pieces: Sequence[tuple[Callable[[Connection], T], int]],
        finish: Work | None = None,
    ) -> list[Future[T]]:
        """Queues pieces of bulk work of one account, each with its number of rows: all or none.

        A piece is one savepoint; pieces keep their order. With ``finish``, those of a transaction
        run in one savepoint together, ``finish`` once after them; when anything fails there, each
        runs again by itself. Errors: ``BusyError`` when too many rows of the account, or of all
        accounts, are waiting.
        """
        jobs = [_Job(work, Future(), max(1, rows), account_id, finish) for work, rows in pieces]
        rows = sum(job.rows for job in jobs)
        with self._changed:
            self._refuse_if_closed()
            waiting = self._bulk_rows.get(account_id, 0)
            everything = sum(self._bulk_rows.values())
            if waiting + rows > MOST_ACCOUNT_ROWS or everything + rows > MOST_BULK_ROWS:
                raise BusyError("Too many events are waiting: try again in a moment.")
            self._bulk.setdefault(account_id, deque()).extend(jobs)
            self._bulk_rows[account_id] = waiting + rows
            self._changed.notify()
        return [job.answer for job in jobs]

    def subscribe(self, listener: Listener) -> None:
        """Calls ``listener`` after each commit with the ids of the accounts it changed.

        It runs on the writer's thread, so it must only hand the news on.
        """
        self._listeners.append(listener)

    def watch(self, watcher: Callable[[Commit], None]) -> None:
        """Calls ``watcher`` after each transaction, on the writer's thread: it must be quick."""
        self._watchers.append(watcher)

    @property
    def busy_seconds(self) -> float:
        """For how long the present transaction has been going on; 0 between two."""
        since = self._busy_since
        return 0.0 if since is None else time.monotonic() - since

    @property
    def can_write(self) -> bool:
        """Whether its thread is at work and the database took everything of the last transaction.

        While nothing comes it tries by itself.
        """
        return self._thread.is_alive() and self._was_kept

    @property
    def has_refused_lately(self) -> bool:
        """Whether the database has refused a write in the last ``RECENT_SECONDS``."""
        at = self._refused_at
        return at is not None and time.monotonic() - at < RECENT_SECONDS

    @property
    def waiting(self) -> tuple[int, int]:
        """How many decisions and how many rows of bulk wait."""
        with self._changed:
            return len(self._decisions), sum(self._bulk_rows.values())

    def close(self) -> None:
        """Takes no more, finishes what waits, ends the thread."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._thread.join()

    def _refuse_if_closed(self) -> None:
        if self._is_closed:
            raise BusyError("The server is stopping: try again in a moment.", code="unavailable")

    def _run(self) -> None:
        while True:
            jobs = self._take_waiting()
            if not jobs and self._is_closed:
                return
            begun = self._busy_since = time.monotonic()
            if not jobs:
                self._was_kept = self._goes_again()
                self._busy_since = None
                continue
            is_kept, self._was_kept = self._commit(jobs)
            if not self._was_kept:
                self._refused_at = time.monotonic()
            self._busy_since = None
            decisions = sum(not job.rows for job in jobs)
            rows = sum(job.rows for job in jobs)
            seconds = time.monotonic() - begun
            self._tell(self._watchers, Commit(seconds, decisions, rows, is_kept))

    def _goes_again(self) -> bool:
        """Whether the database takes a transaction without anybody's work in it.

        While it says it can't be written no requests are sent here, and none would find out.
        """
        try:
            with self._database.write() as connection:
                if connection.dialect.name == "postgresql":
                    connection.execute(_TRY)
        except Exception as error:
            if not is_outage(error):
                _log.exception("the ledger can't be written")
            return False
        _log.info("the ledger can be written again")
        return True

    def _take_waiting(self) -> list[_Job]:
        """What the next transaction does, decisions first.

        Nothing when it is over, or when it should be tried whether the database can be written.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._decisions or self._bulk or self._is_closed,
                None if self._was_kept else TRY_SECONDS,
            )
            count = min(len(self._decisions), MOST_PER_COMMIT)
            decisions = [self._decisions.popleft() for _ in range(count)]
            return decisions + self._take_bulk(self._slice_rows if decisions else ALONE_ROWS)

    def _take_bulk(self, most_rows: int) -> list[_Job]:
        """Pieces of one account after another; the one that was served goes to the end."""
        taken: list[_Job] = []
        rows = 0
        while self._bulk and rows < most_rows:
            account_id, pieces = next(iter(self._bulk.items()))
            job = pieces.popleft()
            del self._bulk[account_id]
            self._bulk_rows[account_id] -= job.rows
            if pieces:
                self._bulk[account_id] = pieces
            else:
                del self._bulk_rows[account_id]
            taken.append(job)
            rows += job.rows
        return taken

    def _commit(self, jobs: list[_Job]) -> tuple[bool, bool]:
        """Runs jobs in one transaction and answers them.

        Gives whether it was kept, and whether the database refused nothing in it: on PostgreSQL
        a full disk refuses single savepoints.
        """
        is_kept = True
        results: list[tuple[_Job, Any, BaseException | None]] = []
        changed: frozenset[str] = frozenset()
        try:
            with self._database.write() as connection:
                begin_changes(connection)
                tell_as(connection, self.name)
                connection.info[SCRATCH] = {}
                for group in _groups(connection, jobs):
                    results += _run_in_savepoint(connection, group)
                if not _is_still_open(connection):
                    raise _LostTransactionError
                changed = changed_accounts(connection)
                _pass("ingest.before_commit", jobs)
            _pass("ingest.committed", jobs)
        except BaseException as error:  # the commit itself failed: nobody's work was kept
            failure = _as_refusal(error)
            results = [(job, None, failure) for job in jobs]
            changed, is_kept = frozenset(), False
        for job, result, failed in results:
            if failed is None:
                job.answer.set_result(result)
            else:
                job.answer.set_exception(failed)
        if changed:
            self._tell(self._listeners, changed)
        refused = [failed for _, _, failed in results if isinstance(failed, BusyError)]
        return is_kept, is_kept and not any(each.code == "unavailable" for each in refused)

    def _tell(self, listeners: Sequence[Callable[[Any], None]], news: object) -> None:
        for listener in listeners:
            try:
                listener(news)
            except Exception:  # news that can't be told must not stop the ledger
                _log.exception("a listener of the writer failed")


def scratch(connection: Connection) -> dict[str, Any]:
    """What bulk pieces of one transaction share, such as an account's opened wallet.

    Empty at the start, and again after any piece that failed: what it held may be undone.
    """
    shared: dict[str, Any] = connection.info.setdefault(SCRATCH, {})
    return shared


def _groups(connection: Connection, jobs: Sequence[_Job]) -> list[list[_Job]]:
    """What shares a savepoint: pieces of one account that say how they are finished.

    On PostgreSQL decisions first, then accounts by their ids: processes that lock accounts in the
    same order don't wait for each other in a circle.
    """
    groups: dict[object, list[_Job]] = {}
    for job in jobs:
        groups.setdefault(job.account_id if job.finish else id(job), []).append(job)
    if connection.dialect.name == "sqlite":
        return list(groups.values())
    return sorted(groups.values(), key=lambda group: group[0].account_id or "")


def _run_in_savepoint(
    connection: Connection, jobs: Sequence[_Job], tries: int = DEADLOCK_TRIES
) -> list[tuple[_Job, Any, BaseException | None]]:
    if not jobs[0].rows:
        connection.info[SCRATCH] = {}
    try:
        with connection.begin_nested():
            results = [job.work(connection) for job in jobs]
            if jobs[0].finish:
                jobs[0].finish(connection)
            return [(job, result, None) for job, result in zip(jobs, results, strict=True)]
    except BaseException as error:  # handed to the caller, who asked for the work
        if not _is_still_open(connection):
            raise _LostTransactionError from error
        connection.info[SCRATCH] = {}
        if tries and _is_deadlock(error):
            return _run_in_savepoint(connection, jobs, tries - 1)
        if len(jobs) == 1:
            return [(jobs[0], None, _as_refusal(error))]
    return [result for job in jobs for result in _run_in_savepoint(connection, [job])]


def _pass(name: str, jobs: Sequence[_Job]) -> None:
    """Passes a phase of taking events in; other writes have none."""
    if any(job.rows for job in jobs):
        phase(name)


def _is_still_open(connection: Connection) -> bool:
    """Whether the transaction survived: a full disk makes SQLite undo all of it."""
    if connection.invalidated:
        return False
    raw: Any = connection.connection.dbapi_connection
    if connection.dialect.name == "postgresql":
        # Its server may be gone; and a COMMIT after an error that no savepoint took back is an
        # undo that says nothing.
        return bool(raw.info.transaction_status.name == "INTRANS")
    return bool(raw.in_transaction)


def _is_deadlock(error: BaseException) -> bool:
    """Whether PostgreSQL undid a savepoint's locks, because two processes waited in a circle."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) == "40P01"


def _as_refusal(error: BaseException) -> BaseException:
    """What the caller is told: a database that can't be written is a reason to try again."""
    cause = error.__cause__ if isinstance(error, _LostTransactionError) else error
    is_lost = cause is not error
    if cause is not None and may_pass(beginning(cause) if is_lost else cause):
        _log.error("the ledger could not be written: %s", reason_of(beginning(cause)))
        refusal = BusyError(
            "The ledger can't be written right now: try again in a moment.", code="unavailable"
        )
        refusal.__cause__ = cause
        return refusal
    return cause or error
