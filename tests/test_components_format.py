"""What people read: amounts, units, changes and days as text."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.metrics import METRIC_BY_ID, METRICS
from billing.money import currency_decimals, round_to_decimals
from billing.periods import Period
from components import format as fmt

MINUTES = METRIC_BY_ID["inbound_minutes"]
UNSEEN = str.maketrans({"\N{NO-BREAK SPACE}": " ", "\N{NARROW NO-BREAK SPACE}": " "})


def plain(text: str) -> str:
    return text.translate(UNSEEN)


@pytest.mark.parametrize(
    ("micros", "currency", "locale", "text"),
    [
        (83_214_600_000, "INR", "en_IN", "₹83,214.60"),
        (8_321_460_000_000, "INR", "en_IN", "₹83,21,460.00"),
        (8_321_460_000_000, "USD", "en_US", "$8,321,460.00"),
        (8_321_460_000_000, "EUR", "en_DE", "8.321.460,00 €"),
        (-5_550_000, "INR", "en_IN", "−₹5.55"),
        (1_234_500_000, "JPY", "en_US", "¥1,235"),
        (1_234_567_890, "KWD", "en_US", "KWD 1,234.568"),
        (0, "INR", "en_IN", "₹0.00"),
        (1_000_000, "USD", "xx_YY", "$1.00"),
    ],
)
def test_money_has_the_currencys_decimals_and_the_locales_grouping(micros, currency, locale, text):
    assert plain(fmt.money(micros, currency, locale)) == text


@pytest.mark.parametrize(
    ("micros", "text"),
    [(6_500, "$0.0065"), (-6_500, "−$0.0065"), (1_500_000, "$1.50"), (1, "$0.000001")],
)
def test_one_line_shows_every_micro_and_no_more(micros, text):
    assert fmt.exact_money(micros, "USD", "en_US") == text


def test_a_movement_has_a_sign_and_nothing_has_none():
    assert fmt.signed_money(500_000_000, "INR", "en_IN") == "+₹500.00"
    assert fmt.signed_money(-6_500, "USD", "en_US") == "−$0.0065"
    assert fmt.signed_money(0, "USD", "en_US") == "$0.00"


def cents(text: str) -> Decimal:
    return Decimal(plain(text).replace("−", "-").replace("₹", "").replace(",", ""))


@given(st.lists(st.integers(-(10**12), 10**12), max_size=20))
def test_shown_rows_sum_to_the_shown_total(parts):
    rows = fmt.money_rows(parts, "INR", "en_IN")
    total = fmt.money(sum(parts), "INR", "en_IN")
    assert sum(map(cents, rows)) == cents(total)


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=20).filter(any))
def test_shown_shares_sum_to_a_hundred_percent(parts):
    shown = [Decimal(plain(text).removesuffix(" %")) for text in fmt.shares(parts, "en_US")]
    assert sum(shown) == 100


@given(st.integers(-(10**14), 10**14), st.sampled_from(["INR", "USD", "JPY", "KWD", "EUR"]))
def test_money_says_what_it_rounds_to(micros, currency):
    decimals = currency_decimals(currency)
    digits = "".join(c for c in fmt.money(micros, currency, "en_US") if c.isdigit())
    assert int(digits) == abs(round_to_decimals(micros, decimals)) // 10 ** (6 - decimals)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (41_377 * 60, "41,377 min"), (60, "1 min"), (90, "1.5 min"), (100, "1.67 min"),
        (0, "0 min"), (-60, "−1 min"),
    ],
)  # fmt: skip
def test_minutes_are_seconds_shown(seconds, text):
    assert plain(fmt.units(seconds, MINUTES, "en_IN")) == text


def test_a_unit_stands_after_its_number_in_one_or_many():
    assert plain(fmt.units(1, METRIC_BY_ID["number_rental"], "en_IN")) == "1 month"
    assert plain(fmt.units(28, METRIC_BY_ID["number_rental"], "en_IN")) == "28 months"
    assert plain(fmt.units(1, METRIC_BY_ID["agent_hours"], "en_IN")) == "< 0.01 h"
    assert plain(fmt.count(18_204, MINUTES, "en_IN")) == "18,204 calls"
    assert plain(fmt.count(1, MINUTES, "en_IN")) == "1 call"


@given(st.integers(0, 10**9), st.sampled_from(METRICS))
def test_something_used_never_shows_as_nothing(base_units, metric):
    shown = plain(fmt.units(base_units, metric, "en_US"))
    assert shown.startswith("0 ") == (base_units == 0)


@pytest.mark.parametrize(
    ("now", "before", "text", "tone"),
    [
        (1141, 1000, "+14.1 %", "more"), (960, 1000, "−4.0 %", "less"),
        (5, 0, "new", "neutral"), (0, 0, "–", "neutral"), (1000, 1000, "0.0 %", "neutral"),
        (100_001, 100_000, "0.0 %", "neutral"), (0, 5, "−100.0 %", "less"),
        (5, -5, "–", "neutral"), (-5, 0, "–", "neutral"), (12_500, 1000, "+1,150 %", "more"),
        (10**12, 1, "over +9,999 %", "more"),
    ],
)  # fmt: skip
def test_a_change_has_its_sign_and_tone(now, before, text, tone):
    change = fmt.percent_change(now, before, "en_IN")
    assert (plain(change.text), change.tone) == (text, tone)


def days(start: str, end: str) -> Period:
    return Period(date.fromisoformat(start), date.fromisoformat(end))


@pytest.mark.parametrize(
    ("period", "label", "compared", "versus"),
    [
        (days("2026-11-01", "2026-11-23"), "1 – 22 Nov 2026", "the first 22 days of November",
         "vs November"),
        (days("2026-10-01", "2026-11-01"), "1 – 31 Oct 2026", "October", "vs October"),
        (days("2026-11-22", "2026-11-23"), "Sun 22 Nov 2026", "Sun 22 Nov", "vs 22 Nov"),
        (days("2026-10-28", "2026-11-04"), "28 Oct – 3 Nov 2026", "28 Oct – 3 Nov 2026",
         "vs 28 Oct – 3 Nov"),
        (days("2025-12-28", "2026-01-04"), "28 Dec 2025 – 3 Jan 2026",
         "28 Dec 2025 – 3 Jan 2026", "vs 28 Dec 2025 – 3 Jan 2026"),
    ],
)  # fmt: skip
def test_a_period_says_its_last_day_included(period, label, compared, versus):
    assert fmt.period_label(period) == label
    assert fmt.comparison_label(period) == compared
    assert fmt.versus_label(period) == versus


def test_a_clock_time_names_its_zone():
    instant = datetime(2026, 11, 22, 13, 1, 7, tzinfo=UTC)
    assert fmt.clock_time(instant, "Asia/Kolkata") == "18:31:07 IST"
    assert fmt.clock_time(instant, "America/Sao_Paulo", has_seconds=False) == "10:01 UTC−03"
    assert fmt.day(fmt.local_day(instant, "Asia/Kolkata")) == "Sun 22 Nov"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (48, "48 s"), (60, "1 min"), (125, "2 min 05 s"), (3720, "1 h 02 min")],
)
def test_a_duration_in_words(seconds, text):
    assert fmt.duration(seconds) == text
