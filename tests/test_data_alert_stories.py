"""Whatever happens, in whatever order, alerts come to what the rules say, and each is told once.

Every step is compared with an oracle of plain dicts (tests/alert_oracle.py): which episodes are
open, and what was left for whom. At the end of each story the ledger's own checks hold.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import insert, select, update

from billing.alerts import Alert
from billing.events import AnyEvent
from billing.movements import Action, Movement
from data import tables as t
from data.alerts.sweeping import look_at
from data.identity import new_id
from data.ledger.expiry import expire_due
from data.ledger.hold_answers import Release
from tests.alert_ledger import Alerted
from tests.alert_oracle import AlertOracle
from tests.alert_story_steps import (
    ANCHORS,
    ANYTHING,
    HISTORY,
    PLACES,
    RULES,
    UNITS,
    product_rule,
)
from tests.builders import UNIT_PRICE_MICROS, call, sms
from tests.wallet_ledger import REFUND

PRICE = UNIT_PRICE_MICROS
METRICS = {
    "sms": (("sms_credits", "SMS"),), "reply": (("ai_sms_replies", "SMS"),),
    "call": (("ai_dial_attempts", "Voice"), ("ai_connected_minutes", "Voice")),
}  # fmt: skip
MOST_RULES = 8
_numbers = count(1)


class Story(RuleBasedStateMachine):
    """One account on which things happen."""

    ledger: Alerted

    @initialize(
        place=st.sampled_from(PLACES), anchor=ANCHORS, units=UNITS | st.just(0), history=HISTORY,
        rules=RULES,
    )  # fmt: skip
    def begin(
        self, place: tuple[str, datetime], anchor: int, units: int, history: tuple[int, ...],
        rules: list[dict[str, Any]],
    ) -> None:  # fmt: skip
        self.id = f"story-{next(_numbers)}"
        zone, now = place
        self.oracle = AlertOracle(zone, now, anchor)
        self.ledger.add(self.id, timezone=zone, anchor_day=anchor)
        self.ledger.clock.at = now
        self.alerts: dict[str, Alert] = {}
        self.removed: set[str] = set()
        self.holds: list[dict[str, Any]] = []
        self.lapsed = 0
        if history:
            self._have_used(*history)
        if units:
            self.top_up(units)
        for each in rules:
            self.add(each)

    def _have_used(self, months: int, units: int) -> None:
        day = self.oracle.day()
        for _ in range(months):
            day = self.oracle.span("month", day - timedelta(days=day.day))[0]
        when = self.oracle.start_of(day)
        self.ledger.post(
            sms(f"e{next(_numbers)}", when, units), received_at=None, account_id=self.id
        )
        self._used("sms", units, None, when)

    @rule(step=ANYTHING)
    def step(self, step: tuple[Any, ...]) -> None:
        name, *given = step
        getattr(self, name)(*given)

    # --- usage -------------------------------------------------------------------------------
    def spend(self, kind: str, units: int, campaign: str | None, days_late: int) -> None:
        self.batch([("spend", kind, units, campaign, days_late)])

    def batch(self, steps: list[tuple[Any, ...]]) -> None:
        """Several in one transaction: looked at once."""
        now = self.ledger.clock.at
        events: list[AnyEvent] = []
        for _, kind, units, campaign, days_late in steps:
            when, name = now - timedelta(days=days_late), f"e{next(_numbers)}"
            if kind == "call":
                events.append(call(name, when, units, campaign=campaign))
            else:
                given = {"kind": "ai_reply"} if kind == "reply" else {}
                events.append(sms(name, when, units, campaign=campaign, **given))
            self._used(kind, units, campaign, when)
        (future,) = self.ledger.intake.submit(self.id, events, now)
        assert {each.status for each in future.result(30)} == {"accepted"}
        self._looked()

    def _used(
        self, kind: str, units: int, campaign: str | None, when: datetime, cap_on: Any = None
    ) -> None:
        booked_on = self.oracle.day(when)
        for (metric, service), used in zip(METRICS[kind], _units(kind, units), strict=True):
            self.oracle.lines.append({
                "metric": metric, "service": service, "campaign": campaign, "units": used,
                "micros": used * PRICE, "booked_on": booked_on, "cap_on": cap_on or booked_on,
            })  # fmt: skip
            self.oracle.posted -= used * PRICE
        self.oracle.has_moved = True

    def hold(self, units: int, campaign: str | None) -> None:
        answer = self.ledger.ask(amount=units, campaign=campaign, account_id=self.id)
        if answer["decision"] == "allowed":
            self.holds.append({
                "id": answer["hold_id"], "on": self.oracle.day(), "campaign": campaign,
            })  # fmt: skip
        self._looked()

    def settle(self, which: int, units: int) -> None:
        if not self.holds:
            return
        held, now = self.holds[-1 - which % len(self.holds)], self.ledger.clock.at
        event = sms(f"e{next(_numbers)}", now, units, hold_id=held["id"])
        (future,) = self.ledger.intake.submit(self.id, [event], now)
        assert {each.status for each in future.result(30)} == {"accepted"}
        self._used("sms", units, held["campaign"], now, held["on"])
        self._looked()

    def release(self, which: int) -> None:
        if self.holds:
            held = self.holds.pop(which % len(self.holds))
            with self.ledger.database.read() as connection:
                state = connection.scalar(select(t.holds.c.state).where(t.holds.c.id == held["id"]))
            if state == "open":
                self.ledger.decisions.submit(self.id, Release(held["id"])).result(30)
                self._looked()

    # --- money -------------------------------------------------------------------------------
    def top_up(self, units: int) -> None:
        self._move(Movement(Action.TOP_UP, units * PRICE), units)

    def adjust(self, units: int, is_up: bool) -> None:
        units = units if is_up else -units
        self._move(Movement(Action.ADJUSTMENT, units * PRICE, "why"), units)

    def give(self, units: int, minutes: int) -> None:
        ends = self.ledger.clock.at + timedelta(minutes=minutes)
        self._move(Movement(Action.GRANT, units * PRICE, "why", expires_at=ends), units)

    def refund(self, which: int) -> None:
        lines = self.ledger.lines(self.id)
        gone = {line.reverses_line_id for line in lines}
        left = [each for each in lines if each.cost_micros > 0 and each.id not in gone]
        if not left:
            return
        line = left[-1 - which % len(left)]
        self.oracle.lines.append({
            "metric": line.metric, "service": line.service, "campaign": line.campaign_id,
            "units": -line.base_units, "micros": -line.cost_micros,
            "booked_on": self.oracle.day(), "cap_on": line.cap_on,
        })  # fmt: skip
        self._move(replace(REFUND, line_id=line.id), line.base_units)

    def _move(self, movement: Movement, units: int) -> None:
        self.ledger.move(movement, account_id=self.id)
        self.oracle.posted += units * PRICE
        self.oracle.has_moved = True
        self._looked()

    def expire(self) -> None:
        """What runs each minute; it looks where credit lapsed."""
        before = self.lapsed
        self.ledger.writer.write(lambda c: expire_due(c, self.ledger.clock.at))
        self._lapse()
        if self.lapsed != before:
            self._looked()

    def _lapse(self) -> None:
        """Credit that has lapsed, which the oracle takes as it was written: it knows no lots."""
        entries = self.ledger.rows(t.wallet_entries, self.id)
        lapsed = sum(each.amount_micros for each in entries if each.kind == "expiry")
        self.oracle.posted += lapsed - self.lapsed
        self.lapsed = lapsed

    # --- rules -------------------------------------------------------------------------------
    def add(self, given: dict[str, Any]) -> None:
        if len(self.alerts) >= MOST_RULES:
            return
        alert = self.ledger.alert(product_rule(given), self.id)
        self.alerts[alert.id] = alert
        self.oracle.rules[alert.id] = given | {
            "open": None, "number": 0, "period": None, "told_at": None, "edited": False,
        }  # fmt: skip
        self._looked()

    def edit(self, which: int, given: dict[str, Any], part: str) -> None:
        """A part of a rule is changed, or all of it."""
        if not self.alerts:
            return
        key = list(self.alerts)[which % len(self.alerts)]
        present = self.oracle.rules[key]
        family = ("kind", "scope", "measure", "span")
        parts = {"figure": (*family, "threshold"), "all": tuple(given)}.get(part, (part,))
        changed = {name: given[name] for name in parts}
        if part == "on":
            changed = {"on": not present["on"]}
        if part == "threshold" and not _fits(present, given):
            return
        if any(changed.get(name, present[name]) != present[name] for name in family):
            present |= {"open": None, "period": None, "told_at": None}
        present |= {**changed, "edited": True}
        self.alerts[key] = self.ledger.change(self.alerts[key], product_rule(present))
        self._looked()

    def remove(self, which: int) -> None:
        if self.alerts:
            key = list(self.alerts)[which % len(self.alerts)]
            self.ledger.remove(self.alerts.pop(key))
            del self.oracle.rules[key]
            self._looked()

    # --- time --------------------------------------------------------------------------------
    def wait(self, until: int | str, then: str) -> None:
        """Some seconds, or until a span is over, to the instant; ``before``: a second less."""
        clock = self.ledger.clock
        if isinstance(until, str):
            clock.at = self.oracle.start_of(self.oracle.span(until, self.oracle.day())[1])
        else:
            clock.at += timedelta(seconds=until)
        if then == "before":
            clock.at -= timedelta(seconds=1)
        self.oracle.now = clock.at
        if then != "unswept":
            self.sweep()

    def sweep(self) -> None:
        before = len(self.oracle.told)
        told = self._swept()
        self._looked()
        self.everything_is_as_it_must_be()
        assert told == len(self.oracle.told) - before

    def _swept(self) -> int:
        now = self.ledger.clock.at
        look = self.ledger.writer.write
        told = look(lambda c: look_at(c, self.id, now)).notice_count
        assert look(lambda c: look_at(c, self.id, now)).notice_count == 0, "once"
        return told

    def lapse(self, units: int) -> None:
        """A gift that nobody uses, and the job that takes it back."""
        self.give(units, 30)
        self.wait(30 * 60, "unswept")
        self.expire()

    def imported(self, steps: list[tuple[Any, ...]], is_swept: bool) -> None:
        """Whatever happens meanwhile, nobody is told before it is done."""
        self.oracle.is_importing = True
        import_id = new_id()
        with self.ledger.database.write() as connection:
            connection.execute(insert(t.imports).values(
                id=import_id, account_id=self.id, file_name="log.csv", status="running",
                map="usage-csv", rows_read=0, rows_accepted=0, rows_duplicate=0,
                rows_rejected=0, started_at=self.ledger.clock.at,
            ))  # fmt: skip
        for each in steps:
            self.step(each)
            self.everything_is_as_it_must_be()
        with self.ledger.database.write() as connection:
            connection.execute(
                update(t.imports).where(t.imports.c.id == import_id).values(status="done")
            )
        self.oracle.is_importing = False
        if is_swept:
            self.sweep()

    # --- what always holds -------------------------------------------------------------------
    def _looked(self) -> None:
        self._lapse()
        self.oracle.look()

    @invariant()
    def everything_is_as_it_must_be(self) -> None:
        if not hasattr(self, "oracle"):
            return
        assert self.ledger.posted(self.id) == self.oracle.posted
        episodes = self.ledger.rows(t.alert_episodes, self.id)
        is_open = {row.alert_id: row.number for row in episodes if row.ended_at is None}
        assert is_open == {
            key: each["open"]["number"] for key, each in self.oracle.rules.items() if each["open"]
        }
        assert Counter(self._told()) == Counter(self.oracle.told)

    def _told(self) -> list[tuple[str, str, tuple[str, ...]]]:
        sent: dict[str, list[str]] = {}
        for row in self.ledger.rows(t.notice_sends, self.id):
            sent.setdefault(row.notice_id, []).append(row.address)
        return [
            (
                row.alert_id, row.kind.removeprefix("alert."),
                tuple(sorted([*sent.get(row.id, []), *(["dashboard"] if row.is_shown else [])])),
            )
            for row in self.ledger.rows(t.notices, self.id)
        ]  # fmt: skip

    def teardown(self) -> None:
        if not hasattr(self, "oracle"):
            return
        fired = [
            row for row in self.ledger.rows(t.notices, self.id) if row.kind == "alert.fired"
        ]  # fmt: skip
        assert len({row.episode_id for row in fired}) == len(fired), "an episode begins once"
        assert all(json.loads(row.facts)["number"] == 1 for row in fired)
        assert self.ledger.broken(self.id) == []


def _units(kind: str, units: int) -> tuple[int, ...]:
    return (1, units) if kind == "call" else (units,)


def _fits(present: dict[str, Any], given: dict[str, Any]) -> bool:
    """Whether the one's threshold may be the other's."""
    return (present["kind"], present["measure"]) == (given["kind"], given["measure"])


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alerted]:
    with Alerted(tmp_path_factory.mktemp("alert-stories")) as opened:
        yield opened


def tell(ledger: Alerted, examples: int, steps: int) -> None:
    Story.ledger = ledger
    run_state_machine_as_test(
        Story,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None,
            phases=[Phase.generate], print_blob=True,
        ),
    )  # fmt: skip


def test_any_story_of_alerts_comes_to_what_the_rules_say(ledger: Alerted):
    tell(ledger, 14, 50)


@pytest.mark.long
def test_any_long_story_of_alerts_does_too(ledger: Alerted):
    tell(ledger, 100, 60)
