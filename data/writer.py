"""Group commit: one thread of a process writes, many callers share each transaction.

On SQLite nothing else in the process may write. Callers hand over a function of a connection;
whatever is waiting runs in one transaction, in savepoints (data/savepoints.py), so that a broken
part fails alone. An answer is given only after the commit.

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

from data.announcing import tell_as
from data.changes import begin_changes, changed_accounts
from data.database import Database
from data.outage import is_outage
from data.phases import phase
from data.savepoints import (
    BusyError,
    Job,
    LostTransactionError,
    Result,
    Together,
    as_refusal,
    groups_of,
    is_still_open,
    run_in_savepoint,
)

T = TypeVar("T")
Listener = Callable[[frozenset[str]], None]

LONGEST_QUEUE = 10_000  # decisions
MOST_PER_COMMIT = 256  # decisions
MOST_BULK_ROWS = 50_000  # waiting, of all accounts
MOST_ACCOUNT_ROWS = 20_000  # waiting, of one account
SLICE_ROWS = 100  # in one transaction, while decisions wait
ALONE_ROWS = 500  # in one transaction, while none do
TRY_SECONDS = 2.0  # between tries, with nothing to write, whether it goes again
RECENT_SECONDS = 30.0  # for which a write that was refused is told of
# Takes a transaction number, so that PostgreSQL has to write its end down.
_TRY = text("SELECT pg_current_xact_id()")
_log = logging.getLogger(__name__)


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
        self._decisions: deque[Job] = deque()
        self._bulk: dict[str, deque[Job]] = {}  # by account, the next one's turn first
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
        return self._queue(Job(work, Future()))

    def submit_decision(self, account_id: str, item: Any, together: Together) -> Future[Any]:
        """Queues a decision about one account, to be made with others that wait for it.

        ``together`` makes all that wait at once, in one savepoint and in order; its result for
        the item comes with the commit. Errors: ``BusyError`` as for ``write``.
        """
        return self._queue(Job(item, Future(), 0, account_id, together))

    def submit_bulk(
        self, account_id: str, pieces: Sequence[tuple[Any, int]], together: Together
    ) -> list[Future[Any]]:
        """Queues pieces of bulk work of one account, each with its number of rows: all or none.

        Pieces keep their order. Those of a transaction run ``together``, in one savepoint; when
        anything fails there, each runs again by itself. Errors: ``BusyError`` when too many rows
        of the account, or of all accounts, are waiting.
        """
        jobs = [Job(item, Future(), max(1, rows), account_id, together) for item, rows in pieces]
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

    def _queue(self, job: Job) -> Future[Any]:
        with self._changed:
            self._refuse_if_closed()
            if len(self._decisions) >= LONGEST_QUEUE:
                raise BusyError("Too much is waiting: try again in a moment.")
            self._decisions.append(job)
            self._changed.notify()
        return job.answer

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

    def _take_waiting(self) -> list[Job]:
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

    def _take_bulk(self, most_rows: int) -> list[Job]:
        """Pieces of one account after another; the one that was served goes to the end."""
        taken: list[Job] = []
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

    def _commit(self, jobs: list[Job]) -> tuple[bool, bool]:
        """Runs jobs in one transaction and answers them.

        Gives whether it was kept, and whether the database refused nothing in it: on PostgreSQL
        a full disk refuses single savepoints.
        """
        is_kept = True
        # Whoever gave up meanwhile is not served; from here on nobody can.
        jobs = [job for job in jobs if job.answer.set_running_or_notify_cancel()]
        results: list[Result] = []
        changed: frozenset[str] = frozenset()
        try:
            with self._database.write() as connection:
                begin_changes(connection)
                tell_as(connection, self.name)
                for group in groups_of(connection, jobs):
                    results += run_in_savepoint(connection, group)
                if not is_still_open(connection):
                    raise LostTransactionError
                changed = changed_accounts(connection)
                _pass("ingest.before_commit", jobs)
            _pass("ingest.committed", jobs)
        except BaseException as error:  # the commit itself failed: nobody's work was kept
            failure = as_refusal(error)
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


def _pass(name: str, jobs: Sequence[Job]) -> None:
    """Passes a phase of taking events in; other writes have none."""
    if any(job.rows for job in jobs):
        phase(name)
