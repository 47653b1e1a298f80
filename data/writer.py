"""Group commit: one thread of a process writes, many callers share each transaction.

On SQLite nothing else in the process may write. Callers hand over a function of a connection;
whatever is waiting runs in one transaction, each inside its own savepoint, so that a broken one
fails alone. An answer is given only after the commit.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection

from billing.errors import ProductError
from data.database import Database

T = TypeVar("T")
LONGEST_QUEUE = 10_000
MOST_PER_COMMIT = 256


class BusyError(ProductError):
    """The queue is full: try again in a moment."""

    code = "busy"


@dataclass(slots=True)
class _Job:
    work: Callable[[Connection], Any]
    answer: Future[Any]


class Writer:
    """Runs writes one after another on a thread of its own; ``close`` drains the queue."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: queue.Queue[_Job | None] = queue.Queue(LONGEST_QUEUE)
        self._is_closed = False
        self._door = threading.Lock()  # nothing may be put behind the end marker: nobody answers
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def write(self, work: Callable[[Connection], T]) -> T:
        """Runs ``work`` in a write transaction and gives its result once it is committed.

        Errors: whatever ``work`` raises; ``BusyError`` when the queue is full or closed.
        """
        answer: Future[T] = Future()
        with self._door:
            if self._is_closed:
                raise BusyError("The server is stopping: try again in a moment.")
            try:
                self._waiting.put_nowait(_Job(work, answer))
            except queue.Full:
                raise BusyError("Too much is waiting: try again in a moment.") from None
        return answer.result()

    def close(self) -> None:
        """Takes no more, finishes what waits, ends the thread."""
        with self._door:
            is_first, self._is_closed = not self._is_closed, True
        if is_first:
            self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            job = self._waiting.get()
            if job is None:
                return
            jobs, is_last = self._take_waiting(job)
            self._commit(jobs)
            if is_last:
                return

    def _take_waiting(self, first: _Job) -> tuple[list[_Job], bool]:
        jobs = [first]
        while len(jobs) < MOST_PER_COMMIT:
            try:
                job = self._waiting.get_nowait()
            except queue.Empty:
                break
            if job is None:
                return jobs, True
            jobs.append(job)
        return jobs, False

    def _commit(self, jobs: list[_Job]) -> None:
        results: list[tuple[_Job, Any, BaseException | None]] = []
        try:
            with self._database.write() as connection:
                for job in jobs:
                    results.append(_run_in_savepoint(connection, job))
        except Exception as error:  # the commit itself failed: nobody's work was kept
            results = [(job, None, error) for job in jobs]
        for job, result, failure in results:
            if failure is None:
                job.answer.set_result(result)
            else:
                job.answer.set_exception(failure)


def _run_in_savepoint(connection: Connection, job: _Job) -> tuple[_Job, Any, BaseException | None]:
    try:
        with connection.begin_nested():
            return job, job.work(connection), None
    except Exception as error:  # handed to the caller, who asked for the work
        return job, None, error
