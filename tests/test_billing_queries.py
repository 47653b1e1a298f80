"""The query of an address: parsing what it writes gives it again, and nothing makes it fail."""

from dataclasses import replace
from datetime import date
from urllib.parse import parse_qs, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from billing.metrics import Service
from billing.periods import PRESET_BY_ID, Period, check_range
from billing.queries import (
    LONGEST_ADDRESS,
    LONGEST_NAME,
    STATUSES,
    Filters,
    Granularity,
    TransactionSort,
    UsageQuery,
    default_query,
    parse_search,
)
from billing.query_values import MOST_FILTER_VALUES
from tests.builders import account, day

TODAY = day("2026-11-22")
ACME = account(anchor=15)
NAMES = st.text(
    st.characters(exclude_categories=["C", "Z"]) | st.sampled_from(' &=?#+%/;"“'), min_size=1,
    max_size=12,
).filter(str.isprintable)  # fmt: skip
FIELDS = ["service", "campaign", "consumer", "status", "period", "from", "to", "by", "sort",
          "cursor", "line", "nonsense"]  # fmt: skip
DAYS = st.dates(date(1990, 1, 1), date(2099, 12, 31))


@st.composite
def queries(draw) -> UsageQuery:
    """Any question a screen can ask."""
    query = default_query(ACME, TODAY)
    if draw(st.booleans()):
        query = query.with_preset(draw(st.sampled_from(sorted(PRESET_BY_ID))), ACME, TODAY)
    elif draw(st.booleans()):
        start = draw(DAYS)
        length = draw(st.integers(1, 1_200))
        end = min(date.fromordinal(start.toordinal() + length), date(2100, 1, 1))
        query = query.with_period(check_range(start, end), ACME, TODAY)
    filters = Filters(
        services=tuple(draw(st.lists(st.sampled_from(list(Service)), unique=True))),
        campaigns=tuple(draw(st.lists(NAMES, unique=True, max_size=4))),
        consumers=tuple(draw(st.lists(NAMES, unique=True, max_size=4))),
        statuses=tuple(draw(st.lists(st.sampled_from(STATUSES), unique=True))),
    )
    return replace(
        query,
        filters=filters,
        granularity=draw(st.sampled_from(list(Granularity))),
        sort=draw(st.sampled_from(list(TransactionSort))),
        cursor=draw(st.none() | NAMES),
        line=draw(st.none() | NAMES),
    )


@given(queries())
def test_parsing_an_address_gives_the_query_that_wrote_it(query: UsageQuery):
    found, notices = parse_search(query.search(), ACME, TODAY)
    assert found == query
    assert notices == ()


ANY_ADDRESS = st.text() | st.lists(
    st.tuples(st.sampled_from(FIELDS), st.text() | st.sampled_from(["2026-11-01", "9999-12-31"]))
).map(urlencode)


@given(ANY_ADDRESS, st.sampled_from(["", "?"]))
@example("from=9999-12-31", "?")
@example("to=0001-01-01", "?")
@example("from=0001-01-01&to=9999-12-31", "?")
@example("campaign=%ff%00&line=%00&=&&&", "?")
@example("&".join("a=1" for _ in range(300)), "?")
@example("x" * 9_000, "?")
def test_no_address_ever_fails(text: str, mark: str):
    query, notices = parse_search(mark + text, ACME, TODAY)
    assert parse_search(query.search(), ACME, TODAY) == (query, ())
    assert all(notice.strip() for notice in notices)


@given(st.dates(), st.dates(), DAYS)
def test_no_range_ever_fails(start: date, end: date, today: date):
    for search in (f"from={start}&to={end}", f"from={start}", f"to={end}"):
        query, notices = parse_search(search, ACME, today)
        assert (query.preset == "custom") == (not notices)


def test_a_first_visit_opens_on_the_current_billing_period():
    for search in (None, "", "?"):
        query, notices = parse_search(search, ACME, TODAY)
        assert query.period == Period(day("2026-11-15"), day("2026-12-15"))
        assert query.compared_with == Period(day("2026-10-15"), day("2026-10-23"))
        assert (query.preset, query.filters.is_empty, query.search()) == ("this_period", True, "")
        assert notices == ()


@pytest.mark.parametrize(
    ("search", "start", "end"),
    [
        ("?period=today", "2026-11-22", "2026-11-23"),
        ("?period=last_month", "2026-10-01", "2026-11-01"),
        ("?from=2026-10-05&to=2026-10-08", "2026-10-05", "2026-10-08"),
        ("?from=2026-10-05", "2026-10-05", "2026-11-23"),
        ("?from=2026-12-24", "2026-12-24", "2026-12-25"),
        ("?to=2026-11-25", "2026-11-22", "2026-11-25"),
        ("?period=today&from=2026-10-05&to=2026-10-08", "2026-10-05", "2026-10-08"),
        ("?from=2026-10-01&from=2026-10-05&to=2026-10-08", "2026-10-05", "2026-10-08"),
    ],
)
def test_the_period_of_an_address(search: str, start: str, end: str):
    query, notices = parse_search(search, ACME, TODAY)
    assert query.period == Period(day(start), day(end))
    assert notices == ()


@pytest.mark.parametrize(
    ("search", "named"),
    [
        ("?period=next_year", "period=next_year"),
        ("?from=yesterday", "from=yesterday"),
        ("?from=2026-02-30", "from=2026-02-30"),
        ("?from=2026-11-02&to=2026-11-01", "2026-11-01"),
        ("?from=2020-01-01&to=2026-01-01", "40 months"),
        ("?from=9999-12-31", "9999-12-31"),
        ("?to=2020-01-01", "2020-01-01"),
        ("?service=Fax", "service=Fax"),
        ("?status=lost", "status=lost"),
        ("?by=hour", "by=hour"),
        ("?sort=random", "sort=random"),
        ("?utm_source=mail", "utm_source"),
        ("?campaign=" + "x" * (LONGEST_NAME + 1), "campaign=xxx"),
        ("?cursor=a%0Ab", "cursor="),
        ("?" + "x" * (LONGEST_ADDRESS + 1), "too long"),
        ("?" + "&".join(["a=1"] * 300), "could not be read"),
    ],
)
def test_what_is_ignored_is_named(search: str, named: str):
    query, notices = parse_search(search, ACME, TODAY)
    assert query == default_query(ACME, TODAY)
    assert len(notices) == 1
    assert named in notices[0]


def test_the_rest_of_a_mistyped_address_still_counts():
    query, notices = parse_search("?perod=today&service=Voice&service=Fax&by=week", ACME, TODAY)
    assert query.filters.services == ("Voice",)
    assert query.granularity is Granularity.WEEK
    assert len(notices) == 2


def test_a_filter_takes_each_value_once_and_a_bounded_number():
    search = urlencode([("campaign", str(n % 60)) for n in range(120)])
    query, _ = parse_search(search, ACME, TODAY)
    assert query.filters.campaigns == tuple(str(n) for n in range(MOST_FILTER_VALUES))
    assert parse_qs(query.search()[1:])["campaign"] == list(query.filters.campaigns)


@given(queries(), st.sampled_from([-1, 1]))
def test_stepping_keeps_the_question_and_starts_at_its_first_page(query, direction: int):
    moved = query.stepped(direction, ACME, TODAY)
    assert (moved.filters, moved.granularity, moved.sort) == (
        query.filters, query.granularity, query.sort,
    )  # fmt: skip
    assert (moved.preset, moved.cursor, moved.line) == ("custom", None, None)
    if direction > 0:
        assert moved.period.start == query.period.end
    else:
        assert moved.period.end == query.period.start


@pytest.mark.parametrize(
    ("name", "values", "filters"),
    [
        ("service", ["Voice"], Filters(services=("Voice",))),
        ("campaign", ["a", "b"], Filters(campaigns=("a", "b"))),
        ("consumer", ["u1"], Filters(consumers=("u1",))),
        ("status", ["failed"], Filters(statuses=("failed",))),
        ("status", [], Filters()),
    ],
)
def test_a_filter_is_replaced_and_the_page_starts_anew(
    name: str, values: list[str], filters: Filters
):
    first = replace(default_query(ACME, TODAY), cursor="c", line="l")
    query = first.with_filter(name, values)
    assert (query.filters, query.cursor, query.line) == (filters, None, None)
    assert query.filters.is_empty == (not values)
