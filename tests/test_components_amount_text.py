"""Amounts are written exactly as Babel writes them, in every locale that it knows."""

from __future__ import annotations

import pytest
from babel import localedata
from hypothesis import given
from hypothesis import strategies as st

from billing.money import round_to_decimals
from components import format as fmt

LOCALES = sorted(localedata.locale_identifiers())
some_currencies = st.sampled_from([("USD", 2), ("INR", 2), ("JPY", 0), ("KWD", 3), ("XYZ", 2)])
some_micros = st.one_of(
    st.just(0),
    st.integers(-(10**6), 10**6),
    st.integers(-(10**19), 10**19),
    st.integers(0, 15).map(lambda exponent: 10**exponent),
)


@given(st.sampled_from(LOCALES), some_currencies, some_micros)
def test_amounts_are_written_as_babel_writes_them(locale: str, currency, micros: int):
    code, decimals = currency
    rounded = round_to_decimals(micros, decimals)
    shown = fmt._amount(rounded, code, locale, decimals, decimals)
    assert shown == fmt._babel_amount(rounded, code, locale, decimals, decimals)


@pytest.mark.parametrize("locale", LOCALES)
def test_every_locale_has_its_frame(locale: str):
    frame = fmt._frame("USD", locale, 2)
    assert frame is not None
    for micros in (0, 1_234_567_890_120_000, -98_765_430_000):
        assert fmt.money(micros, "USD", locale) == fmt._babel_amount(micros, "USD", locale, 2, 2)
