"""The parts of one write transaction: who shares a savepoint, and what becomes of a broken part.

Jobs of one account that know how to run together share a savepoint; when anything fails in it,
each runs again by itself, so that a broken one fails alone. Must not know threads or queues.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from billing.errors import ProductError
from data.outage import beginning, may_pass, reason_of

Work = Callable[[Connection], Any]
# Of one account: the items in order; gives as many results. An exception among them is for that
# item's caller alone, and nothing of it may be left in the transaction.
Together = Callable[[Connection, str, Sequence[Any]], Sequence[Any]]

RETRY_SECONDS = 1
DEADLOCK_TRIES = 3
_log = logging.getLogger(__name__)


class BusyError(ProductError):
    """Nothing was written: try again in a moment."""

    code = "busy"
    retry_after_seconds = RETRY_SECONDS


class LostTransactionError(Exception):
    """The database gave up the whole transaction, not one job's part of it."""


@dataclass(slots=True)
class Job:
    """One caller's work and the answer it waits for. ``rows``: of bulk; 0 for a decision.

    ``item`` is a function of the connection, unless ``together`` says how items are run.
    """

    item: Any
    answer: Future[Any]
    rows: int = 0
    account_id: str = ""
    together: Together | None = None


Result = tuple[Job, Any, BaseException | None]


def groups_of(connection: Connection, jobs: Sequence[Job]) -> list[list[Job]]:
    """What shares a savepoint: jobs of one account that run together, the first one's place.

    On PostgreSQL in order of the accounts' ids: processes that lock accounts in the same order
    don't wait for each other in a circle.
    """
    groups: dict[object, list[Job]] = {}
    for job in jobs:
        is_alone = job.together is None
        groups.setdefault(id(job) if is_alone else (job.account_id, job.together), []).append(job)
    if connection.dialect.name == "sqlite":
        return list(groups.values())
    return sorted(groups.values(), key=lambda group: group[0].account_id)


def run_in_savepoint(
    connection: Connection, jobs: Sequence[Job], tries: int = DEADLOCK_TRIES
) -> list[Result]:
    """Runs one group; gives each job with its result or its failure.

    Errors: ``LostTransactionError`` when the database undid everything.
    """
    first = jobs[0]
    try:
        with connection.begin_nested():
            if first.together is None:
                return [(first, first.item(connection), None)]
            items = [job.item for job in jobs]
            results = first.together(connection, first.account_id, items)
        return [
            (job, None, result) if isinstance(result, BaseException) else (job, result, None)
            for job, result in zip(jobs, results, strict=True)
        ]
    except BaseException as error:  # handed to the caller, who asked for the work
        if not is_still_open(connection):
            raise LostTransactionError from error
        if tries and _is_deadlock(error):
            return run_in_savepoint(connection, jobs, tries - 1)
        if len(jobs) == 1:
            return [(first, None, as_refusal(error))]
    return [result for job in jobs for result in run_in_savepoint(connection, [job])]


def is_still_open(connection: Connection) -> bool:
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


def as_refusal(error: BaseException) -> BaseException:
    """What the caller is told: a database that can't be written is a reason to try again."""
    cause = error.__cause__ if isinstance(error, LostTransactionError) else error
    is_lost = cause is not error
    if cause is not None and may_pass(beginning(cause) if is_lost else cause):
        _log.error("the ledger could not be written: %s", reason_of(beginning(cause)))
        refusal = BusyError(
            "The ledger can't be written right now: try again in a moment.", code="unavailable"
        )
        refusal.__cause__ = cause
        return refusal
    return cause or error
