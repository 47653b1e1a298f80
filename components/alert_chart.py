"""What an alert would have done over the last 90 days: its figure, its threshold, when it fired.

A figure that runs up within its span is drawn as bars, a balance as a line. The same as text in
the table behind. Heights are the only floats.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import dcc

from billing.alert_standing import AlertBacktest, BacktestDay
from billing.alerts import AlertKind, AlertRule, Measure, Span
from billing.metrics import METRIC_BY_ID
from billing.money import MICROS_PER_UNIT
from billing.queries import Granularity
from components import format as fmt
from components import html
from components.alert_words import figure_text
from components.axis import Axis, count_axis, money_axis
from components.buckets import buckets
from components.chart_layout import frame, last_ones, named_ticks
from components.chart_view import INK, MUTED, SOON
from components.limit_words import Telling
from components.links import attributes

CHART = "alert-backtest"
TITLE = "Backtest"
MOST_LISTED = 6
LEAST_DAYS_DRAWN, TIMES_THRESHOLD_DRAWN = 60, 5
HIGHEST_DRAWN = 2**63


def backtest(tried: AlertBacktest, telling: Telling) -> html.Section:
    """The last 90 days on a chart, one sentence over it, the table behind it."""
    text = backtest_text(tried, telling)
    has_figures = any(each.value is not None for each in tried.days)
    return html.Section(
        [
            html.Div([html.H3(TITLE), _legend(tried) if has_figures else None],
                     className="chart-head"),
            html.P(text),
            _drawing(tried, telling, text) if has_figures else None,
            _table(tried, telling) if has_figures else None,
        ],
        className="backtest alert-backtest",
    )  # fmt: skip


def backtest_text(tried: AlertBacktest, telling: Telling) -> str:
    """``Over the last 90 days it would have fired twice: 4 Oct, 12 Nov.``, or why not."""
    days = fmt.days_text(tried.period.day_count, telling.locale)
    over = f"Over the last {days} ({fmt.period_label(tried.period)})"
    if all(each.value is None for each in tried.days):
        return f"{over} there was nothing to watch."
    if all(each.threshold is None for each in tried.days):
        return f"{over} there was no average of monthly usage to compare with yet."
    if not tried.fired_on:
        return f"{over} it would never have fired."
    count = len(tried.fired_on)
    times = {1: "once", 2: "twice"}.get(count, f"{fmt.number(count, telling.locale)} times")
    listed = ", ".join(fmt.short_day(day) for day in tried.fired_on[-MOST_LISTED:])
    which = listed if count <= MOST_LISTED else f"the latest {listed}"
    return f"{over} it would have fired {times}: {which}."


def _legend(tried: AlertBacktest) -> html.Ul:
    is_bars = tried.rule.kind is AlertKind.USAGE
    names = [
        ("bar" if is_bars else "line", _column(tried.rule)), ("bound", "Threshold"),
        ("bar key-fired" if is_bars else "dot key-fired", "Would have fired"),
    ]  # fmt: skip
    return html.Ul(
        [html.Li([html.Span(className=f"key key-{kind}"), name]) for kind, name in names],
        className="legend",
        **attributes(aria_hidden="true"),
    )


def _column(rule: AlertRule) -> str:
    if rule.kind is AlertKind.LOW_BALANCE:
        return "Lowest balance"
    if rule.kind is AlertKind.DAYS_LEFT:
        return "Days left"
    what = "Cost" if rule.measure is Measure.COST else "Used"
    return what if rule.span is Span.DAY else f"{what} so far"


def _drawing(tried: AlertBacktest, telling: Telling, text: str) -> html.Div:
    return html.Div(
        dcc.Graph(
            id=CHART,
            figure=_figure(tried, telling),
            config={"displayModeBar": False, "doubleClick": False, "showTips": False},
            responsive=True,
            className="chart-graph",
        ),
        className="chart-box",
        role="img",
        **attributes(aria_label=text),
    )


def _figure(tried: AlertBacktest, telling: Telling) -> dict[str, Any]:
    days, size = tried.days, _unit_size(tried.rule)
    fired = set(tried.fired_on)
    figures = [
        None if value is None else min(value, _highest(tried)) / size
        for value in (each.value for each in days)
    ]
    bounds = [None if each.threshold is None else each.threshold / size for each in days]
    places = list(range(len(days)))
    marks = [place for place in places if days[place].day in fired]
    speaker = {
        "type": "scatter", "mode": "markers", "x": places,
        "y": [figure if figure is not None else 0 for figure in figures],
        "marker": {"size": 1, "opacity": 0},
        "text": [_spoken(each, tried, telling, is_fired=each.day in fired) for each in days],
        "hovertemplate": "%{text}<extra></extra>",
    }  # fmt: skip
    threshold = {
        "type": "scatter", "mode": "lines", "x": places, "y": bounds, "hoverinfo": "skip",
        "line": {"color": INK, "width": 1.5, "dash": "dash", "shape": "hv"},
    }  # fmt: skip
    course = _course(tried.rule, figures)
    if tried.rule.kind is AlertKind.USAGE:  # the bars themselves say it
        course["marker"]["color"] = [SOON if each.day in fired else MUTED for each in days]
        marks = []
    dots = {
        "type": "scatter", "mode": "markers", "x": marks, "hoverinfo": "skip",
        "y": [figures[place] for place in marks],
        "marker": {"color": SOON, "size": 9, "line": {"width": 0}},
    }  # fmt: skip
    parts = buckets(tried.period, Granularity.DAY, tried.period.last_day)
    layout = frame(_axis(tried, telling), len(days), named_ticks(*last_ones(parts)))
    return {"data": [course, threshold, dots, speaker], "layout": layout}


def _course(rule: AlertRule, figures: Sequence[float | None]) -> dict[str, Any]:
    places = list(range(len(figures)))
    if rule.kind is AlertKind.USAGE:
        return {"type": "bar", "x": places, "y": list(figures), "hoverinfo": "skip",
                "marker": {"color": MUTED, "line": {"width": 0}}}  # fmt: skip
    return {"type": "scatter", "mode": "lines", "x": places, "y": list(figures),
            "hoverinfo": "skip", "line": {"color": MUTED, "width": 2, "shape": "hv"}}  # fmt: skip


def _axis(tried: AlertBacktest, telling: Telling) -> Axis:
    found = [
        figure for each in tried.days for figure in (each.value, each.threshold)
        if figure is not None
    ]  # fmt: skip
    lowest, highest = min(*found, 0), min(max(*found, 0), _highest(tried))
    if tried.rule.kind is not AlertKind.DAYS_LEFT and tried.rule.measure is Measure.COST:
        return money_axis(lowest, highest, telling.currency, telling.locale)
    return count_axis(highest, _unit_size(tried.rule), telling.locale)


def _highest(tried: AlertBacktest) -> int:
    """Up to where it is drawn: ten years of balance left would flatten all that matters."""
    bounds = [each.threshold for each in tried.days if each.threshold is not None]
    if tried.rule.kind is AlertKind.DAYS_LEFT:
        return max(LEAST_DAYS_DRAWN, TIMES_THRESHOLD_DRAWN * max(bounds, default=0))
    return HIGHEST_DRAWN


def _unit_size(rule: AlertRule) -> int:
    """How many of what a figure counts make one on the axis."""
    if rule.kind is AlertKind.DAYS_LEFT:
        return 1
    if rule.measure is Measure.COST:
        return MICROS_PER_UNIT
    return METRIC_BY_ID[rule.scope.id].unit.size


def _spoken(each: BacktestDay, tried: AlertBacktest, telling: Telling, *, is_fired: bool) -> str:
    rule = tried.rule
    lines = [f"<b>{fmt.day(each.day)}: {figure_text(rule, each.value, telling)}</b>"]
    if each.threshold is not None:
        lines.append(f"Threshold {figure_text(rule, each.threshold, telling)}")
    if is_fired:
        lines.append("Would have fired")
    return "<br>".join(lines)


def _table(tried: AlertBacktest, telling: Telling) -> html.Details:
    fired = set(tried.fired_on)
    heads = ("When", _column(tried.rule), "Threshold", "Would have fired")
    rows = [
        html.Tr(
            [
                html.Th(fmt.day(each.day), scope="row"),
                html.Td(figure_text(tried.rule, each.value, telling), className="n"),
                html.Td(figure_text(tried.rule, each.threshold, telling), className="n"),
                html.Td("Yes" if each.day in fired else fmt.NONE),
            ]
        )
        for each in reversed(tried.days)
    ]
    table = html.Table(
        [
            html.Caption(f"{TITLE}, newest first", className="visually-hidden"),
            html.Thead(
                html.Tr(
                    [
                        html.Th(name, scope="col", className="n" if 0 < place < 3 else None)
                        for place, name in enumerate(heads)
                    ]
                )
            ),
            html.Tbody(rows),
        ],
        className="data-table data-table-small",
    )
    scroller = html.Div(
        table, className="scroll-x", tabIndex=0, role="region",
        **attributes(aria_label=f"{TITLE}, table"),
    )  # fmt: skip
    return html.Details([html.Summary("Show as table"), scroller], className="behind")
