"""What an import is asked for, how it tells its progress, and what it reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from billing.clock import Clock
from data.database import Database
from data.identity import Pseudonyms
from data.importers.errors import Rejection
from data.importers.ledger import Tally

BATCH_ROWS = 2_000
FIRST_REJECTIONS = 10


@dataclass(frozen=True, slots=True)
class ImportTarget:
    """Where a log goes: the parts of an installation that an import needs."""

    database: Database
    clock: Clock
    pseudonyms: Pseudonyms
    data_dir: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """What to take and how. ``map``: a built-in name or the path of a TOML file.

    ``destination``: the number, such as +1, that rows without one are priced as. ``start``: the
    first row's day or instant, for logs without times.
    """

    file: Path
    account_id: str
    map: str
    is_dry_run: bool = False
    is_funded: bool = False
    destination: str | None = None
    start: str | None = None
    batch_rows: int = BATCH_ROWS


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stage is: ``checking``, ``costing`` or ``importing``; bytes are of the file."""

    stage: str
    done_bytes: int
    total_bytes: int
    rows_read: int
    rows_accepted: int


@dataclass(slots=True, kw_only=True)
class ImportReport:
    """What became of a log. ``rows_skipped``: exported lines that another line stands for.

    Lines and cost are of accepted rows only; ``balance_micros`` is the wallet's afterwards.
    """

    map: str
    file_name: str
    currency: str
    is_dry_run: bool
    import_id: str | None = None
    rows_read: int = 0
    rows_accepted: int = 0
    rows_duplicate: int = 0
    rows_rejected: int = 0
    rows_skipped: int = 0
    line_count: int = 0
    cost_micros: int = 0
    funded_micros: int = 0
    balance_micros: int = 0
    first_at: datetime | None = None
    first_on: date | None = None
    last_on: date | None = None
    first_rejections: tuple[Rejection, ...] = ()
    rejected_file: Path | None = None
    seconds: float = 0

    @property
    def tally(self) -> Tally:
        """The counts of rows."""
        return Tally(self.rows_read, self.rows_accepted, self.rows_duplicate, self.rows_rejected)


OnProgress = Callable[[Progress], None]


def no_progress(_progress: Progress) -> None:
    """Tells nobody."""
