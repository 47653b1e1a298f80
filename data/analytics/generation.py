"""One generation of analytics, opened: a DuckDB instance with its catalog attached as ``lake``.

Owns how it is opened, checked, and how one transaction of it runs; must not know which
generation is in use, nor what the figures mean.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn, TypeVar

import duckdb
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionError

from data.analytics.catalog import Catalog, extension_file, quoted
from data.analytics.errors import (
    LakeCatalogError,
    LakeError,
    LakeForeignError,
    LakeLayoutError,
    LakeUnreachableError,
    first_line,
)
from data.analytics.kept import KeptFiles
from data.analytics.views import view
from data.database import POOL_SECONDS
from data.outage import is_outage, reason_of

LAYOUT = 3  # of data/views/lake_tables.sql; a store of another one is made again
ROW_GROUP_ROWS = 61_440
PACKED = ("lines", "moves")
_DENIED = "42501"
# Files of extensions whose signature this process has proved. DuckDB proves it at each load, a
# quarter of a second of work, though what was loaded once stays loaded.
_proved: set[tuple[str, int, int, int]] = set()
# What a missing, truncated or foreign file makes DuckDB say; anything else is our mistake.
_DAMAGE = (
    duckdb.IOException,
    duckdb.InvalidInputException,
    duckdb.CatalogException,
    duckdb.SerializationException,
    duckdb.FatalException,
    duckdb.InternalException,
)

Cursor = duckdb.DuckDBPyConnection
T = TypeVar("T")


class Generation:
    """One opened generation. ``is_worn``: its connection to the catalog broke; open it anew."""

    def __init__(
        self, path: Path, catalog: Catalog, ledger_id: str, threads: int, memory_limit: str,
        *, is_new: bool = False,
    ) -> None:  # fmt: skip
        self.name = path.name
        self.is_worn = False
        self._path = path
        self._catalog = catalog
        self._turns = None if catalog.connections is None else _Turns(catalog.connections)
        with _catalog_errors():
            if is_new:
                path.mkdir()
                catalog.make(path, ledger_id)
            elif not catalog.is_there(path):
                missing = catalog.missing(path)
                raise (LakeError if catalog.connections is None else LakeCatalogError)(missing)
        try:
            self.connection = connect(path, catalog, threads, memory_limit, is_new=is_new)
            if is_new:
                create_tables(self.connection, ledger_id)
            with transaction(self.connection):  # one: each has round trips of its own
                self._check(ledger_id)
        except duckdb.Error as error:
            self._refuse_outage(error)
            raise LakeError(first_line(error)) from error
        except LakeError:
            self.connection.close()
            raise

    def run(self, work: Callable[[Cursor], T]) -> T:
        """Runs work in one transaction on a cursor of its own."""
        with self._cursor() as cursor, transaction(cursor):
            return work(cursor)

    def change(self, work: Callable[[Cursor], T]) -> T:
        """The same for work that writes: no file is lost of a change that was kept after all."""
        if self._turns is None:
            return self.run(work)
        files = KeptFiles(self._path)
        try:
            with self._cursor() as cursor, transaction(cursor, files.keep):
                return work(cursor)
        except duckdb.Error as error:
            if self.is_lost(error):
                files.put_back()
            raise
        finally:
            files.forget()

    def command(self, sql: str, parameters: dict[str, object]) -> None:
        """Runs one statement that is a transaction by itself."""
        with self._cursor() as cursor:
            cursor.execute(sql, parameters).fetchall()

    def is_passing(self, error: duckdb.Error) -> bool:
        """Whether trying again may help: another writer was at work."""
        return self._catalog.is_passing(_said(error))

    def is_lost(self, error: duckdb.Error) -> bool:
        """Whether the way to the catalog broke: a change may have been kept, or not."""
        return self._catalog.is_lost(_said(error))

    def refuse(self, error: duckdb.Error) -> NoReturn:
        """Raises what an error means to the caller: an outage, damage, or our own mistake."""
        self._refuse_outage(error)
        if isinstance(error, _DAMAGE) or self._catalog.is_damage(error):
            raise LakeError(first_line(error)) from error
        raise error

    def _refuse_outage(self, error: duckdb.Error) -> None:
        if self._catalog.is_lost(_said(error)) or self._catalog.is_unable(_said(error)):
            raise LakeUnreachableError(first_line(error)) from error

    @contextmanager
    def _cursor(self) -> Iterator[Cursor]:
        if self._turns is not None:
            self._turns.take()
        try:
            cursor = self.connection.cursor()
            try:
                yield cursor
            except duckdb.Error as error:
                self.is_worn = self.is_worn or self.is_lost(error)
                raise
            finally:
                cursor.close()
        finally:
            if self._turns is not None:
                self._turns.give_back()

    def _check(self, ledger_id: str) -> None:
        found = self.connection.execute("SELECT ledger_id FROM lake.sync_state").fetchall()
        if len(found) != 1:
            raise LakeError("it doesn't say how far it has come")
        if found[0][0] != ledger_id:
            raise LakeForeignError("it belongs to another ledger")
        if self._layout() != LAYOUT:
            raise LakeLayoutError("it was made by another version of this program")
        for file in data_files(self.connection):
            if not Path(file).is_file():
                raise LakeError(f"its file {Path(file).name} is missing")

    def _layout(self) -> int:
        """Which tables there are; the first stores didn't say."""
        columns = self.connection.execute("SELECT * FROM lake.sync_state LIMIT 0").description or ()
        if "layout" not in {column[0] for column in columns}:
            return 1
        row = self.connection.execute("SELECT layout FROM lake.sync_state").fetchone()
        return int(row[0]) if row else 0


class _Turns:
    """How many may be at a catalog at once, each with a connection of its own."""

    def __init__(self, count: int) -> None:
        self._free = threading.BoundedSemaphore(count)

    def take(self) -> None:
        """Waits for a turn. Errors: ``LakeUnreachableError`` after ``POOL_SECONDS``."""
        if not self._free.acquire(timeout=POOL_SECONDS):
            raise LakeUnreachableError("all connections to its catalog are in use")

    def give_back(self) -> None:
        """Lets the next one in."""
        self._free.release()


@contextmanager
def transaction(cursor: Cursor, before_end: Callable[[], object] = lambda: None) -> Iterator[None]:
    """One transaction: kept at the end, undone on any error.

    It is always undone by a statement. One that is left to end with its cursor ends the process
    when the connection to PostgreSQL is gone: DuckDB's own undoing then raises where nothing may.
    """
    cursor.execute("BEGIN")
    try:
        yield
        before_end()
        cursor.execute("COMMIT")
    except BaseException as error:
        try:
            cursor.execute("ROLLBACK")
        except duckdb.Error as also:  # ended with the COMMIT, or the connection is gone
            error.add_note(str(also))
        raise


def connect(
    path: Path, catalog: Catalog, threads: int, memory_limit: str, *, is_new: bool = False
) -> duckdb.DuckDBPyConnection:
    """A DuckDB instance with the catalog of ``path`` attached as ``lake``.

    Extensions are loaded from their wheels: nothing is downloaded, nothing written to a home.
    """
    spill = path / "spill"
    files = [extension_file(name) for name in catalog.extensions]
    is_proved = _proved.issuperset(_identity(file) for file in files)
    connection = duckdb.connect(
        config={
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_unsigned_extensions": is_proved,
            "threads": threads,
            "memory_limit": memory_limit,
            "temp_directory": str(spill),
        }
    )
    for file in files:
        connection.execute(f"LOAD '{quoted(file)}'")
    _proved.update(_identity(file) for file in files)
    catalog.attach(connection, path, is_new=is_new)
    return connection


def _identity(file: Path) -> tuple[str, int, int, int]:
    found = file.stat()
    return str(file), found.st_ino, found.st_size, found.st_mtime_ns


def create_tables(connection: duckdb.DuckDBPyConnection, ledger: str) -> None:
    """Makes the tables of an empty generation that belongs to a ledger."""
    connection.execute(f"CALL lake.set_option('parquet_row_group_size', '{ROW_GROUP_ROWS}')")
    # Sums are few and every page reads them: unpacking would be half of what that costs.
    connection.execute("CALL lake.set_option('parquet_compression', 'uncompressed')")
    with transaction(connection):
        for statement in view("lake_tables").split(";"):
            given = {"ledger_id": ledger, "layout": LAYOUT}
            parameters = {name: value for name, value in given.items() if f"${name}" in statement}
            if statement.strip():
                connection.execute(statement, parameters)
    with transaction(connection):
        for table in PACKED:
            connection.execute(
                f"CALL lake.set_option('parquet_compression', 'zstd', table_name => '{table}')"
            )


def data_files(cursor: Cursor) -> list[str]:
    """Paths of every file that the catalog says is in use."""
    tables = cursor.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = 'lake' ORDER BY table_name"
    ).fetchall()
    return [file for (table,) in tables for file in table_files(cursor, table)]


def table_files(cursor: Cursor, table: str) -> list[str]:
    """Paths of the files that one table is made of."""
    # Without a parameter: for the first one DuckDB loads pandas, and every start comes by here.
    listed = f"SELECT data_file, delete_file FROM ducklake_list_files('lake', '{table}')"  # noqa: S608
    rows = cursor.execute(listed).fetchall()
    return [file for row in rows for file in row if file]


@contextmanager
def _catalog_errors() -> Iterator[None]:
    """What the ledger's database says of a catalog's place, as errors of analytics."""
    try:
        yield
    except (DBAPIError, NoConnectionError) as error:
        if is_outage(error):
            raise LakeUnreachableError(reason_of(error)) from error
        if getattr(getattr(error, "orig", None), "sqlstate", None) == _DENIED:
            raise LakeError(
                f"{reason_of(error)}; as the owner of the ledger run `usage-dashboard roles`"
            ) from error
        raise


def _said(error: duckdb.Error) -> str:
    return "\n".join((str(error), *getattr(error, "__notes__", ())))
