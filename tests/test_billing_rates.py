"""Price lists: increments, exact cost, dates, prefixes and whose list comes first."""

from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.errors import InputError
from billing.rates import (
    NoRateError,
    Rate,
    RateBook,
    RateList,
    UnknownDestinationError,
    masked_number,
)


def rate(price: int = 1, **more) -> Rate:
    return Rate(more.pop("id", f"r{price}"), more.pop("metric", "inbound_minutes"), price, **more)


def listed(name: str, *rates: Rate, start: date | None = None, **more) -> RateList:
    return RateList(name, name, more.pop("currency", "USD"), start, rates, **more)


@pytest.mark.parametrize(
    ("minimum", "increment", "billed"),
    [
        (60, 60, {0: 60, 1: 60, 59: 60, 60: 60, 61: 120, 120: 120, 121: 180, 86400: 86400}),
        (30, 6, {0: 30, 1: 30, 30: 30, 31: 36, 36: 36, 37: 42, 60: 60, 61: 66}),
        (1, 1, {0: 1, 1: 1, 2: 2, 59: 59, 86399: 86399}),
        (20, 6, {0: 20, 20: 20, 21: 26, 26: 26, 27: 32, 60: 62, 62: 62, 63: 68}),
        (6, 6, {0: 6, 6: 6, 7: 12}),
        (60, 1, {1: 60, 60: 60, 61: 61}),
        (1, 60, {0: 1, 1: 1, 2: 61, 61: 61, 62: 121}),
        (7, 5, {7: 7, 8: 12, 12: 12, 13: 17}),
    ],
)  # fmt: skip
def test_billed_seconds(minimum: int, increment: int, billed: dict[int, int]):
    one = rate(minimum=minimum, increment=increment)
    assert {seconds: one.billed_seconds(seconds) for seconds in billed} == billed


@given(st.integers(0, 86_400), st.integers(1, 3_600), st.integers(1, 3_600))
def test_billed_seconds_are_the_least_step_that_covers_the_call(
    seconds: int, minimum: int, increment: int
):
    billed = rate(minimum=minimum, increment=increment).billed_seconds(seconds)
    assert billed >= max(seconds, minimum)
    assert (billed - minimum) % increment == 0
    assert billed == minimum or billed - increment < seconds


@pytest.mark.parametrize(
    ("price", "size", "units", "fee", "cost"),
    [
        (12_000, 60, 60, 0, 12_000),
        (12_000, 60, 30, 0, 6_000),
        (10_000, 60, 1, 0, 167),  # 166.67
        (100, 60, 90, 0, 150),
        (1, 2, 1, 0, 1),  # exactly a half goes up
        (1, 60, 29, 0, 0),
        (1, 60, 30, 0, 1),
        (0, 1, 999, 0, 0),
        (12_000, 60, 60, 5_000, 17_000),
        (65, 10_000, 1, 0, 0),
        (65, 10_000, 77, 0, 1),
    ],
)
def test_cost_is_rounded_once_half_up(price: int, size: int, units: int, fee: int, cost: int):
    assert rate(price, size=size).cost_micros(units, fee) == cost


@given(st.integers(0, 10**9), st.integers(1, 10**6), st.integers(0, 10**6))
def test_cost_is_within_half_a_micro(price: int, size: int, units: int):
    exact = Fraction(price * units, size)
    off = rate(price, size=size).cost_micros(units) - exact
    assert -Fraction(1, 2) < off <= Fraction(1, 2)


@pytest.mark.parametrize(
    ("number", "prefix"),
    [
        ("14155550100", "1"),
        ("1340", "1340"),
        ("13405550100", "1340"),
        ("134", "1"),
        ("1", "1"),
        ("447911123456", "44"),
    ],
)
def test_the_longest_prefix_wins(number: str, prefix: str):
    found = listed("l", *(rate(n, prefix=p) for n, p in enumerate(["1", "1340", "44", "13"])))
    if prefix == "1" and number.startswith("13"):
        prefix = "13"
    hit = found.find("inbound_minutes", number)
    assert hit is not None
    assert hit.prefix == prefix


@pytest.mark.parametrize("number", ["33", "4", None, ""])
def test_a_number_without_a_prefix_is_unknown(number: str | None):
    found = listed("l", rate(1, prefix="1"), rate(2, prefix="44"))
    with pytest.raises(UnknownDestinationError, match=r"add (its|a) (prefix|price)"):
        found.find("inbound_minutes", number)


def test_an_empty_prefix_takes_the_rest():
    found = listed("l", rate(1, prefix="1"), rate(2))
    prices = [found.find("inbound_minutes", number) for number in ("1999", "44", None)]
    assert [hit.price_micros for hit in prices if hit] == [1, 2, 2]


def test_a_prefix_is_listed_once():
    with pytest.raises(InputError, match="once for each prefix"):
        listed("l", rate(1, prefix="1"), rate(2, prefix="1"))


DAY = date(2026, 3, 1)


@pytest.mark.parametrize(
    ("day", "price"),
    [
        (date(1999, 1, 1), 1),
        (DAY - timedelta(days=1), 1),
        (DAY, 2),
        (DAY + timedelta(days=30), 2),
        (DAY + timedelta(days=31), 3),
        (date(2099, 1, 1), 3),
    ],
)
def test_a_list_holds_from_its_day_until_the_next_one(day: date, price: int):
    book = RateBook(
        [
            listed("c", rate(3), start=DAY + timedelta(days=31)),
            listed("a", rate(1)),
            listed("b", rate(2), start=DAY),
        ],
        "USD",
    )
    assert book.find("inbound_minutes", None, day).price_micros == price


def test_own_list_before_the_plans_before_the_default():
    lists = [
        listed("d", rate(1), rate(10, metric="sms_credits"), rate(100, metric="inbound_sms")),
        listed("p", rate(2), rate(20, metric="sms_credits"), level="plan"),
        listed("a", rate(3), level="account", start=DAY),
    ]
    book = RateBook(lists, "USD")

    def price(metric: str, day: date) -> int:
        return book.find(metric, "1", day).price_micros

    before = DAY - timedelta(days=1)
    assert [price("inbound_minutes", day) for day in (before, DAY)] == [2, 3]
    assert (price("sms_credits", DAY), price("inbound_sms", DAY)) == (20, 100)


def test_an_unknown_prefix_is_not_looked_up_in_the_next_list():
    book = RateBook(
        [listed("d", rate(1)), listed("a", rate(2, prefix="1"), level="account")], "USD"
    )
    with pytest.raises(UnknownDestinationError):
        book.find("inbound_minutes", "44", DAY)


def test_another_currency_never_prices():
    book = RateBook([listed("e", rate(1), currency="EUR")], "USD")
    with pytest.raises(NoRateError, match="No price list in USD prices inbound_minutes"):
        book.find("inbound_minutes", "1", DAY)


def test_a_list_that_starts_later_does_not_price_before():
    book = RateBook([listed("a", rate(1), start=DAY)], "USD")
    with pytest.raises(NoRateError):
        book.find("inbound_minutes", None, DAY - timedelta(days=1))


def test_a_shown_number_keeps_country_and_two_digits():
    assert masked_number("14155550142") == "+1415…42"
    assert masked_number("1") == "+1"
    assert masked_number(None) == "(none)"
