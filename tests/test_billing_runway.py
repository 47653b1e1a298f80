"""How long the balance lasts: the last seven complete days, no more, no less."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.runway import LONGEST_DAYS, Runway, look_back, runway
from tests.builders import day

TODAY = day("2026-11-22")
WEEK = [TODAY - timedelta(days=n) for n in range(1, 8)]


def test_it_looks_back_on_seven_complete_days():
    assert look_back(TODAY) == (day("2026-11-15"), TODAY)


@pytest.mark.parametrize(
    ("posted", "cost_by_day", "expected"),
    [
        (700, {}, Runway(None, None, 0)),
        (700, dict.fromkeys(WEEK, 0), Runway(None, None, 0)),
        (700, dict.fromkeys(WEEK, 100), Runway(7, day("2026-11-29"), 100)),
        (799, dict.fromkeys(WEEK, 100), Runway(7, day("2026-11-29"), 100)),
        (99, dict.fromkeys(WEEK, 100), Runway(0, TODAY, 100)),
        # A day without usage counts: one day of 700 is 100 a day.
        (700, {WEEK[3]: 700}, Runway(7, day("2026-11-29"), 100)),
        # Today isn't complete, eight days ago is over.
        (700, {TODAY: 10**9, TODAY - timedelta(days=8): 10**9}, Runway(None, None, 0)),
        (0, dict.fromkeys(WEEK, 100), Runway(0, TODAY, 100)),
        (-1, dict.fromkeys(WEEK, 100), Runway(0, TODAY, 100)),
        (0, {}, Runway(0, TODAY, 0)),
        # More came back than was spent.
        (700, {WEEK[0]: -70}, Runway(None, None, -10)),
        (10**15, {WEEK[0]: 7}, Runway(LONGEST_DAYS, None, 1)),
        (3650 * 100, dict.fromkeys(WEEK, 100), Runway(3650, day("2036-11-19"), 100)),
    ],
)
def test_how_long_a_balance_lasts(posted: int, cost_by_day: dict, expected: Runway):
    assert runway(posted, cost_by_day, TODAY) == expected


COSTS = st.dictionaries(
    st.integers(-20, 5).map(lambda n: TODAY + timedelta(days=n)), st.integers(0, 10**10)
)


@given(st.integers(1, 10**15), COSTS)
def test_the_balance_pays_for_the_days_and_not_for_one_more(posted: int, cost_by_day: dict):
    found = runway(posted, cost_by_day, TODAY)
    spent = sum(cost_by_day.get(each, 0) for each in WEEK)
    if found.days is None:
        assert spent == 0
        return
    assert found.days * spent <= posted * 7
    if found.until is not None:
        assert (found.days + 1) * spent > posted * 7
        assert found.until == TODAY + timedelta(days=found.days)
