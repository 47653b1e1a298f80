"""The desk behind the screens: ports of billing/ filled in for the request being answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import select

from api.amounts import plain_amount
from api.left import take
from billing.access import ALL_ACCOUNTS, AccountScope, Viewer
from billing.accounts import Account
from billing.clock import Clock
from billing.desk import AlertsReader, LimitsReader, RechargesReader, WebhooksReader
from billing.rates import RateList
from billing.usage import UsageReader
from billing.wallet import WalletReader
from data import tables as t
from data.access.keys import read_keys
from data.installation import Installation
from data.ledger.price_books import load_rate_lists
from data.reading.news import place_of


class ServerDesk:
    """Implements ``billing.desk.Desk`` on one installation and the current web request."""

    def __init__(
        self,
        installation: Installation,
        viewer: Callable[[], Viewer],
        scope: Callable[[], AccountScope],
        accounts: Callable[[], Sequence[Account]],
        reader: UsageReader | None = None,
    ) -> None:
        self._installation = installation
        self._viewer = viewer
        self._scope = scope
        self._accounts = accounts
        self._reader = reader

    @property
    def clock(self) -> Clock:
        """The clock in effect."""
        return self._installation.clock

    @property
    def reader(self) -> UsageReader:
        """Reads usage and the wallet."""
        return self._reader or self._installation.reader

    @property
    def wallet(self) -> WalletReader:
        """Reads wallet entries, lots and waiting requests."""
        return self._installation.wallet_reader

    @property
    def limits(self) -> LimitsReader:
        """Reads spending limits, pauses and holds."""
        return self._installation.limits_reader

    @property
    def alerts(self) -> AlertsReader:
        """Reads alerts, episodes and what people were told."""
        return self._installation.alerts_reader

    @property
    def recharges(self) -> RechargesReader:
        """Reads auto-recharge."""
        return self._installation.recharges_reader

    @property
    def webhooks(self) -> WebhooksReader:
        """Reads webhooks and their deliveries."""
        return self._installation.webhooks_reader

    def left(self, path: str) -> Mapping[str, Any]:
        """What a form left for this person's look at a page: shown once; empty when nothing."""
        return take(path, self._viewer(), self._scope())

    def viewer(self) -> Viewer:
        """The signed-in person."""
        return self._viewer()

    def scope(self) -> AccountScope:
        """The account the person looks at."""
        return self._scope()

    def accounts(self) -> Sequence[Account]:
        """The accounts the person may switch to, by name."""
        return self._accounts()

    def price_lists(self, scope: AccountScope) -> Sequence[RateList]:
        """Every list that prices the account on any of its plans, oldest first."""
        plans = sorted({plan for _, plan in scope.account.plans})
        with self._installation.database.read() as connection:
            return load_rate_lists(connection, scope.account, plans)

    def loading_percent(self) -> int | None:
        """How much of a demo or import into the account has arrived; none when all has."""
        imports = t.imports.c
        with self._installation.database.read() as connection:
            row = connection.execute(
                select(imports.rows_read, imports.rows_total)
                .where(imports.status == "running")
                .where(imports.account_id.in_([self._scope().account_id, ALL_ACCOUNTS]))
                .order_by(imports.started_at.desc())
                .limit(1)
            ).first()
        if row is None:
            return None
        return min(99, 100 * row.rows_read // row.rows_total) if row.rows_total else 0

    def place(self, scope: AccountScope) -> str:
        """How far into the account's ledger a page that is read from now on has seen, at least."""
        with self._installation.database.read() as connection:
            return str(place_of(connection, scope.account_id))

    def api_key_count(self, scope: AccountScope) -> int:
        """How many API keys open the account's calls now: its own, none that were revoked."""
        with self._installation.database.read() as connection:
            keys = read_keys(connection, scope.account_id)
        return sum(key.revoked_at is None for key in keys)

    def plain_amount(self, text: str, account: Account) -> str:
        """An amount typed as the account's locale writes numbers, as ``parse_amount`` takes it."""
        return plain_amount(text, account)
