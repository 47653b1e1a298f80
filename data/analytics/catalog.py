"""Where the catalog of a generation of analytics is: a file in its folder, or a schema.

With a ledger on PostgreSQL the catalog lies in the same database, in a schema of its own; the
Parquet files stay in the generation's folder. Owns how a catalog is attached, found and dropped,
and what it says when it can't be used; must not know what is in it.
"""

from __future__ import annotations

import logging
import re
import shutil
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Protocol

import duckdb
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from data.database import CONNECTING, Database

CATALOG = "catalog.sqlite"
CATALOG_BUSY_MILLISECONDS = 10_000
SCHEMA_PREFIX = "lake_"
CATALOG_CONNECTIONS = 8  # at once, of one process: its pages are made on as many threads
DROP_SECONDS = 5
_OWNER = "usage-dashboard: analytics of ledger "
_GENERATION = re.compile(r"g[0-9a-z]{1,40}")
_SECRET = "catalog"
# Each transaction has one connection: none is shared out among the threads of a query, and one
# that was lost is never waited for, since a pool never gets its place back.
_POOL = (
    ("pg_pool_max_connections", CATALOG_CONNECTIONS),
    ("pg_pool_acquire_mode", "force"),
    ("pg_use_ctid_scan", False),
)
# What PostgreSQL's client says when its server is away, and DuckDB when it couldn't undo.
_LOST = (
    "Unable to connect to Postgres", "server closed the connection", "connection to server",
    "no connection to the server", "terminating connection", "SSL connection has been closed",
    "SSL SYSCALL error", "could not receive data from server", "could not send data to server",
    'Failed to execute query "ROLLBACK"', "FATAL:",
)  # fmt: skip
# What its server says when it can't for the moment: no room, no memory, may only be read.
_UNABLE = (
    "could not extend file", "could not write", "No space left on device", "out of memory",
    "read-only transaction", "out of shared memory", "too many clients",
)  # fmt: skip
_REFUSED = "DuckLake: Failed to "  # what follows is what PostgreSQL answered
_BUSY_FILE = ("Transaction conflict", "database is locked", "database is busy")
_BUSY_SCHEMA = (
    "Transaction conflict", "could not serialize access", "deadlock detected",
    "duplicate key value violates unique constraint", "lock timeout",
)  # fmt: skip
_IS_THERE = text(
    "SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = :schema AND c.relname = 'ducklake_metadata' "
    "AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'INSERT'))"
)
_OF_LEDGER = text(
    "SELECT nspname FROM pg_namespace WHERE nspname LIKE :prefix "
    "AND obj_description(oid, 'pg_namespace') = :comment ORDER BY nspname"
)
_log = logging.getLogger(__name__)


class Catalog(Protocol):
    """One kind of catalog; ``path`` is always the folder of a generation.

    ``connections``: how many transactions may be open at once; none: as many as like.
    """

    extensions: tuple[str, ...]
    connections: int | None

    def make(self, path: Path, ledger: str) -> None:
        """Prepares the place of a new catalog."""

    def is_there(self, path: Path) -> bool:
        """Whether the generation has a catalog of this kind."""

    def missing(self, path: Path) -> str:
        """What is wrong when it hasn't."""

    def attach(self, connection: duckdb.DuckDBPyConnection, path: Path, *, is_new: bool) -> None:
        """Attaches it as ``lake``; ``is_new``: it is made empty."""

    def drop(self, path: Path) -> bool:
        """Drops what isn't in the folder; whether nothing of it is left."""

    def is_passing(self, said: str) -> bool:
        """Whether trying again may help: another one was at work."""

    def is_lost(self, said: str) -> bool:
        """Whether the connection to the catalog broke, or there was none to be had."""

    def is_unable(self, said: str) -> bool:
        """Whether its server can't for the moment."""

    def is_damage(self, error: duckdb.Error) -> bool:
        """Whether an error of no kind of its own says that the catalog is damaged."""


class FileCatalog:
    """An SQLite file beside the Parquet files."""

    extensions: tuple[str, ...] = ("ducklake", "sqlite_scanner")
    connections: int | None = None

    def make(self, path: Path, ledger: str) -> None:
        """Nothing to prepare: the folder is there."""

    def is_there(self, path: Path) -> bool:
        """Whether the file is there."""
        return (path / CATALOG).is_file()

    def missing(self, path: Path) -> str:
        """Names the file."""
        return f"{path.name}/{CATALOG} is missing"

    def attach(self, connection: duckdb.DuckDBPyConnection, path: Path, *, is_new: bool) -> None:
        """Attaches the file."""
        connection.execute(
            f"ATTACH 'ducklake:sqlite:{quoted(path / CATALOG)}' AS lake ("
            f"{_common(path, is_new=is_new)}, META_JOURNAL_MODE 'WAL', "
            f"META_BUSY_TIMEOUT {CATALOG_BUSY_MILLISECONDS})"
        )

    def drop(self, path: Path) -> bool:
        """The file goes with its folder."""
        return True

    def is_passing(self, said: str) -> bool:
        """Whether another process was writing."""
        return any(each in said for each in _BUSY_FILE)

    def is_lost(self, said: str) -> bool:
        """A file has no connection to lose."""
        return False

    def is_unable(self, said: str) -> bool:
        """A full disk is no different from a damaged file here."""
        return False

    def is_damage(self, error: duckdb.Error) -> bool:
        """Its errors are of kinds that say so themselves."""
        return False


class SchemaCatalog:
    """A schema of the ledger's own PostgreSQL database, named after the generation."""

    extensions: tuple[str, ...] = ("ducklake", "postgres_scanner")
    connections: int | None = CATALOG_CONNECTIONS

    def __init__(self, database: Database) -> None:
        self._database = database

    def make(self, path: Path, ledger: str) -> None:
        """Makes the empty schema, with a comment by which a copy of it is told from a live one.

        Errors: SQLAlchemy's, such as for a role that may not make schemas.
        """
        name = schema_of(path)
        comment = f"{_OWNER}{ledger}".replace("'", "''")
        with self._database.write() as connection:
            connection.execute(text(f'CREATE SCHEMA "{name}"'))
            connection.execute(text(f"COMMENT ON SCHEMA \"{name}\" IS '{comment}'"))

    def is_there(self, path: Path) -> bool:
        """Whether the schema holds a catalog that the database's role may use."""
        with self._database.read() as connection:
            return bool(connection.scalar(_IS_THERE, {"schema": schema_of(path)}))

    def missing(self, path: Path) -> str:
        """Says whether it has one of another kind."""
        if (path / CATALOG).is_file():
            return "its catalog is a file, from before catalogs were kept in PostgreSQL"
        return f"its catalog, schema {schema_of(path)}, is not in this database, or another role's"

    def attach(self, connection: duckdb.DuckDBPyConnection, path: Path, *, is_new: bool) -> None:
        """Attaches the schema; how to reach it is a secret of DuckDB's, which no error shows."""
        for name, value in _POOL:
            connection.execute(f"SET {name} = '{value}'")
        words = str(self._words()).replace("'", "''")
        connection.execute(f"CREATE SECRET {_SECRET} (TYPE postgres, URI '{words}')")
        connection.execute(
            f"ATTACH 'ducklake:postgres:' AS lake ({_common(path, is_new=is_new)}, "
            f"METADATA_SCHEMA '{schema_of(path)}', META_SECRET '{_SECRET}')"
        )

    def drop(self, path: Path) -> bool:
        """Drops the schema, unless a reader holds on to it for longer than ``DROP_SECONDS``."""
        if not _GENERATION.fullmatch(path.name):
            return True  # no generation of ours
        return drop_schemas(self._database, [schema_of(path)])

    def is_passing(self, said: str) -> bool:
        """Whether another process was writing."""
        return any(each in said for each in _BUSY_SCHEMA)

    def is_lost(self, said: str) -> bool:
        """Whether the server is away, was away, or has no connection left."""
        return any(each in said for each in _LOST)

    def is_unable(self, said: str) -> bool:
        """Whether its disk or memory is full, or it may only be read."""
        return any(each in said for each in _UNABLE)

    def is_damage(self, error: duckdb.Error) -> bool:
        """What PostgreSQL refuses comes as an error of no kind, or of the statement's."""
        return type(error) is duckdb.Error or _REFUSED in str(error)

    def _words(self) -> str:
        """How to reach the database, in the words of PostgreSQL's client, as psycopg has them."""
        from psycopg.conninfo import make_conninfo  # no start on SQLite needs the driver

        engine = self._database.writer_engine
        _, given = engine.dialect.create_connect_args(engine.url)
        given.pop("context", None)  # is the driver's own
        known = {**CONNECTING, "application_name": "usage-dashboard lake"}
        return make_conninfo(**{**known, **given})


def catalog_of(database: Database) -> Catalog:
    """The kind of catalog that goes with a ledger."""
    return SchemaCatalog(database) if database.dialect == "postgresql" else FileCatalog()


def drop_generation(catalog: Catalog, path: Path) -> None:
    """Drops a generation out of use: its catalog first, so that no catalog is forgotten.

    What can't be dropped now stays with its folder until the next rebuild.
    """
    if catalog.drop(path):
        shutil.rmtree(path, ignore_errors=True)


def drop_copies(database: Database, ledger: str) -> None:
    """Drops every catalog of a ledger that was copied here, such as by a dump that was loaded."""
    with database.read() as connection:
        names = connection.scalars(
            _OF_LEDGER, {"prefix": f"{SCHEMA_PREFIX}%", "comment": f"{_OWNER}{ledger}"}
        ).all()
    drop_schemas(database, list(names))


def drop_schemas(database: Database, names: list[str]) -> bool:
    """Drops schemas one by one; whether all are gone. One that is in use, or not ours, stays."""
    are_gone = True
    for name in names:
        try:
            with database.write() as connection:
                connection.execute(text(f"SET LOCAL lock_timeout = '{DROP_SECONDS}s'"))
                quoted_name = name.replace('"', '""')
                connection.execute(text(f'DROP SCHEMA IF EXISTS "{quoted_name}" CASCADE'))
        except DBAPIError as error:
            said = str(error.orig).strip().splitlines()
            _log.warning("schema %s can't be dropped: %s", name, said[0] if said else "no reason")
            are_gone = False
    return are_gone


def schema_of(path: Path) -> str:
    """The schema of a generation's catalog. ``ValueError`` for what is no generation."""
    if not _GENERATION.fullmatch(path.name):
        raise ValueError(f"{path.name!r} is no generation")
    return f"{SCHEMA_PREFIX}{path.name}"


@cache
def extension_file(name: str) -> Path:
    """Where the wheel of a DuckDB extension put it."""
    package = resources.files(f"duckdb_extension_{name}")
    folder = f"v{duckdb.__version__}"
    return Path(str(package.joinpath("extensions", folder, f"{name}.duckdb_extension")))


def quoted(path: Path) -> str:
    """A path inside a text of SQL."""
    return str(path).replace("'", "''")


def _common(path: Path, *, is_new: bool) -> str:
    return (
        f"DATA_PATH '{quoted(path / 'files')}/', OVERRIDE_DATA_PATH true, "
        f"DATA_INLINING_ROW_LIMIT 0, CREATE_IF_NOT_EXISTS {str(is_new).lower()}"
    )
