"""The truth's database: how it is opened, read and written.

SQLite runs in WAL mode with ``synchronous=FULL``; writers begin IMMEDIATE. On PostgreSQL writers
run at READ COMMITTED and meet at row locks. On both, readers have an engine of their own, whose
transactions are read-only snapshots: they never queue behind a writer.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import QueuePool

from billing.errors import InputError
from data.settings import without_password

SQLITE_PRAGMAS = (
    "PRAGMA busy_timeout=30000",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA recursive_triggers=ON",  # else INSERT OR REPLACE would slip past the guards
    "PRAGMA cache_size=-65536",
    "PRAGMA temp_store=MEMORY",
)
READER_POOL_SIZE = 16
WRITER_POOL_SIZE = 4  # of one process on PostgreSQL: its writer thread, jobs and commands
POOL_SECONDS = 10.0  # to wait for a free connection
CONNECT_SECONDS = 5
# A server that is gone without a word, as when its machine lost power, is noticed.
CONNECTING: dict[str, Any] = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
IDLE_SECONDS = 60  # in a write transaction, after which PostgreSQL ends it: it holds up others
WAL_SECONDS = 30.0
_SNAPSHOT = text("SELECT pg_current_snapshot()::text")
_TAKE_TURN = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
# An error is logged with its statement, never with what was in it: hashes, names, mail.
_GIVEN: dict[str, Any] = {"hide_parameters": True}


class Database:
    """One open truth: ``read()`` is a consistent snapshot, ``write()`` one transaction."""

    def __init__(self, writer: Engine, reader: Engine) -> None:
        self._writer = writer
        self._reader = reader
        is_sqlite = writer.dialect.name == "sqlite"
        self._turn: AbstractContextManager[Any] = threading.Lock() if is_sqlite else nullcontext()
        self._watching: Any = None  # a connection of its own, outside any transaction
        self._watch = threading.Lock()

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._writer.dialect.name

    @property
    def writer_engine(self) -> Engine:
        """The engine that migrations run on."""
        return self._writer

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one snapshot and can't write."""
        with self._reader.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection inside one write transaction: committed at the end, undone on error.

        On SQLite threads of one process queue here, because its own busy wait is not fair.
        """
        with self._turn, self._writer.begin() as connection:
            yield connection

    def version(self) -> int:
        """A number that is another one once any connection, of any process, has committed.

        Costs some microseconds on SQLite and a round trip on PostgreSQL, and reads nothing. On
        PostgreSQL it may also change without a commit.
        """
        if self.dialect == "postgresql":
            with self.read() as connection:
                return hash(connection.scalar(_SNAPSHOT))
        with self._watch:  # numbers of one connection can be compared, those of several can't
            if self._watching is None:
                self._watching = self._reader.raw_connection()
            cursor = self._watching.cursor()
            try:
                return int(cursor.execute("PRAGMA data_version").fetchone()[0])
            finally:
                cursor.close()

    def dispose(self) -> None:
        """Closes every pooled connection."""
        if self._watching is not None:
            self._watching.close()
            self._watching = None
        self._reader.dispose()
        self._writer.dispose()


def open_database(url: str) -> Database:
    """Opens the truth at a SQLAlchemy URL; an SQLite file is made when missing.

    Errors: ``InputError`` for an address this product can't use.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise InputError(
            "USAGE_DATABASE_URL", without_password(url), "use a SQLAlchemy URL"
        ) from None
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        return _open_sqlite(parsed)
    if parsed.drivername == "postgresql+psycopg" and parsed.database:
        return _open_postgresql(parsed)
    raise InputError(
        "USAGE_DATABASE_URL", parsed.render_as_string(),
        "use sqlite:///PATH/TO/FILE or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE",
    )  # fmt: skip


def can_write(connection: Connection) -> bool:
    """Whether a connection is a writer's; a reader on PostgreSQL may not even lock a row."""
    return not connection.get_execution_options().get("postgresql_readonly", False)


def take_turn(connection: Connection, name: str) -> None:
    """Waits until no other transaction is at ``name``; ends with the caller's transaction.

    On SQLite there is only one writer anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(_TAKE_TURN, {"name": f"usage-dashboard {name}"})


def _open_sqlite(url: URL) -> Database:
    assert url.database, "asked before"
    Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    writer = create_engine(url, pool_size=1, max_overflow=4, poolclass=QueuePool, **_GIVEN)
    reader = create_engine(url, pool_size=READER_POOL_SIZE, poolclass=QueuePool, **_GIVEN)
    for engine, begin in ((writer, "BEGIN IMMEDIATE"), (reader, "BEGIN")):
        _prepare_sqlite(engine, begin)
    event.listen(reader, "connect", _only_read)
    return Database(writer, reader)


def _open_postgresql(url: URL) -> Database:
    given: dict[str, Any] = {
        "pool_timeout": POOL_SECONDS,
        "pool_pre_ping": True,  # a server that was restarted is noticed before it matters
        "connect_args": {**CONNECTING, "application_name": "usage-dashboard"},
        **_GIVEN,
    }
    writer = create_engine(
        url, pool_size=WRITER_POOL_SIZE, max_overflow=0, isolation_level="READ COMMITTED", **given
    )
    reader = create_engine(
        url, pool_size=READER_POOL_SIZE, max_overflow=0, isolation_level="REPEATABLE READ",
        execution_options={"postgresql_readonly": True}, **given,
    )  # fmt: skip
    event.listen(writer, "connect", _end_when_idle)
    return Database(writer, reader)


def _end_when_idle(connection: Any, _record: Any) -> None:
    """A process that is asleep, or cut off, must not keep locks and analytics waiting for ever."""
    connection.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'")
    connection.commit()


def sqlite_url(file: Path) -> str:
    """The URL of an SQLite file."""
    return f"sqlite:///{file}"


def _prepare_sqlite(engine: Engine, begin: str) -> None:
    def on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions by itself
        for pragma in SQLITE_PRAGMAS:
            connection.execute(pragma)
        _use_wal(connection)

    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", on_begin)


def _use_wal(connection: Any) -> None:
    """Switches a new file to WAL; SQLite's busy wait doesn't cover two that switch at once."""
    deadline = time.monotonic() + WAL_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _only_read(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA query_only=ON")
