"""Money: parsed exactly, rounded half up, split so that what is shown adds up."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.errors import InputError
from billing.money import (
    LARGEST_AMOUNT_MICROS,
    Money,
    check_currency,
    currency_decimals,
    divide_half_up,
    parse_amount,
    plain_amount,
    round_to_decimals,
    split_rounding,
    to_decimal,
)

MICROS = st.integers(-LARGEST_AMOUNT_MICROS, LARGEST_AMOUNT_MICROS)
DECIMALS = st.sampled_from([0, 2, 3])


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("0", 0),
        ("-0", 0),
        ("0e999999999", 0),
        ("12.50", 12_500_000),
        (" 1250.5 ", 1_250_500_000),
        ("0.0065", 6_500),
        ("0.000001", 1),
        ("-0.000001", -1),
        (".5", 500_000),
        ("+3", 3_000_000),
        ("1e3", 1_000_000_000),
        ("25e-7", None),
        ("0.0000010", 1),
        ("1.0000000000000000000000000000000000000000", 1_000_000),
        ("1.0000000000000000000000000000000000000001", None),
        ("999999999.00000000000000000000000000001", None),
        ("1000000000", LARGEST_AMOUNT_MICROS),
        ("1000000000.000001", None),
        ("1000000001", None),
        ("0.0000001", None),
        ("1e999999999", None),
        ("-1e999999999", None),
        ("1e-999999999", None),
        ("1" * 101, None),
        ("NaN", None),
        ("sNaN", None),
        ("Infinity", None),
        ("-inf", None),
        ("", None),
        ("1,250.50", None),
        ("$5", None),
        ("=1+1", None),
        ("1 2", None),
    ],
)
def test_an_amount_is_parsed_exactly_or_refused(text: str, micros: int | None):
    if micros is not None:
        assert parse_amount(text) == micros
        return
    with pytest.raises(InputError) as refusal:
        parse_amount(text, "top-up")
    assert refusal.value.field == "top-up"


@given(st.text())
def test_any_text_is_an_amount_or_an_input_error(text: str):
    try:
        micros = parse_amount(text)
    except InputError:
        return
    assert abs(micros) <= LARGEST_AMOUNT_MICROS


@given(MICROS)
def test_written_amounts_parse_back(micros: int):
    assert parse_amount(plain_amount(micros)) == micros
    assert parse_amount(str(to_decimal(micros))) == micros
    assert Decimal(plain_amount(micros)) == to_decimal(micros)


@pytest.mark.parametrize(
    ("micros", "text"),
    [(0, "0"), (-6_500, "-0.0065"), (1, "0.000001"), (10_000_000, "10"), (-1_500_000, "-1.5")],
)
def test_plain_amounts_are_trimmed_and_have_no_exponent(micros: int, text: str):
    assert plain_amount(micros) == text


@pytest.mark.parametrize(
    ("numerator", "denominator", "quotient"),
    [
        (0, 7, 0),
        (1, 2, 1),
        (-1, 2, -1),
        (1, 3, 0),
        (2, 3, 1),
        (-2, 3, -1),
        (5, 10, 1),
        (49, 100, 0),
    ],
)
def test_division_rounds_half_up_away_from_zero(numerator: int, denominator: int, quotient: int):
    assert divide_half_up(numerator, denominator) == quotient


@given(st.integers(), st.integers(1, 10**12))
def test_division_is_symmetric_and_never_half_a_step_off(numerator: int, denominator: int):
    quotient = divide_half_up(numerator, denominator)
    assert quotient == -divide_half_up(-numerator, denominator)
    exact = Fraction(abs(numerator), denominator)
    assert exact - Fraction(1, 2) < abs(quotient) <= exact + Fraction(1, 2)


@pytest.mark.parametrize("denominator", [0, -1])
def test_division_needs_a_positive_denominator(denominator: int):
    with pytest.raises(InputError):
        divide_half_up(1, denominator)


@pytest.mark.parametrize(
    ("micros", "decimals", "rounded"),
    [
        (1_004_999, 2, 1_000_000),
        (1_005_000, 2, 1_010_000),
        (-1_005_000, 2, -1_010_000),
        (499_999, 0, 0),
        (500_000, 0, 1_000_000),
        (1_500, 3, 2_000),
        (1, 6, 1),
    ],
)
def test_amounts_round_half_up_to_the_currency(micros: int, decimals: int, rounded: int):
    assert round_to_decimals(micros, decimals) == rounded


@pytest.mark.parametrize(
    ("parts", "decimals", "shown"),
    [
        ([], 2, []),
        ([0], 2, [0]),
        ([3_333, 3_333, 3_334], 2, [0, 0, 10_000]),
        ([5_000, 5_000], 2, [10_000, 0]),
        ([5_000, 5_000, 5_000], 2, [10_000, 10_000, 0]),
        ([1_004_000, 1_004_000, 1_004_000], 2, [1_010_000, 1_000_000, 1_000_000]),
        ([-5_000, -5_000], 2, [0, -10_000]),
        ([-4_000, 4_000], 2, [0, 0]),
        ([12_345_678, -2_345_678], 0, [12_000_000, -2_000_000]),
        ([0, 10_000, 0], 2, [0, 10_000, 0]),
    ],
)
def test_largest_remainders_get_the_missing_steps(
    parts: list[int], decimals: int, shown: list[int]
):
    assert split_rounding(parts, decimals) == shown


@given(st.lists(MICROS, max_size=40), DECIMALS)
def test_shown_parts_sum_to_the_shown_total(parts: list[int], decimals: int):
    shown = split_rounding(parts, decimals)
    step = 10 ** (6 - decimals)
    assert len(shown) == len(parts)
    assert sum(shown) == round_to_decimals(sum(parts), decimals)
    assert all(part % step == 0 for part in shown)
    assert all(abs(new - old) < step for new, old in zip(shown, parts, strict=True))


@given(st.lists(st.integers(0, 10**9), max_size=20), DECIMALS)
def test_no_part_of_charges_is_shown_negative(parts: list[int], decimals: int):
    assert all(part >= 0 for part in split_rounding(parts, decimals))


def test_two_currencies_never_add():
    with pytest.raises(InputError, match="EUR"):
        Money(1, "USD") + Money(1, "EUR")
    with pytest.raises(InputError, match="EUR"):
        Money(1, "USD") - Money(1, "EUR")


def test_money_of_one_currency_adds_exactly():
    assert Money(3, "USD") + Money(4, "USD") - Money(5, "USD") == Money(2, "USD")
    assert -Money(3, "USD") == Money(-3, "USD")


@pytest.mark.parametrize(("code", "decimals"), [("USD", 2), ("INR", 2), ("JPY", 0), ("KWD", 3)])
def test_currencies_have_their_own_decimals(code: str, decimals: int):
    assert currency_decimals(check_currency(code)) == decimals


@pytest.mark.parametrize("code", ["", "usd", "US", "XXX", "DEM", "USD "])
def test_a_currency_not_in_use_is_refused(code: str):
    with pytest.raises(InputError, match="ISO 4217"):
        check_currency(code)
