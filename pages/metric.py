"""/billing/usage/<metric>: one metric's timeline, day by day, and its transactions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dash

from billing.access import require_drill_down
from billing.errors import InputError
from billing.metrics import METRIC_BY_ID, Metric
from billing.overview import metric_days, metric_question
from billing.queries import STATUSES, Granularity, TransactionSort, UsageQuery, parse_search
from billing.usage import LinePage, Question, UsageCell
from components import charts, day_table, explain, html, shell, states, transactions
from components import format as fmt
from components.cards import cards, figure_card, spend_card
from components.links import Choice
from pages._bar import usage_bar
from pages._context import week_to
from pages._frame import Visit, framed, period_text

USAGE = "/billing/usage"
PAGE_LINES = 50

dash.register_page(
    __name__, path_template=f"{USAGE}/<metric_id>", title="Usage of a metric", name="Metric"
)


def layout(search: str | None = None, pathname: str | None = None, **_: Any) -> Any:
    """The whole page for one address; the metric is what the path says, never the query."""
    metric_id = (pathname or "").rstrip("/").rpartition("/")[2]
    metric = METRIC_BY_ID.get(metric_id)
    path = f"{USAGE}/{metric.id}" if metric else USAGE
    crumbs = (
        shell.Crumb("Settings", "/settings"),
        shell.Crumb("Billing", "/settings#billing"),
        shell.Crumb("Usage", USAGE + (search or "")),
        shell.Crumb(metric.name if metric else "Unknown metric"),
    )
    return framed(
        search, path, "usage", crumbs,
        lambda visit: _content(visit, metric) if metric else _unknown(metric_id),
        lambda visit: _asks(visit, metric) if metric else (),
        "metric" if metric else None,
    )  # fmt: skip


def _asks(visit: Visit, metric: Metric) -> Sequence[Question]:
    """The sums behind the page's regions."""
    parsed, _ = parse_search(visit.search, visit.account, visit.today)
    query = parsed.of_metric(metric.id)
    week = week_to(visit, query)
    return [metric_question(each) for each in (query, week) if each]


def _unknown(metric_id: str) -> Sequence[Any]:
    shown = metric_id[:60]
    return [
        shell.page_head("Usage"),
        states.empty(
            "There is no such metric",
            f"“{shown}” in the address isn't a metric. Choose one from the usage table.",
            Choice("Open usage", USAGE),
        ),
    ]


def _content(visit: Visit, metric: Metric) -> Sequence[Any]:
    require_drill_down(visit.scope, visit.today)
    parsed, notices = parse_search(visit.search, visit.account, visit.today)
    query = parsed.of_metric(metric.id)
    path = f"{USAGE}/{metric.id}"
    plan = visit.account.plan_on(visit.today)
    if not metric.plans & visit.account.plans_in(query.period):
        return [
            shell.page_head(metric.name, period_text(visit, query.period)),
            states.not_on_plan(metric, plan),
        ]
    days: list[tuple[tuple[UsageCell, ...], Any]] = []

    def by_day() -> tuple[tuple[UsageCell, ...], Any]:
        """One read for the headline, the timeline and the table of days."""
        if not days:
            days.append(metric_days(visit.figures, visit.scope, query))
        return days[0]

    return [
        shell.page_head(
            metric.name,
            period_text(visit, query.period),
            transactions.rate_link(metric, f"/billing/rates#{metric.id}"),
        ),
        states.notices(notices),
        visit.still(lambda: usage_bar(visit, query, path, metric.id)),
        visit.region(
            "Headline", lambda: _headline(visit, query, metric, by_day()[0]), live="headline"
        ),
        visit.region("Explanation", lambda: _explanation(visit, query, path))
        if query.line
        else None,
        visit.region("Timeline", lambda: _course(visit, query, metric, *by_day()), live="course"),
        visit.region(
            "Transactions",
            lambda: _transactions(visit, query, metric, path),
            # A deeper page is a place one has walked to: it stays as it is.
            live=None if query.cursor else "transactions",
        ),
    ]


def _headline(visit: Visit, query: UsageQuery, metric: Metric, cells: Sequence[UsageCell]) -> Any:
    """Cost, count and units of the period: three separate numbers."""
    inside = [cell for cell in cells if cell.day in query.period]
    before = [cell for cell in cells if cell.day in query.compared_with]
    locale, when = visit.account.locale, fmt.when_label(query.compared_with)
    return cards(
        [
            spend_card(
                sum(cell.cost_micros for cell in inside),
                sum(cell.cost_micros for cell in before),
                query.compared_with,
                visit.account.currency,
                locale,
                "Cost",
                has_change=visit.is_comparable(query),
            ),
            figure_card(
                "Count",
                fmt.count(sum(cell.count for cell in inside), metric, locale),
                f"{fmt.count(sum(cell.count for cell in before), metric, locale)} {when}",
            ),
            figure_card(
                "Units",
                fmt.units(sum(cell.base_units for cell in inside), metric, locale),
                f"{fmt.units(sum(cell.base_units for cell in before), metric, locale)} {when}",
            ),
        ]
    )


def _course(
    visit: Visit, query: UsageQuery, metric: Metric, cells: Sequence[UsageCell], complete_to: Any
) -> Any:
    """The timeline with the same days as a table beside it."""
    inside = tuple(cell for cell in cells if cell.day in query.period)
    if not inside:
        return states.empty("No usage on these days", "Choose other days or take filters off.")
    view = day_table.DayTableView(metric, inside, visit.account.currency, visit.account.locale)
    days = html.Div([day_table.day_table(view), visit.watermark(complete_to)])
    return states.course(_timeline(visit, query, metric, cells), days)


def _timeline(visit: Visit, query: UsageQuery, metric: Metric, cells: Sequence[UsageCell]) -> Any:
    week = week_to(visit, query)
    if week:
        cells, _ = metric_days(visit.figures, visit.scope, week)
    shown = (week or query).period
    view = charts.ChartView(
        rows=tuple(
            (cell.day, metric.service, cell.cost_micros) for cell in cells if cell.day in shown
        ),
        period=shown,
        today=visit.today,
        granularity=Granularity.DAY if week else query.granularity,
        focus=query.period if week else None,
        currency=visit.account.currency,
        locale=visit.account.locale,
        element_id="timeline-chart",
    )
    return charts.timeline(view, metric.service)


def _transactions(visit: Visit, query: UsageQuery, metric: Metric, path: str) -> Any:
    page, notice = _page(visit, query)
    view = transactions.TransactionsView(
        metric=metric,
        lines=page.lines,
        locale=visit.account.locale,
        zone=visit.zone,
        explain_hrefs=tuple(
            path + query.explaining(line.id).search() + "#explanation" for line in page.lines
        ),
        sorts=tuple(
            Choice(label, path + query.sorted_by(sort).search(), query.sort is sort)
            for sort, label in SORT_LABELS.items()
        ),
        statuses=tuple(_status_choices(query, metric, path)),
        newer_href=_cursor_href(query, path, page.previous_cursor),
        older_href=_cursor_href(query, path, page.next_cursor),
    )
    return html.Div(
        [
            states.notices((notice,) if notice else ()),
            transactions.transactions(view),
            visit.watermark(page.complete_to),
        ]
    )


SORT_LABELS = {
    TransactionSort.NEWEST: "Newest first",
    TransactionSort.OLDEST: "Oldest first",
    TransactionSort.COST: "Dearest first",
}


def _page(visit: Visit, query: UsageQuery) -> tuple[LinePage, str | None]:
    """The page of the cursor; the first one, with a notice, when the cursor isn't one."""

    def read(cursor: str | None) -> LinePage:
        return visit.desk.reader.transactions(
            visit.scope, query.period, query.filters, query.sort, cursor, PAGE_LINES
        )

    try:
        return read(query.cursor), None
    except InputError:
        return read(None), "That page of transactions can't be found; this is the first one."


def _status_choices(query: UsageQuery, metric: Metric, path: str) -> list[Choice]:
    known = transactions.STATUSES_OF_SERVICE.get(metric.service, STATUSES)
    active = query.filters.statuses
    everything = Choice("All", path + query.with_filter("status", []).search(), not active)
    return [everything] + [
        Choice(
            status.capitalize(), path + query.with_filter("status", [status]).search(),
            active == (status,),
        )
        for status in known
    ]  # fmt: skip


def _cursor_href(query: UsageQuery, path: str, cursor: str | None) -> str | None:
    return path + query.at_cursor(cursor).search() if cursor else None


def _explanation(visit: Visit, query: UsageQuery, path: str) -> Any:
    explanation = visit.desk.reader.explain(visit.scope, query.line or "")
    return explain.explain_charge(
        explain.ExplainView(
            explanation=explanation,
            metric=METRIC_BY_ID[explanation.line.metric],
            locale=visit.account.locale,
            zone=visit.account.zones.name_on(explanation.line.booked_on),
            close_href=path + query.explaining(None).search(),
            rate_href=f"/billing/rates#{explanation.line.metric}",
        )
    )
