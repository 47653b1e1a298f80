"""Credit lots: which credit pays which charge, in what order.

Lots burn by priority, then soonest expiry (never-expiring last), promotional before paid,
oldest first. What no lot can pay is debt: the overdraft lot goes below zero, and the next credit
repays it first. What a charge drew can be given back, lot by lot. Amounts are micros throughout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from billing.records import record

NEVER = datetime(9999, 12, 31, tzinfo=UTC)
DEFAULT_PRIORITY = 100


class LotKind(StrEnum):
    """What a lot is made of."""

    PAID = "paid"
    PROMOTIONAL = "promotional"
    OVERDRAFT = "overdraft"


@dataclass(slots=True)
class Lot:
    """One credit lot and what is left of it. Only the overdraft lot may go below zero."""

    id: str
    kind: LotKind
    granted_at: datetime
    remaining_micros: int
    expires_at: datetime | None = None
    priority: int = DEFAULT_PRIORITY

    @property
    def burn_key(self) -> tuple[int, datetime, bool, datetime, str]:
        """Lots burn in ascending order of this."""
        return (
            self.priority,
            self.expires_at or NEVER,
            self.kind is LotKind.PAID,
            self.granted_at,
            self.id,
        )


@record()
class Draw:
    """What one lot gives to one entry (negative: what it gets back)."""

    lot_id: str
    micros: int


# A lot with an amount: what it gave to a charge, or what it may get back at most.
Share = tuple[Lot, int]


class LotBook:
    """The lots of one account while charges are posted: keeps the burn order, remembers changes.

    ``overdraft`` is the account's one debt lot; its remaining amount is zero or negative.
    """

    def __init__(self, lots: Iterable[Lot], overdraft: Lot) -> None:
        self.overdraft = overdraft
        self._spendable = sorted(
            (lot for lot in lots if lot.remaining_micros > 0), key=lambda lot: lot.burn_key
        )
        self.changed: dict[str, Lot] = {}

    @property
    def posted_micros(self) -> int:
        """Everything left, less debt."""
        return sum(lot.remaining_micros for lot in self._spendable) + (
            self.overdraft.remaining_micros
        )

    @property
    def promotional_micros(self) -> int:
        """What is left of credit that nobody paid for."""
        kinds = (lot for lot in self._spendable if lot.kind is LotKind.PROMOTIONAL)
        return sum(lot.remaining_micros for lot in kinds)

    def charge(self, cost_micros: int, at: datetime) -> list[Draw]:
        """Draws a charge from the lots valid at an instant; the rest is debt. Sums to the cost."""
        draws: list[Draw] = []
        left = cost_micros
        for lot in self._spendable:
            if left == 0:
                break
            if lot.remaining_micros == 0 or (lot.expires_at and lot.expires_at <= at):
                continue
            draws.append(self._take(lot, min(left, lot.remaining_micros)))
            left -= draws[-1].micros
        if left:
            draws.append(self._take(self.overdraft, left))
        while self._spendable and self._spendable[0].remaining_micros == 0:
            del self._spendable[0]
        return draws

    def add(self, lot: Lot) -> list[Draw]:
        """Adds a new lot; debt is repaid from it first. The draws of a credit sum to zero."""
        self.changed[lot.id] = lot
        debt = -self.overdraft.remaining_micros
        draws: list[Draw] = []
        if debt > 0:
            repaid = min(debt, lot.remaining_micros)
            draws = [self._take(lot, repaid), self._take(self.overdraft, -repaid)]
        if lot.remaining_micros:
            self._spendable.append(lot)
            self._spendable.sort(key=lambda each: each.burn_key)
        return draws

    def lapse(self, lot: Lot, micros: int) -> list[Draw]:
        """Takes so much out of a lot that has expired; gives the one draw."""
        draw = self._take(lot, micros)
        if not lot.remaining_micros:
            self._spendable = [each for each in self._spendable if each is not lot]
        return [draw]

    def unwind(
        self, drawn: Sequence[Share], at: datetime, repayers: Callable[[], Sequence[Share]]
    ) -> tuple[list[Draw], int]:
        """Gives back what a charge drew: the draws (negative), and what no lot can take back.

        ``drawn``: each lot with what it gave. Debt is struck off as far as it is still owed; what
        credits have repaid of it meanwhile goes to the lots that repaid, oldest first (``repayers``
        is asked only then; each with what it may get at most, together enough). The second is what
        belongs to lots that have expired by ``at``. Both together sum to what was drawn.

        A lot that gets its credit back keeps it, even beside debt of a later charge.
        """
        shares: list[Share] = []
        for lot, micros in drawn:
            known = self._known(lot)
            if known is not self.overdraft:
                shares.append((known, micros))
                continue
            owed = min(micros, -self.overdraft.remaining_micros)
            shares += [(self.overdraft, owed), *_spread(micros - owed, repayers)]
        draws, lapsed = [], 0
        for lot, micros in shares:
            if lot.expires_at and lot.expires_at <= at:
                lapsed += micros
            elif micros:
                draws.append(self._give(self._known(lot), micros))
        return merged(draws), lapsed

    def _known(self, lot: Lot) -> Lot:
        """The book's own copy of a lot, which knows what is left of it now."""
        if lot.id == self.overdraft.id:
            return self.overdraft
        own = next((each for each in self._spendable if each.id == lot.id), None)
        return own or self.changed.get(lot.id, lot)

    def _give(self, lot: Lot, micros: int) -> Draw:
        draw = self._take(lot, -micros)
        if lot is self.overdraft:
            assert lot.remaining_micros <= 0, "more debt was struck off than was owed"
        elif not any(each is lot for each in self._spendable):
            self._spendable.append(lot)
            self._spendable.sort(key=lambda each: each.burn_key)
        return draw

    def _take(self, lot: Lot, micros: int) -> Draw:
        lot.remaining_micros -= micros
        self.changed[lot.id] = lot
        return Draw(lot.id, micros)


def merged(draws: Iterable[Draw]) -> list[Draw]:
    """At most one draw a lot, in order of first appearance; those that cancel out are left out."""
    sums: dict[str, int] = {}
    for draw in draws:
        sums[draw.lot_id] = sums.get(draw.lot_id, 0) + draw.micros
    return [Draw(lot_id, micros) for lot_id, micros in sums.items() if micros]


def _spread(micros: int, repayers: Callable[[], Sequence[Share]]) -> list[Share]:
    """An amount spread over lots in their order, none getting more than it may."""
    found: list[Share] = []
    for lot, most in repayers() if micros else ():
        part = min(micros, most)
        found.append((lot, part))
        micros -= part
    assert micros == 0, "every debt that is no longer owed was repaid by some lot"
    return found
