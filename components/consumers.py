"""Top consumers: who and what caused the cost of the period, each a filter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from components import format as fmt
from components import html
from components.links import link
from components.metric_table import share_bar

MOST_SHOWN = 5


@dataclass(frozen=True, slots=True)
class ConsumerRow:
    """A user, an application or a campaign in the period; ``href`` filters by it."""

    name: str
    count: int
    cost_micros: int
    href: str


@dataclass(frozen=True, slots=True)
class ConsumersView:
    """Both lists, dearest first, and the cost of all usage of which each row is a share."""

    consumers: tuple[ConsumerRow, ...]
    consumers_total_micros: int
    campaigns: tuple[ConsumerRow, ...]
    campaigns_total_micros: int
    currency: str
    locale: str


def consumers_card(view: ConsumersView, foot: Any = None) -> html.Section:
    """Up to five users and applications, and up to five campaigns; ``foot``: the watermark."""
    return html.Section(
        [
            html.Div(html.H2("Top consumers"), className="card-head"),
            _list("Users and applications", view.consumers, view.consumers_total_micros, view),
            _list("Campaigns", view.campaigns, view.campaigns_total_micros, view),
            foot,
        ],
        className="card card-list",
    )


def _list(
    title: str, rows: tuple[ConsumerRow, ...], total_micros: int, view: ConsumersView
) -> html.Div:
    heading = html.H3(title, className="list-title")
    if not rows:
        return html.Div([heading, html.P("None in this period.", className="card-detail")])
    largest = max(row.cost_micros for row in rows)
    heads = html.Tr(
        [
            html.Th("Name", scope="col"),
            html.Th("Share", scope="col", className="wide"),
            html.Th("Cost", className="n", scope="col"),
        ]
    )
    body = [_row(row, largest, total_micros, view) for row in rows[:MOST_SHOWN]]
    table = html.Table(
        [html.Thead(heads, className="visually-hidden"), html.Tbody(body)],
        className="data-table list-table",
    )
    return html.Div([heading, table])


def _row(row: ConsumerRow, largest: int, total_micros: int, view: ConsumersView) -> html.Tr:
    portion = fmt.share(row.cost_micros, total_micros, view.locale)
    used = f"{fmt.number(row.count, view.locale)} {'line' if row.count == 1 else 'lines'} of usage"
    return html.Tr(
        [
            html.Th(link(row.name, row.href, "row-link", title=used), scope="row"),
            html.Td(share_bar(row.cost_micros, largest, portion), className="wide"),
            html.Td(fmt.money(row.cost_micros, view.currency, view.locale), className="n strong"),
        ],
        className="row-opens",
    )
