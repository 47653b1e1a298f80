"""Writes amounts of a fixed number of decimals, as Babel writes them, in a thirtieth of its time.

What of an amount doesn't depend on its digits, Babel says once for each currency and locale. A
year by day has two thousand amounts, most of them new to the process whenever usage goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from babel import Locale
from babel.numbers import NumberPattern, get_decimal_symbol, get_group_symbol

from billing.money import MICRO_DECIMALS


@dataclass(frozen=True, slots=True)
class AmountFrame:
    """What stands around the digits. ``before`` and ``after``: of zero and more, of less."""

    before: tuple[str, str]
    after: tuple[str, str]
    point: str
    group: str
    groups: tuple[int, int]
    decimals: int

    def write(self, micros: int) -> str:
        """An amount; ``micros`` has no more decimals than the frame."""
        is_negative = micros < 0
        steps = abs(micros) // 10 ** (MICRO_DECIMALS - self.decimals)
        whole, rest = divmod(steps, 10**self.decimals)
        fraction = f"{self.point}{rest:0{self.decimals}d}" if self.decimals else ""
        return (
            f"{self.before[is_negative]}{self._grouped(whole)}{fraction}{self.after[is_negative]}"
        )

    def _grouped(self, whole: int) -> str:
        if self.groups == (3, 3):
            return f"{whole:,}".replace(",", self.group)
        left, size = str(whole), self.groups[0]
        grouped = ""
        while len(left) > size:
            grouped = self.group + left[-size:] + grouped
            left, size = left[:-size], self.groups[1]
        return left + grouped


def amount_frame(
    pattern: NumberPattern, locale: Locale, decimals: int, written: Callable[[int], str]
) -> AmountFrame | None:
    """What ``written``, which asks Babel, puts around every amount; none for unusual patterns.

    ``written`` takes micros and writes them with ``decimals``.
    """
    point, group = get_decimal_symbol(locale), get_group_symbol(locale)
    one = 10**MICRO_DECIMALS
    digits = f"1{point}{'0' * decimals}" if decimals else "1"
    around = [written(micros).split(digits) for micros in (one, -one)]
    if pattern.scale or pattern.exp_prec or any(len(parts) != 2 for parts in around):
        return None
    (before, after), (less_before, less_after) = around
    return AmountFrame(
        (before, less_before), (after, less_after), point, group, pattern.grouping, decimals
    )
