"""The gauge of a limit: what was spent, what open holds reserve, and what is left."""

from __future__ import annotations

from components import html
from components.links import attributes

FULL, SOON_FROM = 1_000, 800  # thousandths of the limit


def gauge_bar(spent_micros: int, reserved_micros: int, ceiling_micros: int, label: str) -> html.Div:
    """A bar over a limit: spent, then reserved; ``label`` says the same in words.

    Amber from 80 % on, and all of it when it is full. Something is always a visible part.
    """
    spent = _thousandths(spent_micros, ceiling_micros)
    reserved = min(FULL - spent, _thousandths(reserved_micros, ceiling_micros))
    if spent >= FULL:
        tone = " gauge-full"
    else:
        tone = " gauge-soon" if spent + reserved >= SOON_FROM else ""
    return html.Div(
        [_part("gauge-spent", spent), _part("gauge-reserved", reserved)],
        className=f"gauge{tone}",
        role="img",
        **attributes(aria_label=label),
    )


def _part(name: str, thousandths: int) -> html.Span:
    return html.Span(className=name, style={"width": f"{thousandths // 10}.{thousandths % 10}%"})


def _thousandths(micros: int, whole: int) -> int:
    if micros <= 0:
        return 0 if whole > 0 else FULL
    return min(FULL, max(1, micros * FULL // whole)) if whole > 0 else FULL
