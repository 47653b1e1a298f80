"""Takes a real log into the ledger: checked as a whole, then row by row, once for ever.

An import that is interrupted is run again and adds what is missing. The file is read twice (a
third time to be funded), a batch at a time; each batch is one transaction.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from phonenumbers import SUPPORTED_REGIONS
from sqlalchemy import Connection, select

from billing.accounts import Account
from billing.errors import InputError, NotAllowedError
from billing.periods import zone
from data import tables as t
from data.accounts import read_account
from data.identity import new_id
from data.importers.errors import FileRefusedError, Rejection, rejection
from data.importers.events import MappingContext, RowMapper
from data.importers.fields import read_number
from data.importers.identity import Twins, ensure_import_key, new_import_key, read_import_key
from data.importers.ledger import (
    ImportLock,
    RejectedFile,
    begin_import,
    end_import,
    fund_import,
    stop_stale_imports,
    update_import,
)
from data.importers.maps import ACCOUNT_ZONE, ColumnMap, built_in_maps, load_map
from data.importers.passes import Batch, Scan, batches, is_export, scan
from data.importers.report import (
    FIRST_REJECTIONS,
    ImportOptions,
    ImportReport,
    ImportTarget,
    OnProgress,
    Progress,
    no_progress,
)
from data.importers.times import SHIFTED, parse_start
from data.ledger.posting import DUPLICATE, Outcome, Poster
from data.ledger.wallet import Posting
from data.phases import phase

__all__ = [
    "FileRefusedError", "ImportOptions", "ImportReport", "ImportTarget", "Progress", "Rejection",
    "built_in_maps", "import_file", "stop_stale_imports",
]  # fmt: skip


def import_file(
    target: ImportTarget, options: ImportOptions, on_progress: OnProgress | None = None
) -> ImportReport:
    """Imports a log, or only says what would come in (``is_dry_run``).

    Errors, all before anything is written: ``InputError`` for options and maps,
    ``NotFoundError`` and ``NotAllowedError`` for the account, ``FileRefusedError`` for the file.
    A broken row is refused alone and counted.
    """
    began = time.perf_counter()
    run = _prepare(target, options, on_progress or no_progress)
    if options.is_dry_run:
        report = _cost(run, "checking")
    else:
        report = _import(run, _cost(run, "costing") if options.is_funded else None)
    with target.database.read() as connection:
        posted = t.balances.c.posted_micros
        report.balance_micros = (
            connection.scalar(select(posted).where(t.balances.c.account_id == run.account.id)) or 0
        )
    report.seconds = time.perf_counter() - began
    return report


@dataclass(slots=True)
class _Run:
    """One import, checked and ready to be read."""

    target: ImportTarget
    options: ImportOptions
    on_progress: OnProgress
    account: Account
    column_map: ColumnMap
    context: MappingContext
    key: bytes
    scanned: Scan
    received_at: datetime

    def batches(self) -> Iterator[Batch]:
        """The log's rows, a batch at a time."""
        return batches(
            self.options.file, self.column_map, self.context, self.scanned, self.key,
            self.options.batch_rows,
        )  # fmt: skip

    def scan(self) -> None:
        """Looks through the whole file."""
        self.scanned = _scan(self.options, self.column_map, self.key, self.on_progress)

    def poster(self, connection: Connection, import_id: str | None) -> Poster:
        """Posts one batch."""
        return Poster(
            connection, self.account, self.target.pseudonyms, self.target.clock.now(), import_id,
            refuses_closed_periods=True,
        )  # fmt: skip

    def new_report(self) -> ImportReport:
        """A report of nothing yet."""
        return ImportReport(
            map=self.column_map.name, file_name=self.options.file.name,
            currency=self.account.currency, is_dry_run=self.options.is_dry_run,
            zone_name=self.context.zone_name,
        )  # fmt: skip

    def tell(self, stage: str, batch: Batch, report: ImportReport) -> None:
        """Progress after a batch."""
        total = self.scanned.state.size_bytes
        self.on_progress(
            Progress(
                stage, min(batch.done_bytes, total), total, report.rows_read, report.rows_accepted
            )
        )


def _prepare(target: ImportTarget, options: ImportOptions, on_progress: OnProgress) -> _Run:
    """Checks options, map, account and the whole file; writes nothing."""
    column_map = load_map(options.map)
    if options.batch_rows < 1:
        raise InputError("batch-rows", options.batch_rows, "use a number from 1 on")
    with target.database.read() as connection:
        account = read_account(connection, options.account_id)
        key = read_import_key(connection) or new_import_key()
    if account.is_closed:
        raise NotAllowedError(f"The account {account.id} is closed: import into another one.")
    context = _context(target, options, account, column_map)
    if not is_export(column_map):
        RowMapper(column_map, column_map.file.columns, context)  # refuses what options lack
    scanned = _scan(options, column_map, key, on_progress)
    return _Run(
        target, options, on_progress, account, column_map, context, key, scanned,
        target.clock.now(),
    )  # fmt: skip


def _context(
    target: ImportTarget, options: ImportOptions, account: Account, column_map: ColumnMap
) -> MappingContext:
    zone_name = options.zone or column_map.time.zone
    if zone_name == ACCOUNT_ZONE:
        zone_name = account.zones.dated[-1][1]
    zone(zone_name)
    if options.destination is not None:
        try:
            read_number(options.destination, "destination")
        except InputError:
            raise InputError(
                "destination", options.destination, "use a country code or number such as +1"
            ) from None
    if options.region and options.region not in SUPPORTED_REGIONS:
        raise InputError("region", options.region, "use a country's two letters, such as GB")
    start = parse_start(options.start, zone_name) if options.start else None
    return MappingContext(
        account.id,
        zone_name,
        target.pseudonyms,
        options.destination,
        start,
        account.currency,
        options.region,
    )


def _scan(
    options: ImportOptions, column_map: ColumnMap, key: bytes, on_progress: OnProgress
) -> Scan:
    file = options.file
    total = file.stat().st_size if file.is_file() else 0

    def on_bytes(done: int, rows: int) -> None:
        on_progress(Progress("checking", min(done, total), total, rows, 0))

    return scan(file, column_map, key, on_bytes)


def _cost(run: _Run, stage: str) -> ImportReport:
    """What the log would do to the ledger: everything but the writing."""
    report = run.new_report()
    twins = Twins(run.scanned.repeated)
    taken: set[int] = set()  # keys accepted in earlier batches, which the ledger can't know
    has_keys = run.scanned.has_keys
    for batch in run.batches():
        new = [place for place, digest in enumerate(batch.digests) if digest not in taken]
        outcomes = [DUPLICATE] * len(batch.events)
        with run.target.database.read() as connection:
            posted = run.poster(connection, None).post(
                [batch.events[place] for place in new], run.received_at
            )
        for place, outcome in zip(new, posted, strict=True):
            outcomes[place] = outcome
        if has_keys:
            repeated = twins.repeated_among(batch.digests)
            taken |= {
                batch.digests[place]
                for place in new
                if batch.digests[place] in repeated and outcomes[place].status == "accepted"
            }
        _count(run, report, batch, outcomes)
        run.tell(stage, batch, report)
    return report


def _import(run: _Run, costed: ImportReport | None) -> ImportReport:
    """Writes the log into the ledger, one transaction a batch."""
    target, import_id = run.target, new_id()
    report = run.new_report()
    report.import_id = import_id
    stop_stale_imports(target.database, target.data_dir, run.received_at)
    rejected_file = RejectedFile(run.options.file, target.data_dir)
    status = "stopped"
    with ImportLock(target.data_dir, import_id):
        _begin(run, import_id, costed, report)
        try:
            for batch in run.batches():
                phase("import.read")
                with target.database.write() as connection:
                    poster = run.poster(connection, import_id)
                    outcomes = poster.post(batch.events, run.received_at)
                    _post_more(run, poster, batch, outcomes)
                    poster.flush()
                    rejected = _count(run, report, batch, outcomes)
                    update_import(connection, import_id, report.tally)
                    phase("import.before_commit")
                phase("import.committed")
                rejected_file.add(rejected)
                run.tell("importing", batch, report)
            status = "done"
        finally:
            with target.database.write() as connection:
                end_import(connection, import_id, status, report.tally, target.clock.now())
            report.rejected_file = rejected_file.finish(is_whole=status == "done")
    phase("import.finished")
    return report


def _post_more(run: _Run, poster: Poster, batch: Batch, outcomes: Sequence[Outcome]) -> None:
    """What comes with accepted rows: receipts of their messages, and names for people."""
    receipts = [
        receipt for place, receipt in batch.receipts.items() if outcomes[place].status == "accepted"
    ]
    for outcome in poster.post(receipts, run.received_at) if receipts else ():
        if outcome.error:
            raise outcome.error
    for (table, item_id), name in batch.names.items():
        poster.name(table, item_id, name)


def _begin(run: _Run, import_id: str, costed: ImportReport | None, report: ImportReport) -> None:
    """The import's row, the ledger's key, and the top-up that was asked for."""
    names = (run.column_map.name, run.options.file.name)
    with run.target.database.write() as connection:
        key = ensure_import_key(connection, run.key)
        begin_import(
            connection, import_id, run.account, names, run.scanned.row_count, run.received_at
        )
        if costed and costed.first_at:
            # The print of the content, so that the same log funded again is recognised.
            mark = f"map {run.column_map.name}, log {run.scanned.fingerprint[:16]}"
            posting = Posting(
                costed.first_at, run.received_at, run.target.clock.now(),
                run.account.zones.local_day(costed.first_at), None, import_id,
            )  # fmt: skip
            report.funded_micros = fund_import(
                connection, run.account, (run.options.file.name, mark), costed.cost_micros, posting
            )
    if key != run.key:  # another process made the ledger's key meanwhile
        run.key = key
        run.scan()


def _count(
    run: _Run, report: ImportReport, batch: Batch, outcomes: Sequence[Outcome]
) -> list[Rejection]:
    """Adds a batch to the report; gives its rejected rows in file order."""
    local_day = run.account.zones.local_day
    refused = list(batch.refused)
    accepted_at = []
    for event, line, outcome in zip(batch.events, batch.lines, outcomes, strict=True):
        if outcome.error is not None:
            refused.append((line, outcome.error))
        elif outcome.status == "accepted":
            accepted_at.append(event.occurred_at)
            report.rows_shifted += SHIFTED in event.flags
            report.line_count += outcome.line_count
            report.cost_micros += outcome.cost_micros
    if accepted_at:
        first, last = min(accepted_at), max(accepted_at)
        report.first_at = min(report.first_at or first, first)
        report.first_on = local_day(report.first_at)
        report.last_on = max(report.last_on or local_day(last), local_day(last))
    refused.sort(key=lambda pair: pair[0])
    rejected = [rejection(line, error) for line, error in refused]
    report.rows_read += batch.row_count
    report.rows_skipped += batch.skipped_count
    report.rows_accepted += len(accepted_at)
    report.rows_rejected += len(refused)
    report.rows_duplicate += sum(outcome.status == "duplicate" for outcome in outcomes)
    report.count_reasons(rejected)
    missing = FIRST_REJECTIONS - len(report.first_rejections)
    report.first_rejections += tuple(rejected[: max(missing, 0)])
    return rejected
