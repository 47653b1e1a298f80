"""Makes analytics again from the ledger, beside the ones in use, and switches in one step.

Readers never meet half of it: until the switch they use the old generation, which stays exact
because the ledger's tail is always added. A run that was killed is taken up where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select

from billing.clock import Clock
from data.analytics.ahead import refuse_lake_ahead
from data.analytics.catalog import catalog_of, drop_generation
from data.analytics.lake import FOLDER, Lake, LakeError, LakeUnreachableError
from data.analytics.pointer import CURRENT, NEXT, current_generation, publish
from data.analytics.sync import sync
from data.analytics.upkeep import merge
from data.database import Database
from data.phases import phase
from data.tables import usage_lines

BATCH_ROWS = 50_000  # larger than a sync's: fewer files to merge, and memory for one batch only
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class RebuildResult:
    """The ledger position that the new analytics reach, and how many lines this run carried."""

    position: int
    rows: int


def rebuild(
    database: Database,
    directory: Path,
    *,
    limit: int = BATCH_ROWS,
    clock: Clock | None = None,
    progress: Progress | None = None,
) -> RebuildResult:
    """Builds a new generation, puts it in the place of the one in use and deletes that.

    Works without opening the analytics in use, however damaged they are. ``progress`` is told
    the lines carried so far and those there are.
    """
    folder = directory / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    fresh = _unfinished(database, directory) or Lake(directory, database, pointer=NEXT)
    phase("rebuild.started")
    try:
        result = _fill(database, fresh, limit, clock, progress)
        merge(fresh, from_files=2)
    finally:
        fresh.close()
    phase("rebuild.filled")
    name = current_generation(folder, NEXT)
    if name is None:
        raise LakeError("another rebuild was first")
    publish(folder, name)
    phase("rebuild.switched")
    (folder / NEXT).unlink(missing_ok=True)
    for other in folder.glob("g*"):
        if other.is_dir() and other.name != name:
            drop_generation(catalog_of(database), other)
    phase("rebuild.cleaned")
    return result


def _unfinished(database: Database, directory: Path) -> Lake | None:
    """What a killed run left, if it can be taken up; else it is thrown away."""
    folder = directory / FOLDER
    name = current_generation(folder, NEXT)
    if name is None:
        return None
    if name != current_generation(folder, CURRENT):
        try:
            left = Lake(directory, database, pointer=NEXT)
            refuse_lake_ahead(left, database)
            return left
        except LakeUnreachableError:
            raise
        except LakeError:
            drop_generation(catalog_of(database), folder / name)
    (folder / NEXT).unlink(missing_ok=True)
    return None


def _fill(
    database: Database, lake: Lake, limit: int, clock: Clock | None, progress: Progress | None
) -> RebuildResult:
    with database.read() as connection:
        total = int(connection.scalar(select(func.count()).select_from(usage_lines)) or 0)
    rows = 0
    while True:
        result = sync(database, lake, limit, clock=clock)
        rows += result.rows
        if progress is not None:
            progress(rows, max(total, rows))
        if result.is_caught_up:
            return RebuildResult(result.position, rows)
