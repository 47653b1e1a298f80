"""Events of every kind there is, one of each or any at all, for tests of what must come back."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from billing.events import (
    MESSAGE_STATUSES,
    AgentHoursEvent,
    AnyEvent,
    CallEvent,
    MeteredEvent,
    RentalEvent,
    SmsEvent,
    VoicemailEvent,
    WhatsAppEvent,
)
from billing.metrics import METRICS

AT = datetime(2026, 10, 14, 9, 30, 0, 125_000, tzinfo=UTC)
BY_CONVERSATION = datetime(2025, 3, 3, 9, tzinfo=UTC)
LETTERS = st.characters(codec="utf-8", categories=("L", "M", "N", "P", "S", "Zs"))
# An id of nothing but spaces is none to an import.
WORDS = st.text(LETTERS.filter(str.isprintable), min_size=1, max_size=12).filter(str.strip)
TEXTS = WORDS | st.sampled_from(
    ["=1+1", "'=1", "''-x", "＝x", "'", "a,b", 'say "hi"', "@all", "+44", " padded ", "|", "a|b"]
)  # fmt: skip
NAMES = TEXTS | st.sampled_from(["Ana\nSilva", "=cmd()\r\n,x", "Zürich „Süd“", "\ttab"])
NUMBERS = st.sampled_from(
    [None, "1", "14155550101", "351911234567", "351911299999", "447700900123"]
)
INSTANTS = st.integers(0, 500 * 86_400_000_000).map(
    lambda micros: datetime(2025, 7, 1, 6, tzinfo=UTC) + timedelta(microseconds=micros)
)


def common(number: int, **more) -> dict:
    return {
        "source": "app",
        "id": f"e{number}",
        "occurred_at": AT + timedelta(minutes=number),
        **more,
    }


def one_of_everything() -> list[AnyEvent]:
    kinds: list[tuple[type, dict]] = [
        (CallEvent, {"direction": direction, "agent": agent, "is_premium": premium,
                     "is_answered": seconds is not None, "duration_seconds": seconds or 0,
                     "outcome": None if seconds is not None else outcome,
                     "counterparty": number})
        for direction in ("outbound", "inbound")
        for agent in ("ai", "human")
        for premium in (False, True)
        for seconds, outcome in ((0, None), (1, None), (31, None), (86_400, None), (None, "busy"),
                                 (None, None))
        for number in ("14155550101", "351911234567", "351961234567")
    ]  # fmt: skip
    kinds += [
        (SmsEvent, {"direction": direction, "kind": kind, "segments": segments, "status": status,
                    "counterparty": number})
        for direction, kind in (("outbound", "campaign"), ("outbound", "transactional"),
                                ("outbound", "ai_reply"), ("inbound", "campaign"))
        for status in MESSAGE_STATUSES
        for segments, number in ((1, None), (3, "447700900123"))
    ]  # fmt: skip
    kinds += [
        (WhatsAppEvent, {"category": category, "unit": unit, "status": status,
                         "occurred_at": BY_CONVERSATION if unit == "conversation" else AT})
        for category in ("marketing", "utility", "authentication", "service")
        for unit in ("conversation", "message")
        for status in MESSAGE_STATUSES
    ]  # fmt: skip
    kinds += [
        (VoicemailEvent, {"kind": kind, "status": status})
        for kind in ("drop", "ringless") for status in ("delivered", "failed")
    ]  # fmt: skip
    kinds += [
        (RentalEvent, {"metric": metric, "units": units})
        for metric in ("number_rental", "seat_licences") for units in (0, 1, 12)
    ]  # fmt: skip
    kinds += [(AgentHoursEvent, {"duration_seconds": seconds}) for seconds in (0, 5_400)]
    kinds += [
        (MeteredEvent, {"metric": metric.id, "units": units, "cost_micros": cost,
                        "counterparty": "14155550101"})
        for metric in METRICS
        for units, cost in ((0, None), (90, None), (10**9, None), (7, 0), (7, 123_456_789))
    ]  # fmt: skip
    events = [kind(**common(number, **more)) for number, (kind, more) in enumerate(
        (kind, {k: v for k, v in more.items() if k != "occurred_at"}) for kind, more in kinds
    )]  # fmt: skip
    return [
        replace(event, occurred_at=more.get("occurred_at", event.occurred_at),
                is_sandbox=number % 5 == 4)
        for number, (event, (_, more)) in enumerate(zip(events, kinds, strict=True))
    ]  # fmt: skip


def an_event() -> st.SearchStrategy[AnyEvent]:
    shared = {
        "source": TEXTS, "id": TEXTS, "occurred_at": INSTANTS, "counterparty": NUMBERS,
        "campaign": st.none() | TEXTS, "consumer": st.none() | TEXTS, "is_sandbox": st.booleans(),
        "flags": st.lists(st.from_regex(r"[a-z_]{1,9}", fullmatch=True), max_size=2).map(tuple),
    }  # fmt: skip
    direction = st.sampled_from(["outbound", "inbound"])
    statuses = st.sampled_from(MESSAGE_STATUSES)
    abroad = {**shared, "counterparty": st.sampled_from(["14155550101", "351911234567"])}

    def call(event: CallEvent) -> CallEvent:
        if event.is_answered:
            return replace(event, outcome=None)
        return replace(event, duration_seconds=0)

    return st.one_of(
        st.builds(
            CallEvent, **abroad, direction=direction, agent=st.sampled_from(["ai", "human"]),
            is_premium=st.booleans(), is_answered=st.booleans(),
            duration_seconds=st.integers(0, 86_400), outcome=st.none() | TEXTS,
        ).map(call),
        st.builds(
            SmsEvent, **shared, direction=direction, segments=st.integers(1, 1_000),
            kind=st.sampled_from(["campaign", "transactional", "ai_reply"]), status=statuses,
        ),
        st.builds(
            WhatsAppEvent, **shared, unit=st.just("message"), status=statuses,
            category=st.sampled_from(["marketing", "utility", "authentication", "service"]),
        ),
        st.builds(VoicemailEvent, **shared, kind=st.sampled_from(["drop", "ringless"]),
                  status=statuses),
        st.builds(RentalEvent, **shared, units=st.integers(0, 1_000_000),
                  metric=st.sampled_from(["number_rental", "seat_licences"])),
        st.builds(AgentHoursEvent, **shared, duration_seconds=st.integers(0, 1_000_000)),
        st.builds(
            MeteredEvent, **abroad, metric=st.sampled_from([metric.id for metric in METRICS]),
            units=st.integers(0, 10**9), cost_micros=st.none() | st.integers(0, 10**15),
        ),
    )  # fmt: skip


def is_message(event: AnyEvent) -> bool:
    if isinstance(event, SmsEvent):
        return event.direction == "outbound"
    return isinstance(event, WhatsAppEvent | VoicemailEvent)
