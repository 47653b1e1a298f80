"""The price list as a table: for one metric, every price by prefix with the days it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from billing.metrics import Metric
from billing.rates import LEVELS, Rate, RateList


@dataclass(frozen=True, slots=True)
class DatedPrice:
    """One price and when it holds: ``[valid_from, valid_to)``, none: without bound.

    ``is_current``: it holds today and no list closer to the account replaces it.
    """

    rate: Rate
    list_name: str
    level: str
    valid_from: date | None
    valid_to: date | None
    is_current: bool


@dataclass(frozen=True, slots=True)
class WorkedExample:
    """A sum carried out: ``seconds`` of talk (or units) to billed base units to micros."""

    rate: Rate
    talk_seconds: int | None
    base_units: int
    cost_micros: int


@dataclass(frozen=True, slots=True)
class MetricPrices:
    """A metric's dated prices, current ones first, and one worked example at today's price."""

    metric: Metric
    prices: tuple[DatedPrice, ...]
    example: WorkedExample | None


EXAMPLE_SECONDS = 95
EXAMPLE_UNITS = 3


def metric_prices(metric: Metric, lists: Sequence[RateList], today: date) -> MetricPrices:
    """Every price of a metric in lists that may price the account, and a worked example."""
    deciding = _deciding_list(metric, lists, today)
    prices = [
        DatedPrice(
            rate,
            rate_list.name,
            rate_list.level,
            rate_list.valid_from,
            _valid_to(rate_list, lists),
            rate_list is deciding,
        )
        for rate_list in lists
        for rate in rate_list.rates
        if rate.metric == metric.id
    ]
    prices.sort(key=_reading_order)
    current = [price.rate for price in prices if price.is_current]
    example = worked_example(metric, current[0]) if current else None
    return MetricPrices(metric, tuple(prices), example)


def worked_example(metric: Metric, rate: Rate) -> WorkedExample:
    """What 95 seconds of talk, or three units, cost at a rate."""
    if metric.unit.base == "second":
        billed = rate.billed_seconds(EXAMPLE_SECONDS)
        cost = rate.cost_micros(billed, rate.connect_fee_micros)
        return WorkedExample(rate, EXAMPLE_SECONDS, billed, cost)
    return WorkedExample(rate, None, EXAMPLE_UNITS, rate.cost_micros(EXAMPLE_UNITS))


def _deciding_list(metric: Metric, lists: Sequence[RateList], today: date) -> RateList | None:
    """The list whose price holds today: nearest level first, newest start first."""
    for level in LEVELS:
        begun = [
            each for each in lists if each.level == level and (each.valid_from or date.min) <= today
        ]
        newest = max(begun, key=lambda each: each.valid_from or date.min, default=None)
        if newest and any(rate.metric == metric.id for rate in newest.rates):
            return newest
    return None


def _valid_to(rate_list: RateList, lists: Sequence[RateList]) -> date | None:
    """The start of the next list of the same level, if there is one."""
    later = [
        each.valid_from
        for each in lists
        if each.level == rate_list.level
        and each.valid_from
        and each.valid_from > (rate_list.valid_from or date.min)
    ]
    return min(later, default=None)


def _reading_order(price: DatedPrice) -> tuple[bool, int, str, int]:
    newest_first = -(price.valid_from or date.min).toordinal()
    return (not price.is_current, LEVELS.index(price.level), price.rate.prefix, newest_first)
