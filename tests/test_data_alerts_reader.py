"""What the reader of alerts shows whom: standing, episodes, notices; on either database."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from billing.access import AccountScope, Role
from billing.alert_steps import Phase
from billing.alerts import (
    Alert,
    AlertKind,
    AlertRule,
    AlertScope,
    Channel,
    Frequency,
    Level,
    Measure,
    Repeat,
    ScopeKind,
    Span,
    Target,
    Threshold,
    Unit,
)
from billing.errors import InputError, NotFoundError
from billing.notices import NoticeDraft, NoticeKind, SendState
from data import tables as t
from data.alerts.changing import AlertDesk, JustTestedError
from data.alerts.rules import AlertChangedError
from data.database import open_database
from data.identity import new_id
from data.migrate import migrate
from data.notices.outbox import EVERYBODY, leave_notice
from data.reading.alerts_reader import AlertsReader, seen_accounts
from tests import databases
from tests.builders import NOON, UNIT_PRICE_MICROS
from tests.hold_ledger import Holding

PRICE = UNIT_PRICE_MICROS
ADA, BOB = "person-ada", "person-bob"
MAIL = Target(Channel.EMAIL, "owner@acme.example")
ON_SCREEN = Target(Channel.DASHBOARD)


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Holding]:
    opened = None
    if request.param == "postgresql" and not databases.ON_POSTGRESQL:
        opened = open_database(databases.postgresql_url(tmp_path / "alerts"))
        migrate(opened)
    with Holding(tmp_path, opened) as holding:
        holding.add()
        holding.credit(100 * PRICE)
        yield holding
        assert holding.broken() == []


def no_usage() -> Any:
    raise AssertionError("sums of usage are only for a part of it that no alert looks at")


def reader(ledger: Holding, *channels: Channel) -> AlertsReader:
    return AlertsReader(ledger.database, ledger.clock, no_usage, frozenset(channels))


def desk(ledger: Holding) -> AlertDesk:
    return AlertDesk(ledger.writer, ledger.clock)


def owner(ledger: Holding, visible_from: date | None = None) -> AccountScope:
    return replace(ledger.scope(Role.OWNER), visible_from=visible_from)


def low(threshold: int, **more: Any) -> AlertRule:
    return AlertRule(AlertKind.LOW_BALANCE, Threshold(Unit.MONEY, threshold), **more)


def add(ledger: Holding, rule: AlertRule) -> Alert:
    return desk(ledger).add(owner(ledger), "person:ada", rule)


def leave(
    ledger: Holding, at: datetime, account_id: str = "acme", *targets: Target,
    kind: NoticeKind = NoticeKind.ALERT_FIRED,
) -> str:  # fmt: skip
    draft = NoticeDraft(kind, Level.URGENT, {"reason": "card"}, targets or (ON_SCREEN,))
    return ledger.writer.write(lambda c: leave_notice(c, account_id, draft, at))


def move_on(ledger: Holding, **more: Any) -> None:
    ledger.clock.at += timedelta(**more)


def test_a_rule_is_read_as_it_was_given(ledger):
    rule = AlertRule(
        AlertKind.USAGE, Threshold(Unit.UNITS, 500), AlertScope(ScopeKind.METRIC, "sms_credits"),
        Measure.UNITS, Span.BILLING_PERIOD, Level.WARNING, "Many", tuple(Channel),
        ("a@acme.example", "b@acme.example"), ("+14155550100",), Frequency(Repeat.HOURS, 4),
        has_recovery=True,
    )  # fmt: skip
    added = add(ledger, rule)
    standing = reader(ledger, Channel.DASHBOARD).standing(owner(ledger))
    (view,) = standing.alerts
    assert (view.alert, view.alert.rule, view.phase) == (added, rule, Phase.ARMED)
    assert (view.reading.value, view.reading.threshold) == (0, 500)
    assert (standing.version, standing.as_of) == (1, NOON)
    assert standing.channels == frozenset({Channel.DASHBOARD})


def test_standing_says_since_when_it_is_in_alarm(ledger):
    alert = add(ledger, low(60 * PRICE))
    found, scope = reader(ledger), owner(ledger)
    move_on(ledger, hours=1)
    ledger.settle(ledger.ask(amount=50)["hold_id"], segments=50)
    view = found.view(scope, alert.id)
    assert (view.phase, view.reading.value) == (Phase.ALARM, 50 * PRICE)
    assert view.alarm_since == view.told_at == ledger.clock.at
    (episode,) = found.episodes(scope, alert.id, 10)
    assert (episode.id, episode.value, episode.told_count) == (view.episode_id, 50 * PRICE, 1)
    assert (episode.ended_at, episode.end_cause) == (None, None)
    move_on(ledger, hours=1)
    desk(ledger).switch(scope, "person:ada", alert.id, is_on=False)
    view = found.view(scope, alert.id)
    assert (view.phase, view.alarm_since, view.episode_id) == (Phase.OFF, None, None)
    (episode,) = found.episodes(scope, None, 10)
    assert (episode.ended_at, episode.end_cause) == (ledger.clock.at, "off")
    with pytest.raises(NotFoundError):
        found.view(scope, "no-such-alert")


def test_episodes_are_newest_first_bounded_and_of_one_rule(ledger):
    first, second = add(ledger, low(200 * PRICE)), add(ledger, low(300 * PRICE))
    scope, found = owner(ledger), reader(ledger)
    for n in range(3):
        move_on(ledger, minutes=1)
        for is_on in (False, True):
            desk(ledger).switch(scope, "person:ada", first.id, is_on=is_on)
        assert len(found.episodes(scope, first.id, 10)) == n + 2
    everything = found.episodes(scope, None, 10)
    assert len(everything) == 5
    assert list(everything) == sorted(everything, key=lambda e: (e.started_at, e.id), reverse=True)
    assert {each.alert_id for each in found.episodes(scope, second.id, 10)} == {second.id}
    assert found.episodes(scope, first.id, 2) == tuple(
        each for each in everything if each.alert_id == first.id
    )[:2]  # fmt: skip
    assert found.episodes(scope, "a\x00b", 10) == ()
    assert found.episodes(owner(ledger, NOON.date() + timedelta(days=1)), None, 10) == ()
    desk(ledger).remove(scope, "person:ada", first.id)
    assert len(found.episodes(scope, first.id, 10)) == 4  # what happened stays known


def test_notices_page_newest_first_with_what_a_person_has_not_seen(ledger):
    found, scope = reader(ledger), owner(ledger)
    ids = []
    for _ in range(7):
        move_on(ledger, minutes=1)
        ids.append(leave(ledger, ledger.clock.at))
    pages, cursor = [], None
    while True:
        page = found.notices(scope, ADA, cursor, 3)
        pages.append([each.id for each in page.notices])
        cursor = page.next_cursor
        if cursor is None:
            break
    assert pages == [ids[:3:-1], ids[3:0:-1], ids[:1]]
    assert [each.id for each in found.unread(scope, ADA)] == ids[::-1]
    desk(ledger).mark_seen(seen_accounts(scope), ADA, NOON + timedelta(minutes=5))
    assert [each.id for each in found.unread(scope, ADA)] == ids[:4:-1]
    unread = [each.id for each in found.notices(scope, ADA).notices if each.is_unread]
    assert unread == ids[:4:-1]
    desk(ledger).mark_seen(seen_accounts(scope), ADA, NOON)  # never back
    assert len(found.unread(scope, ADA)) == 2
    desk(ledger).mark_seen(seen_accounts(scope), ADA)
    assert found.unread(scope, ADA) == []
    assert len(found.unread(scope, BOB)) == 7  # each for themselves
    assert not any(each.is_unread for each in found.notices(scope, None).notices)
    for wrong in ("nonsense", "a\x00b"):
        with pytest.raises(InputError):
            found.notices(scope, ADA, wrong)
    with pytest.raises(InputError):
        found.notices(scope, ADA, None, 0)


def test_what_is_not_on_the_dashboard_is_listed_but_not_unread(ledger):
    notice_id = leave(ledger, NOON, "acme", MAIL)
    found, scope = reader(ledger), owner(ledger)
    (told,) = found.notices(scope, ADA).notices
    assert (told.id, told.is_shown, told.is_unread) == (notice_id, False, False)
    assert found.notices(scope, ADA, on_dashboard=True).notices == ()
    assert found.unread(scope, ADA) == []


def test_unread_is_at_most_a_hundred(ledger):
    for n in range(105):
        leave(ledger, NOON + timedelta(seconds=n))
    found = reader(ledger).unread(owner(ledger), ADA)
    assert len(found) == 100
    assert found[0].created_at == NOON + timedelta(seconds=104)


def test_troubles_are_for_administrators_in_person(ledger):
    trouble = leave(ledger, NOON, EVERYBODY, ON_SCREEN, MAIL)
    own = leave(ledger, NOON + timedelta(seconds=1))
    found = reader(ledger)
    admin = ledger.scope(Role.ADMIN)
    assert [each.id for each in found.notices(admin, ADA).notices] == [own, trouble]
    assert [each.id for each in found.unread(admin, ADA)] == [own, trouble]
    assert len(found.sends(admin, [trouble])[trouble]) == 1
    desk(ledger).mark_seen(seen_accounts(admin), ADA, NOON + timedelta(seconds=1))
    assert found.unread(admin, ADA) == []
    assert [each.id for each in found.notices(admin, None).notices] == [own]  # to a program
    for role in (Role.OWNER, Role.MANAGER, Role.SUPPORT):
        scope = ledger.scope(role)
        assert [each.id for each in found.notices(scope, ADA).notices] == [own]
        assert [each.id for each in found.unread(scope, BOB)] == [own]
        assert found.sends(scope, [trouble]) == {trouble: []}
        with pytest.raises(NotFoundError):
            found.notice(scope, trouble)


def test_notices_of_auto_recharge_are_for_who_may_see_it(ledger):
    """A manager isn't shown its settings, nor what came of a top-up by another way."""
    declined = leave(ledger, ledger.clock.at, kind=NoticeKind.RECHARGE_DECLINED)
    leave(ledger, ledger.clock.at, kind=NoticeKind.RECHARGE_STOPPED)
    fired = leave(ledger, ledger.clock.at)
    for role, count in ((Role.MANAGER, 1), (Role.OWNER, 3), (Role.SUPPORT, 3), (Role.ADMIN, 3)):
        scope = ledger.scope(role)
        assert len(reader(ledger).notices(scope, ADA).notices) == count, role
        assert len(reader(ledger).unread(scope, ADA)) == count, role
    manager = ledger.scope(Role.MANAGER)
    assert reader(ledger).notice(manager, fired).id == fired
    with pytest.raises(NotFoundError):
        reader(ledger).notice(manager, declined)
    assert reader(ledger).notice(ledger.scope(Role.OWNER), declined).id == declined


def test_deliveries_and_their_tries_are_of_the_account_alone(ledger):
    notice_id = leave(ledger, NOON, "acme", MAIL, Target(Channel.SMS, "+14155550100"), ON_SCREEN)
    ledger.add("other")
    found, scope, other = reader(ledger), owner(ledger), ledger.scope(Role.OWNER, "other")
    mail, text = found.sends(scope, [notice_id, "a\x00b"])[notice_id]
    assert (mail.target, mail.state, mail.next_at) == (MAIL, SendState.WAITING, NOON)
    assert (text.target.channel, text.attempt_count) == (Channel.SMS, 0)
    with ledger.database.write() as connection:
        rows = [
            {"send_id": mail.id, "number": n, "at": NOON, "is_taken": n == 2,
             "answer": f"45{n}", "milliseconds": n}
            for n in (2, 1)
        ]  # fmt: skip
        connection.execute(insert(t.notice_attempts), rows)
    tries = [(each.number, each.is_taken, each.answer) for each in found.attempts(scope, mail.id)]
    assert tries == [(1, False, "451"), (2, True, "452")]
    assert found.attempts(scope, text.id) == []
    assert (dict(found.sends(scope, [])), dict(found.tries(scope, []))) == ({}, {})
    assert found.sends(other, [notice_id]) == {notice_id: []}
    assert found.tries(other, [mail.id]) == {}
    for wrong in (mail.id, new_id(), "a\x00b", ""):
        with pytest.raises(NotFoundError):
            found.attempts(other, wrong)
    later = owner(ledger, NOON.date() + timedelta(days=1))  # from before the paid plan
    assert found.notices(later, ADA).notices == ()
    assert found.unread(later, ADA) == []
    assert found.sends(later, [notice_id]) == {notice_id: []}
    for read in (lambda: found.attempts(later, mail.id), lambda: found.notice(later, notice_id)):
        with pytest.raises(NotFoundError):
            read()


def test_alerts_of_one_account_are_not_those_of_another(ledger):
    alert = add(ledger, low(200 * PRICE))
    ledger.add("other")
    other, found = ledger.scope(Role.OWNER, "other"), reader(ledger)
    standing = found.standing(other)
    assert (standing.alerts, standing.version, standing.average_months) == ((), 0, 0)
    assert found.episodes(other, alert.id, 10) == found.episodes(other, None, 10) == ()
    assert found.notices(other, ADA).notices == ()
    for change in (
        lambda: desk(ledger).switch(other, "person:ada", alert.id, is_on=False),
        lambda: desk(ledger).remove(other, "person:ada", alert.id),
        lambda: desk(ledger).send_test(other, "person:ada", alert.id),
    ):
        with pytest.raises(NotFoundError):
            change()


def test_two_who_change_at_once_do_not_lose_each_others_change(ledger):
    alert, scope, alerts = add(ledger, low(PRICE)), owner(ledger), desk(ledger)
    alerts.change(scope, "person:ada", alert.id, low(2 * PRICE), version=1)
    with pytest.raises(AlertChangedError):
        alerts.change(scope, "person:bob", alert.id, low(3 * PRICE), version=1)
    assert reader(ledger).view(scope, alert.id).reading.threshold == 2 * PRICE


def test_a_test_counts_for_its_own_minute_and_rule(ledger):
    alert, scope, alerts = add(ledger, low(PRICE)), owner(ledger), desk(ledger)
    alerts.send_test(scope, "person:ada", alert.id)
    move_on(ledger, seconds=59)
    with pytest.raises(JustTestedError) as refused:
        alerts.send_test(scope, "person:ada", alert.id)
    assert refused.value.retry_after_seconds == 1
    move_on(ledger, seconds=1)
    alerts.send_test(scope, "person:ada", alert.id)


def test_who_asked_not_to_be_told_can_be_told_again(ledger):
    alert = add(ledger, low(PRICE, channels=(Channel.EMAIL,), emails=(MAIL.address,)))
    scope, alerts = owner(ledger), desk(ledger)
    row = {"account_id": "acme", "channel": "email", "address": MAIL.address, "alert_id": "",
           "muted_at": NOON}  # fmt: skip
    with ledger.database.write() as connection:
        connection.execute(insert(t.notice_mutes).values(**row))
    muted = alerts.send_test(scope, "person:ada", alert.id)
    alerts.unmute(scope, "person:ada", Channel.EMAIL, MAIL.address)
    move_on(ledger, minutes=1)
    told = alerts.send_test(scope, "person:ada", alert.id)
    sends = reader(ledger).sends(scope, [muted, told])
    assert [sends[each][0].state for each in (muted, told)] == [SendState.MUTED, SendState.WAITING]
    with pytest.raises(NotFoundError):
        alerts.unmute(scope, "person:ada", Channel.EMAIL, MAIL.address)
    assert not any("@" in row.detail for row in ledger.rows(t.audit, None))


def test_a_billing_period_that_rolls_over_starts_anew(ledger):
    rule = AlertRule(
        AlertKind.USAGE, Threshold(Unit.MONEY, 5 * PRICE), span=Span.DAY, frequency=Frequency()
    )
    alert, scope, found = add(ledger, rule), owner(ledger), reader(ledger)
    ledger.settle(ledger.ask(amount=6)["hold_id"], segments=6)
    assert found.view(scope, alert.id).reading.value == 6 * PRICE
    move_on(ledger, days=1)
    assert found.view(scope, alert.id).reading.value == 0
    assert found.view(scope, alert.id).reading.window_on == ledger.clock.at.date()
