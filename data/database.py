"""The truth's database: how it is opened, read and written.

SQLite runs in WAL mode with ``synchronous=FULL``; writers begin IMMEDIATE, readers on an engine
of their own so that they never queue behind a writer.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
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
WAL_SECONDS = 30.0


class Database:
    """One open truth: ``read()`` is a consistent snapshot, ``write()`` one transaction."""

    def __init__(self, writer: Engine, reader: Engine) -> None:
        self._writer = writer
        self._reader = reader
        self._one_at_a_time = threading.Lock()
        self._watching: Any = None  # a connection of its own, outside any transaction

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

        Threads of one process queue here, because SQLite's own busy wait is not fair.
        """
        with self._one_at_a_time, self._writer.begin() as connection:
            yield connection

    def version(self) -> int:
        """A number that is another one once any connection, of any process, has committed.

        For one caller at a time; costs some microseconds, and reads nothing.
        """
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
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        raise InputError(
            "USAGE_DATABASE_URL", parsed.render_as_string(), "use sqlite:///PATH/TO/FILE"
        )
    Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    # An error is logged with its statement, never with what was in it: hashes, names, mail.
    given: dict[str, Any] = {"poolclass": QueuePool, "hide_parameters": True}
    writer = create_engine(parsed, pool_size=1, max_overflow=4, **given)
    reader = create_engine(parsed, pool_size=READER_POOL_SIZE, **given)
    for engine, begin in ((writer, "BEGIN IMMEDIATE"), (reader, "BEGIN")):
        _prepare_sqlite(engine, begin)
    event.listen(reader, "connect", _only_read)
    return Database(writer, reader)


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
