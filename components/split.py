"""Of what a sum consists: a bar across, cut by service, with the figures under it."""

from __future__ import annotations

from collections.abc import Sequence

from components import format as fmt
from components import html
from components.chart_view import ChartView
from components.links import attributes
from components.metric_table import service_class


def legend(names: Sequence[str]) -> html.Ul:
    """The services drawn, in reading order."""
    return html.Ul(
        [
            html.Li(
                [
                    html.Span(
                        className=f"dot {service_class(name)}", **attributes(aria_hidden="true")
                    ),
                    name,
                ]
            )
            for name in names
        ],
        className="legend",
    )


def split(view: ChartView, names: Sequence[str], costs: Sequence[int], summary: str) -> html.Div:
    """Each service's part of one bar, in reading order. ``costs``: micros, none below zero."""
    money = fmt.money_rows(costs, view.currency, view.locale)
    portions = fmt.shares(costs, view.locale)
    whole = sum(costs)
    bar = [
        html.Span(
            className=f"split-part {service_class(name)}",
            style={"width": f"{1000 * cost // whole / 10}%"},
        )
        for name, cost in zip(names, costs, strict=True)
    ]
    rows = [
        html.Li(
            [
                html.Span(className=f"dot {service_class(name)}", **attributes(aria_hidden="true")),
                html.Span(name),
                html.B(amount),
                html.Span(portion, className="split-share"),
            ]
        )
        for name, amount, portion in zip(names, money, portions, strict=True)
    ]
    return html.Div(
        [
            html.Div(bar, className="split-bar", role="img", **attributes(aria_label=summary)),
            html.Ul(rows, className="split-list"),
        ],
        className="split",
    )
