"""Downloads: files of exactly what a usage page shows, streamed, behind the same scope.

The address mirrors the page's: ``/export/usage[/<metric>]/<file>?<the page's own query>``.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from flask import Blueprint, Response, abort, current_app, request, stream_with_context

from billing.access import AccountScope, require_drill_down, require_metric
from billing.accounts import Account
from billing.desk import Desk
from billing.metrics import METRIC_BY_ID
from billing.overview import period_usage
from billing.queries import UsageQuery, parse_search
from billing.usage import Dimension
from exports.csv_files import daily_csv, summary_csv, transactions_csv

downloads = Blueprint("downloads", __name__)
DESK = "usage_desk"
FILES = ("transactions.csv", "daily.csv", "summary.csv")


@downloads.get("/export/usage/<file_name>")
@downloads.get("/export/usage/<metric_id>/<file_name>")
def download(file_name: str, metric_id: str | None = None) -> Response:
    """One file; 404 for a file or metric that doesn't exist, 403 where the plan has none."""
    is_known = file_name in FILES and (metric_id is None or metric_id in METRIC_BY_ID)
    if not is_known or (metric_id and file_name == "summary.csv"):
        abort(404)
    desk: Desk = current_app.extensions[DESK]
    scope = desk.scope()
    today = scope.account.today(desk.clock.now())
    require_drill_down(scope, today)
    query, _ = parse_search(request.query_string.decode("ascii", "replace"), scope.account, today)
    if metric_id:
        query = query.of_metric(metric_id)
        require_metric(scope, METRIC_BY_ID[metric_id], query.period)
    chunks = _chunks(desk, scope, query, today, file_name)
    first = next(chunks)  # whatever fails, fails before the answer begins
    name = f"{scope.account_id}_{query.period.start}_{query.period.last_day}_{file_name}"

    def body() -> Iterator[str]:
        yield first
        yield from chunks

    return Response(
        stream_with_context(body()),
        mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _chunks(
    desk: Desk, scope: AccountScope, query: UsageQuery, today: date, file_name: str
) -> Iterator[str]:
    account: Account = scope.account
    if file_name == "summary.csv":
        usage = period_usage(desk.reader, scope, query, today)
        return summary_csv(usage.metrics, account.currency)
    if file_name == "daily.csv":
        reading = desk.reader.usage(
            scope, query.period, (Dimension.DAY, Dimension.METRIC), query.filters
        )
        return daily_csv(reading.cells, account.currency)
    lines = desk.reader.stream_lines(scope, query.period, query.filters)
    return transactions_csv(lines, account.zones.name_on(query.period.last_day))
