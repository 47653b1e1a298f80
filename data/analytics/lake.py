"""The analytics store: DuckDB over DuckLake (Parquet files and a catalog in its own SQLite file).

Owns how it is opened, read and changed; must not know what the figures mean. Everything in it
can be made again from the ledger. A store is a *generation*, a folder below ``lake/``; the file
``CURRENT`` names the one in use, so a rebuild (which works on ``NEXT``) puts another in its
place in one step while readers go on.
"""

from __future__ import annotations

import shutil
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import duckdb
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from billing.errors import ProductError
from data.analytics.pointer import CURRENT, current_generation, publish
from data.analytics.views import view
from data.database import Database
from data.tables import facts

FOLDER = "lake"
CATALOG = "catalog.sqlite"
ROLLUPS = ("roll_day", "roll_campaign", "roll_consumer")
BY_MONTH = ("lines", "moves")
LAYOUT = 2  # of data/views/lake_tables.sql; a store of another one is made again
ROW_GROUP_ROWS = 61_440
CATALOG_BUSY_MILLISECONDS = 10_000
EXTENSIONS = ("ducklake", "sqlite_scanner")
MOST_ATTEMPTS = 8
FIRST_PAUSE_SECONDS = 0.02
_PASSING = ("Transaction conflict", "database is locked", "database is busy")
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


class LakeError(ProductError):
    """The analytics store can't be used; the ledger is not affected."""

    code = "analytics_unusable"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"Analytics can't be read: {reason}. The ledger is not affected: "
            "run `usage-dashboard rebuild` to make analytics again from it."
        )


class LakeLayoutError(LakeError):
    """The store was made by another version of this program and must be made again."""


class LakeForeignError(LakeError):
    """The store was made from another ledger than the one it is opened with."""


class LakeAheadError(LakeError):
    """The store has more than its ledger, which was restored from an older backup."""


class Positions(NamedTuple):
    """How far the store has come: ``seq`` of the last line and of the last receipt, 0 for none."""

    lines: int
    receipts: int


class LakeConflictError(Exception):
    """Somebody else changed the store first; nothing of this change was kept."""


class Generation:
    """One opened generation: a DuckDB instance with the catalog attached as ``lake``."""

    def __init__(
        self, path: Path, ledger_id: str, threads: int, memory_limit: str, *, is_new: bool = False
    ) -> None:
        self.name = path.name
        if is_new:
            path.mkdir()
        elif not (path / CATALOG).is_file():
            raise LakeError(f"{path.name}/{CATALOG} is missing")
        try:
            self.connection = connect(path, threads, memory_limit, is_new=is_new)
            if is_new:
                create_tables(self.connection, ledger_id)
            self._check(ledger_id)
        except duckdb.Error as error:
            raise LakeError(first_line(error)) from error

    def _check(self, ledger_id: str) -> None:
        found = self.connection.execute("SELECT ledger_id FROM lake.sync_state").fetchall()
        if len(found) != 1:
            raise LakeError("it doesn't say how far it has come")
        if found[0][0] != ledger_id:
            self.connection.close()
            raise LakeForeignError("it belongs to another ledger")
        if self._layout() != LAYOUT:
            self.connection.close()
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


class Lake:
    """The store in use: one long-lived connection a process, a cursor for each request.

    Errors: ``LakeError`` when it belongs to another ledger or is damaged, ``LakeLayoutError``
    when another version of this program made it.
    """

    def __init__(
        self,
        directory: Path,
        database: Database,
        *,
        threads: int = 2,
        memory_limit: str = "512MB",
        pointer: str = CURRENT,
    ) -> None:
        self.directory = directory / FOLDER
        self._pointer = pointer
        self.ledger_id = ledger_id(database)
        self.changing = threading.Lock()  # one sync, merge or rebuild at a time in a process
        self._threads = threads
        self._memory_limit = memory_limit
        self._swapping = threading.Lock()
        self._change_count = 0
        self.directory.mkdir(parents=True, exist_ok=True)
        self._generation = self._open() if self._is_there() else self._make()

    def close(self) -> None:
        """Closes the connection; cursors that are still at work end first by themselves."""
        self._generation.connection.close()

    @property
    def state(self) -> tuple[str, int]:
        """Another one after each change by this process, and when another generation is in use."""
        return self._current().name, self._change_count

    def position(self) -> int:
        """The ledger position up to which the store is complete."""
        return self.snapshot(position)

    def positions(self) -> Positions:
        """How far the store has come in lines and in receipts, both of one moment."""
        return self.snapshot(positions)

    def snapshot(self, read: Callable[[Cursor], T]) -> T:
        """Runs a read in one transaction, so that everything in it is of one moment.

        Errors: ``LakeError`` when files are missing or damaged.
        """
        for attempt in range(1, MOST_ATTEMPTS + 1):
            generation = self._current()
            try:
                return self._run(generation, read)
            except duckdb.Error as error:
                if attempt < MOST_ATTEMPTS and is_passing(error):
                    time.sleep(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
                elif self._has_moved(generation):
                    continue  # a rebuild took the files away under this read
                elif isinstance(error, _DAMAGE):
                    raise LakeError(first_line(error)) from error
                else:
                    raise
        raise LakeError("it is being rebuilt again and again")

    def change(self, write: Callable[[Cursor], T]) -> T:
        """Runs a change in one transaction: all of it or nothing.

        Errors: ``LakeConflictError`` when somebody else was first: start over from the read.
        """
        generation = self._current()
        try:
            result = self._run(generation, write)
            self._change_count += 1
            return result
        except duckdb.Error as error:
            if is_passing(error) or self._has_moved(generation):
                raise LakeConflictError(first_line(error)) from error
            if isinstance(error, _DAMAGE):
                raise LakeError(first_line(error)) from error
            raise

    def command(self, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Runs one housekeeping statement in a transaction of its own."""
        cursor = self._current().connection.cursor()
        try:
            cursor.execute(sql, dict(parameters or {})).fetchall()
        except duckdb.Error as error:
            if is_passing(error):
                raise LakeConflictError(first_line(error)) from error
            raise
        finally:
            cursor.close()

    def _run(self, generation: Generation, work: Callable[[Cursor], T]) -> T:
        cursor = generation.connection.cursor()
        try:
            cursor.execute("BEGIN")
            result = work(cursor)
            cursor.execute("COMMIT")
            return result
        finally:
            cursor.close()  # an open transaction ends with it, undone

    def _current(self) -> Generation:
        generation = self._generation
        if not self._has_moved(generation):
            return generation
        with self._swapping:
            if self._has_moved(self._generation):
                # Not closed here: a cursor of another thread may still be at work on it.
                self._generation = self._open()
            return self._generation

    def _has_moved(self, generation: Generation) -> bool:
        return current_generation(self.directory, self._pointer) != generation.name

    def _open(self) -> Generation:
        name = current_generation(self.directory, self._pointer)
        if name is None:
            raise LakeError(f"the file {self._pointer} is missing")
        return Generation(self.directory / name, self.ledger_id, self._threads, self._memory_limit)

    def _is_there(self) -> bool:
        return current_generation(self.directory, self._pointer) is not None

    def _make(self) -> Generation:
        """An empty generation put in use; the other one if another process was first."""
        path = self.directory / f"g{uuid.uuid4().hex[:12]}"
        made = Generation(path, self.ledger_id, self._threads, self._memory_limit, is_new=True)
        if publish(self.directory, path.name, first=True, pointer=self._pointer):
            return made
        made.connection.close()
        shutil.rmtree(path)
        return self._open()


def connect(
    path: Path, threads: int, memory_limit: str, *, is_new: bool = False
) -> duckdb.DuckDBPyConnection:
    """A DuckDB instance with the catalog below ``path`` attached as ``lake``.

    Extensions are loaded from their wheels: nothing is downloaded, nothing written to a home.
    """
    spill = path / "spill"
    connection = duckdb.connect(
        config={
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "threads": threads,
            "memory_limit": memory_limit,
            "temp_directory": str(spill),
        }
    )
    for name in EXTENSIONS:
        connection.execute(f"LOAD '{_quoted(extension_file(name))}'")
    connection.execute(
        f"ATTACH 'ducklake:sqlite:{_quoted(path / CATALOG)}' AS lake ("
        f"DATA_PATH '{_quoted(path / 'files')}/', OVERRIDE_DATA_PATH true, "
        f"DATA_INLINING_ROW_LIMIT 0, CREATE_IF_NOT_EXISTS {str(is_new).lower()}, "
        f"META_JOURNAL_MODE 'WAL', META_BUSY_TIMEOUT {CATALOG_BUSY_MILLISECONDS})"
    )
    return connection


def create_tables(connection: duckdb.DuckDBPyConnection, ledger: str) -> None:
    """Makes the tables of an empty generation that belongs to a ledger."""
    connection.execute("CALL lake.set_option('parquet_compression', 'zstd')")
    connection.execute(f"CALL lake.set_option('parquet_row_group_size', '{ROW_GROUP_ROWS}')")
    connection.execute("BEGIN")
    for statement in view("lake_tables").split(";"):
        given = {"ledger_id": ledger, "layout": LAYOUT}
        parameters = {name: value for name, value in given.items() if f"${name}" in statement}
        if statement.strip():
            connection.execute(statement, parameters)
    connection.execute("COMMIT")


def ledger_id(database: Database) -> str:
    """The ledger's own identity, given to it when it is first asked for."""
    wanted = select(facts.c.value).where(facts.c.name == "ledger_id")
    with database.read() as connection:
        found = connection.scalar(wanted)
    if found is None:
        try:
            with database.write() as connection:
                connection.execute(insert(facts).values(name="ledger_id", value=str(uuid.uuid4())))
        except IntegrityError:
            pass  # another process was first
        with database.read() as connection:
            found = connection.scalar(wanted)
    return str(found)


def position(cursor: Cursor) -> int:
    """The ledger position that a transaction's snapshot is complete to."""
    return positions(cursor).lines


def positions(cursor: Cursor) -> Positions:
    """How far a transaction's snapshot has come in lines and in receipts."""
    row = cursor.execute("SELECT pos, receipts_pos FROM lake.sync_state").fetchone()
    if row is None:
        raise LakeError("it doesn't say how far it has come")
    return Positions(int(row[0]), int(row[1]))


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


@cache
def extension_file(name: str) -> Path:
    """Where the wheel of a DuckDB extension put it."""
    package = resources.files(f"duckdb_extension_{name}")
    folder = f"v{duckdb.__version__}"
    return Path(str(package.joinpath("extensions", folder, f"{name}.duckdb_extension")))


def is_passing(error: duckdb.Error) -> bool:
    """Whether trying again may help: another writer was at work."""
    return any(text in str(error) for text in _PASSING)


def first_line(error: Exception) -> str:
    """The first sentence of what a library says, short enough to show."""
    return str(error).strip().splitlines()[0][:200].rstrip(".") if str(error).strip() else "unknown"


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
