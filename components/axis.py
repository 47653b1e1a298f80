"""Round steps for an axis of money."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

from billing.money import MICRO_DECIMALS, MICROS_PER_UNIT, currency_decimals
from components import format as fmt

MOST_LINES = 5
HEADROOM_PERCENT = 5
TENTHS = (10, 15, 20, 25, 30, 40, 50, 75)  # round first digits, in tenths


@dataclass(frozen=True, slots=True)
class Axis:
    """Where lines are drawn and what they say. ``values``, ``bottom``, ``top``: currency units."""

    bottom: float
    top: float
    values: tuple[float, ...]
    labels: tuple[str, ...]


def money_axis(lowest: int, highest: int, currency: str, locale: str) -> Axis:
    """Round lines between both ends, at most five to a side; zero is always one of them.

    ``lowest`` ≤ 0 ≤ ``highest``, in micros. An empty chart reaches to one unit.
    """
    top = highest if highest > lowest else MICROS_PER_UNIT
    step = _round_step(max(top, -lowest), currency)
    marks = [n * step for n in range(-(-lowest // step), top // step + 1)]
    room = (top - lowest) * HEADROOM_PERCENT
    return Axis(
        bottom=(lowest - (room // 100 if lowest < 0 else 0)) / MICROS_PER_UNIT,
        top=(top + room // 100) / MICROS_PER_UNIT,
        values=tuple(mark / MICROS_PER_UNIT for mark in marks),
        labels=tuple(_label(mark, step, currency, locale) for mark in marks),
    )


def _round_step(reach: int, currency: str) -> int:
    """The smallest round step of which fewer than six reach far enough.

    Never below what the currency can write, so that no two lines say the same.
    """
    smallest: int = 10 ** (MICRO_DECIMALS - currency_decimals(currency))
    for exponent in count():
        for tenths in TENTHS:
            step: int = smallest * 10**exponent * tenths // 10
            if step % smallest == 0 and reach // step <= MOST_LINES:
                return step
    raise AssertionError("a large enough step always reaches")


def _label(micros: int, step: int, currency: str, locale: str) -> str:
    if micros == 0:
        return "0"
    if step % MICROS_PER_UNIT:
        return fmt.money(micros, currency, locale)
    return fmt.whole_money(micros, currency, locale)
