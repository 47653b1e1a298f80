"""The table of metrics: count, units, cost, share, change, course, and the total at the foot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from billing.metrics import Metric
from components import format as fmt
from components import html
from components.links import attributes, icon, link
from components.sparkline import sparkline


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One metric in the shown period and its cost in the one before.

    ``series``: cost per day, gaps zero, oldest first. ``href``: its drill-down; none where the
    plan has none. Units: base units, micros.
    """

    metric: Metric
    count: int
    base_units: int
    cost_micros: int
    before_micros: int
    series: tuple[int, ...]
    href: str | None
    rate_href: str


@dataclass(frozen=True, slots=True)
class MetricTableView:
    """The rows, and how figures and the two period columns are named.

    ``versus``: ``vs October``. ``series_label``: ``22 days``. ``has_change``: whether a change
    against the period before would say anything.
    """

    rows: tuple[MetricRow, ...]
    currency: str
    locale: str
    versus: str
    series_label: str
    caption: str = "Usage by metric"
    has_change: bool = True


def metric_table(view: MetricTableView) -> html.Div:
    """Every metric of the plan, dearest first; one without usage stays, dimmed, at zero."""
    rows = sorted(view.rows, key=lambda row: (-row.cost_micros, -row.count))
    costs = [row.cost_micros for row in rows]
    money = fmt.money_rows(costs, view.currency, view.locale)
    portions = fmt.shares(costs, view.locale)
    largest = max(costs, default=0)
    return html.Div(
        html.Table(
            [
                html.Caption(view.caption, className="visually-hidden"),
                _head(view),
                html.Tbody(
                    [
                        _row(row, cost, portion, largest, view)
                        for row, cost, portion in zip(rows, money, portions, strict=True)
                    ]
                ),
                _foot(view),
            ],
            className="data-table metric-table",
        ),
        className="card card-table",
    )


def _head(view: MetricTableView) -> html.Thead:
    cost = html.Th(
        ["Cost", html.Span(" ↓", **attributes(aria_hidden="true"))],
        className="n",
        scope="col",
        **attributes(aria_sort="descending"),
    )
    return html.Thead(
        html.Tr(
            [
                html.Th("Metric", scope="col"),
                html.Th("Count", className="n wide", scope="col"),
                html.Th("Units", className="n wide", scope="col"),
                cost,
                html.Th("Share", className="wide", scope="col"),
                html.Th(view.versus, className="n versus", scope="col"),
                html.Th(view.series_label, className="widest", scope="col")
                if any(len(row.series) > 1 for row in view.rows)
                else html.Td(className="widest"),
                html.Td(className="go"),
            ]
        )
    )


def _row(row: MetricRow, cost: str, portion: str, largest: int, view: MetricTableView) -> html.Tr:
    locale = view.locale
    metric = row.metric
    change = _change(row.cost_micros, row.before_micros, view)
    is_idle = row.count == 0 and row.cost_micros == 0
    classes = " ".join(
        name for name, on in (("is-idle", is_idle), ("row-opens", bool(row.href))) if on
    )
    return html.Tr(
        [
            html.Th(_name(row), scope="row"),
            html.Td(fmt.count(row.count, metric, locale), className="n dim wide"),
            html.Td(fmt.units(row.base_units, metric, locale), className="n dim wide"),
            html.Td(cost, className="n strong"),
            html.Td(share_bar(row.cost_micros, largest, portion, metric.service), className="wide"),
            change_cell(change),
            html.Td(
                None if is_idle or len(row.series) < 2 else sparkline(row.series),
                className="widest",
            ),
            html.Td(icon("next") if row.href else None, className="go"),
        ],
        className=classes or None,
    )


def _name(row: MetricRow) -> html.Div:
    metric = row.metric
    name: Any = link(metric.name, row.href, "row-link") if row.href else html.Span(metric.name)
    info = link(
        icon("info"), row.rate_href, "info-link", label=f"What {metric.name} means and costs"
    )
    return html.Div([service_dot(metric.service), name, info], className="named")


def service_dot(service: str) -> html.Span:
    """The mark in a service's colour."""
    return html.Span(className=f"dot {service_class(service)}", **attributes(aria_hidden="true"))


def service_class(service: str) -> str:
    """The class that carries a service's colour: ``service-contact-center``."""
    return f"service-{service.lower().replace(' ', '-')}"


def share_bar(part: int, largest: int, text: str, service: str | None = None) -> html.Div:
    """A small bar against the largest row, and the share in words."""
    width = max(0, min(100, 100 * part // largest)) if largest > 0 else 0
    colour = service_class(service) if service else "is-plain"
    fill = html.Span(className=f"share-fill {colour}", style={"width": f"{width}%"})
    track = html.Span(fill, className="share-track", **attributes(aria_hidden="true"))
    return html.Div([track, html.Span(text, className="share-text")], className="share")


def _change(now: int, before: int, view: MetricTableView) -> fmt.Change:
    return fmt.percent_change(now, before, view.locale) if view.has_change else fmt.NO_CHANGE


def change_cell(change: fmt.Change) -> html.Td:
    """A change with its sign: red costs more, green costs less."""
    return html.Td(change.text, className=f"n change tone-{change.tone}")


def _foot(view: MetricTableView) -> html.Tfoot:
    now = sum(row.cost_micros for row in view.rows)
    before = sum(row.before_micros for row in view.rows)
    change = _change(now, before, view)
    return html.Tfoot(
        html.Tr(
            [
                html.Th("Total", scope="row"),
                html.Td(className="wide"),
                html.Td(className="wide"),
                html.Td(fmt.money(now, view.currency, view.locale), className="n strong"),
                html.Td(className="wide"),
                change_cell(change),
                html.Td(className="widest"),
                html.Td(className="go"),
            ]
        )
    )


def session_table(rows: tuple[MetricRow, ...], currency: str, locale: str) -> html.Div:
    """What a sandbox session recorded and would have cost; nothing in it opens."""
    money = fmt.money_rows([row.cost_micros for row in rows], currency, locale)
    heads = (("Metric", None), ("Count", "n"), ("Units", "n wide"), ("Would cost", "n"))
    body = [
        html.Tr(
            [
                html.Th(_name(row), scope="row"),
                html.Td(fmt.count(row.count, row.metric, locale), className="n dim"),
                html.Td(fmt.units(row.base_units, row.metric, locale), className="n dim wide"),
                html.Td(cost, className="n strong"),
            ]
        )
        for row, cost in zip(rows, money, strict=True)
    ]
    total = fmt.money(sum(row.cost_micros for row in rows), currency, locale)
    foot = [html.Th("Total", scope="row"), html.Td(), html.Td(className="wide"),
            html.Td(total, className="n strong")]  # fmt: skip
    table = html.Table(
        [
            html.Caption("Sandbox usage by metric", className="visually-hidden"),
            html.Thead(
                html.Tr([html.Th(name, className=kind, scope="col") for name, kind in heads])
            ),
            html.Tbody(body),
            html.Tfoot(html.Tr(foot)),
        ],
        className="data-table",
    )
    return html.Div(table, className="card card-table")
