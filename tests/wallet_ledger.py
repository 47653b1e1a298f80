"""A real ledger whose money is moved by hand, through the one writer and a clock that tests set."""

import threading
from collections.abc import Iterator
from datetime import datetime
from itertools import count
from pathlib import Path

from sqlalchemy import text

from billing.access import AccountScope, Role
from billing.errors import ProductError
from billing.movements import Action, Movement
from data import tables as t
from data.analytics.views import view
from data.ledger.movements import Moved, Movements
from data.proof.verify import LAST_ACCOUNT_ID, LEDGER_CHECKS
from data.reading.wallet_reader import LedgerWalletReader
from data.writer import Writer
from tests.builders import NOON, UNIT_PRICE_MICROS, Ledger

LIMIT = 500_000_000
REFUND = Movement(Action.REFUND, reason="wrong number")
_keys = count(1)


class SetClock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        return self.at


class Wallet(Ledger):
    """A ledger whose money is moved by hand, through the one writer."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.clock = SetClock()
        self.writer = Writer(self.database)
        self.movements = Movements(self.writer, self.clock, LIMIT)
        self.reader = LedgerWalletReader(self.database, self.clock, LIMIT)

    def close(self) -> None:
        self.writer.close()
        super().close()

    def scope(self, role: Role = Role.ADMIN, account_id: str = "acme") -> AccountScope:
        return AccountScope(self.accounts[account_id], role, NOON)

    def move(
        self,
        movement: Movement,
        key: str | None = None,
        role: Role = Role.ADMIN,
        actor: str = "person:ada",
        account_id: str = "acme",
    ) -> Moved:
        key = key or f"key-{next(_keys)}"
        return self.movements.move(self.scope(role, account_id), actor, movement, key)

    def lines(self, account_id: str = "acme") -> list:
        return self.rows(t.usage_lines, account_id)

    def left(self, account_id: str = "acme") -> dict[str, int]:
        """What is left of each lot."""
        return {r.lot_id: r.remaining_micros for r in self.rows(t.lot_balances, account_id)}

    def draws(self, entry_id: str, account_id: str = "acme") -> dict[str, int]:
        return {r.lot_id: r.micros for r in self.rows(t.lot_draws, account_id)
                if r.entry_id == entry_id}  # fmt: skip

    def charge_of(self, line_id: str) -> dict[str, int]:
        """What each lot gave to a line's charge."""
        (entry,) = [r for r in self.rows(t.wallet_entries, None) if r.line_id == line_id]
        return self.draws(entry.id, entry.account_id)

    def broken(self, account_id: str | None = None) -> list[str]:
        """What the ledger's own checks of ``verify`` find."""
        bounds = {"first": account_id or "", "last": account_id or LAST_ACCOUNT_ID}
        with self.database.read() as connection:
            return [
                row.broken
                for _, _, files in LEDGER_CHECKS
                for file in files
                if file != "verify_statements" or account_id is None
                for row in connection.execute(text(view(file)), bounds)
            ]


def at_once(work: list) -> list:
    """What each piece of work gives or raises, all started together."""
    barrier, found = threading.Barrier(len(work)), [None] * len(work)

    def run(place: int) -> None:
        barrier.wait()
        try:
            found[place] = work[place]()
        except ProductError as error:
            found[place] = error  # type: ignore[call-overload]

    threads = [threading.Thread(target=run, args=[place]) for place in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    return found


def proved_wallet(folder: Path) -> Iterator[Wallet]:
    """One account with a hundred units of paid credit; the ledger proves itself at the end."""
    with Wallet(folder) as opened:
        opened.add()
        opened.credit(100 * UNIT_PRICE_MICROS)
        yield opened
        assert opened.broken() == []
