"""What people read of a wallet: entries, credit lots, waiting requests; and the port for it.

Amounts are micros of the account's currency.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from billing.access import AccountScope
from billing.lots import DEFAULT_PRIORITY, LotKind
from billing.movements import Approval, Movement
from billing.periods import Period

ENTRY_KINDS = ("charge", "top_up", "grant", "refund", "adjustment", "expiry")
BY_HAND = ("top_up", "grant", "refund", "adjustment", "expiry")  # everything but usage


@dataclass(frozen=True, slots=True)
class WalletEntry:
    """One movement of money. ``balance_after_micros`` follows posting order.

    ``line_id``: the charge's line, or a refund's reversing one; ``metric`` is that line's, and
    ``reverses_line_id`` the line a refund gave back. ``actor``: ``person:ID``, ``key:ID``,
    ``auto-recharge`` or none.
    """

    id: str
    kind: str
    amount_micros: int
    balance_after_micros: int
    currency: str
    cause: str
    occurred_at: datetime
    received_at: datetime
    stored_at: datetime
    booked_on: date
    corrects_period: date | None = None
    line_id: str | None = None
    actor: str | None = None
    metric: str | None = None
    reverses_line_id: str | None = None


@dataclass(frozen=True, slots=True)
class EntryQuery:
    """Which entries: of these kinds (none named: all), booked within a period (none: ever)."""

    kinds: tuple[str, ...] = ()
    period: Period | None = None


@dataclass(frozen=True, slots=True)
class EntryPage:
    """One page of entries, newest first; the cursors are opaque, or none at an end."""

    entries: tuple[WalletEntry, ...]
    older_cursor: str | None
    newer_cursor: str | None


@dataclass(frozen=True, slots=True)
class CreditLot:
    """A lot with something left, or debt (``OVERDRAFT``, then below zero).

    ``priority``: a lower one is used earlier; ``DEFAULT_PRIORITY`` unless somebody chose another.
    """

    id: str
    kind: LotKind
    granted_at: datetime
    expires_at: datetime | None
    amount_micros: int
    remaining_micros: int
    cause: str
    priority: int = DEFAULT_PRIORITY


@dataclass(frozen=True, slots=True)
class Preview:
    """What a movement would do now. ``needs_approval``: it would wait for another person.

    ``moved_today_micros``: what support has moved of this account today without being asked.
    """

    movement: Movement
    amount_micros: int
    before_micros: int
    after_micros: int
    needs_approval: bool
    moved_today_micros: int
    limit_micros: int
    metric: str | None = None


class WalletReader(Protocol):
    """Reads the wallet of one account. Hides what the scope hides."""

    def entries(
        self, scope: AccountScope, query: EntryQuery, cursor: str | None, limit: int
    ) -> EntryPage:
        """One page by keyset; ``InputError`` for a cursor that isn't one."""
        ...

    def entry(self, scope: AccountScope, entry_id: str) -> WalletEntry:
        """One entry; ``NotFoundError`` outside the scope."""
        ...

    def lots(self, scope: AccountScope) -> Sequence[CreditLot]:
        """Every lot with something left, in the order in which they are used; debt first."""
        ...

    def approvals(self, scope: AccountScope, *, is_waiting: bool) -> Sequence[Approval]:
        """The newest requests; only support and administrators see any."""
        ...

    def names(self, scope: AccountScope, actors: Sequence[str]) -> dict[str, str]:
        """Names of actors for people who look at this account."""
        ...

    def preview(self, scope: AccountScope, movement: Movement) -> Preview:
        """What a movement would do now; the errors it would meet."""
        ...
