"""What a screen works with: the person, their account, the clock and the readers, as ports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from billing.access import AccountScope, Viewer
from billing.accounts import Account
from billing.clock import Clock
from billing.rates import RateList
from billing.usage import UsageReader
from billing.wallet import WalletReader


class Desk(Protocol):
    """Everything behind the screens of one request; made by the server, found by the pages."""

    @property
    def clock(self) -> Clock:
        """The clock in effect."""
        ...

    @property
    def reader(self) -> UsageReader:
        """Reads usage and the wallet."""
        ...

    @property
    def wallet(self) -> WalletReader:
        """Reads wallet entries, lots and waiting requests."""
        ...

    def viewer(self) -> Viewer:
        """The signed-in person; ``NotAllowedError`` when nobody is."""
        ...

    def scope(self) -> AccountScope:
        """The account the person looks at; ``NotFoundError`` when they have none."""
        ...

    def accounts(self) -> Sequence[Account]:
        """The accounts the person may switch to, by name."""
        ...

    def price_lists(self, scope: AccountScope) -> Sequence[RateList]:
        """Every list that prices the account on any of its plans, oldest first."""
        ...

    def loading_percent(self) -> int | None:
        """How much of the demo or an import into the account has arrived; none when all has."""
        ...

    def place(self, scope: AccountScope) -> str:
        """How far into the account's ledger a page that is read from now on has seen, at least."""
        ...

    def api_key_count(self, scope: AccountScope) -> int:
        """How many API keys open the account's calls now: its own, none that were revoked."""
        ...

    def plain_amount(self, text: str, account: Account) -> str:
        """An amount typed as the account's locale writes numbers, as ``parse_amount`` takes it.

        Errors: ``InputError`` for what isn't written so, or could be read in two ways.
        """
        ...
