"""Month over month: the cost of up to thirteen months with the change from each to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from billing.periods import Period
from components import format as fmt
from components import html
from components.links import attributes, link
from components.metric_table import change_cell

UNKNOWN = fmt.Change(fmt.NONE, "neutral")


@dataclass(frozen=True, slots=True)
class MonthRow:
    """One calendar month. ``is_running``: it isn't over, so it compares with nothing yet."""

    month: Period
    cost_micros: int
    is_running: bool
    href: str


@dataclass(frozen=True, slots=True)
class MonthsView:
    """The months, oldest first."""

    rows: tuple[MonthRow, ...]
    currency: str
    locale: str


def months_card(view: MonthsView, foot: Any = None) -> html.Section:
    """A bar for each month, newest on top, with cost and change; ``foot``: the watermark."""
    largest = max((row.cost_micros for row in view.rows), default=0)
    changes = _changes(view.rows, view.locale)
    body = [
        _row(row, change, largest, view)
        for row, change in zip(reversed(view.rows), reversed(changes), strict=True)
    ]
    heads = html.Tr(
        [
            html.Th("Month", scope="col"),
            html.Th("Course", scope="col", className="wide"),
            html.Th("Cost", className="n", scope="col"),
            html.Th("Change", className="n", scope="col"),
        ]
    )
    table = html.Table(
        [html.Thead(heads, className="visually-hidden"), html.Tbody(body)],
        className="data-table list-table months-table",
    )
    head = [html.H2("Month over month"), html.P("calendar months")]
    return html.Section(
        [html.Div(head, className="card-head"), table, foot], className="card card-list"
    )


def _changes(rows: Sequence[MonthRow], locale: str) -> list[fmt.Change]:
    """The change of each month against the one before; a running one and the first have none."""
    found = [UNKNOWN] * min(len(rows), 1)
    for before, now in pairwise(rows):
        change = fmt.percent_change(now.cost_micros, before.cost_micros, locale)
        found.append(UNKNOWN if now.is_running else change)
    return found


def _row(row: MonthRow, change: fmt.Change, largest: int, view: MonthsView) -> html.Tr:
    width = max(0, 100 * row.cost_micros // largest) if largest > 0 else 0
    bar = html.Span(
        className="month-bar is-running" if row.is_running else "month-bar",
        style={"width": f"{width}%"},
    )
    name = fmt.month(row.month.start)
    last = html.Td("so far", className="n change dim") if row.is_running else change_cell(change)
    return html.Tr(
        [
            html.Th(link(name, row.href, "row-link"), scope="row"),
            html.Td(
                html.Span(bar, className="month-track", **attributes(aria_hidden="true")),
                className="wide month-course",
            ),
            html.Td(fmt.money(row.cost_micros, view.currency, view.locale), className="n strong"),
            last,
        ],
        className="row-opens",
    )
