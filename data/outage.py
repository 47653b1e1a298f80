"""Whether a database can't be used at the moment, as opposed to having been asked wrongly.

Its server is down or starting, its disk is full, it may only be read, a lock was not to be had:
the same may go well in a moment, and whoever asked is told so. Must not know who is told.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from typing import Any

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionError

from billing.errors import ProductError

RETRY_SECONDS = 2
SAY_AGAIN_SECONDS = 5.0  # thousands may ask meanwhile; each has its own line of the log
# SQLSTATE: connection, resources (a full disk), an operator's stop, the machine; then a server
# that may only be read, a lock that was not to be had, a transaction that was left idle or was
# open for too long, a deadlock, a snapshot that came too late.
_CLASSES = ("08", "53", "57", "58")
_STATES = frozenset({"25006", "55P03", "25P03", "25P04", "40P01", "40001"})
_SQLITE = frozenset(
    {
        sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_INTERRUPT,
    }
)  # fmt: skip
_log = logging.getLogger(__name__)
_said: dict[str, float] = {}  # when what was last said, of the clock that never steps back


class UnavailableError(ProductError):
    """The database can't be used right now; nothing was written."""

    code = "unavailable"
    retry_after_seconds = RETRY_SECONDS


def is_outage(error: BaseException) -> bool:
    """Whether the database, and not what it was asked, is the reason."""
    if isinstance(error, NoConnectionError):  # all connections of the pool are in use
        return True
    if isinstance(error, UnavailableError):  # was found out before
        return True
    if not isinstance(error, DBAPIError):
        return False
    cause: Any = error.orig
    if isinstance(cause, sqlite3.Error):
        return (getattr(cause, "sqlite_errorcode", 0) & 0xFF) in _SQLITE
    state = getattr(cause, "sqlstate", None)
    if state is None:  # said by the driver: there is no server to say it
        return type(cause).__name__ in {"OperationalError", "InterfaceError", "ConnectionTimeout"}
    return state in _STATES or state.startswith(_CLASSES)


def may_pass(error: BaseException) -> bool:
    """Whether a write that failed is worth another try: an outage, or what a driver calls one."""
    return isinstance(error, OperationalError) or is_outage(error)


def beginning(error: BaseException) -> BaseException:
    """What went wrong first, not what it led to, such as a savepoint that is gone."""
    first, each = error, error.__context__
    while each is not None:
        if may_pass(each):
            first = each
        each = each.__context__
    return first


def refusal_of(error: BaseException) -> UnavailableError | None:
    """What a reader is told of an outage, which is logged now and again; none for another error."""
    if not is_outage(error):
        return None
    say("the ledger could not be read", error)
    return UnavailableError("The ledger can't be reached right now: try again in a moment.")


def say(what: str, error: BaseException) -> None:
    """Logs an outage in one line, the same words at most once in ``SAY_AGAIN_SECONDS``."""
    now = time.monotonic()
    if now - _said.get(what, float("-inf")) >= SAY_AGAIN_SECONDS:
        _said[what] = now
        _log.error("%s: %s", what, reason_of(error))


def reason_of(error: BaseException) -> str:
    """What the database says, on one line, without what was asked of it."""
    cause = getattr(error, "orig", None) or error
    return " ".join(str(cause).split())[:300]
