"""What commands print about their work, as plain lines: imports, price lists, proofs."""

from __future__ import annotations

from collections.abc import Iterator

from billing.metrics import METRIC_BY_ID
from billing.money import plain_amount
from data.importers.price_lists import PriceList
from data.importers.report import ImportReport
from data.proof.verify import Report


def import_lines(report: ImportReport) -> Iterator[str]:
    """An import's report: what was read, what became of it, what it cost, what is left."""
    done = "would be " if report.is_dry_run else ""
    yield (
        f"{report.file_name}: {report.rows_read:,} rows read, {report.rows_accepted:,} {done}"
        f"accepted, {report.rows_duplicate:,} duplicate, {report.rows_rejected:,} rejected "
        f"({report.seconds:.1f} s)"
    )
    if report.rows_accepted:
        yield (
            f"{report.line_count:,} usage lines, {_money(report.cost_micros, report)} "
            f"from {report.first_on} to {report.last_on}"
        )
    if report.funded_micros:
        yield f"Funded with one top-up of {_money(report.funded_micros, report)}"
    if not report.is_dry_run:
        yield f"Balance now {_money(report.balance_micros, report)}"
        if report.balance_micros < 0:
            yield "The wallet is overdrawn: usage-dashboard account top-up ID --amount …"
    yield from _oddities(report)
    yield from (f"  {rejection}" for rejection in report.first_rejections)
    if report.rows_rejected > len(report.first_rejections):
        yield "Rejected rows by reason:"
        for (field, fix), count in report.reasons.most_common():
            yield f"  {count:,} × {field}: {fix}"
    if report.rejected_file:
        yield f"Every rejected row with its reason: {report.rejected_file}"


def _oddities(report: ImportReport) -> Iterator[str]:
    """What was taken otherwise than it stands in the log."""
    if report.rows_skipped:
        yield (
            f"{report.rows_skipped:,} rows were attempts of answered calls: their talk lines "
            "stand for them"
        )
    if report.rows_shifted:
        yield (
            f"{report.rows_shifted:,} rows have a local time that {report.zone_name} skipped when "
            "clocks went forward: moved by the skipped hour and flagged shifted_time"
        )


def _money(micros: int, report: ImportReport) -> str:
    return f"{plain_amount(micros)} {report.currency}"


def price_rows(price_list: PriceList) -> tuple[list[tuple[str, ...]], list[str]]:
    """The list's priced rows for a table, and the names of metrics it sets to zero."""
    zero = {rate.metric for rate in price_list.rates if rate.price_micros == 0 and rate.note}
    names = [METRIC_BY_ID[metric].name for metric in METRIC_BY_ID if metric in zero]
    rows = [row[:-1] for row in price_list.shown() if row[0] not in names]
    return rows, names


def proof_lines(report: Report) -> Iterator[tuple[bool, str, tuple[str, ...]]]:
    """Each check: whether it holds, its name with figures, and the rows that break it."""
    for check in report.checks:
        figures = ", ".join(f"{value:,} {name}" for name, value in check.figures.items())
        yield check.passed, f"{check.name} ({figures})", check.broken
