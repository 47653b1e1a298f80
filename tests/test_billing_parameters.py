"""The API's parameters as a query: what an address means too, and a refusal for the rest."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.errors import InputError
from billing.hours import begins_hour, hour_of, hours_in, hours_of
from billing.limits import limit
from billing.parameters import PARAMETERS, parse_parameters
from billing.periods import Period, ZoneHistory
from billing.queries import GROUPS, Cut, default_query, parse_search
from tests.builders import account, dated, day

TODAY = day("2026-11-22")
ACME = account(anchor=15)
NAMES = sorted(PARAMETERS["usage"] | PARAMETERS["transactions"] | {"period", "nonsense"})


def zones(text: str) -> ZoneHistory:
    return ZoneHistory(dated(text))


@pytest.mark.parametrize(
    "search",
    ["", "from=2026-10-05&to=2026-11-08", "from=2026-11-20", "service=Voice&service=SMS",
     "campaign=a%20b&campaign=c&consumer=u", "status=sent&sort=cost", "sort=oldest"],
)  # fmt: skip
def test_an_address_and_a_call_mean_the_same(search):
    by_screen, notices = parse_search(search, ACME, TODAY)
    by_call = parse_parameters("transactions", parse_qs(search), ACME, TODAY)
    assert not notices
    assert (by_call.period, by_call.filters, by_call.sort, by_call.compared_with) == (
        by_screen.period, by_screen.filters, by_screen.sort, by_screen.compared_with,
    )  # fmt: skip


VALUES = (
    st.text(max_size=12)
    | st.sampled_from(["2026-11-01", "2026-11-01T00:00:00Z", "9999-12-31", "0001-01-01", "day",
                       "hour", "metric,campaign", "Voice", "sent", "sms_credits", "5", "newest"])
    | st.dates().map(str)
    | st.datetimes(timezones=st.just(UTC)).map(lambda at: at.isoformat(timespec="seconds"))
)  # fmt: skip


@given(
    st.sampled_from(sorted(PARAMETERS)),
    st.dictionaries(st.sampled_from(NAMES), st.lists(VALUES, min_size=1, max_size=3), max_size=4),
)
def test_whatever_is_sent_is_taken_or_named(call, given_parameters):
    query = refusal = None
    try:
        query = parse_parameters(call, given_parameters, ACME, TODAY)
    except InputError as error:
        refusal = error
    if refusal:
        assert refusal.field in {*given_parameters, "from", "to"}
        assert refusal.fix
        return
    assert query is not None
    assert query.period.start < query.period.end
    assert 1 <= query.limit <= limit("page")
    assert set(query.group_by) <= set(GROUPS)
    assert set(given_parameters) <= PARAMETERS[call]
    if query.cut is Cut.HOUR:
        assert query.period.day_count <= limit("hours")


def test_nothing_sent_is_the_current_billing_period():
    query = parse_parameters("usage", {}, ACME, TODAY)
    assert query == default_query(ACME, TODAY)
    assert (query.cut, query.group_by, query.limit) == (Cut.TOTAL, (), 100)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-11-01T00:00:00Z", "2026-11-03T00:00:00Z"),  # Lisbon in winter
        ("2026-11-01T05:30:00+05:30", "2026-11-03T00:00:00.000000+00:00"),
        ("2026-11-01", "2026-11-03T00:00:00z"),
    ],
)
def test_an_instant_that_begins_a_day_is_that_day(start, end):
    query = parse_parameters("usage", {"from": [start], "to": [end]}, ACME, TODAY)
    assert query.period == Period(day("2026-11-01"), day("2026-11-03"))


def test_summer_time_moves_the_midnight():
    sent = {"from": ["2026-07-01T00:00:00Z"]}
    with pytest.raises(InputError, match="2026-06-30T23:00:00"):
        parse_parameters("usage", sent, ACME, TODAY)


def test_hours_may_begin_within_a_day():
    sent = {"from": ["2026-11-01T05:00:00Z"], "to": ["2026-11-02T00:00:00Z"],
            "granularity": ["hour"]}  # fmt: skip
    query = parse_parameters("usage", sent, ACME, TODAY)
    assert query.period == Period(day("2026-11-01"), day("2026-11-02"))
    assert query.between == (
        datetime(2026, 11, 1, 5, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC),
    )  # fmt: skip


def test_a_month_by_the_hour_is_the_most():
    start = day("2026-10-01")
    for days, is_taken in ((31, True), (32, False)):
        sent = {"from": [str(start)], "to": [str(start + timedelta(days=days))],
                "granularity": ["hour"]}  # fmt: skip
        if is_taken:
            parse_parameters("usage", sent, ACME, TODAY)
        else:
            with pytest.raises(InputError, match="31 days"):
                parse_parameters("usage", sent, ACME, TODAY)


# --- hours -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("zone", "on", "count"),
    [
        ("UTC", "2026-11-22", 24), ("Asia/Kathmandu", "2026-11-22", 24),
        ("Europe/Lisbon", "2026-10-25", 25), ("Europe/Lisbon", "2026-03-29", 23),
        ("America/Havana", "2026-03-08", 23),  # clocks jump over midnight
        ("Australia/Lord_Howe", "2026-10-04", 24), ("Australia/Lord_Howe", "2026-04-05", 25),
        ("Pacific/Apia", "2011-12-30", 1),  # a day that never was
        ("UTC, Asia/Kolkata 2026-11-22", "2026-11-21", 19),  # cut short by a change of zone
    ],
)  # fmt: skip
def test_a_day_has_the_hours_its_clocks_show(zone, on, count):
    assert len(hours_of(zones(zone), day(on))) == count


SOME_ZONES = st.sampled_from(
    ["UTC", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Havana", "Europe/Lisbon",
     "Pacific/Chatham", "America/Caracas", "Pacific/Apia", "Asia/Pyongyang",
     "UTC, Asia/Kolkata 2016-05-01"]
)  # fmt: skip


@given(SOME_ZONES, st.dates(date(2010, 1, 1), date(2027, 1, 1)), st.integers(1, 4))
def test_hours_cover_days_without_gap_or_overlap(zone, start, length):
    history = zones(zone)
    period = Period(start, start + timedelta(days=length))
    first, end = history.instants(period)
    hours = hours_in(history, period)
    if first == end:
        return
    bounds = [*(hour for hour in hours if hour < end), end]
    assert bounds[0] == first
    steps = [later - earlier for earlier, later in pairwise(bounds)]
    assert all(timedelta(0) < step <= timedelta(hours=1) for step in steps)
    assert all(begins_hour(history, hour) for hour in hours)


@given(SOME_ZONES, st.dates(date(2010, 1, 1), date(2027, 1, 1)), st.integers(-9_000, 200_000))
def test_an_instant_counts_in_its_own_hour_or_the_days_first(zone, on, seconds):
    history = zones(zone)
    hours, end = hours_of(history, on), history.start_of(on + timedelta(days=1))
    at = hours[0] + timedelta(seconds=seconds)
    found = hour_of(hours, end, at)
    assert found in hours
    if hours[0] <= at < end:
        assert timedelta(0) <= at - found < timedelta(hours=1)
    else:
        assert found == hours[0]
