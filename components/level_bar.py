"""A figure beside its threshold: how far it is from where it becomes alarming."""

from __future__ import annotations

from components import html
from components.links import attributes

FULL = 1_000  # thousandths of the bar


def level_bar(
    value: int, threshold: int, label: str, *, is_falling: bool, is_alarm: bool
) -> html.Div:
    """A bar of the figure with a tick at the threshold; ``label`` says the same in words.

    ``value`` and ``threshold`` are of one unit. The side that alarms is shaded: below the tick
    where a small figure is alarming, above it otherwise.
    """
    top = max(value, threshold * 2 if is_falling else threshold + threshold // 4, 1)
    tick, fill = _thousandths(threshold, top), _thousandths(value, top)
    zone = {"left": "0", "width": _percent(tick)}
    if not is_falling:
        zone = {"left": _percent(tick), "width": _percent(FULL - tick)}
    return html.Div(
        [
            html.Span(className="level-zone", style=zone),
            html.Span(className="level-fill", style={"width": _percent(fill)}),
            html.Span(className="level-tick", style={"left": _percent(tick)}),
        ],
        className=f"level-bar{' is-alarm' if is_alarm else ''}",
        role="img",
        **attributes(aria_label=label),
    )


def _thousandths(value: int, top: int) -> int:
    return 0 if value <= 0 else min(FULL, max(1, value * FULL // top))


def _percent(thousandths: int) -> str:
    return f"{thousandths // 10}.{thousandths % 10}%"
