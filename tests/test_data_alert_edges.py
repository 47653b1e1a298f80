"""Alerts at edges: other figures, other zones, rolling months, undone changes, closed accounts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, update

from billing.alerts import (
    LARGEST_THRESHOLD_MICROS,
    AlertKind,
    AlertRule,
    Frequency,
    Repeat,
    Span,
    Threshold,
    Unit,
)
from billing.caps import CapKind, Limits
from billing.movements import LARGEST_MICROS, Action, Movement
from data import tables as t
from data.accounts import read_account
from data.alerts.book import AlertBooks
from data.alerts.rules import add_alert
from data.changes import begin_changes
from data.ledger.expiry import expire_due
from data.ledger.limit_book import LimitBooks
from data.ledger.limits import set_limits
from tests.alert_ledger import ACTOR, Alerted, low, proved_alerts, usage
from tests.builders import NOON, UNIT_PRICE_MICROS, at, sms
from tests.hold_ledger import cap

PRICE = UNIT_PRICE_MICROS


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Alerted]:
    yield from proved_alerts(tmp_path)


def part_of_average(percent: int, **rest) -> AlertRule:
    kind = AlertKind.USAGE if "span" in rest else AlertKind.LOW_BALANCE
    return AlertRule(kind, Threshold(Unit.PERCENT, percent), **rest)


def read_today(ledger: Alerted, account_id: str) -> date:
    with ledger.database.read() as connection:
        return read_account(connection, account_id).today(ledger.clock.at)


def test_a_rule_that_looks_at_another_figure_begins_anew(ledger: Alerted):
    alert = ledger.alert(low(100))
    ledger.spend(3)
    ledger.change(alert, usage(3))
    assert ledger.episodes() == [(100 * PRICE, "edited"), (3 * PRICE, None)]
    assert ledger.told() == [("fired", "warning"), ("fired", "notice")]


def test_once_a_period_is_of_the_figure_that_is_looked_at(ledger: Alerted):
    """Told of a low balance in November, a rule changed to usage tells of usage in November."""
    often = Frequency(Repeat.PERIOD)
    alert = ledger.alert(low(100, frequency=often))
    ledger.spend(3)
    ledger.change(alert, usage(3, "billing_period", frequency=often))
    assert ledger.told() == [("fired", "warning"), ("fired", "notice")]


def test_nobody_is_told_of_credit_that_lapses_in_a_closed_account(ledger: Alerted):
    ledger.credit(50 * PRICE, expires_at="2026-11-23 00:00")
    ledger.alert(low(100))
    with ledger.database.write() as connection:
        connection.execute(update(t.accounts).values(closed_at=NOON))
    ledger.clock.at = at("2026-11-23 00:00")
    assert ledger.writer.write(lambda c: expire_due(c, ledger.clock.at)) == 1
    assert (ledger.told(), ledger.episodes()) == ([], [])


def test_a_hold_that_came_to_nothing_begins_no_history(ledger: Alerted):
    """Else a month with usage from its middle on would be taken for a complete one."""
    ledger.clock.at = at("2026-09-30 12:00")
    ledger.release(ledger.ask(amount=3)["hold_id"])
    ledger.clock.at = at("2026-10-20 12:00")
    ledger.spend(30)
    ledger.clock.at = at("2026-11-22 12:00")
    ledger.alert(part_of_average(30_00))
    assert [row.phase for row in ledger.rows(t.alert_states)] == ["waiting"]


def test_a_percentage_follows_the_average_when_a_month_rolls(ledger: Alerted):
    """60 left: past 30 % of 300, not past 30 % of 170, past it again when the average grows."""
    ledger.clock.at = at("2026-10-31 12:00")
    ledger.post(sms("sep", at("2026-09-01 12:00"), 300), received_at=None)
    ledger.top_up(300)
    ledger.alert(part_of_average(30_00, has_recovery=True))
    ledger.spend(40)
    assert ledger.told() == [("fired", "notice")]
    ledger.clock.at = at("2026-11-01 00:00") - timedelta(seconds=1)
    assert ledger.sweep_alerts() == 0
    ledger.clock.at = at("2026-11-01 00:00")
    assert ledger.sweep_alerts() == 1
    assert ledger.told()[1:] == [("recovered", "notice")]
    facts = ledger.facts()[1]
    assert (facts["value"], facts["threshold"], facts["average_micros"]) == (
        60 * PRICE, 51 * PRICE, 170 * PRICE,
    )  # fmt: skip


def test_a_part_of_an_average_of_nothing(ledger: Alerted):
    """Three months without usage: the first charge is more than usual, none isn't."""
    ledger.post(sms("old", at("2026-06-01 12:00"), 5), received_at=None)
    ledger.alert(part_of_average(30_00, span=Span.DAY))
    ledger.alert(part_of_average(30_00))
    assert ledger.told() == []
    ledger.spend(1)
    assert [each["kind"] for each in ledger.facts()] == ["usage"]


@pytest.mark.parametrize(
    ("before", "after"),
    [("Asia/Kolkata", "America/New_York"), ("America/New_York", "Asia/Kolkata"),
     ("Pacific/Kiritimati", "Pacific/Pago_Pago")],
)  # fmt: skip
def test_each_local_day_is_told_once_when_the_account_moves_to_another_zone(
    ledger: Alerted, before: str, after: str
):
    ledger.add("moved", timezone=before)
    ledger.credit(10**9, account_id="moved")
    with ledger.database.write() as connection:
        connection.execute(insert(t.account_zones).values(
            account_id="moved", valid_from=date(2026, 11, 24), timezone=after,
        ))  # fmt: skip
    ledger.alert(usage(3), "moved")
    charged: Counter[date] = Counter()
    for hour in range(4 * 24):
        ledger.clock.at = NOON + timedelta(hours=hour)
        ledger.spend(1, "moved")
        charged[read_today(ledger, "moved")] += 1
    found = sorted(row.window_on for row in ledger.rows(t.alert_episodes, "moved"))
    assert found == sorted(day for day, count in charged.items() if count >= 3)
    assert len(ledger.told("moved")) == len(found) >= 3


def test_every_so_many_hours_are_hours_when_clocks_change(ledger: Alerted):
    ledger.add("york", timezone="America/New_York")
    ledger.credit(10 * PRICE, account_id="york")
    start = ledger.clock.at = at("2026-10-31 12:00")
    ledger.alert(low(100, frequency=Frequency(Repeat.HOURS, 24)), "york")
    for minutes in range(0, 49 * 60, 30):
        ledger.clock.at = start + timedelta(minutes=minutes)
        ledger.sweep_alerts()
    told = sorted(row.created_at for row in ledger.rows(t.notices, "york"))
    assert told == [start, start + timedelta(hours=24), start + timedelta(hours=48)]


def test_the_largest_amounts_are_counted(ledger: Alerted):
    for _ in range(3):
        ledger.move(Movement(Action.TOP_UP, LARGEST_MICROS))
    ledger.alert(AlertRule(AlertKind.LOW_BALANCE, Threshold(Unit.MONEY, LARGEST_THRESHOLD_MICROS)))
    for _ in range(3):
        ledger.move(Movement(Action.ADJUSTMENT, -LARGEST_MICROS, "back"))
    assert [each["value"] for each in ledger.facts()] == [100 * PRICE]
    ledger.spend(200)
    assert ledger.posted() == -100 * PRICE
    assert len(ledger.told()) == 1


def test_what_was_undone_is_not_remembered_under_a_version_that_comes_again(ledger: Alerted):
    """Alerts and limits read in a transaction that changed them and wasn't kept."""
    alerts, limits = AlertBooks(), LimitBooks()
    account = ledger.accounts["acme"]

    def undone(connection: Connection) -> None:
        begin_changes(connection)
        add_alert(connection, account, low(7), ACTOR, NOON)
        set_limits(connection, account, Limits((cap("daily", 7),)), ACTOR, NOON)
        assert len(alerts.of(connection, "acme").alerts) == 1
        assert len(limits.of(connection, "acme", NOON).caps) == 1
        connection.rollback()

    with ledger.database.write() as connection:
        undone(connection)
    kept = ledger.alert(low(8))
    ledger.limit(cap("weekly", 8))
    with ledger.database.write() as connection:
        begin_changes(connection)
        assert alerts.of(connection, "acme").alerts == (kept,)
        (found,) = limits.of(connection, "acme", NOON).caps
        assert found.kind is CapKind.WEEKLY
        assert alerts.of(connection, "acme") is alerts.of(connection, "acme"), "remembered"


def test_a_rule_on_a_campaign_that_nobody_used(ledger: Alerted):
    rule = usage(1, "week", "campaign nobody's", has_recovery=True)
    alert = ledger.alert(rule)
    ledger.spend(50, campaign="spring")
    assert (ledger.told(), ledger.sweep_alerts()) == ([], 0)
    ledger.change(alert, replace(rule, threshold=Threshold(Unit.MONEY, 2 * PRICE)))
    ledger.spend(2, campaign="nobody's")
    assert ledger.told() == [("fired", "notice")]
