"""How long the usage page takes on the server for an account of millions of lines.

A render is one whole request as a browser sends it: session, the page's reads, its components,
JSON; once right after a sync, once when nothing of the account is remembered, again when the
analytics' part is, and as it was made for another who looks at the same. Beside it stands the raw
limit: DuckDB's own query of the sums that the page's largest figure needs, on the same connection,
with nothing around it.
"""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import text

from api.dash_app import build_dash
from api.page_parts import PARTS
from benchmarks.big_lake import (
    ACCOUNTS,
    BIG,
    BIG_SHARE_PERCENT,
    CAMPAIGNS,
    EMAIL,
    METRIC_COUNT,
    MONTHS,
    NOW,
    PASSWORD,
    TAIL_EVENTS,
    BigLedger,
    fill,
)
from benchmarks.tables import Results, percentile
from billing.access import AccountScope, Role
from billing.overview import months, period_usage, top_consumers, wallet_now
from billing.periods import Period
from billing.queries import Filters, UsageQuery, parse_search
from billing.usage import Dimension, UsageReader
from components import format as fmt
from data.accounts import read_account
from data.analytics.lake import Cursor
from data.installation import Installation

LINE_COUNT = 2_000_000
LARGE_LINE_COUNT = 20_000_000
LARGEST_LINE_COUNT = 100_000_000
PATH = "/billing/usage"
RENDERS_EACH, READS_EACH = 8, 12
ADDRESSES = {
    "this period": "",
    "last month": "?period=last_month",
    "last 7 days": "?period=last_7_days",
    "13 months": "?from=2025-11-01&to=2026-12-01",
    "one campaign": "?campaign=campaign-07",
}
RAW_READ = "raw limit: DuckDB's sums of two periods"
COMPARED = (
    "page at first, this period", "page again, this period", "read, headline, chart, table",
    "read, headline, chart, table, again",
)  # fmt: skip
RAW = """
SELECT booked_on, metric, sum(line_count)::BIGINT, sum(base_units)::BIGINT,
    sum(cost_micros)::BIGINT
FROM lake.roll_day
WHERE account_id = $account AND booked_on >= $start AND booked_on < $end
GROUP BY booked_on, metric ORDER BY booked_on, metric
"""
# Every line added up, past all sums that the product keeps.
PLAIN_LAKE = """
SELECT booked_on::VARCHAR, metric, campaign_id, count(*)::BIGINT, sum(base_units)::BIGINT,
    sum(cost_micros)::BIGINT
FROM lake.lines WHERE account_id = $account GROUP BY ALL
"""
PLAIN_LEDGER = """
SELECT booked_on, metric, campaign_id, count(*), sum(base_units), sum(cost_micros)
FROM usage_lines WHERE account_id = :account GROUP BY 1, 2, 3
"""
Timings = dict[str, list[tuple[float, float]]]
PlainSums = dict[tuple[str, str, str | None], tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Measured:
    """(waited, computed) milliseconds of one ledger by what was done."""

    line_count: int
    synced: Timings
    first: Timings
    renders: Timings
    shared: Timings
    regions: Timings


def measure(scratch: Path, line_counts: tuple[int, ...] = (LINE_COUNT,)) -> Results:
    """One column of figures for each size of the ledger, the least first."""
    found = []
    for number, line_count in enumerate(line_counts):
        with _filled(scratch / f"ledger-{number}", line_count) as ledger:
            found.append(_measure(ledger))
    return _results(found)


@contextmanager
def _filled(folder: Path, line_count: int) -> Iterator[BigLedger]:
    ledger = fill(folder, line_count)
    try:
        yield ledger
    finally:
        ledger.installation.close()
        for file in sorted(folder.rglob("*"), reverse=True):
            file.unlink() if file.is_file() else file.rmdir()


def _measure(ledger: BigLedger) -> Measured:
    opened = ledger.installation
    with opened.database.read() as connection:
        scope = AccountScope(read_account(connection, BIG), Role.OWNER, NOW)
    sums = _plain_sums(opened)
    browser = Browser(opened)
    for search in ADDRESSES.values():  # also warms every path up
        _prove(opened.reader, scope, sums, search, browser.render(search))
    gc.collect()
    gc.freeze()  # as the server does
    synced: Timings = {name: [] for name in ADDRESSES}
    first: Timings = {name: [] for name in ADDRESSES}
    renders: Timings = {name: [] for name in ADDRESSES}
    shared: Timings = {name: [] for name in ADDRESSES}
    for _ in range(RENDERS_EACH):
        for name, search in ADDRESSES.items():
            opened.reader.forget(is_synced=True)
            for timings in (synced, first, renders):
                browser.forget()
                timings[name].append(_timed(partial(browser.render, search)))
                if timings is synced:
                    opened.reader.forget()
            shared[name].append(_timed(partial(browser.render, search)))
    return Measured(ledger.line_count, synced, first, renders, shared, _regions(opened, scope))


class Browser:
    """Signed in as the account's owner; asks for pages as Dash does in a browser."""

    def __init__(self, opened: Installation) -> None:
        self._server = build_dash(opened, is_demo=False).server
        self._client: FlaskClient = self._server.test_client()
        self._client.get("/sign-in")
        signed_in = self._client.post(
            "/sign-in", data={"csrf_token": self._token(), "email": EMAIL, "password": PASSWORD}
        )
        assert signed_in.status_code == 303
        self._client.get(PATH)
        asked = self._client.get("/_dash-dependencies").get_json()
        self._page = next(each for each in asked if "_pages_content.children" in each["output"])

    def forget(self) -> None:
        """The next page is made anew, and not given as it was for another."""
        self._server.extensions[PARTS].forget()

    def _token(self) -> str:
        cookie = self._client.get_cookie("_csrf_token")
        return cookie.value if cookie else ""

    def render(self, search: str) -> str:
        """The page's components as JSON."""
        values = {"pathname": PATH, "search": search}
        filled = {
            kind: [{**each, "value": values[each["property"]]} for each in self._page[kind]]
            for kind in ("inputs", "state")
        }
        outputs = [
            dict(zip(("id", "property"), each.split("."), strict=True))
            for each in self._page["output"].strip(".").split("...")
        ]
        body = {"output": self._page["output"], "outputs": outputs, **filled}
        answer = self._client.post(
            "/_dash-update-component",
            json={**body, "changedPropIds": ["_pages_location.search"]},
            headers={"X-CSRFToken": self._token()},
        )
        assert answer.status_code == 200, answer.text[:500]
        return answer.text


def _plain_sums(opened: Installation) -> PlainSums:
    """Count, base units and micros of each day, metric and campaign of the big account."""

    def read(cursor: Cursor) -> list[tuple[Any, ...]]:
        return cursor.execute(PLAIN_LAKE, {"account": BIG}).fetchall()

    with opened.database.read() as connection:
        newest = [tuple(row) for row in connection.execute(text(PLAIN_LEDGER), {"account": BIG})]
    assert newest, "the newest lines are the ledger's"
    sums: PlainSums = {}
    for day, metric, campaign, *figures in [*opened.lake.snapshot(read), *newest]:
        known = sums.get((day, metric, campaign), (0, 0, 0))
        sums[day, metric, campaign] = tuple(map(sum, zip(known, figures, strict=True)))
    return sums


def _prove(
    reader: UsageReader, scope: AccountScope, sums: PlainSums, search: str, page: str
) -> None:
    """The page shows what every line added up comes to."""
    query, notices = parse_search(search, scope.account, NOW.date())
    assert not notices
    usage = period_usage(reader, scope, query, NOW.date())
    for metric in usage.metrics:
        found = (metric.count, metric.base_units, metric.cost_micros)
        assert found == _added(sums, query, query.period, metric.metric.id), metric.metric.id
    before = _added(sums, query, query.compared_with)[2]
    assert (usage.cost_micros, usage.before_micros) == (
        _added(sums, query, query.period)[2],
        before,
    )
    campaigns, total, _ = top_consumers(reader, scope, query, Dimension.CAMPAIGN)
    assert total == usage.cost_micros
    assert campaigns
    trend, _ = months(reader, scope, query.filters, NOW.date())
    for month in trend:
        assert month.cost_micros == _added(sums, query, month.month)[2]
    shown = fmt.money(usage.cost_micros, "USD", scope.account.locale)
    assert json.dumps(shown)[1:-1] in page or shown in page, "the headline is on the page"


def _added(
    sums: PlainSums, query: UsageQuery, period: Period, metric: str | None = None
) -> tuple[int, int, int]:
    first, end = period.start.isoformat(), period.end.isoformat()
    campaigns = query.filters.campaigns
    total = (0, 0, 0)
    for (day, of_metric, campaign), (count, units, micros) in sums.items():
        is_asked = metric in (None, of_metric) and (not campaigns or campaign in campaigns)
        if is_asked and first <= day < end:
            total = (total[0] + count, total[1] + units, total[2] + micros)
    return total


def _regions(opened: Installation, scope: AccountScope) -> Timings:
    """Each region's read alone, for the page as it opens, and the raw limit."""
    reader, today = opened.reader, NOW.date()
    query, _ = parse_search("", scope.account, today)
    span = query.period.span(query.compared_with)
    cursor = opened.lake._generation.connection.cursor()  # the very connection that reads use
    raw = {"account": BIG, "start": span.start, "end": span.end}
    whole = {**raw, "start": today - timedelta(days=420), "end": today + timedelta(days=1)}

    def anew(read: Callable[[], Any]) -> Callable[[], Any]:
        def asked() -> Any:
            opened.reader.forget()
            return read()

        return asked

    reads: dict[str, Callable[[], Any]] = {
        RAW_READ: lambda: cursor.execute(RAW, raw).fetchall(),
        "raw limit: DuckDB's sums of 13 months": lambda: cursor.execute(RAW, whole).fetchall(),
        "headline, chart, table": anew(lambda: period_usage(reader, scope, query, today)),
        "balance, how long it lasts": anew(lambda: wallet_now(reader, scope, NOW)),
        "top consumers": anew(lambda: top_consumers(reader, scope, query, Dimension.CONSUMER)),
        "top campaigns": anew(lambda: top_consumers(reader, scope, query, Dimension.CAMPAIGN)),
        "headline, chart, table, again": lambda: period_usage(reader, scope, query, today),
        "month over month": anew(lambda: months(reader, scope, Filters(), today)),
    }
    return {name: [_timed(read) for _ in range(READS_EACH)] for name, read in reads.items()}


def _timed(work: Callable[[], Any]) -> tuple[float, float]:
    """Milliseconds that passed, and that this process's threads computed in them."""
    began, computed = time.perf_counter(), time.process_time()
    work()
    passed = time.perf_counter() - began
    return passed * 1000, (time.process_time() - computed) * 1000


def _results(found: list[Measured]) -> Results:
    columns = [""]
    rows: dict[str, list[str]] = {}
    for each in found:
        size = f"{each.line_count / 1e6:g}M lines"
        columns += [f"{size}, p50 ms", "p95 ms", "CPU ms"]
        parts: Timings = {}
        for kind, renders in (
            ("page after a sync", each.synced),
            ("page at first", each.first),
            ("page again", each.renders),
            ("page shared", each.shared),
        ):
            parts[f"{kind}, all addresses"] = [one for many in renders.values() for one in many]
            parts |= {f"{kind}, {name}": values for name, values in renders.items()}
        parts |= {f"read, {name}": values for name, values in each.regions.items()}
        for name, values in parts.items():
            passed = [value for value, _ in values]
            computed = [value for _, value in values]
            figures = (percentile(passed, 0.5), percentile(passed, 0.95), percentile(computed, 0.5))
            cells = [f"{value:,.1f}" for value in figures]
            rows.setdefault(name, []).extend(cells)
        raw = _number(rows[f"read, {RAW_READ}"][-1])
        for name in COMPARED:
            ratio = _number(rows[name][-1]) / raw
            rows.setdefault(f"{name} ÷ raw limit", []).extend(["", "", f"{ratio:.1f}"])
    if len(found) > 1:
        columns.append("CPU, largest ÷ least")
        for cells in rows.values():
            cells.append(f"{_number(cells[-1]) / _number(cells[2]):.2f}")
    render_count = 4 * sum(len(values) for values in found[0].renders.values())
    return Results(
        "Usage page of an account with 40 % of the ledger",
        tuple(columns),
        tuple((name, *cells) for name, cells in rows.items()),
        (
            f"{render_count} renders of {len(ADDRESSES)} addresses in turns, {READS_EACH} of each "
            "read. A render is the whole request: session, reads, components, JSON; after a sync "
            "when nothing is remembered at all, at first when nothing of the account is, again "
            "right after it, shared when it was just made for another. Reads are of the second "
            "kind but for the one that says again. Every address was "
            "first proved equal to the plain sum of all its lines. CPU is the median of what the "
            "process computed, DuckDB's threads included; the rest is waiting on a busy machine.",
            f"{ACCOUNTS} accounts, one with {BIG_SHARE_PERCENT} %; {METRIC_COUNT} metrics, "
            f"{CAMPAIGNS} campaigns, {MONTHS} months.",
            "Synthetic: the history was made inside the analytics store, through the product's own "
            "statements in large batches, and merged as its upkeep does. The ledger "
            f"itself holds only accounts, prices, money and the newest {TAIL_EVENTS:,} events; "
            "pages read the rest of it by index alone.",
        ),
    )


def _number(cell: str) -> float:
    return float(cell.replace(",", ""))
