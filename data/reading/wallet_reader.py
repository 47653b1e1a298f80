"""Reads the wallet of one account: the port ``billing.wallet.WalletReader``.

Every read takes a scope and decides from it alone what is visible. Must not know who asks.
"""

from __future__ import annotations

from collections.abc import Sequence

from billing.access import AccountScope
from billing.clock import Clock
from billing.movements import (
    Action,
    Approval,
    Movement,
    check_movement,
    needs_approval,
    require_action,
)
from billing.wallet import CreditLot, EntryPage, EntryQuery, Preview, WalletEntry
from data.database import Database
from data.ledger.approvals import moved_today, read_approvals
from data.ledger.refunds import find_charge
from data.reading.entries import actor_names, read_entries, read_entry, read_lots
from data.reading.wallet_state import read_balance


class LedgerWalletReader:
    """The wallet as the ledger has it. ``limit_micros``: what support may move alone a day."""

    def __init__(self, database: Database, clock: Clock, limit_micros: int) -> None:
        self._database = database
        self._clock = clock
        self._limit_micros = limit_micros

    def entries(
        self, scope: AccountScope, query: EntryQuery, cursor: str | None, limit: int
    ) -> EntryPage:
        """One page by keyset; ``InputError`` for a cursor, kind or limit that isn't one."""
        with self._database.read() as connection:
            return read_entries(
                connection, scope.account_id, scope.visible_from, query, cursor, limit
            )

    def entry(self, scope: AccountScope, entry_id: str) -> WalletEntry:
        """One entry; ``NotFoundError`` outside the scope."""
        with self._database.read() as connection:
            return read_entry(connection, scope.account_id, entry_id, scope.visible_from)

    def lots(self, scope: AccountScope) -> Sequence[CreditLot]:
        """Every lot with something left, in the order in which they are used; debt first."""
        with self._database.read() as connection:
            return read_lots(connection, scope.account_id)

    def approvals(self, scope: AccountScope, *, is_waiting: bool) -> Sequence[Approval]:
        """The newest requests; only support and administrators see any."""
        if not scope.role.sees_all_accounts:
            return ()
        with self._database.read() as connection:
            return read_approvals(
                connection, scope.account_id, self._clock.now(), is_waiting=is_waiting
            )

    def names(self, scope: AccountScope, actors: Sequence[str]) -> dict[str, str]:
        """Names of actors for people who look at this account."""
        with self._database.read() as connection:
            return actor_names(
                connection, actors, scope.account_id, is_staff=scope.role.sees_all_accounts
            )

    def preview(self, scope: AccountScope, movement: Movement) -> Preview:
        """What a movement would do now, or the refusal it would meet."""
        require_action(scope.role, movement.action)
        now, account = self._clock.now(), scope.account
        with self._database.read() as connection:
            checked, metric = check_movement(movement, now), None
            micros = checked.amount_micros
            if checked.action is Action.REFUND:
                charge = find_charge(connection, account.id, checked.line_id or "")
                micros, metric = charge.cost_micros, str(charge.line.metric)
            today = moved_today(connection, account, now)
            before = read_balance(connection, account.id, account.currency, now).posted_micros
        limit = self._limit_micros
        waits = needs_approval(scope.role, checked.action, micros, today, limit)
        return Preview(checked, micros, before, before + micros, waits, today, limit, metric)
