"""What a screen works with: the person, their account, the clock and the readers, as ports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from billing.access import AccountScope, Viewer
from billing.accounts import Account
from billing.caps import Cap
from billing.clock import Clock
from billing.limit_standing import Backtest, HoldView, LimitStanding, PausePage
from billing.pauses import Pause
from billing.rates import RateList
from billing.usage import UsageReader
from billing.wallet import WalletReader


class LimitsReader(Protocol):
    """Reads spending limits, pauses and holds of one account."""

    def standing(self, scope: AccountScope) -> LimitStanding:
        """What is set, what each present window has, and what is paused: of one moment."""
        ...

    def open_pauses(self, scope: AccountScope) -> tuple[Pause, ...]:
        """What stands still now, oldest first."""
        ...

    def pauses(self, scope: AccountScope, cursor: str | None = None, limit: int = 100) -> PausePage:
        """One page of pauses, newest first; ``InputError`` for a cursor that isn't one."""
        ...

    def pause(self, scope: AccountScope, pause_id: str) -> Pause:
        """One pause; ``NotFoundError`` outside the scope."""
        ...

    def open_holds(self, scope: AccountScope) -> tuple[HoldView, ...]:
        """What is reserved now, newest first, as many as a screen has room for."""
        ...

    def backtest(self, scope: AccountScope, cap: Cap) -> Backtest:
        """What a limit would have done in the last 90 days, as far as the scope sees them."""
        ...


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

    @property
    def limits(self) -> LimitsReader:
        """Reads spending limits, pauses and holds."""
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
