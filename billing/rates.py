"""Dated price lists: which rate prices a unit, and what that unit costs.

A rate is the price of ``size`` base units. Voice rates carry a minimum and an increment in
seconds and may carry a connect fee. Prefixes match longest first. Nothing is ever re-rated.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from billing.errors import InputError, ProductError
from billing.money import divide_half_up


class NoRateError(ProductError):
    """No price list in the account's currency prices this unit."""

    code = "no_rate"


class UnknownDestinationError(ProductError):
    """No prefix of the price list in force matches the number: its masked form, and a fix."""

    code = "unknown_destination"

    def __init__(self, message: str, *, destination: str, fix: str) -> None:
        super().__init__(message)
        self.destination = destination
        self.fix = fix


@dataclass(frozen=True, slots=True)
class Rate:
    """One price of one list.

    ``price_micros`` is for ``size`` base units. ``minimum``/``increment``: seconds. ``note``:
    why a price is zero, such as "not charged by this price list".
    """

    id: str
    metric: str
    price_micros: int
    size: int = 1
    prefix: str = ""
    minimum: int = 1
    increment: int = 1
    connect_fee_micros: int = 0
    note: str | None = None

    def billed_seconds(self, duration_seconds: int) -> int:
        """Seconds to bill for an answered call: the minimum, then whole increments."""
        if duration_seconds <= self.minimum:
            return self.minimum
        over = duration_seconds - self.minimum
        return self.minimum + -(-over // self.increment) * self.increment

    def cost_micros(self, base_units: int, fee_micros: int = 0) -> int:
        """fee + base units × price / size, rounded once, half up, to the micro."""
        return fee_micros + divide_half_up(base_units * self.price_micros, self.size)


@dataclass(frozen=True, slots=True)
class RateList:
    """All rates of one list, in force from a local day (none: always) until the next list."""

    id: str
    name: str
    currency: str
    valid_from: date | None
    rates: tuple[Rate, ...]
    level: str = "default"
    _by_metric: dict[str, dict[str, Rate]] = field(default_factory=dict, repr=False)
    # How long the prefixes of a metric are, longest first.
    _lengths: dict[str, list[int]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        for rate in self.rates:
            by_prefix = self._by_metric.setdefault(rate.metric, {})
            if rate.prefix in by_prefix:
                raise InputError(
                    "prefix", rate.prefix or "(any)", f"list {rate.metric} once for each prefix"
                )
            by_prefix[rate.prefix] = rate
        for metric, by_prefix in self._by_metric.items():
            self._lengths[metric] = sorted({len(prefix) for prefix in by_prefix}, reverse=True)

    def find(self, metric: str, number: str | None) -> Rate | None:
        """The rate of the longest matching prefix; none when the list lacks the metric.

        Errors: ``UnknownDestinationError`` when it has the metric but no prefix matches.
        """
        by_prefix = self._by_metric.get(metric)
        if by_prefix is None:
            return None
        digits = number or ""
        for length in self._lengths[metric]:
            rate = by_prefix.get(digits[:length])
            if rate is not None:
                return rate
        if not number:
            raise UnknownDestinationError(
                f"The price list {self.name!r} prices {metric} by destination, and none was given: "
                "name the destination, or add a price without a prefix.",
                destination="",
                fix=f"name the destination: the price list {self.name!r} prices {metric} by it",
            )
        raise UnknownDestinationError(
            f"No {metric} price covers the destination "
            f"{masked_number(number)}: add its prefix to the price list {self.name!r}.",
            destination=masked_number(number),
            fix=f"add its prefix to the price list {self.name!r}, or use a number that it covers",
        )


LEVELS = ("account", "plan", "default")


class RateBook:
    """The lists that may price one account, asked by day: its own, then its plan's, then default.

    Holds only lists in the account's currency; the plan is the account's plan on that day.
    """

    def __init__(self, lists: Iterable[RateList], currency: str) -> None:
        self._currency = currency
        self._dated: dict[str, list[RateList]] = {level: [] for level in LEVELS}
        for rate_list in lists:
            if rate_list.currency == currency:
                self._dated[rate_list.level].append(rate_list)
        for dated in self._dated.values():
            dated.sort(key=_valid_from)
        self._starts = {
            level: [_valid_from(rate_list) for rate_list in dated]
            for level, dated in self._dated.items()
        }
        self._in_force: dict[date, list[RateList]] = {}  # by day, filled when first asked

    def list_on(self, level: str, day: date) -> RateList | None:
        """The list of one level in force on a local day."""
        index = bisect_right(self._starts[level], day) - 1
        return self._dated[level][index] if index >= 0 else None

    def find(self, metric: str, number: str | None, day: date) -> Rate:
        """The rate in force for a metric, a destination and a local day.

        Errors: ``NoRateError``, ``UnknownDestinationError``.
        """
        in_force = self._in_force.get(day)
        if in_force is None:
            found = [self.list_on(level, day) for level in LEVELS]
            in_force = self._in_force[day] = [each for each in found if each is not None]
        for rate_list in in_force:
            rate = rate_list.find(metric, number)
            if rate is not None:
                return rate
        raise NoRateError(
            f"No price list in {self._currency} prices {metric} on {day}: "
            "import one with `usage-dashboard rates import`."
        )


def _valid_from(rate_list: RateList) -> date:
    return rate_list.valid_from or date.min


def masked_number(number: str | None) -> str:
    """A number as it may be shown: country code and last two digits."""
    if not number:
        return "(none)"
    return f"+{number[:-2][:4]}…{number[-2:]}" if len(number) > 6 else f"+{number}"
