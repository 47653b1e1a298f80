"""The files that a snapshot of the analytics store is made of, known without asking its catalog.

To plan one query DuckLake reads its catalog several times, which takes longer than to read the
figures. A file never changes once it is written and stays for a day after it went out of use, so
what a snapshot consists of is asked once, of each table when it is first needed, and its files are
read directly. Where rows of a file were deleted one by one the table itself is asked.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
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

    ``files``: paths by table, of those that were needed; none of one that can't be read by its
    files alone.
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
    "cells_campaign_metric": "roll_campaign_metric",
    "cells_consumer_metric": "roll_consumer_metric",
    "cells_campaign_consumer": "roll_campaign_consumer",
    "cells_lines": "lines",
}
VIEWS = frozenset(_TABLES)
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

    def read(self, work: Callable[[Cursor, Parts], T], views: Collection[str] = VIEWS) -> T:
        """Runs a read with the parts that it may take for the store's.

        ``views``: the files of data/views that it is going to ask. Errors: as ``Lake.snapshot``.
        """
        state = self._lake.state
        tables = {_TABLES[name] for name in views if name in _TABLES}

        def reading(cursor: Cursor) -> tuple[T, Parts]:
            parts = self._parts(cursor, tables)
            return work(cursor, parts), parts

        result, parts = self._lake.snapshot(reading)
        # Another state: these parts may be of a generation that isn't in use any more.
        if self._lake.state == state:
            self._keep(state, parts)
        return result

    def _keep(self, state: Hashable, parts: Parts) -> None:
        """From now on these are known, with the tables that another thread listed meanwhile."""
        with self._lock:
            if self._known is not None and self._known[0] == state:
                other = self._known[1]
                if other.snapshot == parts.snapshot:
                    parts = replace(parts, files={**other.files, **parts.files})
            self._known = (state, parts)

    def forget(self) -> None:
        """The catalog is asked anew, as after a sync."""
        with self._lock:
            self._known = None

    def _parts(self, cursor: Cursor, tables: Collection[str]) -> Parts:
        with self._lock:
            known = self._known
        now = self._clock()
        if known is None or known[0] != self._lake.state:
            return _listed(cursor, now, tables)
        parts = known[1]
        missing = [table for table in tables if table not in parts.files]
        if not missing and now - parts.checked_at < TRUSTED_SECONDS:
            return parts
        if _snapshot(cursor) != parts.snapshot:
            return _listed(cursor, now, tables)
        files = {**parts.files, **_files(cursor, missing)}
        return replace(parts, files=files, checked_at=now)


def _snapshot(cursor: Cursor) -> int:
    row = cursor.execute(_SNAPSHOT).fetchone()
    return int(row[0]) if row else -1


def _listed(cursor: Cursor, now: float, tables: Collection[str]) -> Parts:
    return Parts(_snapshot(cursor), positions(cursor), _files(cursor, tables), now)


def _files(cursor: Cursor, tables: Collection[str]) -> dict[str, list[str] | None]:
    """Paths by table; none of one of which rows were deleted one by one."""
    found: dict[str, list[str] | None] = {}
    for table in tables:
        rows = cursor.execute(view("parts"), {"table": table}).fetchall()
        is_whole = not any(delete_file for _, delete_file in rows)
        found[table] = [data_file for data_file, _ in rows] if is_whole else None
    return found
