"""Alerts on a real ledger: told in the transaction that crossed, once, whatever moves money."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, text, update

from billing.alerts import (
    AlertKind,
    AlertRule,
    AlertScope,
    Channel,
    Frequency,
    Measure,
    Repeat,
    ScopeKind,
    Span,
    Threshold,
    Unit,
)
from billing.errors import InputError, NotFoundError
from billing.movements import Action, Movement
from data import tables as t
from data.alerts.rules import AlertChangedError
from data.ledger.sweeping import sweep
from tests.alert_ledger import OWNER, Alerted, low, proved_alerts, usage
from tests.builders import NOON, UNIT_PRICE_MICROS, at, call, sms
from tests.wallet_ledger import REFUND

PRICE = UNIT_PRICE_MICROS


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Alerted]:
    yield from proved_alerts(tmp_path)


# --- the journey ---------------------------------
def test_recommended_levels_warn_one_after_another_recover_and_fire_again(ledger: Alerted):
    """Second seed: Recommended Alert Levels, of an average of 100 units a month."""
    ledger.credit(300 * PRICE)
    ledger.history(80, 100, 120)
    ledger.top_up(0 + 1)  # a movement looks too, and finds nothing to look at
    assert ledger.posted() == 101 * PRICE
    assert [each.rule.level.value for each in ledger.install(OWNER)] == [
        "warning", "urgent", "critical",
    ]  # fmt: skip
    assert ledger.told() == []
    ledger.spend(70)
    assert ledger.told() == []
    ledger.spend(1)
    assert ledger.told() == [("fired", "warning")]
    facts = ledger.facts()[0]
    assert (facts["value"], facts["threshold"], facts["average_micros"], facts["number"]) == (
        30 * PRICE, 30 * PRICE, 100 * PRICE, 1,
    )  # fmt: skip
    ledger.spend(28)  # past urgent and critical together
    assert ledger.told() == [("fired", "warning"), ("fired", "critical")]
    assert ledger.sends() == [("email", OWNER, "waiting")] * 2
    ledger.top_up(200)
    assert ledger.told()[2:] == [("recovered", "critical")]
    ledger.spend(180)
    assert ledger.told()[3:] == [("fired", "warning")]
    assert [cause for _, cause in ledger.episodes()] == ["recovered"] * 3 + [None]
    assert ledger.install(OWNER) == ()  # once is enough


def test_a_rule_that_is_broken_already_says_so_at_once(ledger: Alerted):
    ledger.alert(low(100))
    assert ledger.told() == [("fired", "warning")]
    assert ledger.episodes() == [(100 * PRICE, None)]


def test_a_wallet_that_never_held_anything_has_not_run_low(ledger: Alerted):
    ledger.add("globex")
    ledger.alert(low(5), account_id="globex")
    assert ledger.told("globex") == []
    ledger.spend(1, "globex")
    assert ledger.told("globex") == [("fired", "warning")]


def test_a_percentage_waits_for_a_complete_month(ledger: Alerted):
    ledger.clock.at = at("2026-09-15 12:00")
    ledger.post(sms("first", ledger.clock.at, 50), received_at=None)
    ledger.install(OWNER)
    rows = ledger.rows(t.alert_states)
    assert {row.phase for row in rows} == {"waiting"}
    ledger.clock.at = at("2026-10-31 23:30")  # September was seen from its 15th day on alone
    ledger.spend(20)
    assert {row.phase for row in ledger.rows(t.alert_states)} == {"waiting"}
    ledger.clock.at = at("2026-11-01 00:30")  # October is complete: twenty units
    assert ledger.sweep_alerts() == 0
    assert {row.phase for row in ledger.rows(t.alert_states)} == {"armed"}
    ledger.spend(24)  # 6 left, which is 30 % of 20
    assert ledger.told() == [("fired", "warning")]


def test_history_before_the_paid_plan_is_no_part_of_the_average(ledger: Alerted):
    ledger.add("paid", paid_since=at("2026-10-01 00:00").date())
    ledger.credit(10**7, account_id="paid")
    ledger.history(900, 900, 30, account_id="paid")
    ledger.install(OWNER, account_id="paid")
    ledger.spend(1, "paid")
    with ledger.database.read() as connection:
        from data.alerts.values import AlertValues

        values = AlertValues(connection, ledger.accounts["paid"], ledger.clock.at)
        assert (values.average.micros, values.average.month_count) == (30 * PRICE, 1)


# --- whatever moves money ---------------------------------
def test_every_way_to_spend_or_lose_money_is_looked_at(ledger: Alerted):
    ledger.alert(low(90))
    hold = ledger.ask(amount=10)
    assert ledger.told() == []  # what is only reserved isn't spent
    ledger.settle(hold["hold_id"], segments=10)
    assert ledger.told() == [("fired", "warning")]
    ledger.top_up(50)
    ledger.move(Movement(Action.ADJUSTMENT, -60 * PRICE, "a correction"))
    assert ledger.told() == [("fired", "warning")] * 2


def test_credit_that_expires_is_looked_at(ledger: Alerted):
    from data.ledger.expiry import expire_due

    ledger.credit(50 * PRICE, expires_at="2026-11-23 00:00")
    ledger.alert(low(100))
    ledger.clock.at = at("2026-11-23 00:00")
    ledger.writer.write(lambda c: expire_due(c, ledger.clock.at))
    assert ledger.told() == [("fired", "warning")]


def test_a_refund_takes_usage_back_and_arms_again(ledger: Alerted):
    ledger.alert(usage(5, has_recovery=True))
    ledger.alert(usage(5, scope="metric sms_credits", has_recovery=True, name="messages"))
    ledger.spend(5)
    assert ledger.told() == [("fired", "notice")] * 2
    (line,) = ledger.lines()
    ledger.move(replace(REFUND, line_id=line.id))
    assert ledger.told()[2:] == [("recovered", "notice")] * 2
    ledger.spend(5)
    assert ledger.told()[4:] == [("fired", "notice")] * 2


def test_nothing_is_told_while_an_import_runs_and_the_present_state_once_after_it(ledger: Alerted):
    ledger.alert(low(90))
    row = {
        "id": "import-1", "account_id": "acme", "status": "running", "file_name": "a.csv",
        "map_name": "sms-text", "started_at": NOON, "heartbeat_at": NOON,
    }  # fmt: skip
    with ledger.database.write() as connection:
        known = {column.name for column in t.imports.columns}
        required = {
            column.name: 0 for column in t.imports.columns
            if not column.nullable and column.name not in row
        }  # fmt: skip
        given = {name: value for name, value in row.items() if name in known}
        connection.execute(insert(t.imports).values(**required, **given))
    ledger.spend(20)
    assert (ledger.told(), ledger.sweep_alerts()) == ([], 0)
    with ledger.database.write() as connection:
        connection.execute(update(t.imports).values(status="done"))
    assert ledger.sweep_alerts() == 1
    assert ledger.told() == [("fired", "warning")]


def test_a_charge_that_is_undone_tells_nobody(ledger: Alerted):
    ledger.alert(low(90))

    def broken(connection) -> None:
        poster = ledger.poster(connection)
        poster.post([sms("gone", NOON, 50)], NOON)
        poster.flush()
        from data.alerts.sweeping import look_at

        assert look_at(connection, "acme", NOON).notice_count == 1
        raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError):
        ledger.writer.write(broken)
    assert (ledger.told(), ledger.episodes(), ledger.sends()) == ([], [], [])


# --- spans and parts ---------------------------------
@pytest.mark.parametrize(
    ("span", "next_at"),
    [
        ("day", "2026-11-23 00:00"), ("week", "2026-11-23 00:00"), ("month", "2026-12-01 00:00"),
        ("billing_period", "2026-12-15 00:00"),
    ],
)  # fmt: skip
def test_each_span_counts_its_own_days_and_is_armed_again_when_it_is_over(
    ledger: Alerted, span: str, next_at: str
):
    ledger.add("far", anchor_day=15)
    ledger.credit(10**8, account_id="far")
    for before in ("2026-11-14 12:00", "2026-11-16 12:00", "2026-11-21 12:00"):
        ledger.post(sms(before, at(before), 100), received_at=at(before), account_id="far")
    start = Span(span).of(ledger.accounts["far"], at("2026-11-22 12:00").date()).start
    earlier = sum(100 for each in (14, 16, 21) if start <= at(f"2026-11-{each} 12:00").date())
    ledger.alert(usage(earlier + 5, span), account_id="far")
    ledger.spend(4, "far")
    assert ledger.told("far") == []
    ledger.spend(1, "far")
    assert ledger.told("far") == [("fired", "notice")]
    assert ledger.facts("far")[0]["value"] == (earlier + 5) * PRICE
    ledger.clock.at = at(next_at) - timedelta(seconds=1)
    assert ledger.sweep_alerts() == 0
    ledger.clock.at = at(next_at)
    assert ledger.sweep_alerts() == 0
    assert [cause for _, cause in ledger.episodes("far")] == ["period"]
    ledger.spend(earlier + 5, "far")
    assert ledger.told("far") == [("fired", "notice")] * 2


@pytest.mark.parametrize(
    ("scope", "mine", "other"),
    [
        ("service SMS", {}, None),
        ("metric sms_credits", {}, {"kind": "ai_reply"}),
        ("campaign spring", {"campaign": "spring"}, {"campaign": "autumn"}),
        ("campaign ' OR 1=1 --", {"campaign": "' OR 1=1 --"}, {"campaign": "spring"}),
    ],
)  # fmt: skip
def test_a_part_of_usage_is_counted_from_before_the_rule_was_made(
    ledger: Alerted, scope: str, mine: dict, other: dict | None
):
    ledger.spend(3, **mine)
    if other is None:
        ledger.post(call("other", NOON, 3600))
    else:
        ledger.spend(50, **other)
    ledger.alert(usage(5, scope=scope))
    ledger.spend(1, **mine)
    assert ledger.told() == []
    ledger.spend(1, **mine)
    assert [each["value"] for each in ledger.facts()] == [5 * PRICE]


def test_units_of_a_metric_are_counted_in_base_units(ledger: Alerted):
    rule = AlertRule(
        AlertKind.USAGE, Threshold(Unit.UNITS, 120),
        AlertScope(ScopeKind.METRIC, "ai_connected_minutes"), Measure.UNITS, Span.DAY,
    )  # fmt: skip
    ledger.alert(rule)
    for number in range(2):
        ledger.intake.submit("acme", [call(f"c{number}", NOON, 60)], NOON)[0].result(30)
    assert [each["value"] for each in ledger.facts()] == [120]


def test_a_late_line_counts_on_its_own_day_and_one_before_the_tally_is_left_out(ledger: Alerted):
    ledger.alert(usage(5, scope="metric sms_credits"))
    ledger.spend(9, when=NOON - timedelta(days=1))
    ledger.spend(9, when=NOON - timedelta(days=30))
    assert ledger.told() == []
    assert ledger.broken() == []


def test_what_nobody_looks_at_any_more_is_not_counted(ledger: Alerted):
    alert = ledger.alert(usage(5, scope="campaign spring"))
    ledger.spend(1, campaign="spring")
    assert len(ledger.rows(t.usage_tallies)) == 2
    changed = ledger.change(alert, usage(5, scope="campaign autumn"))
    assert {row.scope_id for row in ledger.rows(t.usage_tallies)} == {"autumn"}
    ledger.remove(changed)
    assert ledger.rows(t.usage_tallies) == []
    ledger.spend(9, campaign="autumn")
    assert ledger.told() == []


def test_verify_names_a_tally_that_is_wrong(ledger: Alerted):
    ledger.alert(usage(50, scope="campaign spring"))
    ledger.spend(3, campaign="spring")
    with ledger.database.write() as connection:
        connection.execute(text("UPDATE usage_tallies SET cost_micros = cost_micros + 7"))
    assert any("campaign spring" in each and "7" in each for each in ledger.broken())
    with ledger.database.write() as connection:
        connection.execute(text("UPDATE usage_tallies SET cost_micros = cost_micros - 7"))


def test_days_of_balance_left(ledger: Alerted):
    rule = AlertRule(AlertKind.DAYS_LEFT, Threshold(Unit.DAYS, 9), level=low(1).level)
    ledger.alert(rule)
    assert ledger.told() == []  # nothing was spent lately
    for back in range(1, 8):
        when = NOON - timedelta(days=back)
        ledger.post(sms(f"d{back}", when, 10), received_at=when)
    ledger.credit(70 * PRICE)
    assert ledger.sweep_alerts() == 0  # 100 units at 10 a day
    ledger.spend(1)
    assert ledger.told() == [("fired", "warning")]
    assert ledger.facts()[0]["value"] == 9


# --- changing rules ---------------------------------
def test_a_threshold_edited_while_in_alarm(ledger: Alerted):
    alert = ledger.alert(low(100))
    alert = ledger.change(alert, low(50))
    assert ledger.episodes() == [(100 * PRICE, "edited")]
    alert = ledger.change(alert, low(200), alert.version)
    assert ledger.told() == [("fired", "warning")] * 2
    ledger.change(alert, low(300))  # still in alarm: not said again
    assert ledger.told() == [("fired", "warning")] * 2
    with pytest.raises(AlertChangedError, match="version 4"):
        ledger.change(alert, low(1), alert.version)


def test_pausing_removing_and_going_on(ledger: Alerted):
    alert = ledger.alert(low(100))
    alert = ledger.change(alert, replace(low(100), is_on=False))
    ledger.spend(1)
    assert ledger.episodes() == [(100 * PRICE, "off")]
    ledger.change(alert, low(100))
    ledger.remove(alert)
    assert [cause for _, cause in ledger.episodes()] == ["off", "off"]
    assert ledger.told() == [("fired", "warning")] * 2
    with pytest.raises(NotFoundError):
        ledger.remove(alert)


def test_every_change_is_in_the_audit_log_without_addresses(ledger: Alerted):
    rule = replace(low(5), channels=(Channel.EMAIL,), emails=(OWNER,))
    alert = ledger.alert(rule)
    ledger.change(alert, replace(rule, emails=(OWNER, "billing@acme.example")))
    ledger.remove(alert)
    rows = [row for row in ledger.rows(t.audit) if row.action.startswith("alert.")]
    assert [row.action for row in rows] == ["alert.added", "alert.changed", "alert.removed"]
    assert not any("@" in row.detail for row in rows)


def test_one_rule_too_many_is_refused(ledger: Alerted, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("data.alerts.book.MOST_ALERTS", 2)
    ledger.alert(low(1))
    ledger.alert(low(2))
    with pytest.raises(InputError, match="remove one first"):
        ledger.alert(low(3))
    assert len(ledger.rows(t.alerts)) == 2


# --- repeated, muted, swept ---------------------------------
def test_every_so_many_hours_is_told_by_the_sweep(ledger: Alerted):
    ledger.alert(replace(low(100), frequency=Frequency(Repeat.HOURS, 24)))
    for hours in (1, 23, 24, 25, 47, 48):
        ledger.clock.at = NOON + timedelta(hours=hours)
        ledger.sweep_alerts()
    assert ledger.told() == [("fired", "warning"), ("repeated", "warning"),
                             ("repeated", "warning")]  # fmt: skip
    assert [each["number"] for each in ledger.facts()] == [1, 2, 3]
    assert len(ledger.episodes()) == 1


def test_the_sweep_of_limits_and_of_alerts_do_not_tell_twice(ledger: Alerted):
    ledger.alert(low(90))
    ledger.post(sms("unlooked", NOON, 20))  # as if no charge had looked
    assert ledger.told() == []
    assert ledger.sweep_alerts() == 1
    sweep(ledger.database, ledger.writer, ledger.clock.at)
    ledger.spend(1)
    assert ledger.told() == [("fired", "warning")]


def test_a_closed_account_is_left_alone(ledger: Alerted):
    ledger.alert(replace(low(100), frequency=Frequency(Repeat.HOURS, 1)))
    with ledger.database.write() as connection:
        connection.execute(update(t.accounts).values(closed_at=NOON))
    ledger.clock.at = NOON + timedelta(hours=5)
    assert ledger.sweep_alerts() == 0


def test_who_asked_to_hear_no_more_is_not_written_to(ledger: Alerted):
    rule = replace(low(100), channels=(Channel.EMAIL,), emails=(OWNER, "b@acme.example"))
    with ledger.database.write() as connection:
        connection.execute(
            insert(t.notice_mutes).values(
                account_id="acme", channel="email", address=OWNER, alert_id="", muted_at=NOON
            )
        )
    ledger.alert(rule)
    assert ledger.sends() == [("email", "b@acme.example", "waiting"), ("email", OWNER, "muted")]


def test_a_batch_of_any_size_fires_the_same(ledger: Alerted):
    ledger.alert(low(50))
    events = [sms(f"b{number}", NOON, 1) for number in range(60)]
    for future in ledger.intake.submit("acme", events, NOON):
        future.result(30)
    assert ledger.told() == [("fired", "warning")]
    assert len(ledger.episodes()) == 1
