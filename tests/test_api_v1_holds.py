"""Holds through a running server: asked before work, settled by its event, each decided once."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from billing.plans import Plan
from billing.rates import Rate
from data import tables as t
from data.identity import new_id
from data.ledger.price_books import add_rate_list, new_rate_list
from tests.api_client import ApiClient, call
from tests.hold_api import PRICE, TO, Platform
from tests.live import NOW
from tests.stream_ear import set_clock

NUMBERS = {"to": TO}
# What each kind of hold is settled with, at least, and what the work of one minute or unit costs.
KINDS = {
    "call.ai": ({"answered": True, "duration_s": 60, **NUMBERS}, 2 * PRICE),
    "call.ai_premium": ({"answered": True, "duration_s": 60, **NUMBERS}, 2 * PRICE),
    "call.human": ({"answered": True, "duration_s": 60, **NUMBERS}, 2 * PRICE),
    "call.inbound": ({"agent": "human", "answered": True, "duration_s": 60, "from": TO}, PRICE),
    "sms": ({"segments": 1, **NUMBERS}, PRICE),
    "sms.ai_reply": ({"segments": 1, **NUMBERS}, PRICE),
    "whatsapp": ({"category": "utility", "unit": "message", **NUMBERS}, PRICE),
    "voicemail.drop": (NUMBERS, PRICE),
    "voicemail.ringless": (NUMBERS, PRICE),
}


@pytest.fixture(scope="module")
def platform(live):
    opened = Platform(live)
    yield opened
    opened.close()


# --- authorize -------------------------------------------------------------------------------
def test_what_is_asked_for_is_set_aside_and_named(platform):
    available, reserved = platform.balance()
    asked = platform.ask(seconds=120, campaign="spring", consumer="user:1")
    hold_id = asked.pop("hold_id")
    assert asked == {
        "status": 200, "decision": "allowed", "held_micros": 3 * PRICE, "max_seconds": 120,
        "units": None, "expires_at": "2026-11-22T12:42:00Z", "warnings": [], "currency": "USD",
    }  # fmt: skip
    assert platform.balance() == (available - 3 * PRICE, reserved + 3 * PRICE)
    held = platform.get(f"/holds/{hold_id}").json()
    named = ("state", "campaign", "consumer", "held_micros", "cost_micros", "age_seconds")
    assert [held[name] for name in named] == ["open", "spring", "user:1", 3 * PRICE, None, 0]
    assert hold_id in [each["hold_id"] for each in platform.get("/holds").json()["holds"]]
    platform.release(hold_id)
    assert platform.balance() == (available, reserved)


def test_a_request_is_decided_once(platform):
    first = platform.ask("sms", request_id="once", units=2)
    _, reserved = platform.balance()
    assert platform.ask("sms", request_id="once", units=2) == first
    assert platform.balance()[1] == reserved
    other = platform.ask("sms", request_id="once", units=3)
    assert (other["status"], other["code"]) == (422, "idempotency_mismatch")
    platform.release(first["hold_id"])


def test_without_an_estimate_a_call_gets_ten_minutes_and_a_message_one_unit(platform):
    spoken, written = platform.ask(), platform.post("/holds", request_id="bare", kind="sms", to=TO)
    assert (spoken["max_seconds"], spoken["units"]) == (600, None)
    assert (written["max_seconds"], written["units"]) == (None, 1)
    for each in (spoken, written):
        platform.release(each["hold_id"])


def test_a_denial_names_its_rule_and_figures(live):
    poor = Platform(live, credit_micros=PRICE)
    denied = poor.ask("call.human")
    assert denied.pop("message").startswith("The available balance")
    assert denied == {
        "status": 200, "decision": "denied", "rule": "balance", "spent_micros": 0,
        "reserved_micros": 0, "limit_micros": PRICE, "resets_at": None, "currency": "USD",
    }  # fmt: skip
    assert poor.balance() == (PRICE, 0)
    (kept,) = poor.get("/holds", state="any").json()["holds"]
    assert (kept["state"], kept["rule"], kept["held_micros"]) == ("denied", "balance", 0)
    assert poor.get("/holds").json()["holds"] == []
    poor.close()


def test_a_plan_and_a_destination_may_deny(live):
    picky = Platform(live, plan=Plan.LAUNCH)
    assert picky.ask("call.human")["rule"] == "plan"
    rates = [Rate(new_id(), "sms_credits", PRICE, prefix="1")]
    own = new_rate_list("Its own", "USD", None, rates, "account")
    live.installation.writer.write(lambda c: add_rate_list(c, own, picky.account_id, NOW))
    denied = picky.ask("sms", to="+4930123456")
    assert (denied["decision"], denied["rule"]) == ("denied", "unknown_destination")
    assert picky.ask("sms")["decision"] == "allowed"
    picky.close()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "sms", "estimate": {"seconds": 60}}, "estimate.seconds"),
        ({"kind": "call.ai", "estimate": {"units": 1}}, "estimate.units"),
        ({"kind": "call.ai", "estimate": {"seconds": 0}}, "estimate.seconds"),
        ({"kind": "call.ai", "estimate": {"seconds": 86_401}}, "estimate.seconds"),
        ({"kind": "call.ai", "estimate": {"seconds": "60"}}, "estimate.seconds"),
        ({"kind": "fax"}, "kind"),
        ({"kind": "sms", "colour": "red"}, "colour"),
        ({"kind": "sms", "to": "alice"}, "to"),
        ({"kind": "sms", "campaign": ""}, "campaign"),
        ({"kind": "sms", "request_id": "x" * 256}, "request_id"),
        ({"kind": "sms", "request_id": "a\u0000b"}, "request_id"),
    ],
)
def test_a_wrong_request_names_its_field(platform, body, field):
    answer = platform.post("/holds", **{"request_id": "wrong", **body})
    assert (answer["status"], answer["field"]) == (422, field), answer
    assert answer["fix"]


# --- every kind, from request to charge ------------------------------------------------------
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_held_and_settled_by_its_event(platform, kind):
    data, cost = KINDS[kind]
    estimate = {"seconds": 60} if kind.startswith("call") else {"units": 1}
    available, reserved = platform.balance()
    asked = platform.ask(kind, campaign=f"of {kind}", **estimate)
    assert (asked["decision"], asked["held_micros"]) == ("allowed", cost)
    body = {"source": "dialler", "id": f"of {kind}", "time": NOW.isoformat(), "data": data}
    settled = platform.post(f"/holds/{asked['hold_id']}/settle", **body)
    assert (settled["status"], settled["state"], settled["cost_micros"]) == (200, "settled", cost)
    assert sum(line["cost_micros"] for line in settled["lines"]) == cost
    assert [line["flags"] for line in settled["lines"]] == [[]] * len(settled["lines"])
    assert settled["balance"]["available_micros"] == available - cost
    assert settled["balance"]["reserved_micros"] == reserved
    assert settled["is_duplicate"] is False
    assert platform.balance() == (available - cost, reserved)
    row = platform.get("/transactions", campaign=f"of {kind}").json()["transactions"][0]
    assert row["event_id"] == settled["event_id"], "the campaign comes from the hold"
    again = platform.post(f"/holds/{asked['hold_id']}/settle", **body)
    assert again == {**settled, "is_duplicate": True}
    assert platform.balance() == (available - cost, reserved)


def test_an_event_with_a_hold_settles_it(platform):
    asked = platform.ask("call.human", seconds=120)
    event = call(_subject=platform.account_id, hold_id=asked["hold_id"], duration_s=61)
    assert platform.send_one(event).status_code == 204
    held = platform.get(f"/holds/{asked['hold_id']}").json()
    assert (held["state"], held["cost_micros"]) == ("settled", 3 * PRICE)
    assert platform.send_one(event).headers["Usage-Duplicate"] == "true"
    told = platform.settle(asked["hold_id"], _source=event["source"], _id=event["id"])
    assert told["is_duplicate"]
    assert [line["cost_micros"] for line in told["lines"]] == [PRICE, 2 * PRICE]


def test_an_event_with_a_hold_that_is_none_is_charged_and_flagged(platform):
    event = call(_subject=platform.account_id, hold_id="never-heard-of")
    assert platform.send_one(event).status_code == 204
    lines = platform.get(f"/calls/{event['id']}").json()["lines"]
    assert [line["flags"] for line in lines] == [["unknown_hold"]] * 2


def test_more_than_was_held_is_charged_whole_and_flagged(platform):
    asked = platform.ask(seconds=60)
    settled = platform.settle(asked["hold_id"], duration_s=600)
    assert settled["cost_micros"] == 11 * PRICE
    assert {flag for line in settled["lines"] for flag in line["flags"]} == {"over_hold"}


def test_work_that_was_given_back_and_happened_is_charged_and_flagged(platform):
    asked = platform.ask(seconds=60)
    released = platform.release(asked["hold_id"])
    assert (released["status"], released["state"]) == (200, "released")
    assert platform.release(asked["hold_id"]) == released
    settled = platform.settle(asked["hold_id"])
    assert (settled["state"], settled["cost_micros"]) == ("released", None)
    assert {flag for line in settled["lines"] for flag in line["flags"]} == {"after_release"}


def test_a_settlement_that_is_too_late_is_charged_and_flagged(platform, server):
    asked = platform.ask(seconds=60)
    try:
        set_clock(server, NOW + timedelta(minutes=12))
        settled = platform.settle(asked["hold_id"])
    finally:
        set_clock(server, NOW)
    assert settled["state"] == "expired"
    assert {flag for line in settled["lines"] for flag in line["flags"]} == {"late_settle"}
    assert platform.balance()[1] == 0


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"direction": "inbound"}, "data.hold_id"),
        ({"agent": "ai"}, "data.hold_id"),
        ({"sandbox": True}, "data.hold_id"),
        ({"hold_id": "another"}, "data.hold_id"),
        ({"duration_s": -1}, "data.duration_s"),
        ({"colour": 1}, "data.colour"),
        ({"_time": "yesterday, at noon, I think"}, "time"),
        ({"_id": ""}, "id"),
    ],
)
def test_what_does_not_settle_it_names_its_field(platform, changes, field):
    asked = platform.ask(seconds=60)
    answer = platform.settle(asked["hold_id"], **changes)
    assert (answer["status"], answer["field"]) == (422, field), answer
    assert platform.get(f"/holds/{asked['hold_id']}").json()["state"] == "open"
    platform.release(asked["hold_id"])


# --- extend and release ----------------------------------------------------------------------
def test_a_call_that_goes_on_gets_more(platform):
    asked = platform.ask(seconds=60)
    more = platform.extend(asked["hold_id"], 120, "more")
    assert (more["max_seconds"], more["held_micros"]) == (180, 4 * PRICE)
    assert platform.extend(asked["hold_id"], 120, "more") == more
    assert platform.extend(asked["hold_id"], 60, "more")["code"] == "idempotency_mismatch"
    assert platform.get(f"/holds/{asked['hold_id']}").json()["held_micros"] == 4 * PRICE
    platform.limit({"kind": "per_call", "limit_seconds": 180})
    denied = platform.extend(asked["hold_id"], 60)
    assert (denied["decision"], denied["rule"]) == ("denied", "per_call")
    platform.limit()
    platform.release(asked["hold_id"])
    closed = platform.extend(asked["hold_id"], 60)
    assert (closed["status"], closed["code"]) == (409, "hold_closed")


def test_only_a_call_is_extended(platform):
    asked = platform.ask("sms")
    assert platform.extend(asked["hold_id"], 60)["status"] == 422
    platform.release(asked["hold_id"])


def test_what_is_settled_is_not_given_back(platform):
    asked = platform.ask(seconds=60)
    platform.settle(asked["hold_id"])
    answer = platform.release(asked["hold_id"])
    assert (answer["status"], answer["code"]) == (409, "hold_closed")


def test_support_gives_a_hold_back_and_it_is_noted(live, platform):
    asked = platform.ask(seconds=60)
    support = ApiClient(live, "*", "support")
    path = f"/holds/{asked['hold_id']}/release"
    assert support.http.post(path).json()["field"] == "account"
    answer = support.http.post(path, params={"account": platform.account_id})
    assert (answer.status_code, answer.json()["state"]) == (200, "released")
    support.http.post(path, params={"account": platform.account_id})
    with live.installation.database.read() as connection:
        audit = t.audit.c
        noted = connection.execute(
            select(audit.actor, audit.detail).where(
                audit.account_id == platform.account_id, audit.action == "hold.release"
            )
        ).all()
    assert [row.actor for row in noted] == [f"key:{support.kept.id}"], "noted once"
    assert asked["hold_id"] in noted[0].detail
    support.close()


@pytest.mark.parametrize("what", ["extend", "settle", "release"])
def test_a_hold_of_another_account_is_none(live, platform, what):
    asked = platform.ask(seconds=60)
    thief = Platform(live, "acme")
    answer = getattr(thief, what)(asked["hold_id"])
    assert (answer["status"], answer["code"]) == (404, "not_found")
    assert thief.get(f"/holds/{asked['hold_id']}").status_code == 404
    assert platform.release(asked["hold_id"])["state"] == "released"
    thief.close()


def test_a_denied_request_is_no_hold(live):
    poor = Platform(live, credit_micros=0)
    assert poor.ask()["decision"] == "denied"
    (kept,) = poor.get("/holds", state="any").json()["holds"]
    for what in ("extend", "settle", "release"):
        assert getattr(poor, what)(kept["hold_id"])["status"] == 404
    assert poor.get(f"/holds/{kept['hold_id']}").json()["rule"] == "balance"
    poor.close()


# --- lists -----------------------------------------------------------------------------------
def test_holds_are_listed_by_pages_newest_first(live):
    lister = Platform(live)
    asked = [lister.ask("sms")["hold_id"] for _ in range(7)]
    lister.release(asked[2])
    found, cursor = [], None
    while True:
        page = lister.get("/holds", state="any", limit=3, cursor=cursor or "").json()
        found += [each["hold_id"] for each in page["holds"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(found) == sorted(asked)
    assert len(found) == 7, "each once"
    assert found == sorted(found, reverse=True)
    assert asked[2] not in [each["hold_id"] for each in lister.get("/holds").json()["holds"]]
    for cursor in ("nonsense", "WzEsMl0", "é"):
        assert lister.get("/holds", cursor=cursor).json()["field"] == "cursor"
    lister.close()
