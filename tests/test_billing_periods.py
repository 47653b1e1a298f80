"""Periods: every preset on its reference days, anchors that never drift, steps, ranges."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.errors import InputError
from billing.periods import (
    LONGEST_RANGE_MONTHS,
    PRESET_BY_ID,
    PRESETS,
    Period,
    anchored_period,
    check_anchor_day,
    check_range,
    like_for_like,
    step,
    step_unit,
    week_of,
)
from tests.builders import calendar, day

DAYS = st.dates(date(1995, 1, 1), date(2090, 12, 31))
ANCHORS = st.integers(1, 31)


def period(text: str) -> Period:
    """``period("2026-11-01 2026-12-01")``: the end is excluded."""
    start, end = text.split()
    return Period(day(start), day(end))


# id, today, anchor, expected start and excluded end
PRESET_ROWS = """
today        2026-11-22  1   2026-11-22 2026-11-23
today        2026-12-31  1   2026-12-31 2027-01-01
today        2028-02-29  1   2028-02-29 2028-03-01
last_7_days  2026-11-22  1   2026-11-16 2026-11-23
last_7_days  2026-01-03  1   2025-12-28 2026-01-04
last_7_days  2028-03-01  1   2028-02-24 2028-03-02
this_month   2026-11-22  1   2026-11-01 2026-12-01
this_month   2026-12-31  15  2026-12-01 2027-01-01
this_month   2027-02-28  31  2027-02-01 2027-03-01
last_month   2026-11-22  1   2026-10-01 2026-11-01
last_month   2026-01-01  15  2025-12-01 2026-01-01
last_month   2028-03-31  31  2028-02-01 2028-03-01
this_period  2026-11-22  1   2026-11-01 2026-12-01
this_period  2026-11-22  15  2026-11-15 2026-12-15
this_period  2026-11-14  15  2026-10-15 2026-11-15
this_period  2026-11-15  15  2026-11-15 2026-12-15
this_period  2026-01-10  15  2025-12-15 2026-01-15
this_period  2026-02-27  31  2026-01-31 2026-02-28
this_period  2026-02-28  31  2026-02-28 2026-03-31
this_period  2026-03-30  31  2026-02-28 2026-03-31
this_period  2026-03-31  31  2026-03-31 2026-04-30
this_period  2028-02-28  31  2028-01-31 2028-02-29
this_period  2028-02-29  31  2028-02-29 2028-03-31
this_period  2026-02-28  30  2026-02-28 2026-03-30
this_period  2026-02-28  29  2026-02-28 2026-03-29
this_period  2028-02-28  29  2028-01-29 2028-02-29
this_period  2028-02-29  29  2028-02-29 2028-03-29
last_period  2026-11-22  1   2026-10-01 2026-11-01
last_period  2026-11-22  15  2026-10-15 2026-11-15
last_period  2026-01-14  15  2025-11-15 2025-12-15
last_period  2026-03-31  31  2026-02-28 2026-03-31
last_period  2026-03-30  31  2026-01-31 2026-02-28
last_period  2028-03-31  30  2028-02-29 2028-03-30
"""


@pytest.mark.parametrize("row", PRESET_ROWS.strip().splitlines())
def test_a_preset_on_a_reference_day(row: str):
    preset, today, anchor, start, end = row.split()
    found = PRESET_BY_ID[preset].find(day(today), calendar(anchor))
    assert found == period(f"{start} {end}")


def test_every_preset_has_rows_and_the_seed_has_its_four_by_name():
    assert {row.split()[0] for row in PRESET_ROWS.strip().splitlines()} == set(PRESET_BY_ID)
    labels = [preset.label for preset in PRESETS]
    assert labels[:4] == ["Today", "Last 7 days", "This month", "Last month"]


@pytest.mark.parametrize(
    ("anchor", "starts"),
    [
        (31, "2027-12-31 2028-01-31 2028-02-29 2028-03-31 2028-04-30 2028-05-31 2028-06-30"),
        (31, "2026-01-31 2026-02-28 2026-03-31 2026-04-30 2026-05-31 2026-06-30 2026-07-31"),
        (30, "2027-01-30 2027-02-28 2027-03-30 2027-04-30 2027-05-30"),
        (29, "2027-01-29 2027-02-28 2027-03-29 2027-04-29"),
        (29, "2028-01-29 2028-02-29 2028-03-29"),
    ],
)
def test_late_anchors_return_after_a_short_month(anchor: int, starts: str):
    days = [day(text) for text in starts.split()]
    billing = calendar(anchor)
    found = billing.period_of(days[0])
    for start, end in pairwise(days):
        assert found == Period(start, end)
        found = billing.next(found)


@pytest.mark.parametrize("anchor", [1, 28, 29, 30, 31])
def test_anchors_never_drift_over_a_century(anchor: int):
    billing = calendar(anchor)
    found = billing.period_of(date(2000, 6, 15))
    for _ in range(12 * 80):
        following = billing.next(found)
        assert following.start == found.end
        assert billing.previous(following) == found
        month_end = (found.start.replace(day=1) + timedelta(days=31)).replace(day=1)
        last_day = (month_end - timedelta(days=1)).day
        assert found.start.day == min(anchor, last_day)
        found = following


@given(DAYS, ANCHORS)
def test_a_period_holds_its_day_and_is_the_period_of_each_of_its_days(today: date, anchor: int):
    found = anchored_period(today, anchor)
    assert today in found
    assert 28 <= found.day_count <= 31
    assert {anchored_period(each, anchor) for each in found.days()} == {found}


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        ("2026-03-30", "2026-02-28 2026-03-31"),
        ("2026-03-31", "2026-03-31 2026-04-15"),  # cut to fit
        ("2026-04-14", "2026-03-31 2026-04-15"),
        ("2026-04-15", "2026-04-15 2026-05-15"),
    ],
)
def test_a_changed_anchor_begins_at_a_periods_end(today: str, expected: str):
    assert calendar("31, 15 2026-03-31").period_of(day(today)) == period(expected)


@st.composite
def changed_calendars(draw):
    """A calendar whose anchors change at ends of periods, as accounts change them."""
    billing = calendar(draw(ANCHORS))
    around = date(2026, 1, 1)
    for _ in range(draw(st.integers(1, 3))):
        end = billing.period_of(around).end
        billing = type(billing)((*billing.dated, (end, draw(ANCHORS))))
        around = end + timedelta(days=draw(st.integers(0, 90)))
    return billing


@given(changed_calendars(), st.dates(date(2025, 11, 1), date(2027, 3, 1)))
def test_changed_anchors_leave_no_gap_and_no_overlap(billing, today: date):
    found = billing.period_of(today)
    assert today in found
    assert {billing.period_of(each) for each in found.days()} == {found}
    assert billing.next(found).start == found.end
    assert billing.previous(billing.next(found)) == found


@pytest.mark.parametrize(
    ("shown", "anchor", "unit", "earlier", "later"),
    [
        ("2026-11-22 2026-11-23", 1, "day", "2026-11-21 2026-11-22", "2026-11-23 2026-11-24"),
        ("2026-11-16 2026-11-23", 1, "week", "2026-11-09 2026-11-16", "2026-11-23 2026-11-30"),
        ("2026-03-01 2026-04-01", 15, "month", "2026-02-01 2026-03-01", "2026-04-01 2026-05-01"),
        ("2026-01-01 2026-02-01", 1, "month", "2025-12-01 2026-01-01", "2026-02-01 2026-03-01"),
        ("2026-02-28 2026-03-31", 31, "billing_period",
         "2026-01-31 2026-02-28", "2026-03-31 2026-04-30"),
        ("2026-03-31 2026-04-15", "31, 15 2026-03-31", "billing_period",
         "2026-02-28 2026-03-31", "2026-04-15 2026-05-15"),
        ("2026-11-01 2026-11-11", 1, "span", "2026-10-22 2026-11-01", "2026-11-11 2026-11-21"),
    ],
)  # fmt: skip
def test_a_period_steps_by_its_own_kind(
    shown: str, anchor: str | int, unit: str, earlier: str, later: str
):
    billing = calendar(anchor)
    assert step_unit(period(shown), billing) == unit
    assert step(period(shown), -1, billing) == period(earlier)
    assert step(period(shown), 1, billing) == period(later)


@given(DAYS, st.integers(1, 400), ANCHORS)
def test_stepping_leaves_no_gap(start: date, length: int, anchor: int):
    billing = calendar(anchor)
    shown = Period(start, start + timedelta(days=length))
    assert step(shown, -1, billing).end == shown.start
    assert step(shown, 1, billing).start == shown.end


@pytest.mark.parametrize(
    ("shown", "today", "anchor", "compared"),
    [
        ("2026-11-01 2026-12-01", "2026-11-22", 1, "2026-10-01 2026-10-23"),
        ("2026-11-01 2026-12-01", "2026-11-01", 1, "2026-10-01 2026-10-02"),
        ("2026-11-01 2026-12-01", "2026-11-30", 1, "2026-10-01 2026-10-31"),
        ("2026-11-01 2026-12-01", "2026-12-01", 1, "2026-10-01 2026-11-01"),
        ("2026-03-01 2026-04-01", "2026-03-31", 1, "2026-02-01 2026-03-01"),
        ("2026-02-28 2026-03-31", "2026-03-30", 31, "2026-01-31 2026-02-28"),
        ("2026-11-15 2026-12-15", "2026-11-22", 15, "2026-10-15 2026-10-23"),
        ("2026-11-16 2026-11-23", "2026-11-22", 1, "2026-11-09 2026-11-16"),
        ("2026-11-22 2026-11-23", "2026-11-22", 1, "2026-11-21 2026-11-22"),
        ("2027-01-01 2027-02-01", "2026-11-22", 1, "2026-12-01 2027-01-01"),
    ],
)
def test_like_is_compared_with_like(shown: str, today: str, anchor: int, compared: str):
    assert like_for_like(period(shown), day(today), calendar(anchor)) == period(compared)


@given(DAYS, st.integers(1, 400), DAYS, ANCHORS)
def test_what_is_compared_ends_where_the_shown_begins_or_earlier(
    start: date, length: int, today: date, anchor: int
):
    shown = Period(start, start + timedelta(days=length))
    compared = like_for_like(shown, today, calendar(anchor))
    assert compared.end <= shown.start
    assert compared.start == step(shown, -1, calendar(anchor)).start


@given(DAYS)
def test_weeks_run_from_monday(today: date):
    week = week_of(today)
    assert (week.start.weekday(), week.day_count) == (0, 7)
    assert today in week


@pytest.mark.parametrize(
    ("start", "end", "refused"),
    [
        ("2026-11-01", "2026-11-02", None),
        ("2026-11-02", "2026-11-02", "to"),
        ("2026-11-03", "2026-11-02", "to"),
        ("1990-01-01", "1990-01-02", None),
        ("1989-12-31", "1990-01-02", "from"),
        ("2099-12-31", "2100-01-01", None),
        ("2099-12-31", "2100-01-02", "to"),
        ("2100-01-01", "2100-01-02", "from"),
        ("2023-01-31", "2026-05-31", None),  # 40 months
        ("2023-01-31", "2026-06-01", "to"),
        ("0001-01-01", "9999-12-31", "from"),
    ],
)
def test_a_typed_range_is_bounded(start: str, end: str, refused: str | None):
    assert LONGEST_RANGE_MONTHS == 40
    if refused is None:
        assert check_range(day(start), day(end)) == Period(day(start), day(end))
        return
    with pytest.raises(InputError) as refusal:
        check_range(day(start), day(end))
    assert refusal.value.field == refused


def test_a_period_excludes_its_end():
    november = period("2026-11-01 2026-12-01")
    assert (day("2026-11-01") in november, day("2026-12-01") in november) == (True, False)
    assert (november.day_count, november.last_day) == (30, day("2026-11-30"))
    assert november.clip(day("2026-11-29"), None) == period("2026-11-29 2026-12-01")
    assert november.clip(day("2026-12-01"), None) is None
    assert november.span(period("2026-01-01 2026-01-02")) == period("2026-01-01 2026-12-01")
    with pytest.raises(InputError):
        period("2026-11-01 2026-11-01")


@pytest.mark.parametrize("anchor", [0, 32, -1])
def test_an_anchor_is_a_day_of_month(anchor: int):
    with pytest.raises(InputError):
        check_anchor_day(anchor)
