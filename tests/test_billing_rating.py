"""From an event to its lines: every event type, units, cost, reasons and refusals."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.errors import InputError
from billing.events import (
    AgentHoursEvent,
    CallEvent,
    RentalEvent,
    SmsEvent,
    UsageEvent,
    VoicemailEvent,
    WhatsAppEvent,
)
from billing.metrics import METRICS
from billing.plans import Plan
from billing.rates import NoRateError, Rate, RateBook, RateList, UnknownDestinationError
from billing.rating import LineDraft, PlanLacksError, RatingContext, rate_event

DAY = date(2026, 11, 2)
BASE: dict[str, Any] = {
    "source": "test", "id": "1", "occurred_at": datetime(2026, 11, 2, 10, tzinfo=UTC),
    "counterparty": "14155550142",
}  # fmt: skip
FREE = "not charged by this price list"


def book(**changed: Rate) -> RateBook:
    """One micro a unit for every metric, but what is changed; attempts are free."""
    rates = {metric.id: Rate(metric.id, metric.id, 1) for metric in METRICS}
    for attempt in ("ai_dial_attempts", "human_dial_attempts"):
        rates[attempt] = Rate(attempt, attempt, 0, note=FREE)
    rates.update(changed)
    return RateBook([RateList("l", "l", "USD", None, tuple(rates.values()))], "USD")


def rated(event: UsageEvent, plan: Plan = Plan.SCALE, **changed: Rate) -> tuple[LineDraft, ...]:
    return rate_event(event, RatingContext(DAY, plan, book(**changed)))


def call(**more: Any) -> CallEvent:
    given = {"direction": "outbound", "agent": "ai", "is_answered": True, "duration_seconds": 61}
    return CallEvent(**{**BASE, **given, **more})


def brief(lines: tuple[LineDraft, ...]) -> list[tuple]:
    return [
        (line.metric, line.status, line.base_units, line.talk_seconds, line.cost_micros)
        for line in lines
    ]


@pytest.mark.parametrize(
    ("event", "lines"),
    [
        (
            call(),
            [
                ("ai_dial_attempts", "answered", 1, 0, 0),
                ("ai_connected_minutes", "answered", 61, 61, 61),
            ],
        ),
        (
            call(is_premium=True),
            [
                ("ai_dial_attempts", "answered", 1, 0, 0),
                ("ai_premium_connected_minutes", "answered", 61, 61, 61),
            ],
        ),
        (
            call(agent="human"),
            [
                ("human_dial_attempts", "answered", 1, 0, 0),
                ("human_connected_minutes", "answered", 61, 61, 61),
            ],
        ),
        (
            call(agent="human", is_premium=True),
            [
                ("human_dial_attempts", "answered", 1, 0, 0),
                ("human_connected_minutes", "answered", 61, 61, 61),
            ],
        ),
        (
            call(is_answered=False, duration_seconds=0),
            [("ai_dial_attempts", "unanswered", 1, 0, 0)],
        ),
        # The platform says answered, for no second: the minimum is billed.
        (
            call(duration_seconds=0),
            [
                ("ai_dial_attempts", "answered", 1, 0, 0),
                ("ai_connected_minutes", "answered", 1, 0, 1),
            ],
        ),
        (call(direction="inbound"), [("inbound_minutes", "answered", 61, 61, 61)]),
        (
            call(direction="inbound", is_answered=False, duration_seconds=0),
            [("inbound_minutes", "unanswered", 0, 0, 0)],
        ),
        (SmsEvent(**BASE, direction="outbound", segments=3), [("sms_credits", "sent", 3, 0, 3)]),
        (
            SmsEvent(
                **BASE, direction="outbound", segments=3, kind="transactional", status="failed"
            ),
            [("sms_credits", "failed", 3, 0, 3)],
        ),
        (
            SmsEvent(**BASE, direction="outbound", segments=1, kind="ai_reply"),
            [("ai_sms_replies", "sent", 1, 0, 1)],
        ),
        (
            SmsEvent(**BASE, direction="inbound", segments=2, kind="ai_reply", status="received"),
            [("inbound_sms", "received", 2, 0, 2)],
        ),
        (
            WhatsAppEvent(**BASE, category="utility", unit="message"),
            [("whatsapp_messages", "delivered", 1, 0, 1)],
        ),
        (
            WhatsAppEvent(**BASE, category="utility", unit="message", status="failed"),
            [("whatsapp_messages", "failed", 0, 0, 0)],
        ),
        (VoicemailEvent(**BASE, kind="drop"), [("voicemail_drops", "delivered", 1, 0, 1)]),
        (VoicemailEvent(**BASE, kind="ringless"), [("ringless_voicemail", "delivered", 1, 0, 1)]),
        (
            RentalEvent(**BASE, metric="number_rental", units=2),
            [("number_rental", "active", 2, 0, 2)],
        ),
        (
            RentalEvent(**BASE, metric="seat_licences", units=1),
            [("seat_licences", "active", 1, 0, 1)],
        ),
        (
            AgentHoursEvent(**BASE, duration_seconds=5400),
            [("agent_hours", "worked", 5400, 0, 5400)],
        ),
    ],
)
def test_every_event_writes_its_lines(event: UsageEvent, lines: list[tuple]):
    assert brief(rated(event)) == lines


def test_a_call_is_billed_by_minimum_and_increment_with_one_fee():
    minutes = Rate("m", "ai_connected_minutes", 12_000, 60, "1", 30, 6, 5_000)
    _, line = rated(call(), ai_connected_minutes=minutes)
    assert (line.base_units, line.talk_seconds, line.pulses) == (66, 61, 11)
    assert (line.cost_micros, line.connect_fee_micros, line.rate_id) == (18_200, 5_000, "m")


def test_an_unanswered_call_has_no_fee():
    minutes = Rate("m", "inbound_minutes", 12_000, 60, connect_fee_micros=5_000)
    (line,) = rated(
        call(direction="inbound", is_answered=False, duration_seconds=0, outcome="HANG"),
        inbound_minutes=minutes,
    )
    assert (line.cost_micros, line.connect_fee_micros, line.reason) == (0, 0, "HANG")


@pytest.mark.parametrize(
    ("event", "changed", "reason"),
    [
        (call(direction="inbound", is_answered=False), {}, "not answered"),
        (call(is_answered=False), {}, FREE),
        (SmsEvent(**BASE, direction="inbound", segments=1),
         {"inbound_sms": Rate("r", "inbound_sms", 0)}, "free by this price list"),
        (SmsEvent(**BASE, direction="inbound", segments=1),
         {"inbound_sms": Rate("r", "inbound_sms", 0, note="a gift")}, "a gift"),
    ],
)  # fmt: skip
def test_what_costs_nothing_says_why(event: UsageEvent, changed: dict, reason: str):
    assert rated(event, **changed)[0].reason == reason


def test_what_costs_has_no_reason():
    assert rated(SmsEvent(**BASE, direction="outbound", segments=1))[0].reason is None


@pytest.mark.parametrize("seconds", [-1, 86_401, 10**12])
def test_absurd_durations_are_refused(seconds: int):
    with pytest.raises(InputError, match="0 to 86,400"):
        rated(call(duration_seconds=seconds))


@pytest.mark.parametrize("segments", [-1, 0, 1_001])
def test_absurd_messages_are_refused(segments: int):
    with pytest.raises(InputError, match="segments"):
        rated(SmsEvent(**BASE, direction="outbound", segments=segments))


@pytest.mark.parametrize("units", [-1, 1_000_001])
def test_absurd_units_are_refused(units: int):
    with pytest.raises(InputError, match="units"):
        rated(RentalEvent(**BASE, metric="number_rental", units=units))


def test_an_unknown_event_is_refused():
    with pytest.raises(InputError, match="UsageEvent"):
        rated(UsageEvent(**BASE))


@pytest.mark.parametrize(
    ("plan", "event"),
    [
        (Plan.LAUNCH, call(agent="human")),
        (Plan.LAUNCH, SmsEvent(**BASE, direction="outbound", segments=1, kind="ai_reply")),
        (Plan.GROWTH, VoicemailEvent(**BASE, kind="ringless")),
        (Plan.FREE, call()),
    ],
)
def test_what_the_plan_lacks_is_refused(plan: Plan, event: UsageEvent):
    with pytest.raises(PlanLacksError, match=plan.label):
        rated(event, plan)


def test_sandbox_usage_is_rated_on_any_plan():
    assert rated(call(is_sandbox=True), Plan.FREE)[1].cost_micros == 61


def test_a_destination_without_a_price_is_never_free():
    with pytest.raises(UnknownDestinationError):
        rated(call(), ai_connected_minutes=Rate("r", "ai_connected_minutes", 1, prefix="44"))
    with pytest.raises(NoRateError):
        rate_event(call(), RatingContext(DAY, Plan.SCALE, RateBook([], "USD")))


@given(
    seconds=st.integers(0, 86_400),
    price=st.integers(0, 10**6),
    minimum=st.integers(1, 120),
    increment=st.integers(1, 120),
    fee=st.integers(0, 10**5),
)
def test_a_call_costs_its_billed_seconds_and_fee(
    seconds: int, price: int, minimum: int, increment: int, fee: int
):
    one = Rate("m", "human_connected_minutes", price, 60, "", minimum, increment, fee)
    attempt, talk = rated(
        call(agent="human", duration_seconds=seconds), human_connected_minutes=one
    )
    assert attempt.cost_micros == 0
    assert talk.talk_seconds == seconds <= talk.base_units
    assert talk.cost_micros == fee + one.cost_micros(talk.base_units)
    assert talk.pulses * increment <= talk.base_units
    assert (talk.reason is None) == (talk.cost_micros > 0)


@given(segments=st.integers(1, 1_000), price=st.integers(0, 10**6))
def test_segments_cost_their_price_each(segments: int, price: int):
    event = SmsEvent(**BASE, direction="outbound", segments=segments)
    (line,) = rated(event, sms_credits=Rate("r", "sms_credits", price))
    assert (line.base_units, line.cost_micros) == (segments, segments * price)
