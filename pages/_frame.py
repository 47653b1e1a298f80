"""What every page shares: who is looking, the shell around the content, regions that fail alone.

A page is rendered whole by one request, from its address alone. Each region of it is built by a
function of its own, so that one that fails says so while the others stay. A stream asks the same
page for its live regions alone: the same code then builds only what moves with new usage.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any, cast

from flask import current_app, g

from billing.access import AccountScope, Role, Viewer
from billing.accounts import Account
from billing.desk import Desk
from billing.errors import ProductError
from billing.limit_standing import LimitStanding
from billing.one_moment import OneMoment
from billing.overview import WalletNow, is_comparable, wallet_now, wallet_question
from billing.periods import Period
from billing.plans import Gates
from billing.queries import UsageQuery
from billing.usage import Dimension, Question
from components import format as fmt
from components import html, shell, states
from components.balance import BalanceIds, BalanceView, balance_popover
from components.limit_words import Telling
from components.pauses import pause_banner

DESK = "usage_desk"
LIVE = "live_regions"  # on flask.g: where a stream wants the live regions, instead of a page
FRAME_ONLY = "live_frame_only"  # on flask.g: a stream wants what stands around the content alone
PERSONAL = "live_personal"  # on flask.g: a stream wants them for this person alone
PARTS = "shared_parts"  # on flask.g: what shares contents, where one request's answer may
PAGES = ("usage", "balance", "limits", "alerts", "rates", "settings")
LIMITS_PATH = "/billing/limits"
UNREAD = "0-0"  # a place before everything: what a page shows is to be told by its stream at once
OUTAGES = {"analytics_unusable", "unavailable"}  # codes that say a store is out of use
_log = logging.getLogger(__name__)

Asks = Callable[["Visit"], Sequence[Question]]


@dataclass
class Visit:
    """One request for a page: the address it came with, and what the person may see.

    ``live``: none for a whole page; else only live regions are built and put into it by id.
    ``asks``: the sums that the page is going to ask for beside the wallet's. ``is_shared``: what
    is built is shown to others as well, and may not ask who looks.
    """

    path: str
    search: str
    live: dict[str, Any] | None = None
    asks: Asks | None = None
    is_shared: bool = False
    has_failed: bool = field(default=False, init=False)

    @cached_property
    def viewer(self) -> Viewer:
        """The person who looks."""
        if self.is_shared:
            raise RuntimeError("what is shared by several people can't depend on one of them")
        return self.desk.viewer()

    @cached_property
    def desk(self) -> Desk:
        """The ports behind the screens."""
        return cast(Desk, current_app.extensions[DESK])

    @cached_property
    def scope(self) -> AccountScope:
        """The account being looked at, as whom."""
        return self.desk.scope()

    @cached_property
    def figures(self) -> OneMoment:
        """Reads usage; everything that the page is known to ask for is of one moment."""
        return OneMoment(self.desk.reader, self.scope, self._questions)

    def _questions(self) -> Sequence[Question]:
        return [wallet_question(self.scope, self.today), *(self.asks(self) if self.asks else ())]

    @property
    def account(self) -> Account:
        """The account being looked at."""
        return self.scope.account

    @cached_property
    def now(self) -> datetime:
        """One instant for the whole page."""
        return self.desk.clock.now()

    @property
    def today(self) -> date:
        """The account's local day."""
        return self.account.today(self.now)

    @property
    def zone(self) -> str:
        """The account's time zone today."""
        return self.account.zones.name_on(self.today)

    @property
    def gates(self) -> Gates:
        """What the account's plan opens today."""
        return self.account.gates_on(self.today)

    @cached_property
    def wallet(self) -> WalletNow:
        """The wallet, read once for header and cards."""
        return wallet_now(self.figures, self.scope, self.now)

    @cached_property
    def limit_standing(self) -> LimitStanding:
        """Limits, gauges and open pauses, read once for the page."""
        return self.desk.limits.standing(self.scope)

    @cached_property
    def used_metrics(self) -> frozenset[str]:
        """The ids of metrics the account has ever used."""
        return frozenset(self._used)

    @cached_property
    def used_days(self) -> tuple[date, date] | None:
        """The first and the last day with usage that the person may see."""
        days = [day for first_and_last in self._used.values() for day in first_and_last]
        return (min(days), max(days)) if days else None

    @cached_property
    def _used(self) -> Mapping[str, tuple[date, date]]:
        return self.desk.reader.used(self.scope)

    def is_comparable(self, query: UsageQuery) -> bool:
        """Whether a change against the period before says anything."""
        return is_comparable(query, self.used_days and self.used_days[0], self.today)

    @property
    def balance_view(self) -> BalanceView:
        """The wallet as the components show it."""
        wallet = self.wallet
        return BalanceView(
            balance=wallet.balance,
            today_micros=wallet.today_micros,
            period_micros=wallet.period_micros,
            billing_period=wallet.billing_period,
            runway=wallet.runway,
            locale=self.account.locale,
            zone=self.zone,
        )

    def region(self, title: str, build: Callable[[], Any], live: str | None = None) -> Any:
        """What ``build`` gives, or a card that says what failed and offers to try again.

        ``live``: the region's name when it moves with new usage; a stream then sends it again.
        """
        if live is None:
            return None if self.live is not None else self._guarded(title, build)
        element_id, built = f"live-{live}", self._guarded(title, build)
        if self.live is not None:
            self.live[element_id] = built
            return None
        return html.Div(built, id=element_id, className="live")

    def still(self, build: Callable[[], Any]) -> Any:
        """What ``build`` gives, where only an address changes it: not built for a stream."""
        return None if self.live is not None else build()

    def _guarded(self, title: str, build: Callable[[], Any]) -> Any:
        try:
            return build()
        except ProductError as error:
            self.has_failed = True
            if error.code in OUTAGES:
                return self._out_of_reach(title, error)
            return states.refused(title, error.message)
        except Exception:  # the boundary of a region: the others stay, old figures don't
            self.has_failed = True
            error_id = secrets.token_hex(4)
            _log.exception("region %r failed (%s)", title, error_id)
            return states.failed(title, self.path + self.search, error_id)

    def _out_of_reach(self, title: str, error: ProductError) -> Any:
        """A store is out of use: those who run the product are told how to mend it."""
        error_id = secrets.token_hex(4)
        _log.error("region %r failed (%s): %s", title, error_id, error.message)
        why = states.OUT_OF_REACH
        if error.code == "analytics_unusable":
            is_staff = self.scope.role.sees_all_accounts
            why = error.message if is_staff else states.ANALYTICS_OUT
        return states.failed(title, self.path + self.search, error_id, why=why)

    def watermark(self, complete_to: datetime) -> Any:
        """The line under a set of figures."""
        return states.watermark(complete_to, self.zone)


@dataclass(frozen=True, slots=True)
class _Inner:
    """What stands inside the shell, read at one moment, and from where in the ledger on."""

    body: Any
    balance: BalanceView | None
    place: str


def framed(
    search: str | None,
    path: str,
    current: str,
    crumbs: Sequence[shell.Crumb],
    content: Callable[[Visit], Sequence[Any]],
    asks: Asks | None = None,
    shared_as: str | None = None,
    is_sums: Callable[[Visit], bool] = lambda _: False,
    *,
    moves_without_usage: bool = False,
) -> Any:
    """A whole page: the shell with navigation and balance around what ``content`` gives.

    ``asks``: the sums that it will ask for, so that they are read together. For a stream: the
    page's live regions by id. ``shared_as``: a name for a content that is the same for everybody
    who may see the same of the account; ``is_sums``: whether ``data/reading/shown.py`` says of it
    when it changes. ``moves_without_usage``: it shows what the ledger's lines and entries don't
    tell of, such as holds, so that its stream begins by telling it again.
    """
    # What a stream is sent is shared by all who may see the same, as contents are.
    is_shared = g.get(LIVE) is not None and not g.get(PERSONAL)
    visit = Visit(path, search or "", g.get(LIVE), asks, is_shared)
    if visit.live is not None:
        return _live_regions(visit, visit.live, content)
    try:
        viewer, scope, accounts = visit.viewer, visit.scope, visit.desk.accounts()
    except ProductError as error:
        return states.standalone(error.message)
    parts = g.get(PARTS) if shared_as else None
    if parts is None:
        inner = _inner(visit, content)
    else:
        inner = _shared(visit, content, parts, shared_as, is_sums)
    place = UNREAD if moves_without_usage else inner.place
    view = shell.ShellView(
        pages=PAGES,
        current=current,
        crumbs=tuple(crumbs),
        account=_choice(visit.account, visit.today),
        accounts=tuple(_choice(each, visit.today) for each in accounts),
        person=shell.Person(viewer.name, viewer.email, scope.role.value),
        balance=inner.balance,
        live=shell.LiveView(visit.path + visit.search, place),
        banner=_banner(visit),
        unread_count=_unread_count(visit),
    )
    return shell.shell(inner.body, view)


def _inner(visit: Visit, content: Callable[[Visit], Sequence[Any]]) -> _Inner:
    place = visit.desk.place(visit.scope)  # before anything is read, so that nothing is missed
    balance = _header_balance(visit)
    try:
        body: Sequence[Any] = [_loading(visit), *content(visit)]
    except ProductError as error:
        body = [refused_state(error)]
    return _Inner(list(body), balance, place)


def _shared(
    visit: Visit,
    content: Callable[[Visit], Sequence[Any]],
    parts: Any,
    name: str | None,
    is_sums: Callable[[Visit], bool],
) -> _Inner:
    """The same, made once for all to whom it shows the same.

    They agree in account, role, first visible day and minute; where a plan shows what was recorded
    since a sign-in, in that. Nothing else about them can get into it.
    """
    scope = visit.scope
    if not visit.gates.is_sandbox_only:
        scope = replace(scope, session_started_at=datetime.min.replace(tzinfo=UTC))
    minute = visit.now.replace(second=0, microsecond=0)

    def make() -> tuple[Any, tuple[BalanceView | None, str], bool]:
        seen = Visit(visit.path, visit.search, None, visit.asks, is_shared=True)
        seen.scope, seen.now = scope, visit.now
        inner = _inner(seen, content)
        return inner.body, (inner.balance, inner.place), not seen.has_failed

    body, (balance, place) = parts.content(
        scope, visit.search, (name, visit.path, minute), make, lambda: is_sums(visit)
    )
    return _Inner(body, balance, place)


def _live_regions(
    visit: Visit, live: dict[str, Any], content: Callable[[Visit], Sequence[Any]]
) -> dict[str, Any]:
    _banner(visit)
    if g.get(FRAME_ONLY):
        return live
    view = _header_balance(visit)
    if view is not None:
        live[BalanceIds.MENU] = balance_popover(view).children
    _loading(visit)
    try:
        content(visit)
    except ProductError:  # the page says so where it stands; nothing of it is live
        _log.debug("no live regions on %s", visit.path)
    return live


def refused_state(error: ProductError) -> Any:
    """What a page shows instead of its content when the person or plan may not see it."""
    if error.code == "plan_lacks":
        return states.locked("Not on your plan", error.message)
    return states.empty("This page can't be shown", error.message)


def period_text(visit: Visit, period: Period) -> str:
    """A period with what it is: ``1 – 30 Nov 2026 · billing period, 8 days left``."""
    kind = _period_kind(visit, period)
    days_left = (period.end - visit.today).days - 1 if visit.today in period else None
    return shell.period_detail(fmt.period_label(period), kind, days_left, visit.account.locale)


def _period_kind(visit: Visit, period: Period) -> str | None:
    return "billing period" if period == visit.account.billing.period_of(period.start) else None


def _banner(visit: Visit) -> Any:
    """What is paused, on every page: made for each request, for it changes without usage."""
    return visit.region("What is paused", lambda: _pauses(visit), live="pauses")


def _pauses(visit: Visit) -> Any:
    found = visit.desk.limits.open_pauses(visit.scope)
    if not found:
        return None
    names = {}
    if any(pause.reason.campaign for pause in found):
        names = dict(visit.desk.reader.names(visit.scope, Dimension.CAMPAIGN))
    account = visit.account
    return pause_banner(
        found, Telling(account.currency, account.locale, visit.zone, names),
        may_top_up=visit.scope.role in {Role.OWNER, Role.ADMIN},
        is_here=visit.path == LIMITS_PATH,
    )  # fmt: skip


def _unread_count(visit: Visit) -> int | None:
    """How many notices this person hasn't seen: made for each request, and never shared."""
    try:
        return len(visit.desk.alerts.unread(visit.scope, visit.viewer.person_id))
    except Exception:  # the bell goes without a number
        _log.exception("unread notices could not be counted")
        return None


def _loading(visit: Visit) -> Any:
    return visit.region("What is loading", lambda: _loading_notice(visit), live="loading")


def _loading_notice(visit: Visit) -> Any:
    percent = visit.desk.loading_percent()
    if percent is None:
        return None
    return states.loading_notice(percent)


def _header_balance(visit: Visit) -> BalanceView | None:
    try:
        return visit.balance_view
    except Exception:  # the header goes without its balance; the balance card says what failed
        visit.has_failed = True
        _log.exception("the header's balance could not be read")
        return None


def _choice(account: Account, today: date) -> shell.AccountChoice:
    details = (account.plan_on(today).label, account.currency, account.zones.name_on(today))
    return shell.AccountChoice(account.id, account.name, " · ".join(details))
