"""Pauses: what is due at a moment, when it ends, and why it ended."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from billing.caps import Cap, CapKind, Counted, Inbound, Limits, Override, Window, windows_of
from billing.holds import HoldKind
from billing.pauses import (
    BALANCE,
    Reason,
    ResumeCause,
    due_pauses,
    paused_for,
    present_windows,
    resets_at,
    resume_cause,
)
from billing.periods import ZoneHistory
from tests.builders import NOON, at, dated, day

LISBON = ZoneHistory(dated("Europe/Lisbon"))
DAILY = Window(CapKind.DAILY, day("2026-11-22"))
SPRING = windows_of(day("2026-11-22"), "spring")[0]
CAPS = (
    Cap(CapKind.DAILY, 10), Cap(CapKind.WEEKLY, 20), Cap(CapKind.MONTHLY, 30),
    Cap(CapKind.CAMPAIGN, 40, campaign="spring"), Cap(CapKind.PER_CALL, 1),
)  # fmt: skip


def lifted(**rest: Any) -> Override:
    given = {
        "id": "o", "kind": CapKind.DAILY, "campaign": "", "reason": "a fair", "actor": "person:ada",
        "starts_at": NOON, "ends_at": NOON + timedelta(hours=1),
    }  # fmt: skip
    return Override(**{**given, **rest})


def due(limits: Limits, spent: int, posted: int = 1) -> list[str]:
    """The names of what is due when every window has spent so much."""
    windows = windows_of(day("2026-11-22"), "spring")
    counts = {window: Counted(spent, 10**9) for window in windows}
    found = due_pauses(limits, counts, posted, NOON, LISBON)
    return [f"{each.reason.rule} {each.reason.campaign}".strip() for each in found]


@pytest.mark.parametrize(
    ("spent", "posted", "names"),
    [
        (9, 1, []),  # what is reserved may come back
        (10, 1, ["daily"]),
        (20, 1, ["daily", "weekly"]),
        (40, 1, ["daily", "weekly", "monthly", "campaign spring"]),
        (10, 0, ["balance", "daily"]),
        (0, -1, ["balance"]),
    ],
)
def test_a_window_is_full_when_what_was_spent_reaches_its_limit(
    spent: int, posted: int, names: list[str]
):
    assert due(Limits(CAPS), spent, posted) == names


@pytest.mark.parametrize(
    "limits",
    [
        Limits((Cap(CapKind.DAILY, 10, is_hard=False),)),
        Limits((Cap(CapKind.DAILY, 10, is_on=False),)),
        Limits((Cap(CapKind.DAILY, 10),), is_on=False),
        Limits((Cap(CapKind.DAILY, 10),), (lifted(),)),
        Limits((Cap(CapKind.DAILY, 10),), (lifted(limit_micros=11),)),
        Limits((Cap(CapKind.PER_CALL, 1),)),
    ],
)
def test_what_is_soft_off_or_lifted_pauses_nothing(limits: Limits):
    assert due(limits, 10) == []
    assert due(Limits((Cap(CapKind.DAILY, 10),), (lifted(limit_micros=10),)), 10) == ["daily"]


def test_a_window_nothing_was_counted_in_is_empty_and_still_full_at_zero():
    assert due_pauses(Limits(CAPS), {}, 1, NOON, LISBON) == ()
    (found,) = due_pauses(Limits((Cap(CapKind.DAILY, 0),)), {}, 1, NOON, LISBON)
    assert (found.spent_micros, found.limit_micros) == (0, 0)
    assert found.until_at == at("2026-11-23 00:00")


def test_only_windows_of_this_moment_with_a_cap_that_is_on_are_looked_at():
    limits = Limits((*CAPS[:2], Cap(CapKind.CAMPAIGN, 1, campaign="spring", is_on=False)))
    assert present_windows(limits, NOON, LISBON) == windows_of(day("2026-11-22"), None)[:2]
    assert present_windows(Limits(CAPS, is_on=False), NOON, LISBON) == ()


# --- when a window ends --------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("zone", "kind", "on", "resets"),
    [
        ("Europe/Lisbon", "daily", "2026-10-24", "2026-10-24 23:00"),
        ("Europe/Lisbon", "daily", "2026-10-25", "2026-10-26 00:00"),  # of 25 hours
        ("Europe/Lisbon", "weekly", "2026-10-19", "2026-10-26 00:00"),
        ("Europe/Lisbon", "monthly", "2026-03-01", "2026-03-31 23:00"),
        (
            "America/Havana",
            "daily",
            "2026-10-31",
            "2026-11-01 04:00",
        ),
        ("America/Havana", "daily", "2026-11-01", "2026-11-02 05:00"),
        ("America/Havana", "daily", "2026-03-07", "2026-03-08 05:00"),  # there is no midnight
        ("Asia/Kolkata", "monthly", "2026-12-01", "2026-12-31 18:30"),
    ],
)
def test_a_window_ends_where_the_next_local_day_begins(zone: str, kind: str, on: str, resets: str):
    zones = ZoneHistory(dated(zone))
    window = Window(CapKind(kind), day(on))
    assert resets_at(window, zones) == at(resets)
    just_before = at(resets) - timedelta(microseconds=1)
    assert window in windows_of(zones.local_day(just_before), None)
    assert window not in windows_of(zones.local_day(at(resets)), None)
    assert resets_at(SPRING, zones) is None


# --- why it goes on ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("limits", "when", "cause"),
    [
        (Limits(CAPS), at("2026-11-23 00:00"), "boundary"),
        (Limits((Cap(CapKind.DAILY, 99),)), at("2026-11-23 00:00"), "boundary"),
        (Limits(CAPS, (lifted(),)), NOON, "override"),
        (Limits((Cap(CapKind.DAILY, 11),)), NOON, "limit"),
        (Limits((Cap(CapKind.DAILY, 10, is_hard=False),)), NOON, "limit"),
        (Limits((Cap(CapKind.DAILY, 10, is_hard=False),), (lifted(),)), NOON, "limit"),
        (Limits((Cap(CapKind.DAILY, 10, is_on=False),)), NOON, "limit"),
        (Limits(CAPS, is_on=False), NOON, "limit"),
        (Limits(), NOON, "limit"),
        (Limits(CAPS), NOON, "reversal"),
    ],
)
def test_why_a_daily_cap_lets_go(limits: Limits, when: datetime, cause: str):
    found = resume_cause(Reason("daily", DAILY), limits, when, LISBON, 10)
    assert found is ResumeCause(cause)


def test_credit_ends_an_empty_balance_and_a_raise_a_full_campaign():
    assert resume_cause(Reason(BALANCE), Limits(), NOON, LISBON, 0) is ResumeCause.CREDIT
    full = Reason("campaign", SPRING)
    later = NOON + timedelta(days=4_000)
    assert resume_cause(full, Limits(CAPS), later, LISBON, 40) is ResumeCause.REVERSAL
    raised = Limits((Cap(CapKind.CAMPAIGN, 41, campaign="spring"),))
    assert resume_cause(full, raised, later, LISBON, 40) is ResumeCause.LIMIT


# --- whom it stops -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("reasons", "kind", "campaign", "inbound", "rule"),
    [
        ([], "sms", None, "stop", None),
        ([Reason("daily", DAILY)], "sms", None, "continue", "daily"),
        ([Reason("daily", DAILY)], "call.ai", "autumn", "continue", "daily"),
        ([Reason("daily", DAILY)], "call.inbound", None, "stop", None),
        ([Reason("campaign", SPRING)], "call.ai", "spring", "continue", "campaign"),
        ([Reason("campaign", SPRING)], "call.ai", "autumn", "continue", None),
        ([Reason("campaign", SPRING)], "call.ai", None, "continue", None),
        ([Reason(BALANCE)], "sms", None, "continue", "balance"),
        ([Reason(BALANCE)], "call.inbound", None, "continue", None),
        ([Reason(BALANCE)], "call.inbound", None, "stop", "balance"),
        ([Reason("campaign", SPRING), Reason("weekly", DAILY)], "sms", "autumn", "stop", "weekly"),
    ],
)
def test_what_a_pause_keeps_from_happening(
    reasons: list[Reason], kind: str, campaign: str | None, inbound: str, rule: str | None
):
    assert paused_for(reasons, HoldKind(kind), campaign, Inbound(inbound)) == rule
