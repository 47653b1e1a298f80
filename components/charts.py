"""Bar charts of cost over time, and the table behind each.

A figure is drawn in the light palette; assets/60-charts.css maps every colour to the theme's own,
so that a change of theme needs neither server nor redraw. Heights of bars are the only floats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dash import dcc

from billing.metrics import Service
from billing.money import MICROS_PER_UNIT
from billing.queries import Granularity
from components import format as fmt
from components import html
from components.buckets import Bucket, buckets, pivot
from components.chart_layout import is_dense, layout
from components.chart_table import TableHead, table_behind
from components.chart_view import MUTED, SERVICE_COLOURS, SURFACE, ChartView, Note
from components.links import attributes
from components.split import legend, split

__all__ = ["SERVICE_COLOURS", "ChartView", "Note", "daily_chart", "timeline"]

Costs = dict[str, list[int]]  # micros by name, one figure a bar

UNFINISHED = 0.5
CONTEXT = 0.35
TITLES = {
    Granularity.DAY: "Daily cost",
    Granularity.WEEK: "Weekly cost",
    Granularity.MONTH: "Monthly cost",
}


def daily_chart(view: ChartView, title: str | None = None) -> html.Section:
    """Cost by day, week or month, stacked by service in reading order."""
    names = [str(service) for service in Service]
    return _chart(view, names, title or _title(view))


def timeline(view: ChartView, service: str, title: str | None = None) -> html.Section:
    """The course of one metric in its service's colour; every row of the view is of it.

    A cut that leaves a single bar has no course: its days are drawn instead.
    """
    if len(buckets(view.period, view.granularity, view.today)) == 1:
        view = replace(view, granularity=Granularity.DAY)
    return _chart(view, [service], title or _title(view))


def _title(view: ChartView) -> str:
    title = TITLES[view.granularity]
    if view.focus is None:
        return title
    days = fmt.days_text(view.period.day_count, view.locale)
    return f"{title}, {days} to {fmt.short_day(view.period.last_day)}"


def _chart(view: ChartView, names: list[str], title: str) -> html.Section:
    parts = buckets(view.period, view.granularity, view.today)
    table = pivot(view.rows, parts, names)
    shown = [name for name in names if any(table[name])] or names[:1]
    drawn = {name: table[name] for name in shown}
    summary = _summary(view, parts, drawn, title)
    by_day = dict(view.day_hrefs)
    hrefs = [by_day.get(part.period.start) for part in parts]
    heading = TableHead(title, view.currency, view.locale)
    beside: Any = legend(shown) if len(names) > 1 else None
    if not any(map(any, drawn.values())):
        beside, drawing = None, _nothing(summary)
    elif len(parts) == 1 and len(names) > 1 and min(map(min, drawn.values())) >= 0:
        costs = [column[0] for column in drawn.values()]
        ending = " so far" if view.today in parts[0].period else ""
        beside = html.P(f"{parts[0].label}{ending}")
        drawing = split(view, shown, costs, summary)
    else:
        drawing = _drawing(view, parts, drawn, summary)
    return html.Section(
        [
            html.Div([html.H2(title), beside], className="chart-head"),
            drawing,
            _spoken_notes(view.notes),
            table_behind(drawn, [part.label for part in parts], hrefs, heading),
        ],
        className="card chart",
    )


def _nothing(summary: str) -> html.Div:
    """In place of bars that all are zero."""
    return html.Div(
        html.P("Nothing was spent on these days."),
        className="chart-box is-empty",
        role="img",
        **attributes(aria_label=summary),
    )


def _drawing(view: ChartView, parts: Sequence[Bucket], table: Costs, summary: str) -> html.Div:
    return html.Div(
        dcc.Graph(
            id=view.element_id,
            figure=_figure(view, parts, table),
            config={"displayModeBar": False, "doubleClick": False, "showTips": False},
            responsive=True,
            className="chart-graph",
        ),
        className="chart-box",
        role="img",
        **attributes(aria_label=summary),
    )


def _summary(view: ChartView, parts: Sequence[Bucket], table: Costs, title: str) -> str:
    totals = [sum(costs) for costs in _stacks(table)]
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


def _figure(view: ChartView, parts: Sequence[Bucket], table: Costs) -> dict[str, Any]:
    positions = list(range(len(parts)))
    opacity = [_opacity(view, part) for part in parts]
    outline = 0 if is_dense(len(parts)) else 1
    stacks = _stacks(table)
    totals = [sum(costs) for costs in stacks]
    stack_tops = [sum(cost for cost in costs if cost > 0) for costs in stacks]
    bars = [
        {
            "type": "bar",
            "name": name,
            "x": positions,
            "y": [micros / MICROS_PER_UNIT for micros in column],
            "marker": {
                "color": SERVICE_COLOURS.get(name, MUTED),
                "opacity": opacity,
                "line": {"width": outline, "color": SURFACE},
            },
            "hoverinfo": "skip",
        }
        for name, column in table.items()
    ]
    # One invisible point over each stack speaks for the whole stack.
    speaker = {
        "type": "scatter",
        "mode": "markers",
        "x": positions,
        "y": [top / MICROS_PER_UNIT for top in stack_tops],
        "marker": {"size": 1, "opacity": 0},
        "text": [
            _sentence(view, part, list(zip(table, costs, strict=True)))
            for part, costs in zip(parts, stacks, strict=True)
        ],
        "hovertemplate": "%{text}<extra></extra>",
    }
    return {"data": [*bars, speaker], "layout": layout(view, parts, totals, stack_tops)}


def _opacity(view: ChartView, part: Bucket) -> float:
    """What is unfinished is lighter; where one day is meant, all the others are."""
    if view.focus is not None:
        return 1 if part.period.start in view.focus else CONTEXT
    return UNFINISHED if view.today in part.period else 1


def _stacks(table: Costs) -> list[tuple[int, ...]]:
    """What each bar is made of, by name in the table's order."""
    return list(zip(*table.values(), strict=True))


def _sentence(view: ChartView, part: Bucket, costs: Sequence[tuple[str, int]]) -> str:
    """``Tue 17 Nov: ₹5,968.10`` and one line per service that cost something."""
    used = [(name, micros) for name, micros in costs if micros]
    rows = fmt.money_rows([micros for _, micros in used], view.currency, view.locale)
    ending = " so far" if view.today in part.period else ""
    head = f"<b>{part.label}: {view.money(sum(micros for _, micros in used))}</b>{ending}"
    if len(used) < 2:
        return head
    return "<br>".join(
        [head, *(f"{name} {text}" for (name, _), text in zip(used, rows, strict=True))]
    )
