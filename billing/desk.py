"""What a screen works with: the person, their account, the clock and the readers, as ports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from billing.access import AccountScope, Viewer
from billing.accounts import Account
from billing.alert_standing import AlertBacktest, AlertStanding, Episode
from billing.alert_steps import Reading
from billing.alerts import AlertRule
from billing.caps import Cap
from billing.clock import Clock
from billing.limit_standing import Backtest, HoldView, LimitStanding, PausePage
from billing.notices import Notice, NoticePage, Send, SendAttempt
from billing.pauses import Pause
from billing.rates import RateList
from billing.recharges import RechargePage, RechargeStanding
from billing.usage import UsageReader
from billing.wallet import WalletReader
from billing.webhooks import DeliveryPage, Endpoint, EndpointView


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


class AlertsReader(Protocol):
    """Reads alerts, what they would have done, and what people were told, of one account."""

    def standing(self, scope: AccountScope) -> AlertStanding:
        """Every rule with its figure now: of one moment."""
        ...

    def backtest(self, scope: AccountScope, rule: AlertRule) -> AlertBacktest:
        """What a rule would have done in the last 90 days, as far as the scope sees them."""
        ...

    def preview(self, scope: AccountScope, rule: AlertRule) -> Reading:
        """The figure that a rule would look at now, and its threshold in the same unit."""
        ...

    def episodes(self, scope: AccountScope, alert_id: str | None, most: int) -> Sequence[Episode]:
        """The newest episodes, of one rule or of all."""
        ...

    def notices(
        self, scope: AccountScope, person_id: str | None, cursor: str | None = None,
        limit: int = 100, *, on_dashboard: bool = False,
    ) -> NoticePage:  # fmt: skip
        """What people were told, newest first; read or unread for a person.

        ``on_dashboard``: only what is told there too.

        Errors: ``InputError`` for a cursor that isn't one.
        """
        ...

    def unread(self, scope: AccountScope, person_id: str) -> Sequence[Notice]:
        """What a person hasn't seen yet, newest first, up to a hundred."""
        ...

    def sends(self, scope: AccountScope, notice_ids: Sequence[str]) -> Mapping[str, Sequence[Send]]:
        """Deliveries by e-mail and SMS of some notices."""
        ...

    def attempts(self, scope: AccountScope, send_id: str) -> Sequence[SendAttempt]:
        """Every try of a delivery, oldest first; ``NotFoundError`` outside the scope."""
        ...


class RechargesReader(Protocol):
    """Reads auto-recharge of one account; ``NotAllowedError`` for a role that may not see it."""

    def standing(self, scope: AccountScope) -> RechargeStanding:
        """What is set, what it does now, and the newest tries: of one moment."""
        ...

    def recharges(
        self, scope: AccountScope, cursor: str | None = None, limit: int = 100
    ) -> RechargePage:
        """One page of tries, newest first; ``InputError`` for a cursor that isn't one."""
        ...


class WebhooksReader(Protocol):
    """Reads webhooks of one account; ``NotAllowedError`` for a role that may not see them."""

    def endpoints(self, scope: AccountScope) -> Sequence[EndpointView]:
        """The account's endpoints, oldest first, each with its newest delivery."""
        ...

    def endpoint(self, scope: AccountScope, endpoint_id: str) -> Endpoint:
        """One endpoint; ``NotFoundError`` outside the scope."""
        ...

    def deliveries(
        self, scope: AccountScope, endpoint_id: str, cursor: str | None = None, limit: int = 100
    ) -> DeliveryPage:
        """One page of an endpoint's deliveries, newest first.

        Errors: ``NotFoundError``, ``InputError`` for a cursor that isn't one.
        """
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

    @property
    def alerts(self) -> AlertsReader:
        """Reads alerts, episodes and what people were told."""
        ...

    @property
    def recharges(self) -> RechargesReader:
        """Reads auto-recharge."""
        ...

    @property
    def webhooks(self) -> WebhooksReader:
        """Reads webhooks and their deliveries."""
        ...

    def left(self, path: str) -> Mapping[str, Any]:
        """What a form left for this person's look at a page: shown once; empty when nothing."""
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
