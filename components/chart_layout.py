"""Axes, names of bars, weekend shades and notes: all of a chart but its bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from billing.money import MICROS_PER_UNIT
from billing.queries import Granularity
from components import format as fmt
from components.axis import Axis, money_axis
from components.buckets import Bucket
from components.chart_view import FONT, INK, MUTED, SURFACE, WEEKEND, ChartView

MOST_DAYS_WITH_WEEKENDS = 62
MOST_OUTLINED = 62
MOST_NAMED_DAYS = 92
SLIM_FROM = 20
MOST_TICKS = 8
# Widths of what an axis says, in pixels at its size of 11.5: the browser would measure them itself,
# but only after it has drawn everything, which it then draws again.
FIGURE_PIXELS, POINT_PIXELS = 7.5, 3.5
STANDOFF_PIXELS = 6


def layout(
    view: ChartView, parts: Sequence[Bucket], totals: Sequence[int], tops: Sequence[int]
) -> dict[str, Any]:
    """Axes, margins, weekend shades and notes around the bars.

    ``totals`` and ``tops``: per bar, in micros, all of it and what stands above zero.
    """
    axis = money_axis(min(*totals, 0), max(*tops, 0), view.currency, view.locale)
    return {
        **frame(axis, len(parts), _ticks(view, parts)),
        "shapes": _weekends(view, parts),
        "annotations": _notes(view, parts, tops),
    }


def frame(axis: Axis, bar_count: int, ticks: dict[str, Any]) -> dict[str, Any]:
    """Margins, axes and hover of a chart of so many bars; ``ticks``: what stands below them."""
    return {
        "barmode": "relative",
        "bargap": _gap(bar_count),
        "barcornerradius": 0 if is_dense(bar_count) else 2,
        "showlegend": False,
        "paper_bgcolor": "rgba(0, 0, 0, 0)",
        "plot_bgcolor": "rgba(0, 0, 0, 0)",
        "margin": {
            "l": _room(axis.labels),
            "r": 10 if bar_count <= SLIM_FROM else 24,
            "t": 8,
            "b": 27,
        },
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
            "range": [-0.5, bar_count - 0.5],
            "fixedrange": True,
            "showgrid": False,
            "zeroline": False,
            "automargin": False,
            **ticks,
        },
        "yaxis": {
            "range": [axis.bottom, axis.top],
            "tickvals": list(axis.values),
            "ticktext": list(axis.labels),
            "fixedrange": True,
            "zeroline": False,
            "automargin": False,
            "ticklabelstandoff": STANDOFF_PIXELS,
        },
    }


def _room(labels: Sequence[str]) -> int:
    """Pixels for the longest of an axis's labels and what keeps it off the bars."""
    widths = (
        sum(POINT_PIXELS if character in ".,  ’" else FIGURE_PIXELS for character in label)
        for label in labels
    )
    return round(max(widths) + STANDOFF_PIXELS + 4)


def is_dense(bar_count: int) -> bool:
    """Whether bars are so thin that outlines and gaps would hide them."""
    return bar_count > MOST_OUTLINED


def _gap(bar_count: int) -> float:
    """The space between bars: few of them stay slim, very many touch."""
    if is_dense(bar_count):
        return 0.15 if bar_count <= 2 * MOST_OUTLINED else 0
    return 0.3 if bar_count >= 10 else 0.45 if bar_count >= 5 else 0.62 if bar_count >= 2 else 0.84


def _ticks(view: ChartView, parts: Sequence[Bucket]) -> dict[str, Any]:
    """At most eight names: months when the range is long, else counted back from the last bar."""
    is_long = view.granularity is not Granularity.MONTH and view.period.day_count > MOST_NAMED_DAYS
    return named_ticks(*(_months(parts) if is_long else last_ones(parts)))


def named_ticks(positions: Sequence[int], names: Sequence[str]) -> dict[str, Any]:
    """Names below some of the bars."""
    return {
        "tickvals": list(positions),
        "ticktext": list(names),
        "tickangle": 0,
        "ticklen": 0,
        "ticklabelstandoff": 5,
        "ticklabeloverflow": "allow",
    }


def last_ones(parts: Sequence[Bucket]) -> tuple[list[int], list[str]]:
    """Counted back from the last bar, so that today is always named."""
    every = -(-len(parts) // MOST_TICKS)
    positions = list(range(len(parts) - 1, -1, -every))[::-1]
    return positions, [parts[i].tick for i in positions]


def _months(parts: Sequence[Bucket]) -> tuple[list[int], list[str]]:
    """The first bar of each month, or of every second, third … month."""
    firsts = [
        i
        for i, part in enumerate(parts)
        if i and part.period.start.month != parts[i - 1].period.start.month
    ]
    positions = firsts[:: -(-len(firsts) // MOST_TICKS) or 1]
    return positions, [fmt.month(parts[i].period.start) for i in positions]


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
