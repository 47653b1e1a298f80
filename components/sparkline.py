"""A tiny line of a period, drawn as a mask so that it takes the colour of its text."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from components import html
from components.links import attributes

WIDTH = 88
HEIGHT = 22
MARGIN = 2.5
MOST_POINTS = 62


def sparkline(values: Sequence[int]) -> html.Span:
    """The course of some values, oldest first; decorative, the table says the figures."""
    mask = f'url("data:image/svg+xml,{quote(svg(values), safe="")}")'
    return html.Span(
        className="spark",
        style={"maskImage": mask, "WebkitMaskImage": mask},
        **attributes(aria_hidden="true"),
    )


def svg(values: Sequence[int]) -> str:
    """The picture: line, faint area below, and a dot on the last value."""
    points = _points(values)
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    first, last = points[0], points[-1]
    floor = HEIGHT - 0.5
    is_flat = len({y for _, y in points}) == 1  # a filled box would look like a lot
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'preserveAspectRatio="none">'
        f'<polygon fill-opacity="{0 if is_flat else 0.14}" '
        f'points="{first[0]:.1f},{floor} {line} {last[0]:.1f},{floor}"/>'
        f'<polyline fill="none" stroke="#000" stroke-opacity=".7" stroke-width="1.4" '
        f'stroke-linejoin="round" points="{line}"/>'
        f'<circle cx="{last[0]:.1f}" cy="{last[1]:.1f}" r="2"/></svg>'
    )


def _points(values: Sequence[int]) -> list[tuple[float, float]]:
    known = _thinned(values) or [0]
    if len(known) == 1:
        known *= 2
    top, bottom = max(*known, 0) or 1, min(*known, 0)
    span = (top - bottom) or 1
    across = (WIDTH - 2 * MARGIN) / (len(known) - 1)
    down = HEIGHT - 2 * MARGIN
    # Nothing used is a line along the bottom, not a line through the middle.
    return [
        (MARGIN + i * across, MARGIN + down * (top - value) / span) for i, value in enumerate(known)
    ]


def _thinned(values: Sequence[int]) -> list[int]:
    """Means of neighbours, where there are more values than the line has room for."""
    size = -(-len(values) // MOST_POINTS) or 1
    groups = [values[i : i + size] for i in range(0, len(values), size)]
    return [sum(group) // len(group) for group in groups]
