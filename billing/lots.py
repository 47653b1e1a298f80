"""Credit lots: which credit pays which charge, in what order.

Lots burn by priority, then soonest expiry (never-expiring last), promotional before paid,
oldest first. What no lot can pay is debt: the overdraft lot goes below zero, and the next credit
repays it first. Amounts are micros throughout.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

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


@dataclass(frozen=True, slots=True)
class Draw:
    """What one lot gives to one entry (negative: what it gets back)."""

    lot_id: str
    micros: int


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

    def take_all(self, lot: Lot) -> list[Draw]:
        """Empties a lot that has expired; gives the one draw."""
        draw = self._take(lot, lot.remaining_micros)
        self._spendable = [each for each in self._spendable if each is not lot]
        return [draw]

    def _take(self, lot: Lot, micros: int) -> Draw:
        lot.remaining_micros -= micros
        self.changed[lot.id] = lot
        return Draw(lot.id, micros)
