"""Money as integer micros of one currency.

Owns parsing, rounding and the split that makes displayed parts sum to the displayed total. Knows
nothing of locales: how money looks to a person is the business of the screens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from billing.currencies import CURRENCIES, SPECIAL_DECIMALS
from billing.errors import InputError

MICROS_PER_UNIT = 1_000_000
MICRO_DECIMALS = 6
LARGEST_AMOUNT_MICROS = 10**15  # a thousand million units: far above any wallet, far below 2**63
LARGEST_AMOUNT_DIGITS = 9  # powers of ten in it
LONGEST_AMOUNT_TEXT = 100


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount: ``micros`` are millionths of one unit of ``currency``."""

    micros: int
    currency: str

    def __add__(self, other: Money) -> Money:
        self._must_match(other)
        return Money(self.micros + other.micros, self.currency)

    def __sub__(self, other: Money) -> Money:
        self._must_match(other)
        return Money(self.micros - other.micros, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.micros, self.currency)

    def _must_match(self, other: Money) -> None:
        if self.currency != other.currency:
            raise InputError(
                "currency", other.currency, f"only {self.currency} can be added to {self.currency}"
            )


def check_currency(code: str) -> str:
    """The code itself if it is an ISO 4217 currency in use, else ``InputError``."""
    if code not in CURRENCIES:
        raise InputError("currency", code, "use a three-letter ISO 4217 code such as USD or INR")
    return code


def currency_decimals(code: str) -> int:
    """How many decimals the currency is written with: 2 for USD, 0 for JPY, 3 for KWD."""
    return SPECIAL_DECIMALS.get(code, 2)


def parse_amount(text: str, field: str = "amount") -> int:
    """Micros of a decimal amount such as ``"12.50"``.

    Errors: ``InputError`` for anything that is not a plain finite number, has more than six
    decimals, or is absurdly large. Nothing is rounded here.
    """
    try:
        stripped = text.strip() if len(text) <= LONGEST_AMOUNT_TEXT else ""
        value = Decimal(stripped if stripped.isascii() and "_" not in stripped else "")
    except (InvalidOperation, AttributeError, TypeError):
        raise InputError(field, text, "use a number such as 1250.50") from None
    if not value.is_finite():
        raise InputError(field, text, "use a finite number such as 1250.50")
    if not value:
        return 0
    # The size first, by the exponent alone: arithmetic on 1e999999999 overflows.
    if value.adjusted() > LARGEST_AMOUNT_DIGITS:
        raise InputError(field, text, "use an amount of at most 1,000,000,000")
    if value.adjusted() < -MICRO_DECIMALS:
        raise InputError(field, text, "use at most six decimals")
    numerator, denominator = value.as_integer_ratio()
    micros, rest = divmod(numerator * MICROS_PER_UNIT, denominator)
    if abs(micros) > LARGEST_AMOUNT_MICROS:
        raise InputError(field, text, "use an amount of at most 1,000,000,000")
    if rest:
        raise InputError(field, text, "use at most six decimals")
    return micros


def divide_half_up(numerator: int, denominator: int) -> int:
    """The quotient rounded half up, away from zero for negatives, in integers throughout."""
    if denominator <= 0:
        raise InputError("denominator", denominator, "use a positive number")
    sign = -1 if numerator < 0 else 1
    return sign * ((2 * abs(numerator) + denominator) // (2 * denominator))


def round_to_decimals(micros: int, decimals: int) -> int:
    """Micros rounded half up to what ``decimals`` can show."""
    step: int = 10 ** (MICRO_DECIMALS - decimals)
    return divide_half_up(micros, step) * step


def split_rounding(parts: Sequence[int], decimals: int) -> list[int]:
    """Each part rounded to ``decimals`` so that the rounded parts sum to the rounded total.

    Largest remainder: every part is first rounded down, then the missing steps go to the parts
    that lost most, the earlier one on a tie. No part moves by a whole step or more.
    Shape: as many items as ``parts``, in their order. Units: micros.
    """
    step: int = 10 ** (MICRO_DECIMALS - decimals)
    floors = [part // step for part in parts]
    missing = round_to_decimals(sum(parts), decimals) // step - sum(floors)
    by_loss = sorted(range(len(parts)), key=lambda i: (-(parts[i] % step), i))
    for i in by_loss[:missing]:
        floors[i] += 1
    return [floor * step for floor in floors]


def to_decimal(micros: int) -> Decimal:
    """The exact amount in currency units."""
    return Decimal(micros).scaleb(-MICRO_DECIMALS)


def plain_amount(micros: int) -> str:
    """The exact amount as plain text for files: ``"-0.0065"``, never an exponent."""
    text = f"{abs(micros) // MICROS_PER_UNIT}.{abs(micros) % MICROS_PER_UNIT:06d}"
    text = text.rstrip("0").rstrip(".")
    return f"-{text}" if micros < 0 else text
