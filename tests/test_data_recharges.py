"""A wallet that tops itself up, on a real ledger: once, in time, within its ceiling, and told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update

from billing.alerts import Level
from billing.movements import Action, Movement
from billing.notices import Notice, NoticeKind
from billing.recharges import RechargeMode, Wait
from components.notice_words import words
from data import tables as t
from data.identity import new_id
from data.payments.carrying import Recharger
from tests import recharge_ledger as gate
from tests.recharge_ledger import OWNER, SETTINGS, UNIT, ScriptedGateway, Topping, proved_recharges


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Topping]:
    yield from proved_recharges(tmp_path)


# --- the usual way ---------------------------------------------------------------------------
def test_the_charge_that_falls_below_the_threshold_asks_and_the_job_tops_up(ledger: Topping):
    ledger.spend(90)
    assert ledger.tries() == [], "ten isn't below ten"
    ledger.spend(1)
    (asked,) = ledger.tries()
    assert (asked.state, asked.amount_micros, asked.posted_micros) == ("waiting", 20 * UNIT, 9e6)
    assert ledger.posted() == 9 * UNIT, "in flight isn't credit"
    ledger.spend(1)
    assert len(ledger.tries()) == 1, "it is counted while it is in flight"
    assert ledger.run() == 1
    assert ledger.states() == ["done"]
    assert ledger.posted() == 28 * UNIT
    (entry,) = ledger.paid_in()
    assert (entry.kind, entry.cause, entry.amount_micros) == ("top_up", "Auto-recharge", 20e6)
    assert ledger.run() == 0
    assert ledger.gateway.taken == [(asked.id, 20 * UNIT, ledger.today)]


def test_to_a_target_tops_up_what_it_takes(ledger: Topping):
    ledger.set(mode=RechargeMode.TARGET, amount_micros=30 * UNIT)
    ledger.spend(95)
    ledger.run()
    assert ledger.posted() == 30 * UNIT


def test_credit_that_comes_while_it_waits_counts_to_the_target(ledger: Topping):
    ledger.set(mode=RechargeMode.TARGET, amount_micros=30 * UNIT)
    ledger.spend(95)
    ledger.credit(4 * UNIT)
    ledger.run()
    assert (ledger.states(), ledger.posted()) == (["done"], 30 * UNIT)


def test_setting_it_below_the_threshold_tops_up_at_once(ledger: Topping):
    ledger.set(is_on=False)
    ledger.spend(95)
    ledger.run()
    assert ledger.posted() == 5 * UNIT
    assert ledger.standing().verdict.wait is Wait.OFF
    ledger.set()
    ledger.run()
    assert ledger.posted() == 25 * UNIT


def test_credit_of_an_empty_wallet_lets_outbound_go_on(ledger: Topping):
    ledger.spend(100)
    (pause,) = ledger.rows(t.pauses)
    assert pause.ended_at is None
    ledger.run()
    (pause,) = ledger.rows(t.pauses)
    assert pause.end_cause == "topped_up" or pause.ended_at is not None


def test_each_change_and_end_is_in_the_audit_log(ledger: Topping):
    ledger.spend(95)
    ledger.run()
    actions = [(row.actor, row.action) for row in ledger.rows(t.audit)]
    assert actions[-2:] == [("person:ada", "recharge.set"), ("auto-recharge", "recharge.done")]
    names = ledger.reader.names(ledger.scope(), ["auto-recharge"])
    assert names["auto-recharge"] == "Automatic"


# --- declined --------------------------------------------------------------------------------
def test_a_declining_gateway_is_asked_ever_more_seldom_and_the_owner_told(ledger: Topping):
    ledger.gateway.usual = gate.DECLINES
    ledger.spend(95)
    start, asked_at = ledger.clock.at, []
    for _ in range(3 * 24 * 12):  # three days of a look each five minutes
        before = len(ledger.gateway.asked)
        ledger.run()
        if len(ledger.gateway.asked) > before:
            asked_at.append(ledger.clock.at - start)
        ledger.wait(minutes=5)
    minutes = [round(each.total_seconds() / 60) for each in asked_at]
    assert minutes == [0, 15, 75, 315, 315 + 1440, 315 + 2880]
    assert ledger.states() == ["declined"] * 6
    assert ledger.posted() == 5 * UNIT
    told = ledger.told("recharge.declined")
    assert len(told) == 6
    facts = json.loads(told[1].facts)
    assert facts["reason"] == "no money on the card"
    assert facts["decline_count"] == 2
    assert facts["next_at"] == (start + timedelta(minutes=75)).isoformat()
    sends = ledger.rows(t.notice_sends)
    assert {row.address for row in sends} == {OWNER}, "the owner alone, not the manager"
    assert len(sends) == 6
    assert all(row.is_shown for row in told)


def test_charges_while_it_backs_off_try_nothing(ledger: Topping):
    ledger.gateway.usual = gate.DECLINES
    ledger.spend(95)
    ledger.run()
    for _ in range(20):
        ledger.spend(1)
        ledger.run()
    assert len(ledger.gateway.asked) == 1
    verdict = ledger.standing().verdict
    assert (verdict.wait, verdict.next_at) == (
        Wait.DECLINED, ledger.clock.at + timedelta(minutes=15)
    )  # fmt: skip


def test_a_change_of_the_settings_tries_again_at_once_and_success_forgets_declines(ledger: Topping):
    ledger.gateway.answers = [gate.DECLINES, gate.DECLINES]
    ledger.spend(95)
    ledger.run()
    ledger.wait(minutes=15)
    ledger.run()
    assert ledger.states() == ["declined", "declined"]
    ledger.set()
    ledger.run()
    assert ledger.states() == ["declined", "declined", "done"]
    ledger.gateway.answers = [gate.DECLINES]
    ledger.spend(20)
    ledger.run()
    again_at = ledger.standing().verdict.next_at
    assert again_at == ledger.clock.at + timedelta(minutes=15), "counted anew"


# --- the ceiling -----------------------------------------------------------------------------
def test_no_card_is_tried_on_and_on_by_changing_the_settings(ledger: Topping):
    """A change tries again at once; the eighth decline within a day isn't followed by a ninth."""
    ledger.gateway.usual = gate.DECLINES
    ledger.spend(95)
    for change in range(1, 12):
        ledger.run()
        ledger.set(amount_micros=(20 + change) * UNIT)
        ledger.wait(seconds=2)
    assert ledger.states() == ["declined"] * 8
    verdict = ledger.standing().verdict
    assert verdict.wait is Wait.DECLINED
    last = ledger.tries()[-1].done_at
    assert verdict.next_at == last + timedelta(hours=24)
    ledger.gateway.usual = gate.PAYS
    ledger.clock.at = last + timedelta(hours=24)
    ledger.run()
    ledger.run()
    assert ledger.states() == ["declined"] * 8 + ["done"]


def test_a_days_ceiling_is_kept_told_once_and_over_the_next_day(ledger: Topping):
    for _ in range(3):
        ledger.spend(100 if ledger.posted() > 50 * UNIT else 20)
        ledger.run()
    assert ledger.states() == ["done", "done"], "a third would be 60 of 50"
    assert len(ledger.told("recharge.stopped")) == 1
    facts = json.loads(ledger.told("recharge.stopped")[0].facts)
    assert (facts["topped_up_micros"], facts["ceiling_micros"]) == (40 * UNIT, 50 * UNIT)
    assert ledger.standing().verdict.wait is Wait.CEILING
    midnight = ledger.standing().verdict.next_at
    assert midnight is not None
    ledger.clock.at = midnight - timedelta(seconds=1)
    ledger.run()
    assert len(ledger.tries()) == 2
    ledger.clock.at = midnight
    ledger.run()
    assert ledger.states() == ["done"] * 3
    assert len(ledger.told("recharge.stopped")) == 1


def test_debt_is_topped_up_step_by_step_until_the_ceiling(ledger: Topping):
    ledger.spend(200)
    for _ in range(10):
        ledger.run()
    assert ledger.states() == ["done", "done"]
    assert ledger.posted() == -60 * UNIT


def test_one_that_begins_after_midnight_counts_on_the_new_day(ledger: Topping):
    for _ in range(2):  # 40 of 50 today
        ledger.spend(100 if ledger.posted() > 50 * UNIT else 20)
        ledger.run()
    ledger.set(daily_ceiling_micros=60 * UNIT)
    ledger.spend(15)
    assert ledger.states()[-1] == "waiting"
    ledger.clock.at = ledger.standing().as_of + timedelta(hours=14)
    ledger.run()
    tries = ledger.tries()
    assert tries[-1].state == "done"
    assert tries[-1].counted_on > tries[0].counted_on


# --- no answer -------------------------------------------------------------------------------
@pytest.mark.parametrize("lost", [gate.LOST_AFTER, gate.LOST_BEFORE, gate.LATE])
def test_a_lost_answer_is_asked_about_and_never_charged_twice(ledger: Topping, lost: str):
    ledger.gateway.answers = [lost]
    ledger.spend(95)
    ledger.run()
    assert ledger.states() == ["sent"]
    assert ledger.posted() == 5 * UNIT
    ledger.run()
    assert len(ledger.gateway.asked) == 1, "not at once"
    ledger.wait(seconds=30)
    ledger.run()
    ledger.gateway.arrive()
    ledger.wait(minutes=1)
    ledger.run()
    assert ledger.states() == ["done"]
    assert ledger.posted() == 25 * UNIT
    assert len(ledger.gateway.taken) == 1
    assert {charge.reference for charge in ledger.gateway.asked} == {ledger.tries()[0].id}


def test_a_gateway_that_is_down_is_asked_again_with_one_reference_and_the_owner_told_once(
    ledger: Topping,
):
    ledger.gateway.is_down = True
    ledger.spend(95)
    for _ in range(24 * 60):
        ledger.run()
        ledger.wait(minutes=1)
    assert ledger.states() == ["sent"]
    assert len(ledger.gateway.asked) == 1, "what became of it isn't known, so it isn't sent anew"
    assert len(ledger.gateway.found) < 40
    (told,) = ledger.told("recharge.declined")
    assert json.loads(told.facts)["outcome"] == "unanswered"
    ledger.gateway.is_down = False
    ledger.wait(hours=1)
    ledger.run()
    assert ledger.states() == ["done"]


def test_switched_off_what_never_arrived_is_dropped_and_what_was_taken_is_credited(
    ledger: Topping,
):
    ledger.gateway.answers = [gate.LOST_BEFORE]
    ledger.spend(95)
    ledger.run()
    ledger.set(is_on=False)
    for _ in range(12):
        ledger.wait(minutes=1)
        ledger.run()
        assert len(ledger.gateway.asked) == 1, "nothing is charged that nobody wants"
    ledger.wait(minutes=10)
    ledger.run()
    assert ledger.states() == ["dropped"]
    ledger.gateway.answers = [gate.LOST_AFTER]
    ledger.set()
    ledger.run()
    ledger.set(is_on=False)
    ledger.wait(minutes=1)
    ledger.run()
    assert ledger.states() == ["dropped", "done"]
    assert ledger.posted() == 25 * UNIT


def test_credit_by_hand_meanwhile_makes_it_unnecessary(ledger: Topping):
    ledger.spend(95)
    ledger.move(Movement(Action.TOP_UP, 50 * UNIT, "by hand"))
    ledger.run()
    assert ledger.states() == ["dropped"]
    assert ledger.gateway.asked == []


def test_an_import_keeps_it_waiting(ledger: Topping):
    with ledger.database.write() as connection:
        connection.execute(
            insert(t.imports).values(
                id=new_id(), account_id="acme", file_name="log.csv", status="running",
                map="usage-csv", rows_read=0, rows_total=1, rows_accepted=0,
                rows_duplicate=0, rows_rejected=0, started_at=ledger.clock.at,
            )
        )  # fmt: skip
    ledger.spend(95)
    ledger.run()
    assert ledger.tries() == []
    assert ledger.standing().verdict.wait is Wait.IMPORTING
    with ledger.database.write() as connection:
        connection.execute(update(t.imports).values(status="done", finished_at=ledger.clock.at))
    ledger.run()
    assert ledger.states() == ["done"], "afterwards the state is looked at once"


def test_one_account_that_fails_does_not_keep_another_waiting(ledger: Topping):
    ledger.add("globex")
    ledger.accounts["acme"], acme = ledger.accounts["globex"], ledger.accounts["acme"]
    ledger.credit(5 * UNIT, account_id="globex")
    ledger.accounts["acme"] = acme
    ledger.spend(95)

    class Failing(ScriptedGateway):
        def charge(self, charge):
            if charge.account_id == "acme":
                raise RuntimeError("a bug in the gateway")
            return super().charge(charge)

    failing = Failing()
    saver = replace(SETTINGS, version=0)
    from data.payments.saving import Recharging

    Recharging(ledger.writer, ledger.clock, failing).save(
        ledger.scope(account_id="globex"), "person:ada", saver
    )
    recharger = Recharger(ledger.database, ledger.writer, ledger.clock, failing)
    with pytest.raises(RuntimeError):
        recharger.run()
    assert [row.state for row in ledger.rows(t.recharges, "globex")] == ["done"]
    assert ledger.states() == ["sent"]
    ledger.gateway.taken += failing.taken
    ledger.wait(minutes=1)
    ledger.run()
    assert ledger.states() == ["done"]


def test_what_the_owner_is_told_reads_as_sentences(ledger: Topping):
    ledger.gateway.answers = [gate.DECLINES]
    ledger.spend(95)
    ledger.run()
    ledger.gateway.is_down = True
    ledger.set()
    for _ in range(30):
        ledger.run()
        ledger.wait(minutes=1)
    declined, silent = (words(notice_of(row), ledger.accounts["acme"]) for row in ledger.told())
    assert declined.title == "Urgent: auto-recharge of $20.00 was declined"
    assert "was declined: no money on the card." in declined.sentences[0]
    assert declined.sentences[1].startswith("It is tried again ")
    assert silent.title == "Urgent: auto-recharge of $20.00 has no answer yet"
    assert silent.sentences[1].startswith("It is asked about again ")


def notice_of(row: Any) -> Notice:
    """A row of ``notices`` as a value."""
    return Notice(
        row.id, row.account_id, NoticeKind(row.kind), Level(row.level), json.loads(row.facts),
        row.is_shown, row.created_at,
    )  # fmt: skip
