"""Local days: where they begin, how long they last, and that each instant has exactly one."""

from datetime import UTC, date, datetime, timedelta
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.errors import InputError
from billing.periods import Period, ZoneHistory, hours_in_day, start_of_day, zone
from tests.builders import at, dated, day

MINUTE = timedelta(minutes=1)
INSTANT = timedelta(microseconds=1)

# zone, local day, its first instant in UTC, its hours
DAY_ROWS = """
Asia/Kolkata         2026-03-29  2026-03-28T18:30  24
Europe/Lisbon        2026-03-28  2026-03-28T00:00  24
Europe/Lisbon        2026-03-29  2026-03-29T00:00  23
Europe/Lisbon        2026-10-25  2026-10-24T23:00  25
America/New_York     2026-03-08  2026-03-08T05:00  23
America/New_York     2026-11-01  2026-11-01T04:00  25
Asia/Jerusalem       2026-03-27  2026-03-26T22:00  23
Asia/Jerusalem       2026-10-25  2026-10-24T21:00  25
Australia/Lord_Howe  2026-04-05  2026-04-04T13:00  24.5
Australia/Lord_Howe  2026-10-04  2026-10-03T13:30  23.5
Africa/Cairo         2026-04-24  2026-04-23T22:00  23
Africa/Cairo         2026-10-29  2026-10-28T21:00  25
America/Havana       2026-03-08  2026-03-08T05:00  23
America/Havana       2026-11-01  2026-11-01T04:00  25
Asia/Beirut          2026-03-29  2026-03-28T22:00  23
Asia/Beirut          2026-10-24  2026-10-23T21:00  25
Pacific/Apia         2011-12-30  2011-12-30T10:00  0
America/St_Johns     2010-11-06  2010-11-06T02:30  24
America/St_Johns     2010-11-07  2010-11-07T02:30  25
UTC                  2026-03-29  2026-03-29T00:00  24
"""
ZONES = sorted({row.split()[0] for row in DAY_ROWS.strip().splitlines()})


@pytest.mark.parametrize("row", DAY_ROWS.strip().splitlines())
def test_where_a_local_day_begins_and_how_long_it_lasts(row: str):
    name, local, start, hours = row.split()
    assert start_of_day(day(local), name) == at(start)
    assert hours_in_day(day(local), name) == float(hours)


@pytest.mark.parametrize(
    ("name", "skipped"),
    [
        ("Africa/Cairo", "2026-04-24"),
        ("America/Havana", "2026-03-08"),
        ("Asia/Beirut", "2026-03-29"),
    ],
)
def test_a_day_without_midnight_begins_at_the_jump(name: str, skipped: str):
    local = start_of_day(day(skipped), name).astimezone(zone(name))
    assert (local.date(), local.hour, local.minute) == (day(skipped), 1, 0)


@cache
def transitions(name: str) -> list[datetime]:
    """Every instant from 2009 to 2032 at which the zone's clocks change."""
    found = []
    end = datetime(2032, 1, 1, tzinfo=UTC)
    before = datetime(2009, 1, 1, tzinfo=UTC)
    while before < end:
        after = before + timedelta(days=2)
        low, high = before, after
        if low.astimezone(zone(name)).utcoffset() != high.astimezone(zone(name)).utcoffset():
            while high - low > MINUTE:
                middle = low + (high - low) // 2 // MINUTE * MINUTE
                same = middle.astimezone(zone(name)).utcoffset()
                if same == low.astimezone(zone(name)).utcoffset():
                    low = middle
                else:
                    high = middle
            found.append(high)
        before = after
    return found


def owner_is_one(history: ZoneHistory, instant: datetime) -> bool:
    """Whether an instant lies within the day that it is said to belong to."""
    local = history.local_day(instant)
    return history.start_of(local) <= instant < history.start_of(local + timedelta(days=1))


@pytest.mark.parametrize("name", ZONES)
def test_days_and_their_starts_agree_around_every_transition(name: str):
    history = ZoneHistory(dated(name))
    for transition in transitions(name):
        for quarter in range(-26 * 4, 26 * 4 + 1):
            edge = transition + quarter * timedelta(minutes=15)
            assert owner_is_one(history, edge), edge
            assert owner_is_one(history, edge - INSTANT), edge - INSTANT


def test_the_zones_that_change_their_clocks_were_searched():
    still = {"UTC", "Asia/Kolkata"}
    assert {name for name in ZONES if not transitions(name)} == still
    assert len(transitions("Asia/Beirut")) > 40


@given(
    st.sampled_from(ZONES),
    st.integers(0, 99 * 365 * 86_400).map(lambda n: at("1991-01-01") + timedelta(seconds=n)),
)
def test_every_instant_lies_in_its_local_day(name: str, instant: datetime):
    assert owner_is_one(ZoneHistory(dated(name)), instant)


@pytest.mark.parametrize(
    ("history", "instant", "expected"),
    [
        # Eastwards: Tokyo's day has begun at 15:00 UTC, New York's would begin at 05:00.
        ("America/New_York, Asia/Tokyo 2026-02-10", "2026-02-09 14:59", "2026-02-09"),
        ("America/New_York, Asia/Tokyo 2026-02-10", "2026-02-09 15:00", "2026-02-10"),
        ("America/New_York, Asia/Tokyo 2026-02-10", "2026-02-08 05:00", "2026-02-08"),
        # Westwards: the day before lasts until New York's midnight.
        ("Asia/Tokyo, America/New_York 2026-02-10", "2026-02-09 14:59", "2026-02-09"),
        ("Asia/Tokyo, America/New_York 2026-02-10", "2026-02-10 04:59", "2026-02-09"),
        ("Asia/Tokyo, America/New_York 2026-02-10", "2026-02-10 05:00", "2026-02-10"),
    ],
)
def test_a_changed_zone_begins_at_its_own_midnight(history: str, instant: str, expected: str):
    zones = ZoneHistory(dated(history))
    assert zones.local_day(at(instant)) == day(expected)
    assert owner_is_one(zones, at(instant))


@st.composite
def histories(draw) -> ZoneHistory:
    """Zones that change every few days, at most."""
    rows = [(date(1970, 1, 1), draw(st.sampled_from(ZONES)))]
    start = date(2026, 3, 1)
    for _ in range(draw(st.integers(1, 3))):
        start += timedelta(days=draw(st.integers(2, 20)))
        rows.append((start, draw(st.sampled_from(ZONES))))
    return ZoneHistory(tuple(rows))


@given(histories(), st.integers(0, 70 * 96), st.integers(1, 96))
def test_days_never_run_backwards_whatever_the_zones(history: ZoneHistory, first: int, more: int):
    earlier = datetime(2026, 2, 25, tzinfo=UTC) + first * timedelta(minutes=15)
    later = earlier + more * timedelta(minutes=15)
    assert owner_is_one(history, earlier)
    assert history.local_day(earlier) <= history.local_day(later)
    assert history.name_on(history.local_day(earlier)) in {name for _, name in history.dated}


def test_a_period_of_days_is_a_range_of_instants():
    history = ZoneHistory(dated("Europe/Lisbon"))
    march = Period(day("2026-03-01"), day("2026-04-01"))
    assert history.instants(march) == (at("2026-03-01"), at("2026-03-31 23:00"))


@pytest.mark.parametrize(
    "name", ["", "Mars/Phobos", "../etc/passwd", "/etc/passwd", "a\0b", "Asia"]
)
def test_a_zone_that_is_none_is_refused(name: str):
    with pytest.raises(InputError, match="IANA"):
        zone(name)
