"""/billing/rates: what each metric means, how it is calculated, what it costs and since when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import dash

from billing.metrics import METRICS, Metric
from billing.periods import Period
from billing.price_table import MetricPrices, metric_prices
from components import rates_page, shell, states
from pages._frame import Visit, framed

PATH = "/billing/rates"
CRUMBS = (
    shell.Crumb("Settings", "/settings"),
    shell.Crumb("Billing", "/settings#billing"),
    shell.Crumb("Usage rates"),
)

dash.register_page(__name__, PATH, title="Usage rates", name="Usage rates")


def layout(search: str | None = None, **_: Any) -> Any:
    """The whole page."""
    return framed(search, PATH, "rates", CRUMBS, _content, shared_as="rates")


def _content(visit: Visit) -> Sequence[Any]:
    account = visit.account
    period = Period(visit.scope.visible_from or visit.today, visit.today + timedelta(days=1))
    plans = account.plans_in(period)
    shown = [metric for metric in METRICS if metric.plans & plans] or list(METRICS)
    return [
        shell.page_head(
            "Usage rates", f"What each metric means and costs · prices in {account.currency}"
        ),
        visit.region("Prices", lambda: _prices(visit, shown)),
    ]


def _prices(visit: Visit, shown: Sequence[Metric]) -> Any:
    lists = visit.desk.price_lists(visit.scope)
    if not lists:
        return states.empty(
            f"There is no price list in {visit.account.currency} yet",
            "Usage can't be charged before somebody imports one: usage-dashboard rates import.",
        )
    prices: list[MetricPrices] = [metric_prices(metric, lists, visit.today) for metric in shown]
    return rates_page.rates_page(
        rates_page.RatesView(
            tuple(prices), visit.account.currency, visit.account.locale, visit.today
        )
    )
