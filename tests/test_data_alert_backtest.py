"""What an alert would have done, against a plain replay of every entry and line there is."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import count, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.access import AccountScope, Role
from billing.alert_standing import BacktestDay
from billing.alerts import (
    WHOLE,
    AlertKind,
    AlertRule,
    AlertScope,
    Measure,
    ScopeKind,
    Span,
    Threshold,
    Unit,
)
from billing.balance_days import Turn, balance_days
from billing.errors import InputError, NotAllowedError
from billing.metrics import METRIC_BY_ID
from billing.movements import Action, Movement
from billing.periods import Period
from data import tables as t
from data.analytics.lake import Lake
from data.analytics.sync import sync_all
from data.reading.alerts_reader import AlertsReader
from data.reading.usage_reader import LedgerReader
from tests.builders import NOON, UNIT_PRICE_MICROS, sms
from tests.wallet_ledger import REFUND, Wallet

PRICE = UNIT_PRICE_MICROS
TODAY = NOON.date()
DAY = timedelta(days=1)
_numbers = count(1)
STEPS = st.lists(
    st.tuples(st.just("charge"), st.integers(1, 30), st.sampled_from(["spring", "autumn", None]))
    | st.tuples(st.just("charge"), st.integers(1, 6), st.sampled_from(["spring", None]))
    | st.tuples(st.just("credit"), st.integers(1, 60))
    | st.tuples(st.just("adjust"), st.integers(-20, 20).filter(bool))
    | st.tuples(st.just("refund"), st.integers(0, 5))
    | st.tuples(st.just("wait"), st.sampled_from([0, 1, 1, 2, 7, 30]))
    | st.tuples(st.just("wait"), st.sampled_from([0, 1, 3])),
    min_size=6, max_size=30,
)  # fmt: skip


class Past:
    """Accounts whose past is made up step by step, in order, and ends now."""

    def __init__(self, wallet: Wallet, reader: AlertsReader, lake: Lake) -> None:
        self.wallet, self.reader, self.lake = wallet, reader, lake

    def make(self, steps: list[tuple[Any, ...]], **account: Any) -> AccountScope:
        """An account on which all of it happened; the last step happened an hour ago."""
        account_id = f"past-{next(_numbers)}"
        self.wallet.add(account_id, **account)
        waited = sum(step[1] for step in steps if step[0] == "wait")
        at, refunded = NOON - timedelta(hours=1) - waited * DAY - timedelta(minutes=60), set()
        for step in steps:
            at += timedelta(minutes=1)
            self.wallet.clock.at = at
            if step[0] == "wait":
                at += step[1] * DAY
            elif step[0] == "charge":
                event = sms(f"e-{next(_numbers)}", at, segments=step[1], campaign=step[2])
                (outcome,) = self.wallet.post(event, received_at=at, account_id=account_id)
                assert outcome.status == "accepted", outcome
            elif step[0] == "credit":
                self.wallet.credit(step[1] * PRICE, at, account_id=account_id)
            elif step[0] == "adjust":
                self.move(Movement(Action.ADJUSTMENT, step[1] * PRICE, "by hand"), account_id)
            else:
                lines = [line for line in self.wallet.lines(account_id)
                         if line.reverses_line_id is None and line.id not in refunded]  # fmt: skip
                if lines:
                    line_id = lines[step[1] % len(lines)].id
                    refunded.add(line_id)
                    self.move(Movement(Action.REFUND, 0, REFUND.reason, line_id), account_id)
        self.wallet.clock.at = NOON
        return AccountScope(self.wallet.accounts[account_id], Role.OWNER, NOON)

    def move(self, movement: Movement, account_id: str) -> None:
        self.wallet.move(movement, account_id=account_id)

    def fired_on(self, scope: AccountScope, rule: AlertRule) -> list[date]:
        return list(self.reader.backtest(scope, rule).fired_on)


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    folder = tmp_path_factory.mktemp("past")
    with Wallet(folder) as wallet:
        lake = Lake(folder / "lake", wallet.database)
        usage = LedgerReader(wallet.database, lake, wallet.clock)
        reader = AlertsReader(wallet.database, wallet.clock, lambda: usage, frozenset())
        yield Past(wallet, reader, lake)
        assert wallet.broken() == []
        lake.close()


def low(threshold: int, unit: Unit = Unit.MONEY) -> AlertRule:
    return AlertRule(AlertKind.LOW_BALANCE, Threshold(unit, threshold))


def usage(amount: int, span: Span, scope: AlertScope = WHOLE, unit: Unit = Unit.MONEY) -> AlertRule:
    measure = Measure.UNITS if unit is Unit.UNITS else Measure.COST
    return AlertRule(AlertKind.USAGE, Threshold(unit, amount), scope, measure, span)


# --- the oracle: everything that happened, one after the other -------------------------------
def replayed(past: Past, scope: AccountScope, is_past: Any) -> list[date]:
    """Days on which a balance comes to be past a threshold, of the last 90."""
    entries = sorted(past.wallet.rows(t.wallet_entries, scope.account_id), key=lambda e: e.seq)
    if not entries:
        return []
    fired, was, at = set(), False, 0
    balance, first = 0, min(entry.booked_on for entry in entries)
    day = first
    start = TODAY - 89 * DAY
    while day <= TODAY:
        looks = [] if day == first else [balance]  # midnight: thresholds and rates may have moved
        while at < len(entries) and entries[at].booked_on == day:
            balance = entries[at].balance_after_micros
            looks.append(balance)
            at += 1
        if day == start:
            was = False  # the backtest begins there
        for each in looks:
            now = is_past(each, day)
            if now and not was and day >= start:
                fired.add(day)
            was = now
        day += DAY
    assert at == len(entries), "entries are in order of their days"
    return sorted(fired)


def spent(past: Past, scope: AccountScope, column: str, **only: Any) -> dict[date, int]:
    """Cost of lines by a day of theirs."""
    found: dict[date, int] = {}
    for line in past.wallet.lines(scope.account_id):
        if all(getattr(line, name) == value for name, value in only.items()):
            day = getattr(line, column)
            found[day] = found.get(day, 0) + line.cost_micros
    return found


def average(by_day: dict[date, int], day: date) -> int | None:
    """Mean cost of the last complete months before a day, at most three.

    A day whose charges were all given back is one without usage.
    """
    used = [each for each, cost in by_day.items() if cost]
    if not used:
        return None
    first, month, costs = min(used), day.replace(day=1), []
    for _ in range(3):
        end, month = month, (month - DAY).replace(day=1)
        if month < first:
            break
        costs.append(sum(cost for on, cost in by_day.items() if month <= on < end))
    return (2 * sum(costs) + len(costs)) // (2 * len(costs)) if costs else None


# --- properties ------------------------------------------------------------------------------
@settings(max_examples=40)
@given(steps=STEPS, units=st.integers(0, 40), zone=st.sampled_from(["Europe/Lisbon", "Asia/Tokyo"]))
def test_a_balance_fires_on_the_days_on_which_it_fell(past, steps, units, zone):
    scope = past.make(steps, timezone=zone)
    for threshold in (units * PRICE, 0):
        expected = replayed(past, scope, lambda micros, _, t=threshold: micros <= t)
        assert past.fired_on(scope, low(threshold)) == expected


@settings(max_examples=12)
@given(steps=STEPS, percent=st.sampled_from([500, 1_500, 3_000, 12_345]))
def test_a_percentage_is_of_the_average_as_it_was_that_month(past, steps, percent):
    scope = past.make([("charge", 9, None), ("wait", 30), *steps])
    by_day = spent(past, scope, "cap_on")

    def is_past(micros: int, day: date) -> bool:
        mean = average(by_day, day)
        return mean is not None and micros <= (mean * percent + 5_000) // 10_000

    assert past.fired_on(scope, low(percent, Unit.PERCENT)) == replayed(past, scope, is_past)


@settings(max_examples=12)
@given(steps=STEPS, days=st.integers(0, 40))
def test_days_left_fire_as_the_balance_and_the_week_before_say(past, steps, days):
    scope = past.make(steps)
    by_day = spent(past, scope, "cap_on")

    def is_past(micros: int, day: date) -> bool:
        if micros <= 0:
            return True
        week = sum(by_day.get(day - n * DAY, 0) for n in range(1, 8))
        return week > 0 and min(micros * 7 // week, 3650) <= days

    rule = AlertRule(AlertKind.DAYS_LEFT, Threshold(Unit.DAYS, days))
    assert past.fired_on(scope, rule) == replayed(past, scope, is_past)


@settings(max_examples=12)
@given(steps=STEPS, units=st.integers(1, 40), is_synced=st.booleans())
def test_usage_fires_once_a_span_on_the_day_that_reached_it(past, steps, units, is_synced):
    scope = past.make(steps, anchor_day=17)
    if is_synced:
        sync_all(past.wallet.database, past.lake)
    parts = {
        WHOLE: spent(past, scope, "cap_on"),
        AlertScope(ScopeKind.CAMPAIGN, "spring"): spent(
            past, scope, "booked_on", campaign_id="spring"
        ),
        AlertScope(ScopeKind.METRIC, "sms_credits"): spent(past, scope, "booked_on"),
        AlertScope(ScopeKind.SERVICE, "SMS"): spent(past, scope, "booked_on"),
        AlertScope(ScopeKind.SERVICE, "Voice"): {},
    }  # fmt: skip
    for (part, by_day), span in product(parts.items(), Span):
        found = past.reader.backtest(scope, usage(units * PRICE, span, part))
        expected, was, window = [], False, None
        for each in found.days:
            start = span.of(scope.account, each.day).start
            value = sum(by_day.get(start + n * DAY, 0) for n in range((each.day - start).days + 1))
            assert each == BacktestDay(each.day, value, units * PRICE)
            was = was and start == window
            if value >= units * PRICE and not was:
                expected.append(each.day)
            was, window = value >= units * PRICE, start
        assert list(found.fired_on) == expected
        assert len(found.days) == 90


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.booleans(), st.integers(1, 50), st.integers(-20, 50)),
        max_size=40,
    ),
    st.integers(-30, 30),
)
def test_turns_tell_as_much_as_every_charge(moves, opening):
    """Charges and other movements of five days, in order: lowest point and end are the same."""
    first = date(2026, 3, 1)
    period = Period(first, first + 5 * DAY)
    charged: dict[date, int] = {}
    turns: list[Turn] = []
    balance = opening
    seen: dict[date, list[int]] = {day: [] for day in period.days()}
    begun: dict[date, int] = {}
    for place, is_charge, cost, amount in sorted(moves, key=lambda move: move[0]):
        day = first + place * DAY
        begun.setdefault(day, balance)
        if is_charge:
            charged[day], balance = charged.get(day, 0) + cost, balance - cost
        elif amount:
            balance += amount
            turns.append(Turn(day, amount, balance))
        seen[day].append(balance)
    found = balance_days(balance, charged, turns, period)
    running = opening
    for day in period.days():
        assert found[day][0] == running
        assert min(found[day]) == min([running, *seen[day]])
        running = seen[day][-1] if seen[day] else running
        assert found[day][-1] == running


def test_what_was_posted_out_of_order_stays_within_the_day():
    """An import posts yesterday's charges after today's credit: balances after it say nothing."""
    first = date(2026, 3, 1)
    turns = [Turn(first + DAY, 100, 100)]
    found = balance_days(40, {first: 50, first + DAY: 10}, turns, Period(first, first + 2 * DAY))
    assert found == {first: (0, -50), first + DAY: (-50, -50, 50, 40)}


# --- what else it says -----------------------------------------------------------------------
def test_a_day_that_was_topped_up_again_shows_how_low_it_was(past):
    scope = past.make([
        ("credit", 50), ("wait", 3), ("charge", 45, None), ("credit", 45), ("wait", 1),
        ("charge", 44, None), ("credit", 44), ("wait", 1),
    ])  # fmt: skip
    found = past.reader.backtest(scope, low(10 * PRICE))
    lows = [(each.day, each.value) for each in found.days if each.value is not None]
    low_days = {day: value for day, value in lows if value <= 10 * PRICE}
    assert low_days == {TODAY - 2 * DAY: 5 * PRICE, TODAY - DAY: 6 * PRICE}
    assert list(found.fired_on) == list(low_days)  # twice: it had recovered in between
    assert [each.value for each in found.days[:3]] == [None, None, None]  # nothing was there


def test_nothing_from_before_the_paid_plan_is_shown(past):
    scope = past.make([("credit", 99), *[("charge", 9, None), ("wait", 1)] * 6])
    full = past.reader.backtest(scope, usage(20 * PRICE, Span.MONTH))
    since = TODAY - 2 * DAY
    cut = AccountScope(scope.account, Role.OWNER, NOON, since)
    found = past.reader.backtest(cut, usage(20 * PRICE, Span.MONTH))
    assert full.fired_on == (TODAY - 4 * DAY,)
    assert [(each.day, each.value) for each in found.days] == [
        (since, 9 * PRICE), (since + DAY, 18 * PRICE), (TODAY, 18 * PRICE),
    ]  # fmt: skip
    assert found.fired_on == ()
    part = usage(20 * PRICE, Span.MONTH, AlertScope(ScopeKind.SERVICE, "SMS"))
    assert [each.value for each in past.reader.backtest(cut, part).days] == [
        9 * PRICE, 18 * PRICE, 18 * PRICE,
    ]  # fmt: skip
    balance = past.reader.backtest(cut, low(PRICE))
    assert [each.day for each in balance.days] == [since, since + DAY, TODAY]


def test_units_are_base_units_of_the_metric(past):
    scope = past.make([("credit", 99), ("charge", 7, None), ("wait", 1), ("charge", 5, None)])
    metric = AlertScope(ScopeKind.METRIC, METRIC_BY_ID["sms_credits"].id)
    found = past.reader.backtest(scope, usage(10, Span.WEEK, metric, Unit.UNITS))
    assert [each.value for each in found.days[-2:]] == [7, 12]
    assert found.fired_on == (TODAY,)
    assert past.reader.preview(scope, found.rule).value == 12


def test_a_preview_is_what_the_rule_looks_at_once_it_is_there(past):
    scope = past.make([("credit", 99), ("charge", 7, "spring"), ("wait", 1), ("charge", 5, None)])
    for rule, value in (
        (low(PRICE), 87 * PRICE),
        (AlertRule(AlertKind.DAYS_LEFT, Threshold(Unit.DAYS, 3)), 87),
        (usage(PRICE, Span.DAY), 5 * PRICE),
        (usage(PRICE, Span.MONTH, AlertScope(ScopeKind.CAMPAIGN, "spring")), 7 * PRICE),
        (usage(PRICE, Span.MONTH, AlertScope(ScopeKind.CAMPAIGN, "none")), 0),
    ):
        assert past.reader.preview(scope, rule).value == value
    percent = past.reader.preview(scope, low(3_000, Unit.PERCENT))
    assert (percent.value, percent.threshold) == (87 * PRICE, None)  # no complete month


def test_a_rule_that_can_not_be_or_a_plan_without_alerts_is_refused(past):
    scope = past.make([("credit", 1)])
    free = past.make([], plan="free")
    for read in (past.reader.backtest, past.reader.preview):
        with pytest.raises(InputError) as refused:
            read(scope, low(-1))
        assert refused.value.field == "threshold"
        with pytest.raises(NotAllowedError) as lacking:
            read(free, low(1))
        assert lacking.value.code == "plan_lacks"


def test_an_account_without_money_or_usage_has_no_figures(past):
    scope = past.make([])
    for rule in (low(10), AlertRule(AlertKind.DAYS_LEFT, Threshold(Unit.DAYS, 3))):
        found = past.reader.backtest(scope, rule)
        assert {each.value for each in found.days} == {None}
        assert found.fired_on == ()


def test_a_datetime_is_never_taken_for_a_day(past):
    scope = past.make([("credit", 9), ("charge", 2, None)])
    found = past.reader.backtest(scope, usage(PRICE, Span.DAY))
    assert not any(isinstance(each.day, datetime) for each in found.days)


def test_each_span_that_reaches_it_fires_anew(past):
    scope = past.make([("credit", 99), *[("charge", 9, None), ("wait", 1)] * 3])
    found = past.reader.backtest(scope, usage(5 * PRICE, Span.DAY))
    assert found.fired_on == (TODAY - 3 * DAY, TODAY - 2 * DAY, TODAY - DAY)
    whole = past.reader.backtest(scope, usage(5 * PRICE, Span.MONTH))
    assert whole.fired_on == (TODAY - 3 * DAY,)
