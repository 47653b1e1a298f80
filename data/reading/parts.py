"""The files that a snapshot of the analytics store is made of, known without asking its catalog.

To plan one query DuckLake reads its catalog several times, which takes longer than to read the
figures. A file never changes once it is written and stays for a day after it went out of use, so
what a snapshot consists of is asked once and its files are read directly. Where rows of a file
were deleted one by one the table itself is asked.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from data.analytics.lake import Cursor, Lake, Positions, positions
from data.analytics.views import view, view_parameters

TRUSTED_SECONDS = 10.0
_SNAPSHOT = "SELECT id FROM ducklake_current_snapshot('lake')"
_MONTH = re.compile(r"local_month=(\d{4}-\d{2})")

T = TypeVar("T")
Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Parts:
    """What one snapshot has, and how far it has come.

    ``files``: paths by table; none of a table that can't be read by its files alone.
    """

    snapshot: int
    positions: Positions
    files: Mapping[str, Sequence[str] | None]
    checked_at: float

    def rows(self, cursor: Cursor, name: str, parameters: Mapping[str, Any]) -> Rows | None:
        """Rows of a file of ``data/views`` that reads one table; none if it must be asked itself.

        Parameters it doesn't have are left out. ``first_month`` and ``last_month`` leave out files
        of other months.
        """
        table = _TABLES.get(name)
        files = self.files.get(table) if table else None
        if files is None:
            return None
        chosen = [file for file in files if _is_of_months(file, parameters)]
        if not chosen:
            return []
        taken = {key: parameters[key] for key in view_parameters(name)}
        return cursor.execute(_by_files(name), {**taken, "files": chosen}).fetchall()


# The files of data/views that read a single table.
_TABLES = {
    "cells_day": "roll_day",
    "cells_campaign": "roll_campaign",
    "cells_consumer": "roll_consumer",
    "cells_lines": "lines",
}
_BY_FILES = "read_parquet($files, hive_partitioning = false)"


def _by_files(name: str) -> str:
    return view(name).replace(f"lake.{_TABLES[name]}", _BY_FILES)


def _is_of_months(file: str, parameters: Mapping[str, Any]) -> bool:
    month = _MONTH.search(file)
    return month is None or parameters["first_month"] <= month[1] <= parameters["last_month"]


class KnownParts:
    """The parts of the store in use, for threads that share it.

    They are good until this process changes the store or another generation is in use, and for a
    few seconds before it is asked whether another process has changed it.
    """

    def __init__(self, lake: Lake, clock: Callable[[], float] = time.monotonic) -> None:
        self._lake = lake
        self._clock = clock
        self._lock = threading.Lock()
        self._known: tuple[Hashable, Parts] | None = None

    def read(self, work: Callable[[Cursor, Parts], T]) -> T:
        """Runs a read with the parts that it may take for the store's.

        Errors: as ``Lake.snapshot``.
        """
        state = self._lake.state

        def reading(cursor: Cursor) -> tuple[T, Parts]:
            parts = self._parts(cursor)
            return work(cursor, parts), parts

        result, parts = self._lake.snapshot(reading)
        # Another state: these parts may be of a generation that isn't in use any more.
        if self._lake.state == state:
            with self._lock:
                self._known = (state, parts)
        return result

    def forget(self) -> None:
        """The catalog is asked anew, as after a sync."""
        with self._lock:
            self._known = None

    def _parts(self, cursor: Cursor) -> Parts:
        with self._lock:
            known = self._known
        now = self._clock()
        if known is None or known[0] != self._lake.state:
            return _listed(cursor, now)
        parts = known[1]
        if now - parts.checked_at < TRUSTED_SECONDS:
            return parts
        if _snapshot(cursor) == parts.snapshot:
            return replace(parts, checked_at=now)
        return _listed(cursor, now)


def _snapshot(cursor: Cursor) -> int:
    row = cursor.execute(_SNAPSHOT).fetchone()
    return int(row[0]) if row else -1


def _listed(cursor: Cursor, now: float) -> Parts:
    synced, snapshot = positions(cursor), _snapshot(cursor)
    files: dict[str, list[str] | None] = {table: [] for table in _TABLES.values()}
    for part, data_file, delete_file in cursor.execute(view("parts")).fetchall():
        known = files[part]
        files[part] = None if delete_file or known is None else [*known, data_file]
    return Parts(snapshot, synced, files, now)
