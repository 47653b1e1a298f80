"""The booking date: open periods take what happened in them, closed ones never change."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from billing.booking import (
    CLOCK_SKEW,
    CLOSES_AFTER,
    LIVE_EVENT_AGE,
    Booking,
    book,
    check_age,
    check_instant,
)
from billing.errors import InputError
from billing.periods import Period, hours_in_day
from tests.builders import NOON, account, at, day

ACCOUNTS = [
    account(anchor=15, zone="Europe/Lisbon"),
    account(anchor=31, zone="America/New_York"),
    account(anchor=1, zone="Africa/Cairo"),
    account(anchor="31, 10 2026-03-31", zone="Asia/Tokyo, America/Havana 2026-02-10"),
]


@pytest.mark.parametrize(
    ("occurred", "received", "closed_before", "booked", "corrects"),
    [
        # Before the first statement every period is open, and those before it stay open.
        ("2020-01-01 12:00", "2026-11-22 12:00", None, "2020-01-01", None),
        ("2020-01-01 12:00", "2026-11-22 12:00", "2026-11-15", "2020-01-01", None),
        ("2026-06-14 22:59", "2026-11-22 12:00", "2026-11-15", "2026-06-14", None),
        ("2026-06-14 23:00", "2026-11-22 12:00", "2026-11-15", "2026-11-22", "2026-06-15"),
        ("2026-11-20 12:00", "2026-11-22 12:00", "2026-11-15", "2026-11-20", None),
        ("2026-11-15 00:00", "2026-11-22 12:00", "2026-11-15", "2026-11-15", None),
        ("2026-11-14 23:59", "2026-11-22 12:00", "2026-11-15", "2026-11-22", "2026-10-15"),
        ("2026-10-03 12:00", "2026-11-22 12:00", "2026-11-15", "2026-11-22", "2026-09-15"),
        # Received on the next local day: counted on that day.
        ("2026-11-14 12:00", "2026-11-23 00:00", "2026-11-15", "2026-11-23", "2026-10-15"),
        # Received while the period was open, stored after it closed: the first open day.
        ("2026-11-14 12:00", "2026-11-14 12:01", "2026-11-15", "2026-11-15", "2026-10-15"),
    ],
)
def test_where_an_event_is_booked(
    occurred: str, received: str, closed_before: str | None, booked: str, corrects: str | None
):
    closed = Period(day("2026-06-15"), day(closed_before)) if closed_before else None
    found = book(account(anchor=15), at(occurred), at(received), closed)
    assert found == Booking(day(booked), day(corrects) if corrects else None)


def test_the_day_is_the_accounts_own():
    for zone, booked in [("Asia/Kolkata", "2026-11-23"), ("America/New_York", "2026-11-22")]:
        found = book(account(zone=zone), at("2026-11-22 20:00"), at("2026-11-22 20:00"), None)
        assert found == Booking(day(booked))


INSTANTS = st.integers(0, 365 * 24 * 60).map(lambda n: at("2026-01-01") + timedelta(minutes=n))


@given(st.sampled_from(ACCOUNTS), INSTANTS, st.integers(0, 60 * 24 * 120), st.none() | INSTANTS)
def test_a_booking_is_the_day_itself_or_a_correction_on_an_open_day(
    owner, occurred: datetime, delay_minutes: int, closing: datetime | None
):
    received = occurred + timedelta(minutes=delay_minutes)
    closed_before = owner.billing.period_of(closing.date()).start if closing else None
    first = owner.billing.period_of(day("2025-10-05")).start
    closed = Period(first, closed_before) if closed_before else None
    found = book(owner, occurred, received, closed)
    happened_on = owner.zones.local_day(occurred)
    if found.corrects_period is None:
        assert found.booked_on == happened_on
        return
    assert closed_before is not None
    assert happened_on < closed_before <= found.booked_on
    corrected = owner.billing.period_of(happened_on)
    assert found.corrects_period == corrected.start
    assert corrected.end <= closed_before


@given(
    st.sampled_from(ACCOUNTS),
    st.lists(st.tuples(st.integers(0, 200 * 24), st.integers(0, 60 * 24)), max_size=60),
)
@example(ACCOUNTS[0], [(0, 0), (40 * 24, 40 * 24), (40 * 24, 0)])
def test_a_closed_period_never_changes(owner, arrivals: list[tuple[int, int]]):
    """Events arrive in order, each some hours after it happened; periods close on their way."""
    began = datetime(2026, 2, 1, tzinfo=UTC)
    booked: Counter[date] = Counter()
    closed: dict[date, int] = {}
    first_closed = owner.billing.period_of(owner.zones.local_day(began)).start
    closed_before: date | None = None
    for received_hours, age_hours in sorted(arrivals):
        received = began + timedelta(hours=received_hours)
        while True:
            period = owner.billing.period_of(closed_before or first_closed)
            if owner.zones.start_of(period.end) + CLOSES_AFTER > received:
                break
            closed_before = period.end
            closed |= {each: booked[each] for each in period.days()}
        statements = Period(first_closed, closed_before) if closed_before else None
        found = book(owner, received - timedelta(hours=age_hours), received, statements)
        booked[found.booked_on] += 1
        assert {each: booked[each] for each in closed} == closed


@pytest.mark.parametrize(
    ("occurred", "code"),
    [
        (NOON, None),
        (NOON - timedelta(days=3650), None),
        (NOON + CLOCK_SKEW, None),
        (NOON + CLOCK_SKEW + timedelta(microseconds=1), "in_future"),
        (datetime.max.replace(tzinfo=UTC), "in_future"),
        (datetime(1, 1, 1, tzinfo=UTC), "invalid"),
        (datetime(1989, 12, 31, tzinfo=UTC), "invalid"),
        (NOON.replace(tzinfo=None), "invalid"),
    ],
)
def test_an_instant_has_passed_and_has_a_zone(occurred: datetime, code: str | None):
    if code is None:
        check_instant(occurred, NOON)
        return
    with pytest.raises(InputError) as refusal:
        check_instant(occurred, NOON)
    assert (refusal.value.field, refusal.value.code) == ("time", code)


@pytest.mark.parametrize(
    ("age", "code"),
    [
        (timedelta(0), None),
        (LIVE_EVENT_AGE, None),
        (LIVE_EVENT_AGE + timedelta(microseconds=1), "too_late"),
    ],
)
def test_a_live_event_may_be_35_days_old(age: timedelta, code: str | None):
    if code is None:
        check_age(NOON - age, NOON)
        return
    with pytest.raises(InputError) as refusal:
        check_age(NOON - age, NOON)
    assert (refusal.value.field, refusal.value.code) == ("time", code)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("zone", "on", "hours", "first", "last"),
    [
        # first and last: the first and the last microsecond of the local day, written in UTC.
        ("America/New_York", "2026-03-08", 23, "2026-03-08T05:00:00Z",
         "2026-03-09T03:59:59.999999Z"),
        ("America/New_York", "2026-11-01", 25, "2026-11-01T04:00:00Z",
         "2026-11-02T04:59:59.999999Z"),
        ("Australia/Lord_Howe", "2026-04-05", 24.5, "2026-04-04T13:00:00Z",
         "2026-04-05T13:29:59.999999Z"),
        ("Australia/Lord_Howe", "2026-10-04", 23.5, "2026-10-03T13:30:00Z",
         "2026-10-04T12:59:59.999999Z"),
        ("Asia/Kolkata", "2026-03-29", 24, "2026-03-28T18:30:00Z", "2026-03-29T18:29:59.999999Z"),
        ("Europe/Lisbon", "2026-03-29", 23, "2026-03-29T00:00:00Z", "2026-03-29T22:59:59.999999Z"),
        ("Europe/Lisbon", "2026-10-25", 25, "2026-10-24T23:00:00Z", "2026-10-25T23:59:59.999999Z"),
        # Morocco's clocks go back for Ramadan.
        ("Africa/Casablanca", "2026-02-15", 25, "2026-02-14T23:00:00Z",
         "2026-02-15T23:59:59.999999Z"),
        ("Africa/Casablanca", "2026-03-22", 23, "2026-03-22T00:00:00Z",
         "2026-03-22T22:59:59.999999Z"),
        # Midnight is skipped: the day begins at one o'clock.
        ("America/Havana", "2026-03-08", 23, "2026-03-08T05:00:00Z", "2026-03-09T03:59:59.999999Z"),
        # Samoa skipped 30 December 2011: the 31st follows the 29th.
        ("Pacific/Apia", "2011-12-29", 24, "2011-12-29T10:00:00Z", "2011-12-30T09:59:59.999999Z"),
        ("Pacific/Apia", "2011-12-31", 24, "2011-12-30T10:00:00Z", "2011-12-31T09:59:59.999999Z"),
    ],
)  # fmt: skip
def test_long_and_short_days_begin_and_end_to_the_microsecond(
    zone: str, on: str, hours: float, first: str, last: str
):
    owner, one = account(zone=zone), timedelta(microseconds=1)
    begin, end = instant(first), instant(last)
    assert hours_in_day(day(on), zone) == hours == (end + one - begin) / timedelta(hours=1)
    for moment in (begin, begin + (end - begin) / 2, end):
        assert book(owner, moment, moment, None) == Booking(day(on))
    assert book(owner, begin - one, begin, None).booked_on < day(on)
    assert book(owner, end + one, end + one, None).booked_on > day(on)


@pytest.mark.parametrize(
    ("occurred", "booked"),
    [
        # 01:30 comes twice on 1 November; 02:30 never comes on 8 March. All within one day.
        ("2026-11-01T05:30:00Z", "2026-11-01"),
        ("2026-11-01T06:30:00Z", "2026-11-01"),
        ("2026-03-08T06:59:59.999999Z", "2026-03-08"),
        ("2026-03-08T07:00:00Z", "2026-03-08"),
    ],
)
def test_gaps_and_folds_of_the_clock_stay_within_their_day(occurred: str, booked: str):
    moment = instant(occurred)
    assert book(account(zone="America/New_York"), moment, moment, None) == Booking(day(booked))
