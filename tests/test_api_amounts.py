"""Amounts as people type them: grouped as their account's locale does, never guessed."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.amounts import plain_amount
from billing.accounts import Account
from billing.errors import InputError
from billing.money import parse_amount
from components import format as fmt
from tests.builders import account

LOCALES = ("en_US", "en_IN", "en_DE", "de", "fr", "de_CH", "sv")


def of(locale: str, currency: str = "EUR") -> Account:
    return replace(account(), locale=locale, currency=currency)


@pytest.mark.parametrize(
    ("locale", "typed", "plain"),
    [
        ("en_US", "1,000", "1000"), ("en_US", "1,000.50", "1000.50"), ("en_US", " 12.5 ", "12.5"),
        ("en_US", "0.125", "0.125"), ("en_US", "-1,000", "-1000"),
        ("en_IN", "1,00,000", "100000"), ("en_IN", "12,34,567.89", "1234567.89"),
        ("de", "1.000", "1000"), ("de", "1.000,50", "1000.50"), ("de", "1250,50", "1250.50"),
        ("en_DE", "1.000,50", "1000.50"), ("de", "1250.50", "1250.50"), ("de", "0.125", "0.125"),
        ("fr", "1 000,5", "1000.5"), ("fr", "1\u202f000", "1000"), ("sv", "1 000", "1000"),
        ("de_CH", "1'000.50", "1000.50"), ("de_CH", "1’000", "1000"),
        ("unknown", "1,000", "1000"),
    ],
)  # fmt: skip
def test_amounts_are_read_as_the_locale_writes_them(locale: str, typed: str, plain: str):
    assert plain_amount(typed, of(locale)) == plain
    assert parse_amount(plain_amount(typed, of(locale))) == parse_amount(plain)


@pytest.mark.parametrize(
    ("locale", "typed", "fix"),
    [
        ("en_US", "1.000", "this can be read in two ways: write 1,000 or 1.00"),
        ("en_US", "1.255", "this can be read in two ways: write 1,255 or 1.2550"),
        ("de", "1,000", "this can be read in two ways: write 1.000 or 1,00"),
        ("fr", "1.000", "this can be read in two ways: write 1\u202f000 or 1,00"),
        ("en_IN", "100,000", "write 1,00,000, or leave the grouping out"),
        ("en_US", "1,00,000", "write 100,000, or leave the grouping out"),
        ("en_US", "1250,50", "write it as numbers are written here, such as 1,234,567.50, or "
         "without grouping"),
        ("en_IN", "12,34", "write it as numbers are written here, such as 12,34,567.50, or "
         "without grouping"),
        ("en_US", "five", "use a number such as 1,250.50"), ("de", "", "use a number such as "
                                                             "1.250,50"),
        ("en_US", "1e3", "use a number such as 1,250.50"),
        ("en_US", "٣", "use a number such as 1,250.50"),
        ("en_US", "9" * 101, "use a number such as 1,250.50"),
    ],
)  # fmt: skip
def test_what_could_be_read_in_two_ways_is_refused(locale: str, typed: str, fix: str):
    with pytest.raises(InputError) as refused:
        plain_amount(typed, of(locale))
    assert (refused.value.field, refused.value.fix) == ("amount", fix)


def test_three_decimals_are_usual_in_some_currencies():
    assert plain_amount("1.000", of("en_US", "KWD")) == "1.000"
    assert plain_amount("1,000", of("en_US", "KWD")) == "1000"


@given(micros=st.integers(1, 10**15), locale=st.sampled_from(LOCALES))
def test_what_the_product_writes_it_reads(micros: int, locale: str):
    written = fmt.number(Decimal(micros) / 10**6, locale, 6, least_decimals=2)
    if _is_sure(written):
        assert parse_amount(plain_amount(written, of(locale))) == micros


def _is_sure(written: str) -> bool:
    """Three decimals after one to three digits are asked about, also where they were meant."""
    head, _, tail = written.replace(",", ".").rpartition(".")
    return not (head.isdigit() and len(head) <= 3 and len(tail) == 3 and head[0] != "0")


@given(typed=st.text(max_size=20), locale=st.sampled_from(LOCALES))
def test_any_text_is_read_or_refused(typed: str, locale: str):
    try:
        plain = plain_amount(typed, of(locale))
    except InputError:
        return
    assert isinstance(parse_amount(plain), int)
