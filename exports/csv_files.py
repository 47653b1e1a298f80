"""CSV files, streamed: exactly the rows a screen shows, exact amounts, text that stays text."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from billing.metrics import METRIC_BY_ID
from billing.money import plain_amount
from billing.overview import MetricUsage
from billing.usage import UsageCell, UsageLine

BYTE_ORDER_MARK = "\ufeff"  # spreadsheets read the file as UTF-8 because of it
FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")
ROWS_PER_CHUNK = 500

TRANSACTION_COLUMNS = (
    "date", "local_time", "time_zone", "metric_name", "units", "unit", "cost", "currency",
    "campaign_name", "consumer_name", "booked_on", "corrects_period", "time", "source", "id",
    "line_id", "metric", "service", "direction", "agent", "status", "reason", "campaign",
    "consumer", "base_units", "talk_seconds", "pulses", "connect_fee_micros", "cost_micros",
    "destination", "is_sandbox", "flags", "reverses_line_id", "received_at",
    # From here on what another ledger needs to take the line as it is: new columns come last.
    "kind", "rated_status", "priced_by",
)  # fmt: skip
SUMMARY_COLUMNS = (
    "metric", "metric_name", "service", "count", "units", "unit", "base_units", "cost",
    "cost_micros", "previous_cost", "currency",
)  # fmt: skip
DAILY_COLUMNS = (
    "date", "metric", "metric_name", "service", "count", "units", "unit", "base_units", "cost",
    "cost_micros", "currency",
)  # fmt: skip


def safe_text(text: str | None) -> str:
    """Text that no spreadsheet takes for a formula: a leading sign gets an apostrophe.

    So does text that begins with apostrophes and a sign, so that taking one off gives it back.
    """
    if text and text.lstrip("'").startswith(FORMULA_STARTS):
        return f"'{text}"
    return text or ""


def transactions_csv(lines: Iterable[UsageLine], zone_name: str) -> Iterator[str]:
    """Raw lines in the order they come, one chunk of text at a time; money exact."""
    zone = ZoneInfo(zone_name)
    return _chunks(TRANSACTION_COLUMNS, (_transaction(line, zone, zone_name) for line in lines))


def summary_csv(rows: Iterable[MetricUsage], currency: str) -> Iterator[str]:
    """One row a metric, as the usage table shows them."""
    return _chunks(
        SUMMARY_COLUMNS,
        (
            (
                row.metric.id, row.metric.name, row.metric.service, row.count,
                units_text(row.metric.id, row.base_units), row.metric.unit.shown, row.base_units,
                plain_amount(row.cost_micros), row.cost_micros, plain_amount(row.before_micros),
                currency,
            )
            for row in rows
        ),
    )  # fmt: skip


def daily_csv(cells: Iterable[UsageCell], currency: str) -> Iterator[str]:
    """One row a day and metric; ``keys`` of a cell are its day and metric."""
    return _chunks(
        DAILY_COLUMNS,
        (
            (
                cell.keys[0], metric.id, metric.name, metric.service, cell.count,
                units_text(metric.id, cell.base_units), metric.unit.shown, cell.base_units,
                plain_amount(cell.cost_micros), cell.cost_micros, currency,
            )
            for cell in cells
            for metric in (METRIC_BY_ID[str(cell.keys[1])],)
        ),
    )  # fmt: skip


def units_text(metric_id: str, base_units: int) -> str:
    """Base units in the metric's shown unit, exact to six decimals: 90 s → ``1.5`` minutes."""
    return plain_amount(base_units * 1_000_000 // METRIC_BY_ID[metric_id].unit.size)


def _transaction(line: UsageLine, zone: ZoneInfo, zone_name: str) -> Sequence[object]:
    local = line.occurred_at.astimezone(zone)
    metric = METRIC_BY_ID[line.metric]
    return (
        local.date(), local.strftime("%H:%M:%S"), zone_name, metric.name,
        units_text(line.metric, line.base_units), metric.unit.shown,
        plain_amount(line.cost_micros), line.currency, safe_text(line.campaign),
        safe_text(line.consumer), line.booked_on, line.corrects_period or "",
        _instant(line.occurred_at), safe_text(line.source), safe_text(line.source_id), line.id,
        line.metric, line.service, line.direction, line.agent or "", safe_text(line.status),
        safe_text(line.reason), safe_text(line.campaign_id), safe_text(line.consumer_id),
        line.base_units, line.talk_seconds, line.pulses, line.connect_fee_micros,
        line.cost_micros, line.destination or "", str(line.is_sandbox).lower(),
        safe_text(" ".join(line.flags)), line.reverses_line_id or "", _instant(line.received_at),
        line.kind or "", safe_text(line.rated_status or line.status),
        "list" if line.rate_id else "sender",
    )  # fmt: skip


def _instant(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _chunks(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """A heading and rows as CSV text, some hundred rows at a time."""
    buffer = io.StringIO()
    buffer.write(BYTE_ORDER_MARK)
    writer = csv.writer(buffer)
    writer.writerow(columns)
    for count, row in enumerate(rows, start=1):
        writer.writerow(row)
        if count % ROWS_PER_CHUNK == 0:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()
