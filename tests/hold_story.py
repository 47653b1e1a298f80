"""Requests about holds as a story makes them, each answer compared with the oracle's.

Whoever mixes this in begins the story: an account, its oracle and what is remembered of it.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from datetime import datetime
from itertools import count
from typing import Any

from sqlalchemy import select

from billing.errors import ProductError
from billing.events import CallEvent, SmsEvent
from billing.holds import HoldKind, HoldRequest
from data import tables as t
from data.ledger.hold_answers import Extend, Release, Settle
from tests.hold_ledger import Holding
from tests.hold_oracle import Oracle
from tests.hold_steps import PRICES

numbers = count(1)


class Asking:
    """One account about whose holds is asked."""

    ledger: Holding

    def begin_asking(self, account_id: str, oracle: Oracle) -> None:
        """Nothing has happened yet."""
        self.id, self.oracle = account_id, oracle
        self.keys: list[str] = []  # of holds
        self.asked: dict[str, tuple[Any, ...]] = {}
        self.extended: dict[tuple[str, str], tuple[int, Any]] = {}
        self.first: dict[str, Any] = {}  # answers by request
        self.settled: dict[str, Any] = {}  # events by hold
        self.sent = 0
        self.lapsed = 0
        self.has_gift = False
        self.is_fresh = True

    # --- decisions -----------------------------------------------------------------------------
    def one(self, step: tuple[Any, ...]) -> None:
        self._run([step])

    def together(self, steps: list[tuple[Any, ...]]) -> None:
        """In one transaction, unless credit may lapse in its midst: the oracle knows no lots."""
        for group in [[step] for step in steps] if self.has_gift else [steps]:
            self._run(group)

    def _run(self, steps: list[tuple[Any, ...]]) -> None:
        made = [found for step in steps if (found := self._made(*step))]
        if not made:
            return
        gate = threading.Event()
        self.ledger.writer.submit(lambda _: gate.wait(30))
        decisions = self.ledger.decisions
        futures = [decisions.submit(self.id, item) for item, _ in made]
        gate.set()
        answers = [_outcome(future) for future in futures]
        self.oracle.expire()
        self._lapse()
        for answer, (item, compare) in zip(answers, made, strict=True):
            compare(item, answer)
        self.is_fresh = True

    def _made(self, name: str, *given: Any) -> tuple[Any, Any] | None:
        """A request, and what compares its answer; none where there is nothing to ask about."""
        if name == "ask":
            kind, amount, campaign, to = given[0]
            request = HoldRequest(
                f"r{next(numbers)}", HoldKind(kind), campaign or None, None, to, amount
            )
            self.asked[request.request_id] = given[0]
            return request, self._asked
        if name == "again":
            wanted = list(self.asked)
            if not wanted:
                return None
            key = wanted[-1 - given[0] % len(wanted)]
            kind, amount, campaign, to = self.asked[key]
            return HoldRequest(key, HoldKind(kind), campaign or None, None, to, amount), self._asked
        if not self.keys:
            return None
        key = self.keys[-1 - given[0] % len(self.keys)]
        if name == "extend":
            return Extend(key, f"x{given[1]}", given[1]), self._extended
        if name == "release":
            return Release(key), self._released
        event = self.settled.get(key) if given[1] == 1 else None
        return Settle(event or self._event(key, given[1]), self.ledger.clock.at), self._settled

    def _asked(self, request: HoldRequest, answer: Any) -> None:
        if request.request_id in self.first:
            assert answer == self.first[request.request_id], "the first answer, for ever"
            return
        self.first[request.request_id] = answer
        kind, amount, campaign, to = self.asked[request.request_id]
        expected = self.oracle.authorize(kind, amount, campaign, to)
        self._compare(answer, expected)
        if expected["decision"] == "allowed":
            self.oracle.holds[answer["hold_id"]] = expected["hold"]
            self.keys.append(answer["hold_id"])
            self._within_caps(expected["hold"])

    def _extended(self, item: Extend, answer: Any) -> None:
        known = self.extended.get((item.hold_id, item.request_id))
        if known is not None:
            assert (item.seconds, answer) == known
            return
        hold = self.oracle.holds[item.hold_id]
        if not hold.price.is_call:
            assert answer == "invalid"
            return
        if hold.state != "open":
            assert answer == "hold_closed"
            return
        self.extended[item.hold_id, item.request_id] = (item.seconds or 0, answer)
        expected = self.oracle.extend(hold, item.seconds or 0)
        self._compare(answer, expected)
        if expected["decision"] == "allowed":
            self._within_caps(hold)

    def _compare(self, answer: Any, expected: dict[str, Any]) -> None:
        if expected["decision"] == "denied":
            resets_at = answer["resets_at"] and datetime.fromisoformat(answer["resets_at"])
            assert {
                "decision": answer["decision"], "rule": answer["rule"],
                "spent": answer["spent_micros"], "reserved": answer["reserved_micros"],
                "limit": answer["limit_micros"], "resets_at": resets_at,
            } == expected  # fmt: skip
            return
        assert answer["decision"] == "allowed", answer
        assert (answer["max_seconds"] or answer["units"], answer["held_micros"]) == (
            expected["amount"], expected["held"],
        )  # fmt: skip
        assert [each["rule"] for each in answer["warnings"]] == expected["warned"]

    def _within_caps(self, hold: Any) -> None:
        """What was just allowed is within every hard cap, and isn't backed by lapsed credit."""
        if hold.kind == "call.inbound" or not hold.held:
            return
        oracle = self.oracle
        for window in oracle.windows(hold.cap_on, hold.campaign):
            ceiling = oracle.ceiling(window)
            used = oracle.spent[window] + oracle.reserved(window)
            assert ceiling is None or used <= ceiling, window
        assert oracle.all_reserved <= oracle.posted

    def _settled(self, item: Settle, answer: Any) -> None:
        key = item.event.hold_id or ""
        hold = self.oracle.holds[key]
        is_second = self.settled.get(key) is item.event
        if not is_second:
            cost = self._charged(key, item.event)
            assert sum(line["cost_micros"] for line in answer["lines"]) == cost
        assert answer["is_duplicate"] == is_second
        assert answer["state"] == hold.state
        assert answer["balance"]["reserved_micros"] == self.oracle.all_reserved
        available = self.oracle.posted - self.oracle.all_reserved
        assert answer["balance"]["available_micros"] == available

    def _released(self, item: Release, answer: Any) -> None:
        hold = self.oracle.holds[item.hold_id]
        if hold.state == "settled":
            assert answer == "hold_closed"
            return
        if hold.state == "open":
            hold.state = "released"
        assert answer["state"] == hold.state

    # --- events ----------------------------------------------------------------------------------
    def _event(self, key: str | None, seconds: int, campaign: str = "") -> Any:
        """What a hold was for, of another length than was held for as often as not."""
        hold = self.oracle.holds[key] if key else None
        kind = hold.kind if hold else "sms"
        self.sent += 1
        given: dict[str, Any] = {
            "source": "story", "id": f"e{self.sent}", "occurred_at": self.ledger.clock.at,
            "campaign": campaign or None, "hold_id": key,
        }  # fmt: skip
        if kind.startswith("sms"):
            given["kind"] = "ai_reply" if kind == "sms.ai_reply" else "campaign"
            return SmsEvent(direction="outbound", segments=1 + seconds % 7, **given)
        return CallEvent(
            direction="inbound" if kind == "call.inbound" else "outbound",
            agent="human" if kind == "call.human" else "ai", is_answered=seconds != 29,
            duration_seconds=0 if seconds == 29 else seconds, counterparty="14155550100", **given,
        )  # fmt: skip

    def _charged(self, key: str | None, event: Any, *, is_paused: bool = False) -> int:
        """Follows an event; gives its cost. ``is_paused``: nobody should have begun it."""
        hold = self.oracle.holds[key] if key else None
        price = hold.price if hold else PRICES["sms"]
        if isinstance(event, SmsEvent):
            cost = price.cost(event.segments)
        else:
            cost = price.cost(event.duration_seconds) if event.is_answered else price.once
        flag = self.oracle.charge(hold, cost, event.campaign or "")
        if is_paused and event.hold_id is None:
            flag = "while_paused"
        if key and hold and hold.state == "settled":
            self.settled.setdefault(key, event)
        with self.ledger.database.read() as connection:
            lines = connection.execute(
                select(t.usage_lines.c.flags, t.usage_lines.c.cost_micros)
                .join(t.events, t.events.c.event_id == t.usage_lines.c.event_id)
                .where(t.events.c.account_id == self.id, t.events.c.id == event.id)
            ).all()
        assert {line.flags for line in lines} == {flag}
        assert sum(line.cost_micros for line in lines) == cost
        return cost

    def _lapse(self) -> None:
        """Credit that has expired since, which the oracle takes as it was written."""
        if not self.has_gift:
            return
        expired = sum(
            entry.amount_micros for entry in self.ledger.rows(t.wallet_entries, self.id)
            if entry.kind == "expiry"
        )  # fmt: skip
        self.oracle.posted += expired - self.lapsed
        self.lapsed = expired


def _outcome(future: Future[Any]) -> Any:
    """An answer, or the code of what refuses it."""
    try:
        return future.result(30)
    except ProductError as error:
        return error.code
