"""A real ledger that tops itself up, and payment gateways that answer as a test wants."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from billing.events import UsageEvent
from billing.recharges import (
    Charge,
    Charged,
    Declined,
    PaymentMethod,
    RechargeMode,
    RechargeSettings,
    RechargeStanding,
    UnansweredError,
)
from data import tables as t
from data.access.people import add_membership, add_person
from data.ledger.intake import Intake
from data.payments.carrying import Recharger
from data.payments.reader import LedgerRechargesReader
from data.payments.saving import Recharging
from tests.builders import UNIT_PRICE_MICROS, sms
from tests.live import PASSWORD, QUICK
from tests.wallet_ledger import Wallet

UNIT = 1_000_000
OWNER = "owner@acme.example"
CARD = PaymentMethod("card", "A card")
SETTINGS = RechargeSettings(
    is_on=True, threshold_micros=10 * UNIT, mode=RechargeMode.FIXED, amount_micros=20 * UNIT,
    daily_ceiling_micros=50 * UNIT, method="card",
)  # fmt: skip
_ids = count(1)
PAYS, DECLINES, LOST_BEFORE, LOST_AFTER, LATE = "pays", "declines", "before", "after", "late"


@dataclass
class ScriptedGateway:
    """Answers what it is told to next, and remembers every charge by its reference.

    ``LOST_BEFORE``: the charge never arrives; ``LOST_AFTER``: it does, and the answer is lost;
    ``LATE``: it arrives when ``arrive`` is called. The same reference gets the first answer.
    """

    answers: list[str] = field(default_factory=list)
    usual: str = PAYS
    today: date | None = None  # noted with each charge
    known: dict[str, Charged | Declined] = field(default_factory=dict)
    taken: list[tuple[str, int, date | None]] = field(default_factory=list)
    asked: list[Charge] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    on_its_way: list[tuple[Charge, date | None]] = field(default_factory=list)
    is_down: bool = False

    @property
    def methods(self) -> tuple[PaymentMethod, ...]:
        return (CARD,)

    def charge(self, charge: Charge) -> Charged | Declined:
        self.asked.append(charge)
        answer = self.answers.pop(0) if self.answers else self.usual
        if self.is_down or answer == LOST_BEFORE:
            raise UnansweredError("no answer")
        if answer == LATE:
            self.on_its_way.append((charge, self.today))
            raise UnansweredError("no answer")
        kept = self._keep(charge, self.today, is_paid=answer != DECLINES)
        if answer == LOST_AFTER:
            raise UnansweredError("no answer")
        return kept

    def find(self, reference: str) -> Charged | Declined | None:
        self.found.append(reference)
        if self.is_down:
            raise UnansweredError("no answer")
        return self.known.get(reference)

    def arrive(self) -> None:
        """What was on its way is there now."""
        for charge, day in self.on_its_way:
            self._keep(charge, day, is_paid=True)
        self.on_its_way.clear()

    def _keep(self, charge: Charge, day: date | None, *, is_paid: bool) -> Charged | Declined:
        if charge.reference not in self.known:
            paid, refused = Charged(f"pay-{charge.reference}"), Declined("no money on the card")
            self.known[charge.reference] = paid if is_paid else refused
            if is_paid:
                self.taken.append((charge.reference, charge.amount_micros, day))
        return self.known[charge.reference]


class Topping(Wallet):
    """A ledger that tops itself up by a gateway that the test scripts."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.gateway: Any = ScriptedGateway()
        self.intake = Intake(self.writer, self.clock, self._pseudonyms())

    @staticmethod
    def _pseudonyms() -> Any:
        from data.identity import Pseudonyms

        return Pseudonyms("test-secret")

    def owned(self) -> None:
        """Gives the account an owner, a manager, and an owner who has left."""
        with self.database.write() as connection:
            for email, role in ((OWNER, "owner"), ("manager@acme.example", "manager")):
                added = add_person(
                    connection, email, "Somebody", PASSWORD, self.clock.at, passwords=QUICK
                )
                add_membership(connection, added.person.id, "acme", role)  # type: ignore[arg-type]

    def set(self, version: int | None = None, **changed: Any) -> RechargeSettings:
        """Sets auto-recharge as its owner; what isn't named is as in ``SETTINGS``."""
        wanted = replace(SETTINGS, **changed)
        saver = Recharging(self.writer, self.clock, self.gateway)
        return saver.save(self.scope(), "person:ada", wanted, version)

    def run(self) -> int:
        """One run of the job, in a process that has just started."""
        self.gateway.today = self.today
        return Recharger(self.database, self.writer, self.clock, self.gateway).run()

    @property
    def today(self) -> date:
        return self.accounts["acme"].today(self.clock.at)

    def spend(self, units: int) -> None:
        """Usage of so many currency units, through the way that live events take."""
        one_unit = UNIT // UNIT_PRICE_MICROS
        events: list[UsageEvent] = [
            sms(f"spent-{next(_ids)}", self.clock.at, one_unit) for _ in range(units)
        ]
        for future in self.intake.submit("acme", events, self.clock.at):
            assert {each.status for each in future.result(30)} == {"accepted"}

    def wait(self, **given: float) -> datetime:
        """Time goes by."""
        self.clock.at += timedelta(**given)
        return self.clock.at

    def standing(self) -> RechargeStanding:
        reader = LedgerRechargesReader(self.database, self.clock, self.gateway)
        return reader.standing(self.scope())

    def tries(self) -> list[Any]:
        return sorted(self.rows(t.recharges), key=lambda row: (row.asked_at, row.id))

    def states(self) -> list[str]:
        return [row.state for row in self.tries()]

    def paid_in(self) -> list[Any]:
        """Entries that auto-recharge made."""
        return [row for row in self.rows(t.wallet_entries) if row.actor == "auto-recharge"]

    def told(self, kind: str | None = None) -> list[Any]:
        """Notices to the account, oldest first."""
        rows = sorted(self.rows(t.notices), key=lambda row: row.id)
        return [row for row in rows if kind is None or row.kind == kind]


def check_whole(
    ledger: Topping, ceilings: Iterable[int] = (SETTINGS.daily_ceiling_micros,)
) -> None:
    """What must hold at any moment, whatever happened."""
    tries, entries = ledger.tries(), ledger.paid_in()
    assert sum(row.state in {"waiting", "sent"} for row in tries) <= 1
    done = {row.entry_id: row.amount_micros for row in tries if row.state == "done"}
    assert {row.id: row.amount_micros for row in entries} == done, "one top-up a paid try"
    references = [reference for reference, _, _ in ledger.gateway.taken]
    assert len(references) == len(set(references))
    assert {row.id for row in tries if row.state == "done"} <= set(references)
    by_day: dict[Any, int] = {}
    for _, micros, day in ledger.gateway.taken:
        by_day[day] = by_day.get(day, 0) + micros
    assert all(micros <= max(ceilings) for micros in by_day.values()), by_day


def proved_recharges(folder: Path) -> Iterator[Topping]:
    """An account with a hundred units of paid credit, an owner, and auto-recharge below ten."""
    with Topping(folder) as opened:
        opened.add()
        opened.owned()
        opened.credit(100 * UNIT)
        opened.set()
        yield opened
        check_whole(opened)
        assert opened.broken() == []
