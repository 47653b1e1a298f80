"""The analytics store: DuckDB over DuckLake (Parquet files and a catalog beside the ledger).

Owns which generation is in use, and how it is read and changed; must not know what the figures
mean. Everything in it can be made again from the ledger. A store is a *generation*, a folder
below ``lake/`` with a catalog (data/analytics/catalog.py); the file ``CURRENT`` names the one in
use, so a rebuild (which works on ``NEXT``) puts another in its place in one step while readers
go on.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import duckdb
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from data.analytics.catalog import CATALOG, catalog_of, drop_generation, extension_file
from data.analytics.errors import (
    LakeAheadError,
    LakeCatalogError,
    LakeConflictError,
    LakeError,
    LakeForeignError,
    LakeLayoutError,
    LakeUnreachableError,
    first_line,
)
from data.analytics.generation import LAYOUT, Cursor, Generation, data_files, table_files
from data.analytics.pointer import CURRENT, current_generation, publish
from data.database import Database
from data.tables import facts

# What others know of a store, wherever it is defined.
__all__ = [
    "BY_MONTH", "CATALOG", "FOLDER", "LAYOUT", "ROLLUPS", "WHOLE", "Cursor", "Lake",
    "LakeAheadError", "LakeCatalogError", "LakeConflictError", "LakeError", "LakeForeignError",
    "LakeLayoutError", "LakeUnreachableError", "Positions", "data_files", "extension_file",
    "ledger_id", "position", "positions", "table_files",
]  # fmt: skip

FOLDER = "lake"
# Sums that follow each batch. Those with many cells lie in months, as what they are made of.
ROLLUPS = (
    "roll_day", "roll_campaign", "roll_consumer", "roll_campaign_metric", "roll_consumer_metric",
    "roll_campaign_consumer",
)  # fmt: skip
BY_MONTH = (
    "lines", "moves", "roll_campaign_metric", "roll_consumer_metric", "roll_campaign_consumer",
)  # fmt: skip
WHOLE = tuple(name for name in ROLLUPS if name not in BY_MONTH)
MOST_ATTEMPTS = 8
MOST_LOSSES = 2  # of the way to a catalog in one read: a server that is away is no reason to wait
FIRST_PAUSE_SECONDS = 0.02

T = TypeVar("T")


class Positions(NamedTuple):
    """How far the store has come: ``seq`` of the last line and of the last receipt, 0 for none."""

    lines: int
    receipts: int


class Lake:
    """The store in use: one long-lived connection a process, a cursor for each request.

    Errors: ``LakeError`` when it belongs to another ledger or is damaged, ``LakeLayoutError``
    when another version of this program made it, ``LakeCatalogError`` when it has no catalog
    where it belongs, ``LakeUnreachableError`` when the catalog's server is away.
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
        self._catalog = catalog_of(database)
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
                return generation.run(read)
            except duckdb.Error as error:
                if attempt < MOST_ATTEMPTS and generation.is_passing(error):
                    time.sleep(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
                elif self._has_moved(generation):
                    continue  # a rebuild took the files away under this read
                elif attempt < MOST_LOSSES and generation.is_lost(error):
                    continue
                else:
                    generation.refuse(error)
        raise LakeError("it is being rebuilt again and again")

    def change(self, write: Callable[[Cursor], T]) -> T:
        """Runs a change in one transaction: all of it or nothing.

        Errors: ``LakeConflictError`` when somebody else was first, or the catalog's server went
        away, so that nobody knows whether it was kept: start over from the read.
        """
        generation = self._current()
        try:
            result = generation.change(write)
            self._change_count += 1
            return result
        except duckdb.Error as error:
            if self._is_void(generation, error):
                raise LakeConflictError(first_line(error)) from error
            generation.refuse(error)

    def command(self, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Runs one housekeeping statement in a transaction of its own."""
        generation = self._current()
        try:
            generation.command(sql, dict(parameters or {}))
        except duckdb.Error as error:
            if self._is_void(generation, error):
                raise LakeConflictError(first_line(error)) from error
            generation.refuse(error)

    def _current(self) -> Generation:
        generation = self._generation
        if not self._is_over(generation):
            return generation
        with self._swapping:
            if self._is_over(self._generation):
                # Not closed here: a cursor of another thread may still be at work on it.
                self._generation = self._open()
            return self._generation

    def _is_void(self, generation: Generation, error: duckdb.Error) -> bool:
        """Whether a change that failed should start over."""
        return (
            generation.is_passing(error) or generation.is_lost(error) or self._has_moved(generation)
        )

    def _is_over(self, generation: Generation) -> bool:
        return generation.is_worn or self._has_moved(generation)

    def _has_moved(self, generation: Generation) -> bool:
        return current_generation(self.directory, self._pointer) != generation.name

    def _open(self) -> Generation:
        name = current_generation(self.directory, self._pointer)
        if name is None:
            raise LakeError(f"the file {self._pointer} is missing")
        return self._generation_at(self.directory / name)

    def _generation_at(self, path: Path, *, is_new: bool = False) -> Generation:
        return Generation(
            path, self._catalog, self.ledger_id, self._threads, self._memory_limit, is_new=is_new
        )

    def _is_there(self) -> bool:
        return current_generation(self.directory, self._pointer) is not None

    def _make(self) -> Generation:
        """An empty generation put in use; the other one if another process was first."""
        path = self.directory / f"g{uuid.uuid4().hex[:12]}"
        made = self._generation_at(path, is_new=True)
        if publish(self.directory, path.name, first=True, pointer=self._pointer):
            return made
        made.connection.close()
        drop_generation(self._catalog, path)
        return self._open()


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
