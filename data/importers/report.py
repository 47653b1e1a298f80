"""What an import is asked for, how it tells its progress, and what it reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

from billing.clock import Clock
from data.database import Database
from data.identity import Pseudonyms
from data.importers.errors import Rejection
from data.importers.ledger import Tally

BATCH_ROWS = 2_000
FIRST_REJECTIONS = 10
MOST_REASONS = 20


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
    first row's day or instant, for logs without times. ``zone``: of times that carry none, in
    place of the map's. ``region``: the country, such as GB, in which numbers without a sign are
    written, in place of the map's.
    """

    file: Path
    account_id: str
    map: str
    is_dry_run: bool = False
    is_funded: bool = False
    destination: str | None = None
    start: str | None = None
    zone: str | None = None
    region: str | None = None
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
    ``rows_shifted``: accepted rows whose local time the clocks skipped. ``reasons``: how many
    rows were rejected, by field and reason. ``zone_name``: of times that carry none.
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
    rows_shifted: int = 0
    zone_name: str = "UTC"
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
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

    def count_reasons(self, rejected: Iterable[Rejection]) -> None:
        """Adds rejected rows to the reasons; those beyond the first kinds are one of their own."""
        for each in rejected:
            reason = (each.field, each.fix)
            if reason not in self.reasons and len(self.reasons) >= MOST_REASONS:
                reason = ("other fields", "see the file of rejected rows")
            self.reasons[reason] += 1


OnProgress = Callable[[Progress], None]


def no_progress(_progress: Progress) -> None:
    """Tells nobody."""
