"""Upkeep of the analytics store: few large files instead of many small ones, and no old ones.

Files are rewritten by ordinary transactions, never by DuckLake's own merge: that one takes the
small files out of snapshots which reads still use (on an SQLite catalog 3 of 1,638 reads beside
it lost rows). A rewrite leaves the old files in place until ``expire``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

from data.analytics.lake import (
    BY_MONTH,
    WHOLE,
    Cursor,
    Lake,
    LakeConflictError,
    table_files,
)
from data.analytics.views import view
from data.clocks import SystemClock

MERGE_FROM_FILES = 8  # a file costs a query 8 to 10 ms
EXPIRE_AFTER = timedelta(days=2)
CLEAN_AFTER = timedelta(days=1)
_MONTH = re.compile(r"local_month=(\d{4}-\d{2})")


def merge(
    lake: Lake, from_files: int = MERGE_FROM_FILES, go_on: Callable[[], object] = bool
) -> int:
    """Rewrites each table, or month of one that lies in months, of at least ``from_files`` files.

    Rollups get one row for each cell again. A part that a sync of another process was changing
    is left for the next time. Gives how many parts were rewritten. ``go_on`` is called before
    each part: what it raises ends this, and the parts before stay rewritten.
    """
    with lake.changing:
        counts = lake.snapshot(_file_counts)
        crowded = sorted(part for part, count in counts.items() if count >= from_files)
        count = 0
        for table, month in crowded:
            go_on()
            count += _rewritten(lake, table, month)
        return count


def _file_counts(cursor: Cursor) -> Counter[tuple[str, str]]:
    """Files of each part: a whole table, or one month of one."""
    counts = Counter((name, "") for name in WHOLE for _ in table_files(cursor, name))
    counts.update(
        (name, found[1])
        for name in BY_MONTH
        for file in table_files(cursor, name)
        if (found := _MONTH.search(file))
    )
    return counts


def _rewritten(lake: Lake, table: str, month: str) -> bool:
    try:
        lake.change(lambda cursor: _rewrite(cursor, table, month))
    except LakeConflictError:
        return False
    return True


def _rewrite(cursor: Cursor, table: str, month: str) -> None:
    name = f"compact_{table}"
    parameters = {"local_month": month} if month else {}
    cursor.execute(f"CREATE TEMP TABLE rewritten AS {view(name)}", parameters)
    where = "WHERE local_month = $local_month" if month else ""
    cursor.execute(f"DELETE FROM lake.{table} {where}", parameters)  # noqa: S608
    cursor.execute(f"INSERT INTO lake.{table} SELECT * FROM rewritten")  # noqa: S608
    cursor.execute("DROP TABLE rewritten")


def expire(lake: Lake, now: datetime) -> None:
    """Forgets old snapshots and deletes files that none of the kept ones needs.

    Only files out of use for longer than any read or sync takes, so it may run beside them. The
    lake dates its files by the machine's clock: a clock set ahead of that doesn't hurry it.
    """
    now = min(now, SystemClock().now())
    with lake.changing:
        for work, before in (
            ("ducklake_expire_snapshots", now - EXPIRE_AFTER),
            ("ducklake_cleanup_old_files", now - CLEAN_AFTER),
            ("ducklake_delete_orphaned_files", now - CLEAN_AFTER),
        ):
            # As text, and counted: DuckDB's Python side needs another library for instants.
            lake.command(
                f"SELECT count(*) FROM {work}('lake', older_than => $before::TIMESTAMPTZ)",  # noqa: S608
                {"before": before.isoformat()},
            )
