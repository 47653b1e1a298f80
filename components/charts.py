"""Bar charts of cost over time, and the table behind each.

A figure is drawn in the light palette; assets/60-charts.css maps every colour to the theme's own,
so that a change of theme needs neither server nor redraw. Heights of bars are the only floats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd
from dash import dcc, html

from billing.metrics import Service
from billing.money import MICROS_PER_UNIT
from billing.periods import Period
from billing.queries import Granularity
from components import format as fmt
from components.axis import money_axis
from components.buckets import Bucket, buckets, pivot
from components.chart_table import TableHead, table_behind
from components.links import attributes
from components.metric_table import service_class

# The light palette of assets/10-tokens.css. The chart's rules find bars by these exact colours.
SERVICE_COLOURS: dict[str, str] = {
    Service.VOICE: "rgb(59, 91, 219)",
    Service.SMS: "rgb(18, 153, 138)",
    Service.WHATSAPP: "rgb(224, 161, 0)",
    Service.EXOPHONE: "rgb(194, 65, 155)",
    Service.CONTACT_CENTER: "rgb(124, 134, 152)",
}
SURFACE = "rgb(255, 255, 255)"
WEEKEND = "rgb(246, 247, 250)"
INK = "rgb(20, 24, 31)"
MUTED = "rgb(107, 116, 130)"
FONT = "Inter, system-ui, sans-serif"
UNFINISHED = 0.5
MOST_DAYS_WITH_WEEKENDS = 62
MOST_TICKS = 8
TITLES = {
    Granularity.DAY: "Daily cost",
    Granularity.WEEK: "Weekly cost",
    Granularity.MONTH: "Monthly cost",
}


@dataclass(frozen=True, slots=True)
class Note:
    """Something unusual about one day, named on the chart."""

    day: date
    text: str


@dataclass(frozen=True, slots=True)
class ChartView:
    """What is drawn. ``rows``: (day, service, micros), in any order, gaps allowed.

    ``element_id``: unique on the page. ``day_hrefs``: where the days of the table lead.
    """

    rows: tuple[tuple[date, str, int], ...]
    period: Period
    today: date
    granularity: Granularity
    currency: str
    locale: str
    element_id: str = "daily-chart"
    notes: tuple[Note, ...] = ()
    day_hrefs: tuple[tuple[date, str], ...] = ()

    def money(self, micros: int) -> str:
        """An amount in the chart's currency."""
        return fmt.money(micros, self.currency, self.locale)


def daily_chart(view: ChartView, title: str | None = None) -> html.Section:
    """Cost by day, week or month, stacked by service in reading order."""
    names = [str(service) for service in Service]
    return _chart(view, names, title or TITLES[view.granularity])


def timeline(view: ChartView, service: str, title: str | None = None) -> html.Section:
    """The course of one metric in its service's colour; every row of the view is of it."""
    return _chart(view, [service], title or TITLES[view.granularity])


def _chart(view: ChartView, names: list[str], title: str) -> html.Section:
    parts = buckets(view.period, view.granularity, view.today)
    table = pivot(view.rows, parts, names)
    shown = [name for name in names if table[name].any()] or names[:1]
    summary = _summary(view, parts, table, title)
    legend = _legend(shown) if len(names) > 1 else None
    by_day = dict(view.day_hrefs)
    hrefs = [by_day.get(part.period.start) for part in parts]
    heading = TableHead(title, view.currency, view.locale)
    return html.Section(
        [
            html.Div([html.H2(title), legend], className="chart-head"),
            html.Div(
                dcc.Graph(
                    id=view.element_id,
                    figure=_figure(view, parts, table[shown]),
                    config={"displayModeBar": False, "doubleClick": False, "showTips": False},
                    responsive=True,
                    className="chart-graph",
                ),
                className="chart-box",
                role="img",
                **attributes(aria_label=summary),
            ),
            _spoken_notes(view.notes),
            table_behind(table[shown], [part.label for part in parts], hrefs, heading),
        ],
        className="card chart",
    )


def _legend(names: Sequence[str]) -> html.Ul:
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


def _summary(view: ChartView, parts: Sequence[Bucket], table: pd.DataFrame, title: str) -> str:
    totals = [int(value) for value in table.sum(axis=1)]
    days = fmt.period_label(view.period)
    if not any(totals):
        return f"{title}, {days}: nothing was spent."
    top = max(range(len(totals)), key=totals.__getitem__)
    return (
        f"{title}, {days}: {view.money(sum(totals))} in all, "
        f"most in {parts[top].label} with {view.money(totals[top])}."
    )


def _spoken_notes(notes: Sequence[Note]) -> html.Ul | None:
    """The notes as text: for people who hear the page, and on a phone, where none is drawn."""
    if not notes:
        return None
    return html.Ul(
        [html.Li(f"{fmt.day(note.day)}: {note.text}") for note in notes],
        className="chart-notes",
    )


def _figure(view: ChartView, parts: Sequence[Bucket], table: pd.DataFrame) -> dict[str, Any]:
    positions = list(range(len(parts)))
    is_open = [view.today in part.period for part in parts]
    opacity = [UNFINISHED if unfinished else 1 for unfinished in is_open]
    totals = [int(value) for value in table.sum(axis=1)]
    stack_tops = [int(value) for value in table.clip(lower=0).sum(axis=1)]
    bars = [
        {
            "type": "bar",
            "name": name,
            "x": positions,
            "y": [int(micros) / MICROS_PER_UNIT for micros in table[name]],
            "marker": {
                "color": SERVICE_COLOURS.get(name, MUTED),
                "opacity": opacity,
                "line": {"width": 1, "color": SURFACE},
            },
            "hoverinfo": "skip",
        }
        for name in table.columns
    ]
    # One invisible point over each stack speaks for the whole stack.
    speaker = {
        "type": "scatter",
        "mode": "markers",
        "x": positions,
        "y": [top / MICROS_PER_UNIT for top in stack_tops],
        "marker": {"size": 1, "opacity": 0},
        "text": [_sentence(view, part, table.iloc[i]) for i, part in enumerate(parts)],
        "hovertemplate": "%{text}<extra></extra>",
    }
    return {"data": [*bars, speaker], "layout": _layout(view, parts, totals, stack_tops)}


def _sentence(view: ChartView, part: Bucket, costs: pd.Series) -> str:
    """``Tue 17 Nov: ₹5,968.10`` and one line per service that cost something."""
    used = [(str(name), int(micros)) for name, micros in costs.items() if micros]
    rows = fmt.money_rows([micros for _, micros in used], view.currency, view.locale)
    ending = " so far" if view.today in part.period else ""
    head = f"<b>{part.label}: {view.money(sum(micros for _, micros in used))}</b>{ending}"
    if len(used) < 2:
        return head
    return "<br>".join(
        [head, *(f"{name} {text}" for (name, _), text in zip(used, rows, strict=True))]
    )


def _layout(
    view: ChartView, parts: Sequence[Bucket], totals: Sequence[int], tops: Sequence[int]
) -> dict[str, Any]:
    axis = money_axis(min(*totals, 0), max(*tops, 0), view.currency, view.locale)
    return {
        "barmode": "relative",
        "bargap": _gap(len(parts)),
        "barcornerradius": 2,
        "showlegend": False,
        "paper_bgcolor": "rgba(0, 0, 0, 0)",
        "plot_bgcolor": "rgba(0, 0, 0, 0)",
        "margin": {"l": 4, "r": 10, "t": 8, "b": 27},
        "font": {"family": FONT, "size": 11.5, "color": MUTED},
        "hovermode": "x",
        "hoverdistance": -1,
        "hoverlabel": {
            "align": "left",
            "bgcolor": SURFACE,
            "bordercolor": MUTED,
            "font": {"family": FONT, "size": 12.5, "color": INK},
        },
        "dragmode": False,
        "xaxis": {
            "range": [-0.5, len(parts) - 0.5],
            "fixedrange": True,
            "showgrid": False,
            "zeroline": False,
            "automargin": False,
            **_ticks(parts),
        },
        "yaxis": {
            "range": [axis.bottom, axis.top],
            "tickvals": list(axis.values),
            "ticktext": list(axis.labels),
            "fixedrange": True,
            "zeroline": False,
            "automargin": True,
            "ticklabelstandoff": 6,
        },
        "shapes": _weekends(view, parts),
        "annotations": _notes(view, parts, tops),
    }


def _gap(bar_count: int) -> float:
    """The space between bars: few of them stay slim."""
    return 0.3 if bar_count >= 10 else 0.45 if bar_count >= 5 else 0.62 if bar_count >= 2 else 0.84


def _ticks(parts: Sequence[Bucket]) -> dict[str, Any]:
    """At most eight names, counted back from the last bar so that today is always named."""
    every = -(-len(parts) // MOST_TICKS)
    positions = list(range(len(parts) - 1, -1, -every))[::-1]
    return {
        "tickvals": positions,
        "ticktext": [parts[i].tick for i in positions],
        "tickangle": 0,
        "ticklen": 0,
        "ticklabelstandoff": 5,
        "ticklabeloverflow": "allow",
    }


def _weekends(view: ChartView, parts: Sequence[Bucket]) -> list[dict[str, Any]]:
    if view.granularity is not Granularity.DAY or len(parts) > MOST_DAYS_WITH_WEEKENDS:
        return []
    return [
        {
            "type": "rect", "layer": "below", "xref": "x", "yref": "paper",
            "x0": i - 0.5, "x1": i + 0.5, "y0": 0, "y1": 1,
            "fillcolor": WEEKEND, "line": {"width": 0},
        }
        for i, part in enumerate(parts)
        if part.period.start.weekday() >= 5
    ]  # fmt: skip


def _notes(view: ChartView, parts: Sequence[Bucket], tops: Sequence[int]) -> list[dict[str, Any]]:
    found = []
    for note in view.notes:
        for i, part in enumerate(parts):
            if note.day in part.period:
                is_late = i > len(parts) / 2
                found.append(
                    {
                        "x": i - 0.45 if is_late else i + 0.45, "y": tops[i] / MICROS_PER_UNIT,
                        "xanchor": "right" if is_late else "left", "yanchor": "top",
                        "text": note.text, "showarrow": False, "font": {"size": 12},
                    }
                )  # fmt: skip
    return found
