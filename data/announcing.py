"""Changes of accounts told from process to process: NOTIFY in the transaction that makes them.

On PostgreSQL every committed write names the accounts it changed, whichever way it was made, and
whoever listens hears of it as it is committed. On SQLite there is nothing of the kind: processes
look by themselves. Must not know who is told what.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, event

from data.changes import begin_changes, changed_accounts
from data.database import CONNECT_SECONDS, Database

if TYPE_CHECKING:
    import psycopg

CHANNEL = "usage_changes"
MOST_BYTES = 7_000  # of one message; PostgreSQL takes 8,000
LOOK_SECONDS = 0.5  # how late a stop is noticed
ASK_SECONDS = 10.0  # between two questions whether the connection still is one
RETRY_SECONDS = 1.0
_TOLD_BY = "told_by"
_log = logging.getLogger(__name__)
Heard = Callable[[frozenset[str]], object]


def announce_changes(database: Database) -> None:
    """From now on this process's commits tell the other processes what they changed."""
    if database.dialect == "postgresql":
        event.listen(database.writer_engine, "begin", _begin)
        event.listen(database.writer_engine, "commit", _announce)


def tell_as(connection: Connection, teller: str) -> None:
    """Says who made the connection's transaction: a process needn't hear itself twice."""
    connection.info[_TOLD_BY] = teller


def _begin(connection: Connection) -> None:
    begin_changes(connection)
    tell_as(connection, "")


def _announce(connection: Connection) -> None:
    """Just before the commit, in the same transaction: undone with it."""
    account_ids = changed_accounts(connection)
    if not account_ids:
        return
    messages = list(_messages(connection.info.get(_TOLD_BY, ""), sorted(account_ids)))
    raw: Any = connection.connection.dbapi_connection
    with raw.cursor() as cursor:
        cursor.execute(
            "SELECT pg_notify(%s, message) FROM unnest(%s::text[]) AS message", (CHANNEL, messages)
        )


def _messages(teller: str, account_ids: Iterable[str]) -> Iterator[str]:
    part: list[str] = []
    size = 0
    for account_id in account_ids:
        taken = len(json.dumps(account_id)) + 2  # as it is sent: ASCII, with every escape
        if part and size + taken > MOST_BYTES:
            yield json.dumps([teller, part])
            part, size = [], 0
        part.append(account_id)
        size += taken
    yield json.dumps([teller, part])


class Listener:
    """Hears other processes' commits on a thread and a connection of its own.

    ``heard`` gets the ids of changed accounts; ``connected`` is called each time the connection
    begins to hear: what was committed before must be looked for. Both run on that thread.
    """

    def __init__(
        self, database: Database, teller: str, heard: Heard, connected: Callable[[], object]
    ) -> None:
        self._database = database
        self._teller = teller
        self._heard = heard
        self._connected = connected
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hears-changes", daemon=True)
        self.is_hearing = False

    def start(self) -> None:
        """Begins; a database that can't be reached is tried again and again."""
        self._thread.start()

    def stop(self) -> None:
        """Ends within ``LOOK_SECONDS``, or as soon as a connection attempt does."""
        self._ending.set()
        if self._thread.ident:
            self._thread.join()

    def _run(self) -> None:
        import psycopg  # which a start on SQLite doesn't need

        while not self._ending.is_set():
            try:
                with self._connect() as connection:
                    self._hear(connection)
            except (psycopg.Error, OSError) as error:
                if self.is_hearing:
                    _log.warning("changes of other processes aren't heard: %s", error)
            finally:
                self.is_hearing = False
            self._ending.wait(RETRY_SECONDS)

    def _connect(self) -> psycopg.Connection[Any]:
        import psycopg

        engine = self._database.writer_engine
        _, given = engine.dialect.create_connect_args(engine.url)
        return psycopg.connect(
            **given, autocommit=True, connect_timeout=CONNECT_SECONDS,
            application_name="usage-dashboard-listener",
            keepalives_idle=10, keepalives_interval=5, keepalives_count=3,
        )  # fmt: skip

    def _hear(self, connection: psycopg.Connection[Any]) -> None:
        connection.execute(f"LISTEN {CHANNEL}")
        self.is_hearing = True
        self._connected()
        silent_seconds = 0.0
        while not self._ending.is_set():
            changed: set[str] = set()
            for notice in connection.notifies(timeout=LOOK_SECONDS, stop_after=1):
                changed |= self._read(notice.payload)
            silent_seconds = 0.0 if changed else silent_seconds + LOOK_SECONDS
            if changed:
                self._heard(frozenset(changed))
            elif silent_seconds >= ASK_SECONDS:
                connection.execute("SELECT 1")
                silent_seconds = 0.0

    def _read(self, payload: str) -> set[str]:
        try:
            teller, account_ids = json.loads(payload)
        except ValueError:  # anybody may write into a channel
            _log.warning("a message that isn't ours came over %s", CHANNEL)
            return set()
        return set() if teller == self._teller else set(account_ids)
