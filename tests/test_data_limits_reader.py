"""What the reader of limits shows whom: gauges, history as far as it is seen, open holds."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from billing.access import AccountScope, Role
from billing.caps import Cap, CapKind, Limits
from billing.errors import InputError, NotFoundError
from billing.limit_standing import (
    BACKTEST_DAYS,
    backtest_campaign,
    backtest_period,
    backtest_windows,
    may_change,
)
from billing.periods import Period
from data.ledger.limiting import Limiting, PauseOverError
from data.reading.instant_cursor import read_cursor, write_cursor
from data.reading.limits_reader import LimitsReader
from tests.builders import NOON, UNIT_PRICE_MICROS, sms
from tests.hold_ledger import Holding, cap, proved_holding

SMS = UNIT_PRICE_MICROS  # of one segment


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Holding]:
    yield from proved_holding(tmp_path)


def no_usage():
    raise AssertionError("sums of usage are only for a campaign's backtest")


def reader(ledger: Holding) -> LimitsReader:
    return LimitsReader(ledger.database, ledger.clock, no_usage)


def owner(ledger: Holding, visible_from: date | None = None) -> AccountScope:
    return replace(ledger.scope(Role.OWNER), visible_from=visible_from)


def test_a_gauge_counts_what_is_spent_and_reserved(ledger):
    ledger.limit(cap("daily", 3 * SMS), cap("per_call", SMS))
    ledger.settle(ledger.ask(amount=1)["hold_id"], segments=1)
    ledger.ask(amount=1)
    standing = reader(ledger).standing(owner(ledger))
    daily = standing.gauge(CapKind.DAILY)
    assert daily is not None
    assert (daily.spent_micros, daily.reserved_micros, daily.left_micros) == (SMS, SMS, SMS)
    assert (daily.over_micros, daily.ceiling_micros, daily.override) == (0, 3 * SMS, None)
    per_call = standing.gauge(CapKind.PER_CALL)
    assert per_call is not None
    assert (per_call.window, per_call.left_micros, per_call.spent_micros) == (None, None, 0)
    assert standing.gauge(CapKind.WEEKLY) is None
    assert standing.as_of == NOON


def test_an_override_moves_the_gauges_ceiling(ledger):
    limiting = Limiting(ledger.writer, ledger.clock)
    ledger.limit(cap("daily", SMS))
    ledger.post(sms("e", segments=2))
    scope, found = owner(ledger), reader(ledger)
    ledger.clock.at = NOON + timedelta(seconds=1)
    ledger.limit(cap("daily", SMS))  # as a sweep does: pauses what charges have filled
    (pause,) = found.open_pauses(scope)
    until = ledger.clock.at + timedelta(hours=1)
    given = limiting.override(scope, "person:ada", pause.id, "a fair", until, 4 * SMS)
    gauge = found.standing(scope).gauges[0]
    assert (gauge.ceiling_micros, gauge.left_micros) == (4 * SMS, 2 * SMS)
    assert gauge.override == given.override
    limiting.take_back(scope, "person:ada", pause.id)
    again = found.open_pauses(scope)[0]
    limiting.override(scope, "person:ada", again.id, "a fair", until)
    gauge = found.standing(scope).gauges[0]
    assert (gauge.ceiling_micros, gauge.left_micros, gauge.over_micros) == (None, None, 0)
    with pytest.raises(PauseOverError):
        limiting.override(scope, "person:ada", again.id, "a fair", until)


def test_history_before_the_paid_plan_is_hidden_and_what_is_open_is_not(ledger):
    held = ledger.ask(amount=1)["hold_id"]
    given_back = ledger.ask(amount=1)["hold_id"]
    ledger.release(given_back)
    ledger.limit(cap("daily", 0))
    later, found = owner(ledger, NOON.date() + timedelta(days=1)), reader(ledger)
    assert found.holds(later).holds == ()
    assert found.pauses(later).pauses == ()
    assert [each.id for each in found.open_holds(later)] == [held]
    assert len(found.pauses(later, is_open=True).pauses) == 1
    with pytest.raises(NotFoundError):
        found.hold(later, given_back)
    assert len(found.holds(owner(ledger)).holds) == 2
    ledger.limit()


def test_a_backtest_sees_as_far_as_its_scope(ledger):
    for days in range(5):
        ledger.post(sms(f"e{days}", NOON - timedelta(days=days), segments=1 + days))
    found, daily = reader(ledger), Cap(CapKind.DAILY, 2 * SMS)
    everything = found.backtest(owner(ledger), daily)
    assert [hit.spent_micros for hit in everything.hits] == [5 * SMS, 4 * SMS, 3 * SMS, 2 * SMS]
    assert everything.period.day_count == BACKTEST_DAYS
    recent = found.backtest(owner(ledger, NOON.date() - timedelta(days=2)), daily)
    assert [hit.spent_micros for hit in recent.hits] == [3 * SMS, 2 * SMS]
    assert recent.period.start == NOON.date() - timedelta(days=2)
    with pytest.raises(InputError):
        found.backtest(owner(ledger), Cap(CapKind.DAILY, None))


def test_limits_of_one_account_are_not_those_of_another(ledger):
    ledger.add("other")
    ledger.limit(cap("daily", 0))
    found = reader(ledger)
    other = ledger.scope(Role.OWNER, "other")
    assert found.standing(other).limits == Limits()
    (pause,) = found.open_pauses(owner(ledger))
    with pytest.raises(NotFoundError):
        found.pause(other, pause.id)
    ledger.limit()


def test_who_may_change_limits():
    assert {role for role in Role if may_change(role)} == {Role.OWNER, Role.ADMIN}


# --- the rules of a backtest -------------------------------------------------------------------
MARCH = Period(date(2026, 3, 1), date(2026, 4, 1))


def test_a_window_that_began_before_the_period_is_left_out():
    spent = {date(2026, 3, 1): 50, date(2026, 3, 2): 50, date(2026, 3, 8): 49, date(2026, 3, 9): 1}
    hits = backtest_windows(Cap(CapKind.WEEKLY, 99), MARCH, spent)
    assert [(hit.window.start_on, hit.reached_on, hit.until_on) for hit in hits] == [
        (date(2026, 3, 2), date(2026, 3, 8), date(2026, 3, 9))
    ]
    assert hits[0].spent_micros == 99


def test_what_is_given_back_later_does_not_undo_the_day_it_was_reached():
    spent = {date(2026, 3, 2): 60, date(2026, 3, 3): 60, date(2026, 3, 4): -100}
    (hit,) = backtest_windows(Cap(CapKind.WEEKLY, 100), MARCH, spent)
    assert (hit.reached_on, hit.spent_micros) == (date(2026, 3, 3), 20)


def test_a_budget_that_was_used_up_before_was_so_from_the_first_day():
    budget = Cap(CapKind.CAMPAIGN, 100, campaign="spring")
    (hit,) = backtest_campaign(budget, MARCH, [(date(2026, 3, 9), 5)], 100)
    assert (hit.reached_on, hit.until_on, hit.spent_micros) == (MARCH.start, None, 105)
    assert backtest_campaign(budget, MARCH, [(date(2026, 3, 9), 5)], 94) == ()


def test_the_days_of_a_backtest_end_with_today():
    today = date(2026, 3, 31)
    assert backtest_period(today, None) == Period(date(2026, 1, 1), date(2026, 4, 1))
    assert backtest_period(today, today + timedelta(days=9)).day_count == 1


# --- cursors -----------------------------------------------------------------------------------
def test_a_cursor_is_what_was_handed_out():
    place = (NOON, "01a2055e-b76a-7363-ac59-48be5482849c")
    assert read_cursor(write_cursor(place)) == place


@pytest.mark.parametrize("wrong", ["", "x", "WzEsMl0", "é", "W10", "bnVsbA", "WzEsIlx1MDAwMCJd",
                                   "A" * 121])  # fmt: skip
def test_a_cursor_that_is_none_is_refused(wrong):
    with pytest.raises(InputError, match="cursor"):
        read_cursor(wrong)
