"""Holds on a real ledger: what is set aside, given back, charged, and what denies it."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from billing.errors import InputError, NotFoundError
from billing.holds import HoldKind, HoldRequest
from billing.movements import Action, Movement
from data import tables as t
from data.ledger.hold_answers import HoldClosedError, Settle
from data.ledger.idempotency import MismatchError
from tests.builders import at, call, sms
from tests.hold_ledger import Holding, cap, proved_holding

PRICE = 10_000  # of a message, an attempt, and a second of talk
MINUTE = 61 * PRICE  # a call of a minute with its attempt


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Holding]:
    yield from proved_holding(tmp_path)


def reserved(ledger: Holding) -> int:
    (row,) = ledger.rows(t.balances, "acme")
    return int(row.reserved_micros)


def state_of(ledger: Holding, hold_id: str) -> str:
    return next(str(row.state) for row in ledger.rows(t.holds, "acme") if row.id == hold_id)


def flags(ledger: Holding) -> list[str | None]:
    return [line.flags for line in ledger.lines()]


# --- authorize -----------------------------------------------------------------------------------
def test_a_call_is_held_for_as_long_as_it_is_estimated(ledger: Holding):
    answer = ledger.ask("call.ai", 60, campaign="spring")
    assert answer["decision"] == "allowed"
    assert (answer["held_micros"], answer["max_seconds"]) == (MINUTE, 60)
    assert answer["expires_at"] == "2026-11-22T12:11:00Z", "its last second and ten minutes"
    assert reserved(ledger) == MINUTE
    assert ledger.counter("daily") == ledger.counter("campaign", "spring") == (0, MINUTE)


def test_a_call_is_shortened_to_what_the_balance_pays_for(ledger: Holding):
    answer = ledger.ask("call.ai", 600)
    assert (answer["max_seconds"], answer["held_micros"]) == (99, 1_000_000)
    assert ledger.ask("sms")["rule"] == "balance", "nothing is left"
    denied = ledger.ask("call.ai")
    assert (denied["rule"], denied["reserved_micros"]) == ("balance", 1_000_000)
    assert denied["resets_at"] is None


def test_a_message_is_held_whole_or_not_at_all(ledger: Holding):
    assert ledger.ask("sms", 100)["held_micros"] == 1_000_000
    assert ledger.ask("sms", 1)["decision"] == "denied"


def test_the_same_request_has_the_same_answer_for_ever(ledger: Holding):
    first = ledger.ask("sms", 2, request_id="r1")
    denied = ledger.ask("sms", 1_000, request_id="r2")
    ledger.release(first["hold_id"])
    ledger.credit(100 * PRICE * 1_000)
    assert ledger.ask("sms", 2, request_id="r1") == first
    assert ledger.ask("sms", 1_000, request_id="r2") == denied
    with pytest.raises(MismatchError):
        ledger.ask("sms", 3, request_id="r1")
    assert len(ledger.rows(t.holds, "acme")) == 2


@pytest.mark.parametrize(
    ("kind", "campaign", "rule", "figures"),
    [
        ("daily", "", "daily", (30_000, 20_000, 55_000, "2026-11-23T00:00:00Z")),
        ("weekly", "", "weekly", (30_000, 20_000, 55_000, "2026-11-23T00:00:00Z")),
        ("monthly", "", "monthly", (30_000, 20_000, 55_000, "2026-12-01T00:00:00Z")),
        ("campaign", "spring", "campaign", (30_000, 20_000, 55_000, None)),
    ],
)
def test_a_cap_leaves_room_for_so_much_and_no_more(
    ledger: Holding, kind: str, campaign: str, rule: str, figures: tuple[Any, ...]
):
    ledger.limit(cap(kind, 55_000, campaign=campaign))
    ledger.post(sms("a", ledger.clock.at, 3, campaign="spring"))
    assert ledger.ask("sms", 2, campaign="spring")["decision"] == "allowed"
    denied = ledger.ask("sms", 1, campaign="spring")
    assert denied["rule"] == rule
    assert (
        tuple(
            denied[name]
            for name in ("spent_micros", "reserved_micros", "limit_micros", "resets_at")
        )
        == figures
    )


def test_a_limit_that_is_spent_but_for_a_rest_pauses_and_more_of_it_resumes(ledger: Holding):
    """Who asks before the work never spends a limit to its last micro."""
    ledger.limit(cap("daily", 995_000))
    ledger.settle(ledger.ask("sms", 99)["hold_id"], segments=99)
    assert ledger.pauses() == [], "nobody has asked for more"
    assert ledger.ask("sms")["rule"] == "daily"
    assert ledger.pauses() == [("daily", "", None)]
    assert ledger.ask("sms")["rule"] == "paused"
    ledger.limit(cap("daily", 1_000_000))
    assert ledger.pauses() == [("daily", "", "limit")]
    assert ledger.ask("sms")["decision"] == "allowed"


def test_a_request_that_is_too_large_pauses_nothing(ledger: Holding):
    ledger.limit(cap("daily", 100_000), cap("campaign", 100_000, campaign="spring"))
    ledger.post(sms("a", ledger.clock.at, 9))
    assert ledger.ask("sms", 2)["rule"] == "daily", "a smaller one fits"
    assert ledger.ask("sms")["decision"] == "allowed"
    assert ledger.ask("sms")["rule"] == "daily", "the open hold may yet come back"
    assert ledger.pauses() == []


def test_another_campaign_has_a_budget_of_its_own(ledger: Holding):
    ledger.limit(cap("campaign", PRICE, campaign="spring"))
    assert ledger.ask("sms", 1, campaign="spring")["decision"] == "allowed"
    assert ledger.ask("sms", 1, campaign="spring")["rule"] == "campaign"
    assert ledger.ask("sms", 1, campaign="autumn")["decision"] == "allowed"
    assert ledger.ask("sms", 1)["decision"] == "allowed"


def test_one_call_may_cost_or_last_only_so_much(ledger: Holding):
    ledger.limit(cap("per_call", 31 * PRICE, limit_seconds=45))
    assert ledger.ask("call.ai", 600)["max_seconds"] == 30
    ledger.limit(cap("per_call", None, limit_seconds=45))
    assert ledger.ask("call.ai", 600)["max_seconds"] == 45
    ledger.limit(cap("per_call", PRICE))
    assert ledger.ask("call.ai", 600)["rule"] == "per_call"


def test_a_soft_cap_warns_and_denies_nothing(ledger: Holding):
    ledger.limit(cap("daily", 15_000, is_hard=False))
    assert ledger.ask("sms")["warnings"] == []
    (warning,) = ledger.ask("sms")["warnings"]
    assert (warning["rule"], warning["limit_micros"]) == ("daily", 15_000)
    assert warning["reserved_micros"] == 20_000


def test_the_master_switch_turns_limits_off_and_counters_go_on(ledger: Holding):
    ledger.limit(cap("daily", 0), is_on=False)
    assert ledger.ask("sms")["decision"] == "allowed"
    assert ledger.counter("daily") == (0, PRICE)
    ledger.limit(cap("daily", 0))
    assert ledger.ask("sms")["rule"] == "paused"


def test_the_plan_is_asked_before_all_else(ledger: Holding):
    ledger.limit(cap("daily", 0))
    assert ledger.ask("voicemail.ringless")["rule"] == "plan", "Growth lacks it"


def test_inbound_calls_know_no_caps(ledger: Holding):
    ledger.limit(cap("daily", 0))
    answer = ledger.ask("call.inbound", 60)
    assert (answer["decision"], answer["max_seconds"]) == ("allowed", 60)


@pytest.mark.parametrize(("setting", "decision"), [("continue", "allowed"), ("stop", "denied")])
def test_inbound_calls_at_a_balance_of_zero_follow_the_setting(
    ledger: Holding, setting: str, decision: str
):
    ledger.limit(inbound=setting)
    ledger.move(Movement(Action.ADJUSTMENT, -1_000_000, "all of it"))
    assert ledger.pauses() == [("balance", "", None)]
    for kind in ("call.ai", "call.human", "sms", "sms.ai_reply", "whatsapp", "voicemail.drop"):
        assert ledger.ask(kind)["rule"] == "paused"
    inbound = ledger.ask("call.inbound", 60)
    assert inbound["decision"] == decision
    if decision == "allowed":
        assert inbound["held_micros"] == 0


# --- extend, settle, release, expire -------------------------------------------------------------
def test_a_long_call_is_extended(ledger: Holding):
    hold_id = ledger.ask("call.ai", 60)["hold_id"]
    more = ledger.extend(hold_id, 20, "more")
    assert (more["max_seconds"], more["held_micros"]) == (80, 81 * PRICE)
    assert ledger.extend(hold_id, 20, "more") == more, "asked twice, given once"
    with pytest.raises(MismatchError):
        ledger.extend(hold_id, 30, "more")
    assert reserved(ledger) == 81 * PRICE
    assert ledger.extend(hold_id, 60)["max_seconds"] == 99, "what is left"
    assert ledger.extend(hold_id, 60)["rule"] == "balance"
    assert ledger.settle(hold_id, seconds=90)["cost_micros"] == 91 * PRICE


def test_a_settled_hold_gives_back_what_it_did_not_use(ledger: Holding):
    hold_id = ledger.ask("call.ai", 60, campaign="spring", consumer="ada")["hold_id"]
    answer = ledger.settle(hold_id, call("c1", ledger.clock.at, 30, hold_id=hold_id, campaign=None))
    assert (answer["state"], answer["cost_micros"]) == ("settled", 31 * PRICE)
    assert [line["metric"] for line in answer["lines"]] == [
        "ai_dial_attempts", "ai_connected_minutes",
    ]  # fmt: skip
    assert answer["balance"]["available_micros"] == 1_000_000 - 31 * PRICE
    assert answer["balance"]["reserved_micros"] == reserved(ledger) == 0
    assert ledger.counter("daily") == ledger.counter("campaign", "spring") == (31 * PRICE, 0)
    assert {(line.campaign_id, line.consumer_id, line.hold_id) for line in ledger.lines()} == {
        ("spring", "ada", hold_id)
    }, "what the event leaves open, its hold says"


def test_settling_twice_charges_once(ledger: Holding):
    hold_id = ledger.ask("sms")["hold_id"]
    event = sms("m1", ledger.clock.at, hold_id=hold_id)
    assert not ledger.settle(hold_id, event)["is_duplicate"]
    again = ledger.settle(hold_id, event)
    assert again["is_duplicate"]
    assert again["state"] == "settled"
    assert len(ledger.lines()) == 1


def test_an_event_that_names_its_hold_settles_it(ledger: Holding):
    hold_id = ledger.ask("sms", 3)["hold_id"]
    ledger.post(sms("m1", ledger.clock.at, 2, hold_id=hold_id))
    assert state_of(ledger, hold_id) == "settled"
    assert reserved(ledger) == 0
    ledger.post(sms("m2", ledger.clock.at, 2, hold_id=hold_id))
    assert flags(ledger) == [None, "second_settle"], "another event is charged, and flagged"
    ledger.post(sms("m3", ledger.clock.at, hold_id="no-such-hold"))
    assert flags(ledger)[-1] == "unknown_hold"


def test_work_that_took_more_than_was_held_is_charged_in_full(ledger: Holding):
    hold_id = ledger.ask("sms", 1)["hold_id"]
    assert ledger.settle(hold_id, segments=5)["cost_micros"] == 5 * PRICE
    assert flags(ledger) == ["over_hold"]
    assert ledger.counter("daily") == (5 * PRICE, 0)


def test_a_hold_is_settled_by_its_own_kind_of_work(ledger: Holding):
    hold_id = ledger.ask("sms")["hold_id"]
    with pytest.raises(InputError, match="hold_id"):
        ledger.settle(hold_id, seconds=60)
    assert state_of(ledger, hold_id) == "open"
    assert ledger.lines() == []


def test_a_released_hold_gives_everything_back(ledger: Holding):
    hold_id = ledger.ask("call.ai")["hold_id"]
    assert ledger.release(hold_id)["state"] == "released"
    assert ledger.release(hold_id)["state"] == "released", "twice is once"
    assert reserved(ledger) == 0
    with pytest.raises(HoldClosedError):
        ledger.extend(hold_id, 60)
    ledger.settle(hold_id, seconds=5)
    assert flags(ledger) == ["after_release", "after_release"], "it happened all the same"
    settled = ledger.ask("sms")["hold_id"]
    ledger.settle(settled)
    with pytest.raises(HoldClosedError):
        ledger.release(settled)


def test_a_hold_that_nobody_settles_expires(ledger: Holding):
    hold_id = ledger.ask("call.ai", 60)["hold_id"]
    ledger.clock.at += timedelta(minutes=10, seconds=59)
    assert ledger.ask("sms", 100)["rule"] == "balance", "it still holds its money"
    ledger.clock.at += timedelta(seconds=1)
    assert ledger.ask("sms", 100)["decision"] == "allowed"
    assert state_of(ledger, hold_id) == "expired"
    late = ledger.settle(hold_id, seconds=30)
    assert late["state"] == "expired"
    assert flags(ledger) == ["late_settle", "late_settle"]


@pytest.mark.parametrize(
    "ask",
    [
        lambda ledger: ledger.extend("nowhere", 5),
        lambda ledger: ledger.release("nowhere"),
        lambda ledger: ledger.settle("nowhere"),
    ],
)
def test_a_hold_that_is_not_there_is_not_found(ledger: Holding, ask: Any):
    with pytest.raises(NotFoundError):
        ask(ledger)
    assert ledger.lines() == []


@pytest.mark.parametrize(
    ("request_id", "kind", "amount"),
    [("", "sms", 1), ("x" * 256, "sms", 1), ("a\nb", "sms", 1), ("a", "sms", 0),
     ("a", "sms", 1_001), ("a", "call.ai", 86_401), ("a", "call.ai", -1)],
)  # fmt: skip
def test_a_request_out_of_bounds_is_refused_by_name(
    ledger: Holding, request_id: str, kind: str, amount: int
):
    with pytest.raises(InputError):
        ledger.ask(kind, amount, request_id=request_id)
    assert ledger.rows(t.holds, "acme") == []


def test_another_account_neither_sees_nor_closes_a_hold(ledger: Holding):
    ledger.add(account_id="globex")
    hold_id = ledger.ask("sms", request_id="mine")["hold_id"]
    ledger.credit(PRICE, account_id="globex")
    other = ledger.ask("sms", request_id="mine", account_id="globex")
    assert other["hold_id"] != hold_id, "request ids are each account's own"
    with pytest.raises(NotFoundError):
        ledger.release(other["hold_id"])


# --- days ----------------------------------------------------------------------------------------
def test_a_call_over_midnight_counts_on_the_day_it_was_allowed(ledger: Holding):
    ledger.clock.at = at("2026-11-22 23:59")
    ledger.limit(cap("daily", MINUTE))
    hold_id = ledger.ask("call.ai", 60)["hold_id"]
    assert ledger.ask("sms")["rule"] == "daily"
    ledger.clock.at = at("2026-11-23 00:00")
    assert ledger.ask("sms")["decision"] == "allowed", "a new day has room of its own"
    ledger.settle(hold_id, call("c", at("2026-11-22 23:59:30"), 60, hold_id=hold_id))
    with ledger.database.read() as connection:
        days = connection.execute(
            text("SELECT DISTINCT CAST(cap_on AS VARCHAR(10)) FROM usage_lines")
        ).scalars()
        assert list(days) == ["2026-11-22"]


# --- money that expires --------------------------------------------------------------------------
def test_credit_that_expires_stays_for_the_holds_it_allowed(ledger: Holding):
    ledger.move(Movement(Action.ADJUSTMENT, -1_000_000, "all of it"))
    ends = ledger.clock.at + timedelta(minutes=5)
    ledger.move(Movement(Action.GRANT, 50_000, "a gift", expires_at=ends))
    hold_id = ledger.ask("sms", 3)["hold_id"]
    ledger.clock.at = ends
    assert ledger.ask("sms", 1)["decision"] == "denied", "what nobody held has lapsed"
    (row,) = ledger.rows(t.balances, "acme")
    assert (row.posted_micros, row.reserved_micros) == (30_000, 30_000)
    assert ledger.settle(hold_id, segments=3)["balance"]["paid_micros"] == 0, "no debt"


def test_lapsed_credit_that_a_hold_gives_back_allows_nothing(ledger: Holding):
    ledger.move(Movement(Action.ADJUSTMENT, -1_000_000, "all of it"))
    ends = ledger.clock.at + timedelta(minutes=5)
    ledger.move(Movement(Action.GRANT, 50_000, "a gift", expires_at=ends))
    hold_id = ledger.ask("sms", 5)["hold_id"]
    ledger.clock.at += timedelta(minutes=15)
    assert ledger.ask("sms")["decision"] == "denied", "it came back, and has lapsed"
    assert state_of(ledger, hold_id) == "expired"
    assert ledger.posted() == 0


# --- together ------------------------------------------------------------------------------------
def test_what_a_settlement_fills_pauses_what_waits_beside_it(ledger: Holding):
    ledger.limit(cap("daily", 5 * PRICE))
    hold_id = ledger.ask("sms", 2)["hold_id"]
    gate = threading.Event()
    ledger.writer.submit(lambda _: gate.wait(30))
    event = sms("m1", ledger.clock.at, 5, hold_id=hold_id)
    before, settled, after = (
        ledger.decisions.submit("acme", item)
        for item in (
            HoldRequest("r1", HoldKind.SMS), Settle(event, ledger.clock.at),
            HoldRequest("r2", HoldKind.SMS),
        )
    )  # fmt: skip
    gate.set()
    assert before.result(30)["decision"] == "allowed"
    assert settled.result(30)["cost_micros"] == 5 * PRICE
    assert after.result(30)["rule"] == "paused", "not daily: the window is full by now"
    assert ledger.pauses() == [("daily", "", None)]
