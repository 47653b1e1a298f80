"""One holder among many processes: a row that its holder renews, and a number that only grows.

No clock of the day decides anything, so none that is put forward or back makes two holders. Who
waits takes the lease only after it has itself watched the row stand still for its whole time to
live, by a clock that never steps; who holds it stops believing in it well before that, counted
from before the last renewal that went well. ``until`` is for people who read the table.

What must not happen twice asks ``require`` inside its own transaction: that one can't commit
after another holder has taken the lease.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Row, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from billing.errors import ProductError
from data.clocks import SystemClock
from data.database import Database
from data.tables import leases

T = TypeVar("T")

TTL_SECONDS = 6.0
RENEW_SECONDS = 2.0
LOOK_SECONDS = 0.5  # of one that waits: a read by key
TRUST = 0.7  # of the time to live, after which its holder acts no more
DATABASE_SECONDS = 2  # for one try on PostgreSQL
NO_LEADER_AFTER = 5  # times the time to live
RELEASED = datetime(1970, 1, 1, tzinfo=UTC)
_BOUND = text(f"SET LOCAL statement_timeout = '{DATABASE_SECONDS}s'")
_log = logging.getLogger(__name__)


class LeaseLostError(ProductError):
    """Somebody else may hold the lease by now: stop, nothing of this step is kept."""

    code = "lease_lost"

    def __init__(self, name: str) -> None:
        super().__init__(f"The lease {name!r} isn't held any more: another process goes on.")


class Writes(Protocol):
    """Runs work in a write transaction and gives its result once it is committed."""

    def write(self, work: Callable[[Connection], T]) -> T: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class _Seen:
    """The row as it was when it last changed, and when that was noticed (steady seconds)."""

    fence: int
    until: datetime
    at: float


def steady_seconds() -> float:
    """A clock that never steps and, where the system has one, goes on while the machine sleeps."""
    boot_time = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot_time is None else time.clock_gettime(boot_time)


class Lease:
    """One process's part in one lease; a thread of its own keeps it, or waits for it.

    ``writes``: how rows are written, on SQLite the process's one writer. ``on_taken``,
    ``on_lost`` and, at each renewal, ``on_kept`` are called on that thread, and must be quick.
    A lost lease may be noticed first by whoever asks ``is_held``.
    """

    def __init__(
        self,
        database: Database,
        writes: Writes,
        name: str,
        *,
        on_taken: Callable[[], object] | None = None,
        on_lost: Callable[[], object] | None = None,
        on_kept: Callable[[], object] | None = None,
        ttl_seconds: float = TTL_SECONDS,
    ) -> None:
        self.name = name
        self.holder = str(uuid.uuid4())
        self._database = database
        self._writes = writes
        self._on_taken = on_taken
        self._on_lost = on_lost
        self._on_kept = on_kept
        self._ttl_seconds = ttl_seconds
        self._renew_seconds = min(RENEW_SECONDS, ttl_seconds / 3)
        self._look_seconds = min(LOOK_SECONDS, ttl_seconds / 12)
        self._fence = 0  # while this process may hold it, 0 otherwise
        self._deadline = 0.0
        self._seen: _Seen | None = None
        self._is_failing = False
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    # --- life ------------------------------------------------------------------------------
    def start(self) -> None:
        """Takes the lease if it is free, and begins to keep it or to wait for it."""
        self._try()
        self._thread = threading.Thread(target=self._run, name=f"lease-{self.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Lets go of it, so that another process needn't wait. Call it when all work has ended."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join()
        fence, self._fence = self._fence, 0
        if not fence:
            return
        try:
            self._changed(fence, RELEASED)
        except Exception:  # it ends by itself then
            _log.warning("the lease %s could not be let go", self.name, exc_info=True)

    @property
    def is_alive(self) -> bool:
        """Whether its thread is at work."""
        return self._thread is not None and self._thread.is_alive()

    # --- asking ----------------------------------------------------------------------------
    @property
    def is_held(self) -> bool:
        """Whether nobody else can have it yet. Asks no database."""
        return bool(self._fence) and steady_seconds() < self._deadline

    @property
    def fence(self) -> int:
        """The number of this holder's turn; ``LeaseLostError`` when it isn't held."""
        fence = self._fence
        if not fence or steady_seconds() >= self._deadline:
            raise LeaseLostError(self.name)
        return fence

    @property
    def has_leader(self) -> bool:
        """Whether some process, this one or another, has been seen to keep it of late."""
        seen = self._seen
        if self.is_held or seen is None:
            return self.is_held
        return steady_seconds() - seen.at < NO_LEADER_AFTER * self._ttl_seconds

    def require(self, connection: Connection) -> int:
        """The fence, once it is certain that no one else takes the lease before this commits.

        Errors: ``LeaseLostError``; nothing of the caller's transaction may then be kept.
        """
        fence = self.fence
        if connection.dialect.name == "postgresql":
            # The lock below must not outlive a holder that is asleep, or cut off from the server.
            milliseconds = round(self._ttl_seconds * 1000)
            connection.exec_driver_sql(
                f"SET LOCAL idle_in_transaction_session_timeout = {milliseconds}"
            )
        mine = (
            select(leases.c.fence)
            .where(
                leases.c.name == self.name,
                leases.c.holder == self.holder,
                leases.c.fence == fence,
                leases.c.until != RELEASED,
            )
            .with_for_update(read=True, key_share=True)  # renewing goes on beside it
        )
        if connection.scalar(mine) is None:
            raise LeaseLostError(self.name)
        return fence

    # --- keeping and taking ----------------------------------------------------------------
    def _run(self) -> None:
        while not self._ending.wait(self._renew_seconds if self._fence else self._look_seconds):
            self._try()

    def _try(self) -> None:
        """Renews or looks; a database that can't be used now may be usable in a moment."""
        try:
            self._keep() if self._fence else self._look()
        except Exception:
            if not self._is_failing:
                _log.warning("the lease %s could not be asked for", self.name, exc_info=True)
            self._is_failing = True
        else:
            self._is_failing = False

    def _keep(self) -> None:
        begun = steady_seconds()
        if self._changed(self._fence, None):
            self._deadline = begun + TRUST * self._ttl_seconds
            self._tell(self._on_kept)
            return
        _log.warning("the lease %s was taken over: fence %s is past", self.name, self._fence)
        self._fence = 0
        self._tell(self._on_lost)

    def _look(self) -> None:
        row = self._row()
        now = steady_seconds()
        if row is None:
            self._take(None)
        elif self._seen is None or (row.fence, row.until) != (self._seen.fence, self._seen.until):
            self._seen = _Seen(row.fence, row.until, now)
            if row.until == RELEASED:
                self._take(self._seen)
        elif row.until == RELEASED or now - self._seen.at >= self._ttl_seconds:
            self._take(self._seen)

    def _take(self, seen: _Seen | None) -> None:
        """Takes it if the row is still as it was seen."""
        begun = steady_seconds()
        fence = 1 if seen is None else seen.fence + 1
        given = {"holder": self.holder, "until": self._next_until(), "fence": fence}

        def work(connection: Connection) -> bool:
            self._bound(connection)
            if seen is None:
                connection.execute(insert(leases).values(name=self.name, **given))
                return True
            as_seen = (
                leases.c.name == self.name,
                leases.c.fence == seen.fence,
                leases.c.until == seen.until,
            )
            # Waits for what the holder before is just committing under its fence.
            connection.execute(select(leases.c.fence).where(*as_seen).with_for_update())
            taken = connection.execute(update(leases).where(*as_seen).values(**given))
            return bool(taken.rowcount)

        try:
            is_mine = self._writes.write(work)
        except IntegrityError:  # another process was first
            return
        if not is_mine:
            return
        self._deadline = begun + TRUST * self._ttl_seconds
        self._fence = fence
        _log.info("the lease %s is held here: fence %s", self.name, fence)
        self._tell(self._on_taken)

    def _changed(self, fence: int, until: datetime | None) -> bool:
        """Renews, or with an instant ends, this process's turn; whether it still was its turn."""
        given = until or self._next_until()

        def work(connection: Connection) -> bool:
            self._bound(connection)
            mine = (
                leases.c.name == self.name,
                leases.c.holder == self.holder,
                leases.c.fence == fence,
            )
            changed = connection.execute(update(leases).where(*mine).values(until=given))
            return bool(changed.rowcount)

        is_mine = self._writes.write(work)
        self._seen = _Seen(fence, given, steady_seconds())
        return is_mine

    def _next_until(self) -> datetime:
        """Another instant each time, or those who watch would see the row stand still."""
        until = SystemClock().now() + timedelta(seconds=self._ttl_seconds)
        seen = self._seen
        return until if seen is None else max(until, seen.until + timedelta(microseconds=1))

    def _row(self) -> Row[*tuple[Any, ...]] | None:
        with self._database.read() as connection:
            self._bound(connection)
            wanted = select(leases.c.fence, leases.c.until).where(leases.c.name == self.name)
            return connection.execute(wanted).one_or_none()

    def _bound(self, connection: Connection) -> None:
        """On PostgreSQL a try that hangs ends by itself."""
        if connection.dialect.name == "postgresql":
            connection.execute(_BOUND)

    def _tell(self, listener: Callable[[], object] | None) -> None:
        if listener is None:
            return
        try:
            listener()
        except Exception:  # the lease itself goes on
            _log.exception("the lease %s changed, which could not be told", self.name)


class Fenced:
    """Writes that are kept only while a lease is held."""

    def __init__(self, lease: Lease, writes: Writes) -> None:
        self._lease = lease
        self._writes = writes

    def write(self, work: Callable[[Connection], T]) -> T:
        """Runs ``work`` in a transaction. ``LeaseLostError``: nothing of it was kept."""

        def fenced(connection: Connection) -> T:
            self._lease.require(connection)
            return work(connection)

        return self._writes.write(fenced)


class DirectWrites:
    """Writes in transactions of their own: for PostgreSQL, where writers don't queue."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write(self, work: Callable[[Connection], T]) -> T:
        """Runs ``work``; its result comes with the commit."""
        with self._database.write() as connection:
            return work(connection)
