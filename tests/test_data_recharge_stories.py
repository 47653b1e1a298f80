"""Whatever happens in whatever order, a wallet is never topped up twice for one charge.

Charges, credit by hand, declines, lost and late answers, kills between the steps, changes of the
settings and of the day: after each step what must always hold does, and at the end of a story,
when the gateway answers again, everything that it took is in the wallet.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

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

from billing.movements import Action, Movement
from billing.recharges import DECLINE_DELAYS, QUIET_AFTER, RechargeMode, Wait
from data import phases
from data.ledger.sweeping import sweep_account
from tests import recharge_ledger as gate
from tests.recharge_ledger import SETTINGS, UNIT, Topping, check_whole

CEILINGS = (20 * UNIT, 50 * UNIT)
ANSWERS = (gate.PAYS, gate.DECLINES, gate.DECLINES, gate.LOST_BEFORE, gate.LOST_AFTER, gate.LATE)
WAITS = (
    timedelta(seconds=20), timedelta(minutes=2), timedelta(minutes=16), timedelta(hours=2),
    timedelta(hours=9),
)  # fmt: skip


class Killed(BaseException):
    """The process is gone: nothing after this line is done, nothing before it undone."""


@contextmanager
def killed_at(name: str | None) -> Iterator[None]:
    """Ends the run at a phase as a kill does."""

    def pass_phase(passed: str) -> None:
        if passed == name:
            raise Killed

    phases.hook, before = pass_phase, phases.hook
    try:
        yield
    except Killed:
        pass
    finally:
        phases.hook = before


class Story(RuleBasedStateMachine):
    """One account, one gateway, and everything that may happen to them."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.ledger = Topping(Path(self._folder.name))

    @initialize()
    def begin(self) -> None:
        self.ledger.add()
        self.ledger.credit(12 * UNIT)
        self._set(True, RechargeMode.FIXED, CEILINGS[1])

    def _set(self, is_on: bool, mode: RechargeMode, ceiling: int) -> None:
        amount = 20 * UNIT if mode is RechargeMode.FIXED else 25 * UNIT
        self.ledger.set(is_on=is_on, mode=mode, amount_micros=amount, daily_ceiling_micros=ceiling)

    @rule(units=st.integers(1, 40))
    def spend(self, units: int) -> None:
        self.ledger.spend(units)

    @rule(units=st.integers(1, 8))
    def top_up_by_hand(self, units: int) -> None:
        self.ledger.move(Movement(Action.TOP_UP, units * UNIT, "by hand"))

    @rule(
        answers=st.lists(st.sampled_from(ANSWERS), max_size=3),
        killed=st.sampled_from((None, None, *phases.RECHARGE_PHASES)),
        is_down=st.booleans(), again=st.integers(1, 3), units=st.integers(0, 25),
    )  # fmt: skip
    def run(
        self, answers: list[str], killed: str | None, is_down: bool, again: int, units: int
    ) -> None:  # fmt: skip
        """Usage, and then the job: what stories are about happens in most of them."""
        if units:
            self.ledger.spend(units)
        self.ledger.gateway.answers = answers
        self.ledger.gateway.is_down = is_down and not answers
        with killed_at(killed):
            for _ in range(again):
                self.ledger.run()

    @rule(time=st.sampled_from(WAITS))
    def wait(self, time: timedelta) -> None:
        """What is on its way arrives within the time in which it may."""
        if time >= QUIET_AFTER / 2:
            self.ledger.gateway.arrive()
        self.ledger.clock.at += time

    @rule()
    def arrive(self) -> None:
        self.ledger.gateway.arrive()

    @rule(
        is_on=st.sampled_from((True, True, False)), mode=st.sampled_from(list(RechargeMode)),
        ceiling=st.sampled_from(CEILINGS),
    )  # fmt: skip
    def change_settings(self, is_on: bool, mode: RechargeMode, ceiling: int) -> None:
        if mode is RechargeMode.TARGET or ceiling >= 20 * UNIT:
            self._set(is_on, mode, ceiling)

    @rule()
    def sweep(self) -> None:
        now = self.ledger.clock.at
        self.ledger.writer.write(lambda c: sweep_account(c, "acme", now))

    @invariant()
    def is_whole(self) -> None:
        if self.ledger.accounts:
            check_whole(self.ledger, CEILINGS)
            self._backs_off()

    def _backs_off(self) -> None:
        """Tries under the same settings keep away from the declines before them."""
        version = self.ledger.standing().settings.version
        tries = [row for row in self.ledger.tries() if row.version == version]
        streak, last = 0, None
        for row in tries:
            if streak and last is not None:
                delay = DECLINE_DELAYS[min(streak, len(DECLINE_DELAYS)) - 1]
                assert row.asked_at >= last + delay, "no loop"
            if row.state == "declined":
                streak, last = streak + 1, row.done_at
            elif row.state == "done":
                streak, last = 0, None

    def teardown(self) -> None:
        ledger = self.ledger
        if ledger.accounts:
            ledger.gateway.arrive()
            ledger.gateway.answers, ledger.gateway.is_down = [], False
            for _ in range(12):
                ledger.clock.at += timedelta(hours=1)
                ledger.run()
            for _ in range(4):  # debt is paid back step by step, until the day's ceiling
                ledger.run()
            check_whole(ledger, CEILINGS)
            taken = {reference for reference, _, _ in ledger.gateway.taken}
            done = {row.id for row in ledger.tries() if row.state == "done"}
            assert taken == done, "what was paid is in the wallet, and nothing else"
            waits = ledger.standing().verdict.wait
            assert waits in {Wait.OFF, Wait.ENOUGH, Wait.CEILING, Wait.DECLINED}
            assert ledger.broken() == []
        ledger.close()
        self._folder.cleanup()


def tell(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Story,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None,
            phases=(Phase.explicit, Phase.generate, Phase.shrink), print_blob=True,
        ),
    )  # fmt: skip


def test_no_story_tops_up_twice_or_passes_the_ceiling_or_loops() -> None:
    assert SETTINGS.daily_ceiling_micros in CEILINGS
    tell(22, 25)


@pytest.mark.long
def test_no_long_story_does_either() -> None:
    tell(300, 50)
