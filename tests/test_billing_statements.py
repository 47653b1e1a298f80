"""Statements: which period closes next, when, and what it says."""

from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.booking import CLOSES_AFTER
from billing.periods import Period
from billing.statements import DaySums, added, closes_at, next_period, state
from tests.builders import account, at, day


@pytest.mark.parametrize(
    ("anchor", "zone", "created", "closed_to", "expected"),
    [
        # The first period is the one in which the account was made, by its own day.
        (1, "UTC", "2026-11-22 12:00", None, "2026-11-01 2026-12-01"),
        (15, "UTC", "2026-11-14 23:59", None, "2026-10-15 2026-11-15"),
        (15, "Asia/Kolkata", "2026-11-14 23:59", None, "2026-11-15 2026-12-15"),
        (1, "America/New_York", "2026-12-01 04:59", None, "2026-11-01 2026-12-01"),
        (1, "America/New_York", "2026-12-01 05:00", None, "2026-12-01 2027-01-01"),
        # The next one begins where the last ended; anchors at a month's end don't drift.
        (31, "UTC", "2026-01-31 12:00", "2026-02-28", "2026-02-28 2026-03-31"),
        (31, "UTC", "2026-01-31 12:00", "2026-03-31", "2026-03-31 2026-04-30"),
        (30, "UTC", "2028-01-31 12:00", "2028-02-29", "2028-02-29 2028-03-30"),
        (29, "UTC", "2026-01-31 12:00", "2026-01-29", "2026-01-29 2026-02-28"),
        # A new anchor cuts the period before it short.
        ("15, 1 2026-03-15", "UTC", "2026-01-01 12:00", "2026-03-15", "2026-03-15 2026-04-01"),
        ("1, 10 2026-03-15", "UTC", "2026-01-01 12:00", "2026-03-01", "2026-03-01 2026-03-15"),
        # A calendar that was changed over closed days leaves neither gap nor overlap.
        (15, "UTC", "2026-01-01 12:00", "2026-03-01", "2026-03-01 2026-03-15"),
    ],
)
def test_the_period_that_closes_next(
    anchor: str | int, zone: str, created: str, closed_to: str | None, expected: str
):
    closed = Period(day("2025-12-31"), day(closed_to)) if closed_to else None
    start, end = expected.split()
    found = next_period(account(anchor=anchor, zone=zone), at(created), closed)
    assert found == Period(day(start), day(end))


@pytest.mark.parametrize(
    ("zone", "end", "expected"),
    [
        ("UTC", "2026-12-01", "2026-12-04T00:00:00+00:00"),
        ("Asia/Kolkata", "2026-12-01", "2026-12-03T18:30:00+00:00"),
        # 72 hours on the clock that has no summer: 2 November is a day of 24 hours again.
        ("America/New_York", "2026-11-01", "2026-11-04T04:00:00+00:00"),
        ("America/New_York", "2026-03-08", "2026-03-11T05:00:00+00:00"),
        # The zone of the first day after the period says when it began.
        ("Asia/Tokyo, America/New_York 2026-12-01", "2026-12-01", "2026-12-04T05:00:00+00:00"),
        ("Asia/Tokyo, America/New_York 2026-12-02", "2026-12-01", "2026-12-03T15:00:00+00:00"),
    ],
)
def test_a_period_may_close_72_hours_after_its_last_instant(zone: str, end: str, expected: str):
    period = Period(day("2026-02-01"), day(end))
    found = closes_at(account(zone=zone), period, CLOSES_AFTER)
    assert found == datetime.fromisoformat(expected)


DAYS = st.dictionaries(
    st.integers(0, 200).map(lambda n: date(2026, 1, 1) + timedelta(days=n)),
    st.builds(DaySums, st.integers(-(10**12), 10**12), st.integers(-(10**12), 10**12)),
    max_size=40,
)


@given(DAYS, st.integers(1, 31), st.integers(1, 7))
def test_statements_follow_one_another_and_add_up(days, anchor: int, count: int):
    owner = account(anchor=anchor)
    closed, statements = None, []
    for _ in range(count):
        period = next_period(owner, at("2026-02-10 12:00"), closed)
        statements.append(state(period, days))
        closed = Period(closed.start if closed else period.start, period.end)
    assert statements[0].period == owner.billing.period_of(day("2026-02-10"))
    for one, two in pairwise(statements):
        assert one.period.end == two.period.start
        assert one.closing_micros == two.opening_micros
    assert closed is not None
    within = [sums for on, sums in days.items() if on in closed]
    first, last = statements[0], statements[-1]
    assert last.closing_micros - first.opening_micros == sum(s.amount_micros for s in within)
    assert sum(s.charges_micros for s in statements) == sum(s.charges_micros for s in within)


@given(DAYS, DAYS)
def test_sums_of_two_sets_of_entries_are_added_by_day(one, two):
    both = added(one, two)
    assert set(both) == set(one) | set(two)
    for on, sums in both.items():
        parts = [each[on] for each in (one, two) if on in each]
        assert sums.amount_micros == sum(part.amount_micros for part in parts)
        assert sums.charges_micros == sum(part.charges_micros for part in parts)
