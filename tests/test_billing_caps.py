"""Spending limits: windows over local days, ceilings with overrides, and what can be set."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.caps import (
    LARGEST_CAP_MICROS,
    MOST_BUDGETS,
    Cap,
    CapKind,
    Limits,
    Override,
    Window,
    check_caps,
    check_override,
    span_of,
    windows_of,
)
from billing.errors import InputError
from billing.periods import FIRST_DAY
from tests.builders import NOON, day

DAILY = Window(CapKind.DAILY, day("2026-11-22"))
HOUR = timedelta(hours=1)


def override(**rest: Any) -> Override:
    given = {
        "id": "o1", "kind": CapKind.DAILY, "campaign": "", "reason": "a fair",
        "actor": "person:ada", "starts_at": NOON, "ends_at": NOON + HOUR,
    }  # fmt: skip
    return Override(**{**given, **rest})


# --- windows -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("on", "monday", "first"),
    [
        ("2026-11-22", "2026-11-16", "2026-11-01"),  # a Sunday
        ("2026-11-23", "2026-11-23", "2026-11-01"),
        ("2026-12-01", "2026-11-30", "2026-12-01"),
        ("2027-01-02", "2026-12-28", "2027-01-01"),
        ("2028-02-29", "2028-02-28", "2028-02-01"),
    ],
)
def test_a_day_counts_in_its_week_from_monday_and_its_calendar_month(
    on: str, monday: str, first: str
):
    found = windows_of(day(on), None)
    assert [(window.kind.value, str(window.start_on)) for window in found] == [
        ("daily", on), ("weekly", monday), ("monthly", first),
    ]  # fmt: skip


def test_a_campaigns_window_comes_first_and_never_ends():
    campaign, *rest = windows_of(day("2026-11-22"), "spring")
    assert campaign == Window(CapKind.CAMPAIGN, FIRST_DAY, "spring")
    assert (span_of(campaign), campaign.ends_on) == (None, None)
    assert tuple(rest) == windows_of(day("2026-11-22"), None) == windows_of(day("2026-11-22"), "")


@given(st.dates(date(2000, 1, 1), date(2090, 1, 1)))
def test_the_next_window_begins_where_one_ends(on: date):
    for window in windows_of(on, None):
        assert window.ends_on is not None
        assert window.start_on <= on < window.ends_on
        after = {each.kind: each for each in windows_of(window.ends_on, None)}
        assert after[window.kind].start_on == window.ends_on
        last = {each.kind: each for each in windows_of(window.ends_on - timedelta(days=1), None)}
        assert last[window.kind] == window


# --- ceilings ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("cap", "is_on", "ceiling", "soft"),
    [
        (Cap(CapKind.DAILY, 7), True, 7, None),
        (Cap(CapKind.DAILY, 0), True, 0, None),
        (Cap(CapKind.DAILY, 7, is_hard=False), True, None, 7),
        (Cap(CapKind.DAILY, 7, is_on=False), True, None, None),
        (Cap(CapKind.DAILY, 7, is_hard=False, is_on=False), True, None, None),
        (Cap(CapKind.DAILY, 7), False, None, None),
        (Cap(CapKind.WEEKLY, 7), True, None, None),
    ],
)
def test_what_a_cap_leaves_of_a_window(cap: Cap, is_on: bool, ceiling: Any, soft: Any):
    limits = Limits((cap,), is_on=is_on)
    assert limits.ceiling(DAILY, NOON) == ceiling
    assert limits.soft_limit(DAILY) == soft


@pytest.mark.parametrize(
    ("given", "ceiling"),
    [
        ({}, None),
        ({"limit_micros": 9}, 9),
        ({"limit_micros": 5}, 7),  # the cap was raised above it since
        ({"kind": CapKind.WEEKLY}, 7),
        ({"campaign": "spring"}, 7),
        ({"ends_at": NOON}, 7),
        ({"ends_at": NOON + timedelta(microseconds=1)}, None),
        ({"starts_at": NOON + timedelta(microseconds=1)}, 7),
        ({"ended_at": NOON}, 7),
        ({"ended_at": NOON + timedelta(microseconds=1)}, None),
    ],
)
def test_an_override_lifts_its_cap_up_to_its_amount_while_it_holds(
    given: dict[str, Any], ceiling: int | None
):
    limits = Limits((Cap(CapKind.DAILY, 7),), (override(**given),))
    assert limits.ceiling(DAILY, NOON) == ceiling


def test_the_newest_of_several_overrides_counts():
    older = override(id="o1", starts_at=NOON - HOUR)
    newer = override(id="o2", limit_micros=9)
    same = override(id="o3", limit_micros=11)
    limits = Limits((Cap(CapKind.DAILY, 7),), (newer, older))
    assert limits.ceiling(DAILY, NOON) == 9
    assert Limits(limits.caps, (newer, older, same)).ceiling(DAILY, NOON) == 11
    assert limits.ceiling(DAILY, NOON - timedelta(minutes=1)) is None, "the older one alone"


# --- what can be set -----------------------------------------------------------------------------
def test_caps_come_back_in_a_steady_order():
    given = [
        Cap(CapKind.MONTHLY, 4), Cap(CapKind.CAMPAIGN, 2, campaign="b"),
        Cap(CapKind.PER_CALL, None, 60), Cap(CapKind.CAMPAIGN, 2, campaign="a"),
    ]  # fmt: skip
    assert check_caps(given) == tuple(given[place] for place in (2, 3, 1, 0))
    assert check_caps([Cap(CapKind.DAILY, 0), Cap(CapKind.WEEKLY, LARGEST_CAP_MICROS)])


@pytest.mark.parametrize(
    ("field", "caps"),
    [
        ("limit_micros", [Cap(CapKind.DAILY, -1)]),
        ("limit_micros", [Cap(CapKind.DAILY, LARGEST_CAP_MICROS + 1)]),
        ("limit_micros", [Cap(CapKind.DAILY, None)]),
        ("limit_micros", [Cap(CapKind.PER_CALL, None)]),
        ("limit_seconds", [Cap(CapKind.DAILY, 1, 60)]),
        ("limit_seconds", [Cap(CapKind.PER_CALL, 1, 0)]),
        ("limit_seconds", [Cap(CapKind.PER_CALL, 1, 86_401)]),
        ("campaign", [Cap(CapKind.CAMPAIGN, 1)]),
        ("campaign", [Cap(CapKind.DAILY, 1, campaign="spring")]),
        ("campaign", [Cap(CapKind.CAMPAIGN, 1, campaign="x" * 256)]),
        ("campaign", [Cap(CapKind.CAMPAIGN, 1, campaign="a\n")]),
        ("caps", [Cap(CapKind.DAILY, 1), Cap(CapKind.DAILY, 2)]),
        ("campaigns", [Cap(CapKind.CAMPAIGN, 1, campaign=str(n)) for n in range(MOST_BUDGETS + 1)]),
    ],
)
def test_a_cap_that_can_not_be_is_refused_by_name(field: str, caps: list[Cap]):
    with pytest.raises(InputError) as refused:
        check_caps(caps)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("reason", {"reason": "  "}),
        ("reason", {"reason": "x" * 256}),
        ("until", {"ends_at": NOON}),
        ("until", {"ends_at": NOON + timedelta(days=32)}),
        ("limit_micros", {"limit_micros": 7}),
        ("limit_micros", {"limit_micros": LARGEST_CAP_MICROS + 1}),
    ],
)
def test_an_override_that_can_not_be_is_refused_by_name(field: str, given: dict[str, Any]):
    limits, longest = Limits((Cap(CapKind.DAILY, 7),)), NOON + timedelta(days=31)
    with pytest.raises(InputError) as refused:
        check_override(override(**given), limits, NOON, longest)
    assert refused.value.field == field
    kept = check_override(override(reason=" a fair ", limit_micros=8), limits, NOON, longest)
    assert kept.reason == "a fair"
