"""What analytics haven't taken in yet, and what on PostgreSQL keeps them from it.

Reading stays exact whatever this says; it grows slower. Must not know who is told.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import func, literal, select, text

from data.analytics.lake import Lake
from data.database import Database
from data.reading.position import ledger_order
from data.tables import usage_lines

TAIL_LIMIT_LINES = 200_000  # beyond it the part that is read from the ledger takes a tenth of a s
MOST_COUNTED_LINES = 2 * TAIL_LIMIT_LINES
LONG_TRANSACTION_SECONDS = 60.0
LEAST_BEHIND_SECONDS = 5 * 60  # after which analytics count as behind
MOST_MISSED_SYNCS = 3
# Of the whole server: transaction numbers are common to its databases. Of sessions that belong to
# other roles PostgreSQL tells only members of pg_read_all_stats.
_OLDEST_TRANSACTION = text(
    "SELECT extract(epoch FROM clock_timestamp() - min(began_at)) FROM ("
    "  SELECT xact_start AS began_at FROM pg_stat_activity"
    "  WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()"
    "  UNION ALL SELECT prepared FROM pg_prepared_xacts"
    ") AS open_writes"
)


@dataclass(frozen=True, slots=True)
class Standing:
    """``lines``: not yet in analytics, counted up to ``MOST_COUNTED_LINES``.

    ``transaction_seconds``: for how long the oldest transaction that has written has been open,
    0 on SQLite. Lines behind it can't be taken in.
    """

    lines: int
    transaction_seconds: float

    @property
    def is_long(self) -> bool:
        """Whether the tail has grown above its limit."""
        return self.lines > TAIL_LIMIT_LINES

    @property
    def is_held_up(self) -> bool:
        """Whether a transaction has been open for too long."""
        return self.transaction_seconds > LONG_TRANSACTION_SECONDS


class Backlog:
    """Looks when asked; any thread may ask."""

    def __init__(self, database: Database, lake: Callable[[], Lake]) -> None:
        self._database = database
        self._lake = lake
        self._lock = threading.Lock()
        self._position: int | None = None
        self._moved_at = time.monotonic()

    def standing(self) -> Standing:
        """How much there is."""
        with self._lock:
            return self._look()

    @property
    def still_seconds(self) -> float:
        """For how long lines have waited while none was seen to be taken in; looks as well."""
        self.standing()
        return time.monotonic() - self._moved_at

    def _look(self) -> Standing:
        order = ledger_order(self._database.dialect)
        position = self._lake().position()
        with self._database.read() as connection:
            waiting = (
                select(literal(1))
                .select_from(usage_lines)
                .where(order.after(position))
                .limit(MOST_COUNTED_LINES)
            )
            counted = select(func.count()).select_from(waiting.subquery())
            lines = int(connection.scalar(counted) or 0)
            seconds = 0.0
            if self._database.dialect == "postgresql":
                seconds = float(connection.scalar(_OLDEST_TRANSACTION) or 0)
        if not lines or position != self._position:
            self._position, self._moved_at = position, time.monotonic()
        return Standing(lines, max(0.0, seconds))
