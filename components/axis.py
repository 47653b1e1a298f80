"""Round steps for an axis of money, or of other things that are counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from billing.money import MICRO_DECIMALS, MICROS_PER_UNIT, currency_decimals
from components import format as fmt

MOST_LINES = 5
HEADROOM_PERCENT = 5
TENTHS = (10, 15, 20, 25, 30, 40, 50, 75)  # round first digits, in tenths


@dataclass(frozen=True, slots=True)
class Axis:
    """Where lines are drawn and what they say.

    ``values``, ``bottom``, ``top``: currency units, or the units that are counted.
    """

    bottom: float
    top: float
    values: tuple[float, ...]
    labels: tuple[str, ...]


def money_axis(lowest: int, highest: int, currency: str, locale: str) -> Axis:
    """Round lines between both ends, at most five to a side; zero is always one of them.

    ``lowest`` ≤ 0 ≤ ``highest``, in micros. An empty chart reaches to one unit.
    """
    smallest: int = 10 ** (MICRO_DECIMALS - currency_decimals(currency))
    return _axis(
        lowest, highest, MICROS_PER_UNIT, smallest,
        lambda mark, step: _label(mark, step, currency, locale),
    )  # fmt: skip


def count_axis(highest: int, unit_size: int, locale: str) -> Axis:
    """Round lines from zero up, of what is counted in whole units of ``unit_size`` base units."""
    return _axis(
        0, highest, unit_size, unit_size,
        lambda mark, _: fmt.number(mark // unit_size, locale),
    )  # fmt: skip


def _axis(
    lowest: int, highest: int, unit_size: int, smallest: int, label: Callable[[int, int], str]
) -> Axis:
    top = highest if highest > lowest else unit_size
    step = _round_step(max(top, -lowest), smallest)
    marks = [n * step for n in range(-(-lowest // step), top // step + 1)]
    room = (top - lowest) * HEADROOM_PERCENT
    return Axis(
        bottom=(lowest - (room // 100 if lowest < 0 else 0)) / unit_size,
        top=(top + room // 100) / unit_size,
        values=tuple(mark / unit_size for mark in marks),
        labels=tuple(label(mark, step) for mark in marks),
    )


def _round_step(reach: int, smallest: int) -> int:
    """The smallest round step of which fewer than six reach far enough.

    Never below ``smallest``, what can be written, so that no two lines say the same.
    """
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
