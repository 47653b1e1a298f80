"""/billing/usage: what was spent in a period, by day, metric, consumer and month."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dash

from billing.overview import (
    Consumption,
    PeriodUsage,
    begun_days,
    months,
    page_questions,
    period_usage,
    session_usage,
    top_consumers,
)
from billing.periods import month_of
from billing.queries import Granularity, UsageQuery, parse_search
from billing.usage import Dimension, Question
from components import charts, consumers, html, metric_table, shell, states
from components import format as fmt
from components import months as months_card
from components.cards import balance_card, cards, runway_card, spend_card
from components.links import link
from pages._bar import usage_bar
from pages._context import week_to
from pages._frame import Visit, framed, period_text

PATH = "/billing/usage"
CRUMBS = (
    shell.Crumb("Settings", "/settings"),
    shell.Crumb("Billing", "/settings#billing"),
    shell.Crumb("Usage"),
)

QUIET_DAYS = 7  # as long as this without usage is nothing to remark on
SPEND_LABELS = {
    "today": "Spend today, so far",
    "last_7_days": "Spend in the last 7 days",
    "this_month": "Spend this month",
    "last_month": "Spend last month",
    "this_period": "Spend this period",
    "last_period": "Spend last period",
}

dash.register_page(__name__, PATH, title="Usage", name="Usage")


def layout(search: str | None = None, **_: Any) -> Any:
    """The whole page for one address."""
    return framed(search, PATH, "usage", CRUMBS, _content, _asks, "usage", _is_sums)


def _is_sums(visit: Visit) -> bool:
    """Whether all that the page shows is compared there: not where lines stand by receipts.

    A region that shows anything else of the ledger belongs into ``data/reading/shown.py`` first.
    """
    query, _ = parse_search(visit.search, visit.account, visit.today)
    return not query.filters.statuses


def _asks(visit: Visit) -> Sequence[Question]:
    """The sums behind the page's regions."""
    if visit.gates.is_sandbox_only:
        return ()
    query, _ = parse_search(visit.search, visit.account, visit.today)
    week = week_to(visit, query)
    return page_questions(query, visit.today, week)


def _content(visit: Visit) -> Sequence[Any]:
    if visit.gates.is_sandbox_only:
        return _session(visit)
    query, notices = parse_search(visit.search, visit.account, visit.today)
    figures: list[PeriodUsage] = []

    def usage() -> PeriodUsage:
        """One read for the headline, the chart and the table; a failed one fails again."""
        if not figures:
            figures.append(_read(visit, query))
        return figures[0]

    return [
        shell.page_head("Usage", period_text(visit, query.period)),
        states.notices(notices),
        visit.region("Where usage lies", lambda: _elsewhere(visit, query)),
        visit.still(lambda: usage_bar(visit, query, PATH)),
        cards(
            [
                visit.region("Spend", lambda: _spend(visit, query, usage()), live="spend"),
                visit.region("Balance", lambda: balance_card(visit.balance_view), live="balance"),
                visit.region(
                    "How long it lasts", lambda: runway_card(visit.balance_view), live="runway"
                ),
            ]
        ),
        visit.region("Cost by day", lambda: _chart(visit, query, usage()), live="chart"),
        visit.region("Usage by metric", lambda: _table(visit, query, usage()), live="metrics"),
        _side_by_side(visit, query),
    ]


def _read(visit: Visit, query: UsageQuery) -> PeriodUsage:
    reader, scope = visit.figures, visit.scope
    return period_usage(reader, scope, query, visit.today, visit.used_metrics)


def _elsewhere(visit: Visit, query: UsageQuery) -> Any:
    """Where the latest usage lies, when the shown days come long after it."""
    if not visit.used_days:
        return None
    latest = visit.used_days[1]
    if (query.period.start - latest).days <= QUIET_DAYS:
        return None
    month = query.with_period(month_of(latest), visit.account, visit.today)
    text = f"There is no usage since {fmt.long_day(latest)}. "
    show = link(f"Show {fmt.month(latest)}", PATH + month.search(), "notice-link")
    return states.notices([html.Span([text, show])], "info")


def _side_by_side(visit: Visit, query: UsageQuery) -> Any:
    return states.pair(
        visit.region("Top consumers", lambda: _consumers(visit, query), live="consumers"),
        visit.region("Month over month", lambda: _months(visit, query), live="months"),
    )


def _spend(visit: Visit, query: UsageQuery, usage: PeriodUsage) -> Any:
    label = SPEND_LABELS.get(query.preset or "", "Spend in these days")
    return spend_card(
        usage.cost_micros,
        usage.before_micros,
        query.compared_with,
        visit.account.currency,
        visit.account.locale,
        label,
        has_change=visit.is_comparable(query),
    )


def _chart(visit: Visit, query: UsageQuery, usage: PeriodUsage) -> Any:
    if not usage.daily and not visit.used_days:
        has_prices = any(
            each.currency == visit.account.currency for each in visit.desk.price_lists(visit.scope)
        )
        return states.nothing_used(visit.account.id, visit.account.currency, has_prices=has_prices)
    week = week_to(visit, query)
    drawn = _read(visit, week) if week else usage
    view = charts.ChartView(
        rows=drawn.daily,
        period=(week or query).period,
        today=visit.today,
        granularity=Granularity.DAY if week else query.granularity,
        focus=query.period if week else None,
        currency=visit.account.currency,
        locale=visit.account.locale,
    )
    return charts.daily_chart(view)


def _table(visit: Visit, query: UsageQuery, usage: PeriodUsage) -> Any:
    rows = tuple(
        metric_table.MetricRow(
            metric=row.metric,
            count=row.count,
            base_units=row.base_units,
            cost_micros=row.cost_micros,
            before_micros=row.before_micros,
            series=row.daily_micros,
            href=f"{PATH}/{row.metric.id}{query.search()}" if visit.gates.has_drill_down else None,
            rate_href=f"/billing/rates#{row.metric.id}",
        )
        for row in usage.metrics
    )
    table = metric_table.metric_table(
        metric_table.MetricTableView(
            rows,
            visit.account.currency,
            visit.account.locale,
            versus=fmt.versus_label(query.compared_with),
            series_label=fmt.days_text(
                len(begun_days(query.period, visit.today)), visit.account.locale
            ),
            has_change=visit.is_comparable(query),
        )
    )
    return html.Div([table, visit.watermark(usage.complete_to)])


def _consumers(visit: Visit, query: UsageQuery) -> Any:
    reader, scope = visit.figures, visit.scope
    people, people_total, complete_to = top_consumers(reader, scope, query, Dimension.CONSUMER)
    campaigns, campaign_total, _ = top_consumers(reader, scope, query, Dimension.CAMPAIGN)

    def rows(found: Sequence[Consumption], name: str) -> tuple[consumers.ConsumerRow, ...]:
        return tuple(
            consumers.ConsumerRow(
                row.name,
                row.count,
                row.cost_micros,
                PATH + query.with_filter(name, [row.item_id]).search(),
            )
            for row in found
        )

    view = consumers.ConsumersView(
        consumers=rows(people, "consumer"),
        consumers_total_micros=people_total,
        campaigns=rows(campaigns, "campaign"),
        campaigns_total_micros=campaign_total,
        currency=visit.account.currency,
        locale=visit.account.locale,
    )
    return consumers.consumers_card(view, visit.watermark(complete_to))


def _months(visit: Visit, query: UsageQuery) -> Any:
    found, complete_to = months(visit.figures, visit.scope, query.filters, visit.today)
    rows = tuple(
        months_card.MonthRow(
            each.month,
            each.cost_micros,
            each.is_running,
            PATH + query.with_period(each.month, visit.account, visit.today).search(),
        )
        for each in found
    )
    view = months_card.MonthsView(rows, visit.account.currency, visit.account.locale)
    return months_card.months_card(view, visit.watermark(complete_to))


def _session(visit: Visit) -> Sequence[Any]:
    """A Free account: what its sandbox recorded since this sign-in, and what a plan adds."""
    since = fmt.clock_time(visit.scope.session_started_at, visit.zone)
    return [
        shell.page_head("Usage", f"Sandbox usage since you signed in at {since}"),
        states.sandbox_locked(),
        visit.region("Sandbox usage", lambda: _session_table(visit), live="session"),
    ]


def _session_table(visit: Visit) -> Any:
    usage = session_usage(visit.figures, visit.scope, visit.today)
    rows = tuple(
        metric_table.MetricRow(
            row.metric, row.count, row.base_units, row.cost_micros, 0, row.daily_micros, None,
            f"/billing/rates#{row.metric.id}",
        )
        for row in usage.metrics
    )  # fmt: skip
    table = (
        metric_table.session_table(rows, visit.account.currency, visit.account.locale)
        if rows
        else states.empty(
            "Nothing recorded in this session yet",
            "Send a sandbox call or message: it shows here with its cost.",
        )
    )
    return html.Div([table, visit.watermark(usage.complete_to)])
