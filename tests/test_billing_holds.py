"""Decisions about holds: what is held, for how long, and which rule denies, from plain values."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.caps import CapKind, Counted, Inbound, Window
from billing.errors import InputError
from billing.events import CallEvent
from billing.holds import (
    Allowed,
    Bound,
    Denied,
    HoldKind,
    HoldRequest,
    Quote,
    Rule,
    Standing,
    check_request,
    decide,
    hold_ends_at,
    lacks_plan,
    metrics_of,
    quote,
)
from billing.metrics import METRICS
from billing.plans import Plan
from billing.rates import NoRateError, Rate, RateBook, RateList, UnknownDestinationError
from billing.rating import RatingContext, rate_event
from tests.builders import NOON, call, day

TODAY = day("2026-11-22")
PLENTY = 10**12
SECOND = Rate("r", "ai_connected_minutes", 10_000)


def talk(**rate: Any) -> Quote:
    """A call at 60,000 micros a minute and 5,000 an attempt, unless said otherwise."""
    once = rate.pop("once_micros", 5_000)
    given = {"price_micros": 60_000, "size": 60, **rate}
    return Quote(True, Rate("r", "ai_connected_minutes", **given), once)


def ask(kind: str = "call.ai", amount: int | None = None, **rest: Any) -> HoldRequest:
    return HoldRequest("r1", HoldKind(kind), amount=amount, **rest)


def bound(kind: str, ceiling: int | None, spent: int = 0, reserved: int = 0, **rest: Any) -> Bound:
    campaign = "spring" if kind == "campaign" else ""
    window = Window(CapKind(kind), TODAY, campaign)
    return Bound(window, Counted(spent, reserved), ceiling, **rest)


def standing(posted: int = PLENTY, reserved: int = 0, **rest: Any) -> Standing:
    return Standing(posted, reserved, **rest)


# --- how long ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("cost", "money", "wanted", "seconds", "held"),
    [
        (talk(), PLENTY, 60, 60, 65_000),
        (talk(), 65_000, 600, 60, 65_000),
        (talk(), 64_999, 600, 59, 64_000),
        (talk(), 5_999, 600, 0, 0),
        (talk(), 6_000, 600, 1, 6_000),
        (talk(once_micros=0), 999, 600, 0, 0),
        (talk(minimum=60, increment=60), 125_000, 600, 120, 125_000),
        (talk(minimum=60, increment=60), 124_999, 600, 60, 65_000),
        (talk(minimum=60, increment=60), 64_999, 600, 0, 0),
        (talk(minimum=60, increment=60), PLENTY, 61, 120, 125_000),
        (talk(minimum=30, increment=6), PLENTY, 29, 30, 35_000),
        (talk(minimum=30, increment=6), 41_000, 600, 36, 41_000),
        (talk(minimum=30, increment=6), 40_999, 600, 30, 35_000),
        (talk(minimum=0, increment=6), 11_000, 600, 6, 11_000),
        (talk(minimum=0, increment=6), 10_999, 600, 0, 0),
        (talk(connect_fee_micros=7_000), 13_000, 600, 1, 13_000),
        (talk(connect_fee_micros=7_000), 12_999, 600, 0, 0),
        (talk(price_micros=0), 5_000, 86_400, 86_400, 5_000),
        (talk(price_micros=0, once_micros=0), 1, 600, 600, 0),
        (talk(price_micros=1, size=60, once_micros=0), 1, 600, 89, 1),  # rounds up at half a micro
    ],
)
def test_a_call_gets_the_seconds_that_the_money_pays_for(
    cost: Quote, money: int, wanted: int, seconds: int, held: int
):
    decision = decide(ask(amount=wanted), cost, standing(money))
    if seconds:
        assert decision == Allowed(held, seconds)
    else:
        assert isinstance(decision, Denied)
        assert decision.rule is Rule.BALANCE


@pytest.mark.parametrize(("kind", "wanted"), [("call.ai", 600), ("sms", 1)])
def test_without_an_estimate_a_call_is_held_for_ten_minutes_and_one_message(kind: str, wanted: int):
    cost = Quote(kind == "call.ai", SECOND)
    assert decide(ask(kind), cost, standing()) == Allowed(wanted * 10_000, wanted)


def test_units_are_held_whole_or_not_at_all():
    cost = Quote(False, Rate("r", "sms_credits", 7_501))
    assert decide(ask("sms", 3), cost, standing(22_503)) == Allowed(22_503, 3)
    assert isinstance(decide(ask("sms", 3), cost, standing(22_502)), Denied)
    free = Quote(False, Rate("r", "ai_sms_replies", 0))
    assert decide(ask("sms.ai_reply", 9), free, standing(0)) == Allowed(0, 9), "costs nothing"
    assert isinstance(decide(ask("sms.ai_reply", 9), free, standing(-1)), Denied)


RATES = st.builds(
    Quote, st.just(value=True),
    st.builds(
        Rate, st.just("r"), st.just("m"), st.integers(0, 90_000), st.sampled_from([1, 6, 60]),
        st.just(""), st.integers(0, 70), st.integers(1, 70), st.integers(0, 9_000),
    ),
    st.integers(0, 20_000),
)  # fmt: skip


@given(RATES, st.integers(0, 2_000_000), st.integers(1, 900))
def test_what_is_afforded_is_the_largest_amount(cost: Quote, money: int, most: int):
    found = cost.affords(money, most)
    assert 0 <= found <= most
    if found:
        assert cost.cost_micros(found) <= money
    steps = {cost.rate.billed_seconds(seconds) for seconds in range(1, most + 1)}
    better = [each for each in {*steps, most} if found < each <= most]
    assert all(cost.cost_micros(each) > money for each in better)


@given(RATES, st.integers(0, 2_000_000), st.integers(1, 900), st.integers(0, 900))
def test_a_call_that_ends_in_time_never_costs_more_than_is_held(
    cost: Quote, money: int, wanted: int, talked: int
):
    decision = decide(ask(amount=wanted), cost, standing(money))
    if isinstance(decision, Allowed):
        assert decision.held_micros <= money
        assert cost.cost_micros(min(talked, decision.amount)) <= decision.held_micros


@given(RATES, st.integers(0, 300_000), st.integers(0, 300_000), st.integers(1, 300))
def test_extended_at_once_or_by_and_by_it_comes_to_the_same(
    cost: Quote, money: int, more: int, wanted: int
):
    first = decide(ask(amount=wanted), cost, standing(money))
    if isinstance(first, Denied):
        return
    held, had = first.held_micros, first.amount
    then = decide(ask(amount=had + wanted), cost, standing(money + more, held), held, had)
    if isinstance(then, Allowed):
        assert held + then.held_micros <= money + more
        at_once = decide(ask(amount=had + wanted), cost, standing(money + more))
        assert at_once == Allowed(held + then.held_micros, then.amount)
    else:
        assert cost.affords(money + more, cost.whole(had + wanted)) <= had


# --- what bounds it ------------------------------------------------------------------------------
def test_each_rule_is_asked_in_its_order():
    """Everything stands against it; what is mended one after another names the next."""
    bounds = [bound(kind, 0, 5, 6) for kind in ("campaign", "daily", "weekly", "monthly")]
    against = standing(
        7, 7, bounds=bounds, paused_by="daily", call_micros=0, call_seconds=1,
    )  # fmt: skip
    found = []
    steps: tuple[dict[str, Any], ...] = (
        {}, {"paused_by": None}, {"posted_micros": PLENTY}, {"call_micros": None},
        {"bounds": bounds[1:]}, {"bounds": bounds[2:]}, {"bounds": bounds[3:]}, {"bounds": []},
    )  # fmt: skip
    for mended in steps:
        against = replace(against, **mended)
        decision = decide(ask(), talk(), against)
        found.append(decision.rule.value if isinstance(decision, Denied) else "allowed")
    assert found == [
        "paused", "balance", "per_call", "campaign", "daily", "weekly", "monthly", "allowed",
    ]  # fmt: skip
    assert [rule.value for rule in Rule][:3] == ["plan", "paused", "unknown_destination"]


def test_the_tightest_bound_of_all_shortens_a_call():
    bounds = [bound("daily", 100_000, 10_000, 20_000), bound("monthly", 90_000, 40_000)]
    assert decide(ask(), talk(), standing(bounds=bounds)) == Allowed(50_000, 45)
    assert decide(ask(), talk(), standing(bounds=bounds[:1])) == Allowed(70_000, 65)
    assert decide(ask(), talk(), standing(bounds=bounds, call_seconds=20)) == Allowed(25_000, 20)
    assert decide(ask(), talk(), standing(bounds=bounds, call_micros=9_000)) == Allowed(9_000, 4)


def test_seconds_that_are_no_whole_increment_are_paid_as_one():
    cost = talk(minimum=60, increment=60)
    assert decide(ask(), cost, standing(call_seconds=90)) == Allowed(125_000, 90)
    assert decide(ask(), cost, standing(124_999, call_seconds=90)) == Allowed(65_000, 60)


def test_a_denial_has_the_figures_of_its_rule():
    resets_at = datetime.fromisoformat("2026-11-23T00:00:00+00:00")
    against = standing(bounds=[bound("daily", 100, 60, 40, resets_at=resets_at)])
    decision = decide(ask("sms"), Quote(False, SECOND), against)
    assert isinstance(decision, Denied)
    assert (decision.spent_micros, decision.reserved_micros, decision.limit_micros) == (60, 40, 100)
    assert decision.resets_at == resets_at
    broke = decide(ask("sms"), Quote(False, SECOND), standing(90, 85))
    assert isinstance(broke, Denied)
    assert (broke.reserved_micros, broke.limit_micros, broke.resets_at) == (85, 90, None)


def test_soft_caps_and_overrides_warn_or_say_nothing():
    bounds = [
        bound("campaign", None, 10, soft_micros=10_009),
        bound("daily", None, 9, 1, soft_micros=10_010),
        bound("weekly", None),
    ]
    decision = decide(ask("sms"), Quote(False, SECOND), standing(bounds=bounds))
    assert isinstance(decision, Allowed)
    (warning,) = decision.warnings
    assert (warning.rule, warning.spent_micros, warning.reserved_micros, warning.limit_micros) == (
        "campaign", 10, 10_000, 10_009,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("inbound", "posted", "decision"),
    [
        (Inbound.CONTINUE, PLENTY, Allowed(600_000 + 5_000, 600)),
        (Inbound.CONTINUE, 5, Allowed(5, 600)),
        (Inbound.CONTINUE, -5, Allowed(0, 600)),
        (Inbound.STOP, 65_000, Allowed(65_000, 60)),
        (Inbound.STOP, 5, None),
    ],
)
def test_inbound_comes_as_it_is_set_and_knows_no_caps(
    inbound: Inbound, posted: int, decision: Allowed | None
):
    against = standing(posted, bounds=[bound("daily", 0)], inbound=inbound)
    found = decide(ask("call.inbound"), talk(), against)
    assert found == decision or (decision is None and isinstance(found, Denied))


def test_an_extension_is_denied_where_it_adds_nothing():
    cost = talk(once_micros=0)
    had = decide(ask(amount=120), cost, standing(PLENTY, 60_000, call_seconds=60), 60_000, 60)
    assert isinstance(had, Denied)
    assert had.rule is Rule.PER_CALL
    full = [bound("daily", 60_000, 0, 60_000)]
    denied = decide(ask(amount=120), cost, standing(PLENTY, 60_000, bounds=full), 60_000, 60)
    assert isinstance(denied, Denied)
    assert denied.rule is Rule.DAILY
    some = [bound("daily", 70_000, 0, 60_000)]
    more = decide(ask(amount=120), cost, standing(PLENTY, 60_000, bounds=some), 60_000, 60)
    assert more == Allowed(10_000, 70)


# --- quotes --------------------------------------------------------------------------------------
def book(*rates: Rate) -> RateBook:
    return RateBook([RateList("l", "list", "USD", None, rates)], "USD")


EVERYTHING = book(*(Rate(metric.id, metric.id, 10_000) for metric in METRICS))


def test_a_quote_is_what_the_event_will_cost():
    rates = book(
        Rate("a", "ai_dial_attempts", 3_000),
        Rate("c", "ai_connected_minutes", 70_000, 60, "1", 30, 6, 5_000),
    )
    for seconds in (1, 30, 31, 95, 600):
        event: CallEvent = call("c", NOON, seconds, counterparty="14155550100")
        lines = rate_event(event, RatingContext(TODAY, Plan.GROWTH, rates))
        cost = quote(HoldKind.CALL_AI, "14155550100", rates, TODAY)
        assert cost.cost_micros(seconds) == sum(line.cost_micros for line in lines)


def test_a_number_without_a_price_is_an_unknown_destination():
    rates = book(Rate("a", "ai_dial_attempts", 0), Rate("c", "ai_connected_minutes", 1, 1, "1"))
    for number in ("4415", None):
        with pytest.raises(UnknownDestinationError):
            quote(HoldKind.CALL_AI, number, rates, TODAY)
    with pytest.raises(NoRateError):
        quote(HoldKind.SMS, "14155550100", rates, TODAY)


@pytest.mark.parametrize("kind", list(HoldKind))
def test_every_kind_of_work_has_its_metrics_and_a_price(kind: HoldKind):
    before = date(2025, 6, 30)
    for on in (TODAY, before):
        assert quote(kind, None, EVERYTHING, on).cost_micros(1) == 10_000 * len(
            metrics_of(kind, on)
        )
    assert not lacks_plan(kind, Plan.SCALE, TODAY)
    if kind is HoldKind.WHATSAPP:
        assert metrics_of(kind, TODAY) != metrics_of(kind, before)


@pytest.mark.parametrize(
    ("plan", "lacked"),
    [
        (Plan.LAUNCH, "call.human sms.ai_reply voicemail.ringless"),
        (Plan.GROWTH, "voicemail.ringless"),
        (Plan.SCALE, ""),
    ],
)
def test_a_plan_lacks_what_its_metrics_lack(plan: Plan, lacked: str):
    found = {kind.value for kind in HoldKind if lacks_plan(kind, plan, TODAY)}
    assert found == set(lacked.split())


# --- time and form -------------------------------------------------------------------------------
def test_a_hold_outlives_what_it_pays_for_by_ten_minutes_and_a_message_a_quarter_of_an_hour():
    assert hold_ends_at(HoldKind.CALL_AI, 90, NOON) == NOON + timedelta(minutes=11, seconds=30)
    assert hold_ends_at(HoldKind.SMS, 90, NOON) == NOON + timedelta(minutes=15)


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("request_id", {"request_id": ""}),
        ("request_id", {"request_id": "a\x07"}),
        ("campaign", {"campaign": "x" * 256}),
        ("consumer", {"consumer": ""}),
        ("estimate.seconds", {"amount": 86_401}),
        ("estimate.seconds", {"amount": 0}),
        ("estimate.units", {"kind": HoldKind.SMS, "amount": 1_001}),
    ],
)
def test_what_is_out_of_bounds_is_refused_by_name(field: str, given: dict[str, Any]):
    with pytest.raises(InputError) as refused:
        check_request(HoldRequest(**{"request_id": "r", "kind": HoldKind.CALL_AI, **given}))
    assert refused.value.field == field
