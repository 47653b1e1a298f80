"""One metric day by day: count, units, cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from billing.metrics import Metric
from billing.usage import UsageCell
from components import format as fmt
from components import html
from components.links import attributes

HEADS = ("Day", "Count", "Units", "Cost")


@dataclass(frozen=True, slots=True)
class DayTableView:
    """``cells``: one per day with usage, oldest first, their key the day."""

    metric: Metric
    cells: tuple[UsageCell, ...]
    currency: str
    locale: str


def day_table(view: DayTableView) -> html.Section:
    """The days of a metric, newest on top, with the total at the foot."""
    cells = tuple(reversed(view.cells))
    money = fmt.money_rows([cell.cost_micros for cell in cells], view.currency, view.locale)
    years = {cell.keys[0].year for cell in cells if isinstance(cell.keys[0], date)}
    name_day = fmt.day if len(years) == 1 else fmt.long_day
    caption = html.Caption(f"{view.metric.name} day by day", className="visually-hidden")
    head = html.Tr(
        [html.Th(name, className="n" if i else None, scope="col") for i, name in enumerate(HEADS)]
    )
    table = html.Table(
        [
            caption,
            html.Thead(head),
            html.Tbody(
                [_row(cell, cost, view, name_day) for cell, cost in zip(cells, money, strict=True)]
            ),
            html.Tfoot(_total(view)),
        ],
        className="data-table day-table",
    )
    scroller = html.Div(
        table,
        className="scroll-y",
        tabIndex=0,
        role="region",
        **attributes(aria_label="Day by day"),
    )
    return html.Section(
        [html.Div(html.H2("Day by day"), className="card-head card-table-head"), scroller],
        className="card card-table",
    )


def _row(
    cell: UsageCell, cost: str, view: DayTableView, name_day: Callable[[date], str]
) -> html.Tr:
    day = cell.keys[0]
    name = name_day(day) if isinstance(day, date) else str(day)
    return html.Tr(
        [
            html.Th(name, scope="row"),
            html.Td(fmt.count(cell.count, view.metric, view.locale), className="n dim"),
            html.Td(fmt.units(cell.base_units, view.metric, view.locale), className="n dim"),
            html.Td(cost, className="n strong"),
        ]
    )


def _total(view: DayTableView) -> html.Tr:
    counted = sum(cell.count for cell in view.cells)
    units = sum(cell.base_units for cell in view.cells)
    cost = sum(cell.cost_micros for cell in view.cells)
    return html.Tr(
        [
            html.Th("Total", scope="row"),
            html.Td(fmt.count(counted, view.metric, view.locale), className="n"),
            html.Td(fmt.units(units, view.metric, view.locale), className="n"),
            html.Td(fmt.money(cost, view.currency, view.locale), className="n strong"),
        ]
    )
