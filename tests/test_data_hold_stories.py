"""Whatever is asked, in whatever order, holds and caps come to what the rules say.

Every step is compared with an oracle of plain dicts; at the end of each story the ledger's own
checks of ``verify`` hold, and at the end of all of them those of analytics do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
from sqlalchemy import BindParameter, bindparam, select

from billing.caps import Cap, CapKind, Inbound, Limits, Override
from billing.movements import Action, Movement
from data import tables as t
from data.alerts.rules import add_alert
from data.analytics.lake import Lake
from data.analytics.sync import sync_all
from data.identity import Pseudonyms, new_id
from data.ledger.intake import Intake
from data.ledger.limits import override, set_limits, take_back
from data.ledger.price_books import add_rate_list, new_rate_list
from data.ledger.sweeping import sweep
from data.proof.verify import verify
from tests.alert_ledger import low, usage
from tests.builders import NOON
from tests.hold_ledger import Holding
from tests.hold_oracle import Oracle
from tests.hold_steps import ANYTHING, LISTED, MONEY, PLACES, PRICES
from tests.hold_story import Asking
from tests.wallet_ledger import REFUND

WATCHED = (
    low(20), usage(5, scope="campaign spring"), usage(3, "week", "service SMS"),
    usage(9, "month", "metric ai_connected_minutes"),
)  # fmt: skip
_OWN: BindParameter[str] = bindparam("account")
_holds, _counters, _pauses = t.holds.c, t.cap_counters.c, t.pauses.c
STATE = (
    select(t.balances.c.posted_micros, t.balances.c.reserved_micros)
    .where(t.balances.c.account_id == _OWN),
    select(_holds.id, _holds.state).where(_holds.account_id == _OWN, _holds.state != "denied"),
    select(_counters.kind, _counters.start_on, _counters.campaign_id, _counters.spent_micros,
           _counters.reserved_micros).where(_counters.account_id == _OWN),
    select(t.pauses).where(_pauses.account_id == _OWN, _pauses.ended_at.is_(None)),
)  # fmt: skip
_numbers = count(1)


class Story(RuleBasedStateMachine, Asking):
    """One account on which things happen."""

    intake: Intake

    @initialize(place=st.sampled_from(PLACES), micros=MONEY)
    def begin(self, place: tuple[str, datetime], micros: int) -> None:
        zone, now = place
        self.begin_asking(f"story-{next(_numbers)}", Oracle(zone, now, PRICES))
        self.standing: dict[tuple[str, str], tuple[Any, str]] = {}  # what is paused, by which row
        self.ledger.add(self.id, timezone=zone)
        self.ledger.clock.at = now
        account = self.ledger.accounts[self.id]
        for each in WATCHED:  # what is counted for them, verify proves at the end
            self.ledger.writer.write(lambda c: add_alert(c, account, each, "person:ada", now))  # noqa: B023
        if micros:
            self.top_up(micros)

    @rule(step=ANYTHING)
    def step(self, step: tuple[Any, ...]) -> None:
        name, *given = step
        getattr(self, name)(*given)

    def post(self, which: int, seconds: int, campaign: str) -> None:
        """An event of a hold, or one that never asked."""
        key = self.keys[-1 - which % len(self.keys)] if self.keys and which < 3 else None
        event, now = self._event(key, seconds, campaign), self.ledger.clock.at
        with self.ledger.database.read() as connection:
            paused = {
                row.campaign_id for row in connection.execute(STATE[3], {"account": self.id})
                if row.until_at is None or row.until_at > now
            }  # fmt: skip
        (future,) = self.intake.submit(self.id, [event], now)
        (outcome,) = future.result(30)
        assert outcome.status == "accepted", outcome.error
        self._lapse()
        self._charged(key, event, is_paused=bool(paused & {"", event.campaign}))
        self.is_fresh = True

    # --- money -----------------------------------------------------------------------------------
    def top_up(self, micros: int) -> None:
        self._move(Movement(Action.TOP_UP, micros), micros)

    def give(self, micros: int, minutes: int) -> None:
        """Promotional credit that ends soon."""
        self.has_gift = True
        ends = self.ledger.clock.at + timedelta(minutes=minutes)
        self._move(Movement(Action.GRANT, micros, "why", expires_at=ends), micros)

    def adjust(self, micros: int) -> None:
        self._move(Movement(Action.ADJUSTMENT, micros, "why"), micros)

    def refund(self, which: int) -> None:
        lines = self.ledger.lines(self.id)
        refunded = {line.reverses_line_id for line in lines}
        open_ones = [line for line in lines if line.cost_micros > 0 and line.id not in refunded]
        if open_ones:
            line = open_ones[-1 - which % len(open_ones)]
            self._move(replace(REFUND, line_id=line.id), 0)
            self.oracle.spend(line.cap_on, line.campaign_id or "", -line.cost_micros)
            self.has_gift = True  # what lapsed comes back for thirty days

    def _move(self, movement: Movement, micros: int) -> None:
        self.ledger.move(movement, account_id=self.id)
        self._lapse()
        if micros:
            self.oracle.credit(micros)
        self.is_fresh = True

    # --- limits ----------------------------------------------------------------------------------
    def cap(self, key: tuple[str, str], micros: int, is_hard: bool) -> None:
        self.oracle.caps[key] = {"limit": micros, "seconds": None, "hard": is_hard, "on": True}
        self._limit()

    def cap_calls(self, micros: int | None, seconds: int) -> None:
        cap = {"limit": micros, "seconds": seconds, "hard": seconds != 90, "on": True}
        self.oracle.caps["per_call", ""] = cap
        self._limit()

    def uncap(self, key: tuple[str, str], is_gone: bool) -> None:
        if key not in self.oracle.caps:
            return
        if is_gone:
            del self.oracle.caps[key]
        else:
            self.oracle.caps[key]["on"] = not self.oracle.caps[key]["on"]
        self._limit()

    def switch(self, is_on: bool, inbound: str) -> None:
        self.oracle.is_on, self.oracle.inbound = is_on, inbound
        self._limit()

    def _limit(self) -> None:
        caps = tuple(
            Cap(CapKind(kind), cap["limit"], cap["seconds"], campaign, cap["hard"], cap["on"])
            for (kind, campaign), cap in self.oracle.caps.items()
        )
        given = Limits(caps, (), self.oracle.is_on, Inbound(self.oracle.inbound))
        account, now = self.ledger.accounts[self.id], self.ledger.clock.at
        self.ledger.writer.write(lambda c: set_limits(c, account, given, "person:ada", now))
        self.is_fresh = True

    def override(self, key: tuple[str, str], minutes: int, more: int | None) -> None:
        cap = self.oracle.cap(*key)
        if cap is None:
            return
        now = self.ledger.clock.at
        ends, micros = now + timedelta(minutes=minutes), more and cap["limit"] + more
        given = Override(new_id(), CapKind(key[0]), key[1], "a fair", "person:ada", now, ends,
                         micros)  # fmt: skip
        account = self.ledger.accounts[self.id]
        self.ledger.writer.write(lambda c: override(c, account, given, now))
        self.oracle.overrides.append(
            {"key": key, "from": now, "to": ends, "limit": micros, "id": given.id}
        )
        self.is_fresh = True

    def take_back(self) -> None:
        now, account = self.ledger.clock.at, self.ledger.accounts[self.id]
        valid = [each for each in self.oracle.overrides if each["from"] <= now < each["to"]]
        if valid:
            newest = valid[-1]
            self.ledger.writer.write(
                lambda c: take_back(c, account, newest["id"], "person:ada", now)
            )
            newest["to"] = now
            self.is_fresh = True

    # --- time ------------------------------------------------------------------------------------
    def wait(self, seconds: int, is_swept: bool) -> None:
        self.ledger.clock.at += timedelta(seconds=seconds)
        self.oracle.now = self.ledger.clock.at
        self.is_fresh = False
        if is_swept:
            self.sweep()

    def sweep(self) -> None:
        """What runs each few seconds: it leaves nothing to be done."""
        now = self.ledger.clock.at
        sweep(self.ledger.database, self.ledger.writer, now)
        self.oracle.expire()
        self.is_fresh = True

    # --- what always holds -----------------------------------------------------------------------
    @invariant()
    def everything_is_as_it_must_be(self) -> None:
        if not hasattr(self, "oracle"):
            return
        oracle = self.oracle
        with self.ledger.database.read() as connection:
            balance, holds, counters, pauses = (
                connection.execute(statement, {"account": self.id}).all() for statement in STATE
            )
        assert [tuple(row) for row in balance] == [(oracle.posted, oracle.all_reserved)]
        assert dict(tuple(row) for row in holds) == {
            key: hold.state for key, hold in oracle.holds.items()
        }
        known = {tuple(row[:3]): tuple(row[3:]) for row in counters}
        for window in {*known, *oracle.spent}:
            expected = (oracle.spent[window], oracle.reserved(window))
            assert known.get(window, (0, 0)) == expected, window
        if self.is_fresh:
            self._paused_as_is_due(pauses)

    def _paused_as_is_due(self, rows: Sequence[Any]) -> None:
        """What is due is paused by one open row, which stays the same while it is due."""
        paused = {(row.rule, row.campaign_id): (row.window_on, row.id) for row in rows}
        due = self.oracle.due()
        assert {key: window for key, (window, _) in paused.items()} == {
            key: window for key, (window, _) in due.items()
        }
        for key, before in self.standing.items():
            if key in paused and paused[key][0] == before[0]:
                assert paused[key] == before, "it went on, and wasn't begun anew"
        self.standing = paused

    def teardown(self) -> None:
        if hasattr(self, "oracle"):
            assert self.ledger.broken(self.id) == []


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Holding]:
    """One ledger for every story; at the end all of ``verify`` holds on it, analytics too."""
    folder = tmp_path_factory.mktemp("stories")
    with Holding(folder) as opened:
        rates = [replace(each, id=new_id()) for each in LISTED]
        listed = new_rate_list("of the plan", "USD", None, rates, "plan")
        with opened.database.write() as connection:
            add_rate_list(connection, listed, "growth", NOON)
        yield opened
        lake = Lake(folder / "lake", opened.database)
        sync_all(opened.database, lake)
        report = verify(opened.database, lake)
        lake.close()
        assert report.passed, [check for check in report.checks if not check.passed]


def test_any_story_comes_to_what_the_rules_say(ledger: Holding):
    Story.ledger = ledger
    Story.intake = Intake(ledger.writer, ledger.clock, Pseudonyms("test-secret"))
    run_state_machine_as_test(
        Story,
        settings=settings(
            max_examples=14, stateful_step_count=60, deadline=None, phases=[Phase.generate]
        ),
    )
