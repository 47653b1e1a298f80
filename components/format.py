"""How figures look to people: the one place where money, units, changes and dates become text.

Words are English; digit grouping, decimal sign and the place of the currency sign follow the
account's locale (CLDR, by Babel). Knows no component, reads no clock.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Literal

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.numbers import NumberPattern, parse_pattern

from billing.metrics import Metric
from billing.money import (
    MICRO_DECIMALS,
    currency_decimals,
    divide_half_up,
    round_to_decimals,
    split_rounding,
    to_decimal,
)
from billing.periods import Period, add_months, zone
from components.amount_text import AmountFrame, amount_frame

Tone = Literal["more", "less", "neutral"]

MINUS = "−"
NONE = "–"
SPACE = "\N{NO-BREAK SPACE}"
FALLBACK_LOCALE = "en_US"
LARGE_TENTHS = 10_000  # from 1,000 % on, tenths of a percent are noise
LARGEST_TENTHS = 99_990  # from 9,999 % on, only the direction says something
_CODE_BEFORE_DIGIT = re.compile(r"(?<=[A-Za-z])(?=\d)")


@dataclass(frozen=True, slots=True)
class Change:
    """A change as text with its sign, and whether it costs ``more`` or ``less``."""

    text: str
    tone: Tone


NO_CHANGE = Change(NONE, "neutral")


def money(micros: int, currency: str, locale: str) -> str:
    """An aggregate with exactly the currency's decimals, rounded half up: ``₹83,214.60``."""
    decimals = currency_decimals(currency)
    return _amount(round_to_decimals(micros, decimals), currency, locale, decimals, decimals)


def exact_money(micros: int, currency: str, locale: str) -> str:
    """One line or a rate: never fewer decimals than the currency's, up to six: ``$0.0065``."""
    return _amount(micros, currency, locale, currency_decimals(currency), MICRO_DECIMALS)


def whole_money(micros: int, currency: str, locale: str) -> str:
    """An amount of whole currency units, as on an axis: ``₹4,500``."""
    return _amount(round_to_decimals(micros, 0), currency, locale, 0, 0)


def money_rows(micros: Sequence[int], currency: str, locale: str) -> list[str]:
    """Each amount as ``money`` shows it, adjusted so that the rows sum to the shown total."""
    decimals = currency_decimals(currency)
    return [
        _amount(part, currency, locale, decimals, decimals)
        for part in split_rounding(micros, decimals)
    ]


def signed_money(micros: int, currency: str, locale: str) -> str:
    """An exact movement with its sign: ``+₹500.00``, ``−$0.0065``."""
    sign = "+" if micros > 0 else ""
    return f"{sign}{exact_money(micros, currency, locale)}"


def number(value: int | Decimal, locale: str, decimals: int = 0, *, least_decimals: int = 0) -> str:
    """A plain number with at most so many decimals, and at least so many: ``41,377``."""
    return _typographic(_pattern(locale, least_decimals, decimals).apply(value, _locale(locale)))


def units(base_units: int, metric: Metric, locale: str) -> str:
    """Billed units as people count them: seconds as ``41,377 min``, months as ``28 months``."""
    unit = metric.unit
    shown = Decimal(base_units) / unit.size
    text = number(shown, locale, 0 if shown == shown.to_integral_value() else 2)
    if base_units and abs(shown) < Decimal("0.005"):
        text = f"<{SPACE}{number(Decimal('0.01'), locale, 2)}"
    return f"{text}{SPACE}{unit.shown if shown == 1 else unit.shown_plural}"


def count(lines: int, metric: Metric, locale: str) -> str:
    """How many lines, with their noun: ``18,204 calls``."""
    singular, plural = metric.counted
    return f"{number(lines, locale)}{SPACE}{singular if lines == 1 else plural}"


def percent_change(now: int, before: int, locale: str) -> Change:
    """The change of a cost: ``+14.1 %``, ``−4.0 %``; from zero ``new``; nothing at all ``–``.

    A negative "before" has no meaningful percentage and shows ``–`` too.
    """
    if before == 0 and now > 0:
        return Change("new", "neutral")
    if before <= 0:
        return NO_CHANGE
    tenths = divide_half_up((now - before) * 1000, before)
    if tenths > LARGEST_TENTHS:
        return Change(f"over +{_tenths(LARGEST_TENTHS, locale)}", "more")
    tone: Tone = "neutral" if tenths == 0 else "more" if tenths > 0 else "less"
    return Change(f"{'+' if tenths > 0 else ''}{_tenths(tenths, locale)}", tone)


def share(part: int, whole: int, locale: str) -> str:
    """A part of a whole: ``37.3 %``; of nothing ``–``."""
    return _tenths(divide_half_up(part * 1000, whole), locale) if whole > 0 else NONE


def shares(parts: Sequence[int], locale: str) -> list[str]:
    """The share of each part in their sum, adjusted so that the shown shares sum to 100.0 %."""
    whole = sum(parts)
    if whole <= 0:
        return [NONE] * len(parts)
    # A thousand tenths of a percent, split by the same largest remainder as money.
    scale: int = 10**MICRO_DECIMALS
    tenths = split_rounding([part * 1000 * scale // whole for part in parts], 0)
    return [_tenths(tenth // scale, locale) for tenth in tenths]


def day(value: date) -> str:
    """A day with its weekday: ``Tue 17 Nov``."""
    return _date(value, "EEE d MMM")


def short_day(value: date) -> str:
    """A day without its weekday: ``17 Nov``."""
    return _date(value, "d MMM")


def long_day(value: date) -> str:
    """A day that could be of any year: ``Tue 17 Nov 2026``."""
    return _date(value, "EEE d MMM y")


def month(value: date) -> str:
    """A month with its year: ``Nov 2026``."""
    return _date(value, "MMM y")


def period_label(period: Period) -> str:
    """The days of a period, both ends included: ``1 – 22 Nov 2026``."""
    first, last = period.start, period.last_day
    if first == last:
        return long_day(first)
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day} – {short_day(last)} {last.year}"
    if first.year == last.year:
        return f"{short_day(first)} – {short_day(last)} {last.year}"
    return f"{short_day(first)} {first.year} – {short_day(last)} {last.year}"


def comparison_label(period: Period) -> str:
    """A period inside a sentence: ``October``, ``the first 22 days of October``, or its days."""
    if period.day_count == 1:
        return day(period.start)
    name = _date(period.start, "MMMM")
    if period.start.day == 1 and period.end == _month_after(period.start):
        return name
    if period.start.day == 1 and period.end < _month_after(period.start):
        return f"the first {period.day_count} days of {name}"
    return period_label(period)


def when_label(period: Period) -> str:
    """A period after a figure: ``in October``, ``on Sat 21 Nov``, ``over 9 – 15 Nov 2026``."""
    label = comparison_label(period)
    if period.day_count == 1:
        return f"on {label}"
    return f"{'over' if label == period_label(period) else 'in'} {label}"


def versus_label(period: Period) -> str:
    """A period as the head of a column of changes: ``vs October``, ``vs 1 – 7 Nov``."""
    if period.day_count == 1:
        return f"vs {short_day(period.start)}"
    if period.start.day == 1 and period.end <= _month_after(period.start):
        return f"vs {_date(period.start, 'MMMM')}"
    if period.start.year != period.last_day.year:
        return f"vs {period_label(period)}"
    return f"vs {period_label(period).rsplit(' ', 1)[0]}"


def clock_time(instant: datetime, zone_name: str, *, has_seconds: bool = True) -> str:
    """The local time with its zone: ``18:31:07 IST``; a zone without a name as ``UTC−03``."""
    local = instant.astimezone(zone(zone_name))
    name = local.tzname() or ""
    label = f"UTC{_typographic(name)}" if name[:1] in "+-" else name
    return f"{time_of_day(instant, zone_name, has_seconds=has_seconds)} {label}"


def time_of_day(instant: datetime, zone_name: str, *, has_seconds: bool = True) -> str:
    """The local time alone: ``18:31:07``."""
    local = instant.astimezone(zone(zone_name))
    return local.strftime("%H:%M:%S" if has_seconds else "%H:%M")


def local_day(instant: datetime, zone_name: str) -> date:
    """The local day of an instant."""
    return instant.astimezone(zone(zone_name)).date()


def last_valid_day(expires_at: datetime, zone_name: str) -> date:
    """The last day on which something that expires at an instant is good.

    What expires at midnight was last good the day before.
    """
    return local_day(expires_at - timedelta(microseconds=1), zone_name)


def duration(seconds: int) -> str:
    """A length of talk: ``48 s``, ``2 min 05 s``, ``1 h 02 min``."""
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return (
            f"{seconds // 60} min {seconds % 60:02d} s"
            if seconds % 60
            else (f"{seconds // 60} min")
        )
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"


def days_text(days: int, locale: str) -> str:
    """A number of days: ``1 day``, ``1,204 days``."""
    return f"{number(days, locale)} {'day' if days == 1 else 'days'}"


@lru_cache(maxsize=8_000)  # every page writes the same few hundred days, a chart each of them twice
def _date(value: date, pattern: str) -> str:
    return format_date(value, pattern, locale="en")


def _tenths(tenths: int, locale: str) -> str:
    decimals = 1 if abs(tenths) < LARGE_TENTHS else 0
    pattern = _pattern(locale, decimals, decimals)
    shown = divide_half_up(tenths, 10) if decimals == 0 else Decimal(tenths) / 10
    return f"{_typographic(pattern.apply(shown, _locale(locale)))}{SPACE}%"


@lru_cache(maxsize=20_000)  # a page writes the same amounts again and again, zero above all
def _amount(micros: int, currency: str, locale: str, least: int, most: int) -> str:
    frame = _frame(currency, locale, least) if least == most else None
    if frame:
        return frame.write(micros)
    return _babel_amount(micros, currency, locale, least, most)


def _babel_amount(micros: int, currency: str, locale: str, least: int, most: int) -> str:
    pattern = _currency_pattern(locale, least, most)
    text = pattern.apply(
        to_decimal(micros), _locale(locale), currency=currency, currency_digits=False
    )
    return _CODE_BEFORE_DIGIT.sub(SPACE, _typographic(text))


@lru_cache(maxsize=256)
def _frame(currency: str, locale: str, decimals: int) -> AmountFrame | None:
    return amount_frame(
        _currency_pattern(locale, decimals, decimals),
        _locale(locale),
        decimals,
        lambda micros: _babel_amount(micros, currency, locale, decimals, decimals),
    )


def _typographic(text: str) -> str:
    return text.replace("-", MINUS)


def _month_after(value: date) -> date:
    year, month_number = add_months(value.year, value.month, 1)
    return date(year, month_number, 1)


@lru_cache(maxsize=64)
def _locale(name: str) -> Locale:
    try:
        return Locale.parse(name)
    except (UnknownLocaleError, ValueError):
        return Locale.parse(FALLBACK_LOCALE)


@lru_cache(maxsize=256)
def _currency_pattern(locale: str, least: int, most: int) -> NumberPattern:
    # CLDR rounds some currencies further than ISO 4217 does; the ledger's decimals decide.
    pattern = copy.copy(_locale(locale).currency_formats["standard"])
    pattern.frac_prec = (least, most)
    return pattern


@lru_cache(maxsize=256)
def _pattern(locale: str, least: int, most: int) -> NumberPattern:
    pattern = copy.copy(parse_pattern(_locale(locale).decimal_formats[None]))
    pattern.frac_prec = (least, most)
    return pattern
