"""The values of a price list: prices, increments, prefixes, each refused by name when wrong."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from billing.errors import InputError
from billing.money import MICROS_PER_UNIT

SECONDS_PER_MINUTE, SECONDS_PER_HOUR = 60, 3600
HIGHEST_PRICE = 1_000_000
LARGEST_SIZE = 2**31 - 1
LARGEST_PRICE = 10**12  # its micros fit into 63 bits
LONGEST_PRICE = 40
LONGEST_PREFIX = 15
INCREMENT_FIX = "use minimum/increment in seconds such as 60/60, 30/6 or 1/1, up to 3600"


class Increment(NamedTuple):
    """Seconds billed at least, and in steps of how many after that."""

    minimum: int
    increment: int


def parse_increment(text: str) -> Increment:
    """``"60/60"`` as seconds."""
    minimum, slash, step = text.strip().partition("/")
    if not slash:
        raise InputError("increment", text, INCREMENT_FIX)
    return Increment(
        check_seconds(minimum, "increment", text), check_seconds(step, "increment", text)
    )


def check_seconds(text: str, field: str, shown: str | None = None) -> int:
    """Seconds of a minimum or an increment."""
    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= SECONDS_PER_HOUR:
        return int(text)
    raise InputError(field, text if shown is None else shown, INCREMENT_FIX)


def exact_price(text: str, field: str, size: int) -> tuple[int, int]:
    """(micros, base units they pay for): exact, so more than six decimals scale both."""
    price = check_price(text, field)
    while price * MICROS_PER_UNIT != (price * MICROS_PER_UNIT).to_integral_value():
        price, size = price * 10, size * 10
        if size > LARGEST_SIZE or price > LARGEST_PRICE:
            raise InputError(field, text, "use fewer decimals")
    return int(price * MICROS_PER_UNIT), size


def check_price(text: str, field: str) -> Decimal:
    """A price in currency units: finite, not negative, not absurd."""
    fix = "use a price such as 0.012, without a sign or currency"
    if len(text) > LONGEST_PRICE:
        raise InputError(field, text, fix)
    try:
        price = Decimal(text.strip())
    except InvalidOperation:
        raise InputError(field, text, fix) from None
    if not price.is_finite() or price.is_signed():
        raise InputError(field, text, fix)
    if price > HIGHEST_PRICE:
        raise InputError(field, text, f"use a price of at most {HIGHEST_PRICE:,}")
    return price.normalize() if price else Decimal(0)


def check_prefix(value: object, field: str) -> str:
    """Leading digits of a number with country code; empty: any number."""
    digits = value.strip().removeprefix("+") if isinstance(value, str) else "?"
    if digits and not (digits.isascii() and digits.isdigit() and len(digits) <= LONGEST_PREFIX):
        raise InputError(field, value, "use the first digits of a number, such as 1 or 44")
    return digits
