"""Amounts as people type them, grouped the way their account's locale writes numbers.

The Balance page and the form that it posts read through this one function, so that what was
confirmed is what moves. Must not know what an amount is for.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from babel.numbers import NumberFormatError, format_decimal, parse_decimal

from billing.accounts import Account
from billing.errors import InputError
from billing.money import LONGEST_AMOUNT_TEXT, currency_decimals

FALLBACK_LOCALE = "en_US"
FIELD = "amount"
_SIGNS = "+-"
_PLAIN = re.compile(r"[+-]?[0-9]*\.?[0-9]+")
# One separator before exactly three digits: a thousand to some, a fraction to others.
_THOUSAND_OR_PART = re.compile(r"(?P<sign>[+-]?)(?P<whole>[1-9][0-9]{0,2})[.,](?P<rest>[0-9]{3})")


def plain_amount(text: str, account: Account) -> str:
    """The amount as ``billing.money.parse_amount`` takes it, of what somebody typed.

    Groups as the locale writes them ("1,00,000" in India, "1.000,50" in Germany); a plain number
    with a point ("1250.50") is always taken. Errors: ``InputError`` for what is grouped otherwise
    or could be read in two ways.
    """
    locale = _locale(account.locale)
    typed = _with_signs_of(locale, text.strip()) if len(text) <= LONGEST_AMOUNT_TEXT else ""
    if not any(letter in "0123456789" for letter in typed) or not _has_only_signs(typed, locale):
        raise InputError(FIELD, text, f"use a number such as {_written('1250.50', locale)}")
    group, decimal = locale.number_symbols["latn"]["group"], _decimal_sign(locale)
    unsure = _THOUSAND_OR_PART.fullmatch(typed)
    is_thousand = unsure is not None and typed[len(unsure["sign"] + unsure["whole"])] == group
    has_three_decimals = currency_decimals(account.currency) == 3 and decimal in typed
    if unsure and not is_thousand and not has_three_decimals:
        raise InputError(FIELD, text, _either(unsure["whole"], unsure["rest"], locale))
    try:
        return format(parse_decimal(typed, locale=locale, strict=True), "f")
    except (NumberFormatError, InvalidOperation):
        if _PLAIN.fullmatch(typed):  # a point that groups nothing: one way to read it
            return typed
        raise InputError(FIELD, text, _instead(typed, locale)) from None


def _with_signs_of(locale: Locale, text: str) -> str:
    """What keyboards have instead of a locale's own signs: spaces, apostrophe, minus."""
    group = locale.number_symbols["latn"]["group"]
    if group.isspace():
        text = re.sub(r"(?<=[0-9])\s(?=[0-9])", group, text)
    elif group == "’":
        text = text.replace("'", group)
    return text.replace("−", "-")


def _has_only_signs(text: str, locale: Locale) -> bool:
    allowed = set("0123456789.," + _SIGNS + locale.number_symbols["latn"]["group"])
    return set(text) <= allowed


def _either(whole: str, rest: str, locale: Locale) -> str:
    """Both readings, each written so that there is one way to read it."""
    thousands = _written(whole + rest, locale)
    part = f"{whole}.{rest[:2]}" if rest.endswith("0") else f"{whole}.{rest}0"
    return f"this can be read in two ways: write {thousands} or {_written(part, locale)}"


def _instead(typed: str, locale: Locale) -> str:
    """How it is written here; the number itself only where just its groups are another country's.

    Babel's own suggestions would turn ``1250,50`` into ``125,050``.
    """
    symbols = locale.number_symbols["latn"]
    group, decimal = re.escape(symbols["group"]), re.escape(symbols["decimal"])
    grouped = rf"[0-9]{{1,3}}({group}[0-9]{{2,3}})*{group}[0-9]{{3}}({decimal}[0-9]+)?"
    if re.fullmatch(grouped, typed):
        plain = typed.replace(symbols["group"], "").replace(symbols["decimal"], ".")
        return f"write {_written(plain, locale)}, or leave the grouping out"
    example = _written("1234567.50", locale)
    return f"write it as numbers are written here, such as {example}, or without grouping"


def _written(plain: str, locale: Locale) -> str:
    """A number grouped as the locale does it, with the decimals it is given with."""
    decimals = len(plain.partition(".")[2])
    pattern = "#,##0" + ("." + "0" * decimals if decimals else "")
    if locale.decimal_formats[None].pattern.startswith("#,##,"):
        pattern = f"#,##,{pattern[2:]}"
    return format_decimal(Decimal(plain), pattern, locale=locale, numbering_system="latn")


def _decimal_sign(locale: Locale) -> str:
    return str(locale.number_symbols["latn"]["decimal"])


@lru_cache(maxsize=64)
def _locale(name: str) -> Locale:
    try:
        return Locale.parse(name)
    except (UnknownLocaleError, ValueError):
        return Locale.parse(FALLBACK_LOCALE)
