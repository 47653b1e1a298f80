"""Contacts of one day: calls, messages and what they lead to, drawn by chance.

A first contact may be answered, leave a voicemail, bring a call or a message back, and an
answer from an AI agent to that.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import accumulate
from math import log
from random import Random
from typing import Any, Literal

from billing.events import (
    AgentHoursEvent,
    AnyEvent,
    CallEvent,
    RentalEvent,
    SmsEvent,
    VoicemailEvent,
    WhatsAppEvent,
)
from data.demo.profiles import Consumer, Profile, Stream

SOURCE = "demo/synthetic"
FLAGS = ("synthetic",)
LAST_HOUR = 23  # nothing starts in the day's last hour, so that no call crosses midnight
LONGEST_CALL_SECONDS = 2_400
DURATION_SPREAD = 0.72
MESSAGES_SINCE = date(2025, 7, 1)  # WhatsApp is billed by conversation before, then by message

OUTCOMES = ("no answer", "busy", "voicemail", "invalid number", "call failed")
_OUTCOME_STEPS = (0.50, 0.70, 0.92, 0.98)
_SMS_STATUSES = ("delivered", "failed", "undelivered")
_SMS_STEPS = (0.945, 0.975)
MISSED = ("missed", "hung up in queue")

CALLS_BACK, DROPS_AFTER_VOICEMAIL, TEXTS_AFTER_CALL = 0.05, 0.6, 0.10
ANSWERS_TEXT, AI_ANSWERS_TEXT, ANSWERS_WHATSAPP = 0.07, 0.75, 0.02
INBOUND_ANSWERED, INBOUND_BY_AI, DELIVERED = 0.89, 0.6, 0.96


class DayWriter:
    """Collects the events of one local day; ``line_count`` is how many lines they will write."""

    def __init__(
        self,
        rng: Random,
        profile: Profile,
        day: date,
        hour_starts: tuple[datetime, ...],
        is_sandbox: bool,
    ) -> None:
        self.rng = rng
        self.is_sandbox = is_sandbox
        self.events: list[AnyEvent] = []
        self.line_count = 0
        self._profile = profile
        self._day = day
        self._prefix = day.strftime("%Y%m%d")
        self._hour_starts = hour_starts
        self._day_hours = list(accumulate(profile.hours))
        self._users = _Choice(profile.users)
        self._apps = _Choice(profile.apps)
        self._write = {
            "ai": self._ai_call, "human": self._human_call, "sms": self._sms,
            "whatsapp": self._whatsapp, "ringless": self._ringless,
            "inbound": self._inbound_call, "inbound_sms": self._inbound_sms,
        }  # fmt: skip

    def write_contacts(self, stream: Stream, campaign: str | None, count: int) -> None:
        """Writes so many first contacts of a stream and everything that follows from them."""
        if not count:
            return
        rng = self.rng
        kinds = [kind for kind, _ in stream.mix]
        steps = list(accumulate(weight for _, weight in stream.mix))
        day_hours = self._day_hours if stream.hours is None else self._between(stream.hours)
        for _ in range(count):
            hour = bisect(day_hours, rng.random() * day_hours[-1])
            at = self._hour_starts[hour] + timedelta(seconds=int(rng.random() * 3600))
            kind = kinds[bisect(steps, rng.random() * steps[-1], hi=len(kinds) - 1)]
            self._write[kind](stream, at, campaign, self._number(stream.number_count))

    def write_rental(self, index: int) -> None:
        """One rented number's month."""
        self._add(
            RentalEvent, self._hour_starts[0] + timedelta(minutes=5, seconds=index), None, None,
            self._number(10, index), metric="number_rental", units=1,
        )  # fmt: skip

    def write_seat(self, index: int) -> None:
        """One agent's seat for a month."""
        at = self._hour_starts[0] + timedelta(minutes=10, seconds=index)
        user = self._profile.users[index].id
        self._add(RentalEvent, at, None, user, None, metric="seat_licences", units=1)

    def write_shift(self, user: str) -> None:
        """One agent's signed-in time."""
        at = self._hour_starts[8] + timedelta(seconds=int(self.rng.random() * 5400))
        seconds = int(self.rng.uniform(6.0, 8.2) * 3600)
        self._add(AgentHoursEvent, at, None, user, None, duration_seconds=seconds)

    # --- first contacts ---------------------------------------------------------------------
    def _ai_call(self, stream: Stream, at: datetime, campaign: str | None, number: str) -> None:
        is_premium = self.rng.random() < stream.premium_share
        consumer = stream.consumer or self._apps.pick(self.rng)
        self._call(stream, at, campaign, number, consumer, agent="ai", is_premium=is_premium)

    def _human_call(self, stream: Stream, at: datetime, campaign: str | None, number: str) -> None:
        self._call(stream, at, campaign, number, self._users.pick(self.rng), agent="human")

    def _call(
        self, stream: Stream, at: datetime, campaign: str | None, number: str, consumer: str,
        *, agent: Literal["ai", "human"], is_premium: bool = False,
    ) -> None:  # fmt: skip
        rng = self.rng
        if rng.random() < stream.answer_rate:
            seconds = self._duration(stream.median_seconds * (1.0 if agent == "ai" else 1.4))
            self._add(
                CallEvent, at, campaign, consumer, number, direction="outbound", agent=agent,
                is_premium=is_premium, is_answered=True, duration_seconds=seconds,
            )  # fmt: skip
            self.line_count += 1
            if rng.random() < TEXTS_AFTER_CALL:
                later = at + timedelta(seconds=seconds + 20)
                self._text(later, campaign, consumer, number, kind="transactional", segments=1)
            return
        outcome = OUTCOMES[bisect(_OUTCOME_STEPS, rng.random())]
        self._add(
            CallEvent, at, campaign, consumer, number, direction="outbound", agent=agent,
            is_premium=is_premium, is_answered=False, duration_seconds=0, outcome=outcome,
        )  # fmt: skip
        if outcome == "voicemail" and rng.random() < DROPS_AFTER_VOICEMAIL:
            status = "delivered" if rng.random() < DELIVERED else "failed"
            self._add(
                VoicemailEvent, at + timedelta(seconds=25), campaign, consumer, number,
                kind="drop", status=status,
            )  # fmt: skip
        if outcome in ("no answer", "voicemail") and rng.random() < CALLS_BACK:
            self._inbound_call(stream, self._later(at, 240), campaign, number)

    def _sms(self, stream: Stream, at: datetime, campaign: str | None, number: str) -> None:
        one, two, _ = stream.segment_weights
        draw = self.rng.random()
        segments = 1 if draw < one else 2 if draw < one + two else 3
        consumer = stream.consumer or self._apps.pick(self.rng)
        self._text(at, campaign, consumer, number, kind="campaign", segments=segments)
        if self.rng.random() < ANSWERS_TEXT:
            self._inbound_sms(stream, self._later(at, 90), campaign, number)

    def _whatsapp(self, stream: Stream, at: datetime, campaign: str | None, number: str) -> None:
        unit = "message" if self._day >= MESSAGES_SINCE else "conversation"
        status = "read" if self.rng.random() < 0.55 else "delivered"
        self._add(
            WhatsAppEvent, at, campaign, stream.consumer or self._apps.pick(self.rng), number,
            category=stream.category, unit=unit, status=status,
        )  # fmt: skip
        if self.rng.random() < ANSWERS_WHATSAPP:
            self._inbound_call(stream, self._later(at, 120), campaign, number)

    def _ringless(self, stream: Stream, at: datetime, campaign: str | None, number: str) -> None:
        status = "delivered" if self.rng.random() < DELIVERED else "failed"
        self._add(
            VoicemailEvent, at, campaign, self._apps.pick(self.rng), number, kind="ringless",
            status=status,
        )  # fmt: skip

    def _inbound_call(
        self, stream: Stream, at: datetime, campaign: str | None, number: str
    ) -> None:
        rng = self.rng
        is_by_ai = rng.random() < INBOUND_BY_AI
        is_answered = rng.random() < INBOUND_ANSWERED
        self._add(
            CallEvent, at, campaign, (self._apps if is_by_ai else self._users).pick(rng), number,
            direction="inbound", agent="ai" if is_by_ai else "human", is_answered=is_answered,
            duration_seconds=self._duration(stream.median_seconds * 1.2) if is_answered else 0,
            outcome=None if is_answered else MISSED[rng.random() < 0.4],
        )  # fmt: skip

    def _inbound_sms(self, stream: Stream, at: datetime, campaign: str | None, number: str) -> None:
        self._add(
            SmsEvent, at, campaign, None, number, direction="inbound", segments=1,
            status="received",
        )  # fmt: skip
        if self._profile.has_ai_replies and self.rng.random() < AI_ANSWERS_TEXT:
            segments = 1 + (self.rng.random() < 0.35)
            consumer = self._profile.apps[0].id
            later = at + timedelta(seconds=6)
            self._text(later, campaign, consumer, number, kind="ai_reply", segments=segments)

    # --- helpers ----------------------------------------------------------------------------
    def _text(
        self, at: datetime, campaign: str | None, consumer: str, number: str,
        *, kind: Literal["campaign", "transactional", "ai_reply"], segments: int,
    ) -> None:  # fmt: skip
        status = _SMS_STATUSES[bisect(_SMS_STEPS, self.rng.random())]
        self._add(
            SmsEvent, at, campaign, consumer, number, direction="outbound", kind=kind,
            segments=segments, status=status,
        )  # fmt: skip

    def _add(
        self, event_type: type[Any], at: datetime, campaign: str | None, consumer: str | None,
        number: str | None, **details: Any,
    ) -> None:  # fmt: skip
        if at >= self._hour_starts[LAST_HOUR]:
            return  # what would follow at night doesn't happen
        self.line_count += 1
        self.events.append(
            event_type(
                source=SOURCE, id=f"{self._prefix}-{len(self.events):05d}", occurred_at=at,
                campaign=campaign, consumer=consumer, counterparty=number,
                is_sandbox=self.is_sandbox, flags=FLAGS, **details,
            )
        )  # fmt: skip

    def _between(self, span: tuple[int, int]) -> list[float]:
        first, end = span
        return list(accumulate(float(first <= hour < end) for hour in range(24)))

    def _number(self, number_count: int, index: int | None = None) -> str:
        ranges = self._profile.numbers
        if index is None:
            index = int(self.rng.random() * number_count)
        chosen = ranges[index % len(ranges)]
        rest = index // len(ranges) % 10**chosen.digits
        return f"{chosen.prefix}{rest:0{chosen.digits}d}"

    def _duration(self, median_seconds: float) -> int:
        seconds = self.rng.lognormvariate(log(median_seconds), DURATION_SPREAD)
        return max(3, min(LONGEST_CALL_SECONDS, int(seconds)))

    def _later(self, at: datetime, minutes: int) -> datetime:
        return at + timedelta(seconds=120 + int(self.rng.random() * minutes * 60))


class _Choice:
    """Picks a consumer's id by weight."""

    def __init__(self, consumers: Sequence[Consumer]) -> None:
        self._ids = [consumer.id for consumer in consumers]
        self._steps = list(accumulate(consumer.weight for consumer in consumers))

    def pick(self, rng: Random) -> str:
        """One id."""
        return self._ids[bisect(self._steps, rng.random() * self._steps[-1])]
