"""/billing/balance: the six items of the balance, credit lots, wallet history, money by hand."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

import dash

from billing.access import Role
from billing.balance_queries import (
    FIELDS,
    PATH,
    REFUSALS,
    VIEWS,
    BalanceQuery,
    balance_address,
    form_field,
    parse_balance_search,
    parse_movement,
)
from billing.errors import InputError, ProductError
from billing.movements import Action, actions_of, may
from billing.recharge_queries import parse_recharge_search
from billing.usage import Dimension
from billing.wallet import EntryQuery, WalletEntry
from components import balance_page, html, shell, states, wallet_forms
from components import format as fmt
from components.holds import HoldsView, holds_card
from components.limit_words import Telling
from components.links import Choice
from pages._frame import Visit, framed
from pages._recharge import recharge_edit, recharge_notice, recharge_region

PAGE_ENTRIES = 50
MOST_HOLDS = 200  # what is read of open holds at most; a screen shows fewer
AMOUNT_EXAMPLE = 1_250  # grouped in every locale, so that one sees how it is written
CRUMBS = (
    shell.Crumb("Settings", "/settings"),
    shell.Crumb("Billing", "/settings#billing"),
    shell.Crumb("Balance"),
)

dash.register_page(__name__, PATH, title="Balance", name="Balance")


def layout(search: str | None = None, **_: Any) -> Any:
    """The whole page."""
    return framed(search, PATH, "balance", CRUMBS, _content, moves_without_usage=True)


def _content(visit: Visit) -> Sequence[Any]:
    query = parse_balance_search(visit.search)
    recharging = parse_recharge_search(visit.search)
    newest = "history" if query.cursor is None else None  # other pages stay as they were read
    return [
        visit.still(lambda: _head(visit, query)),
        visit.still(lambda: _notice(visit, query)),
        visit.still(lambda: recharge_notice(visit, recharging)),
        visit.region("This form", lambda: _movement(visit, query)) if query.action else None,
        visit.region("This form", lambda: recharge_edit(visit, recharging))
        if recharging.is_open
        else None,
        visit.region("Requests", lambda: _waiting(visit)),
        visit.region(
            "The balance", lambda: balance_page.balance_cards(visit.balance_view), live="balance"
        ),
        visit.region("Open holds", lambda: _holds(visit), live="holds"),
        visit.region("Credit", lambda: _lots(visit), live="lots"),
        visit.region("Auto-recharge", lambda: recharge_region(visit), live="recharge"),
        visit.region("The history", lambda: _history(visit, query), live=newest),
        visit.still(lambda: _zone(visit)),
    ]


def _head(visit: Visit, query: BalanceQuery) -> Any:
    actions = tuple(
        (action, balance_address(do=action.value)) for action in actions_of(visit.scope.role)
    )
    links = wallet_forms.action_links(actions, query.action) if actions else None
    return shell.page_head("Balance", f"Prepaid wallet in {visit.account.currency}", links)


def _notice(visit: Visit, query: BalanceQuery) -> Any:
    """What a form came to, read again from the ledger."""
    texts: list[str] = []
    if query.refused:
        return states.notices([REFUSALS[query.refused]])
    try:
        if query.done:
            texts.append(_done_text(visit, visit.desk.wallet.entry(visit.scope, query.done)))
    except ProductError as error:
        return states.notices([error.message])
    waiting = visit.desk.wallet.approvals(visit.scope, is_waiting=True) if query.asked else ()
    if any(approval.id == query.asked for approval in waiting):
        texts.append("Asked. Nothing has moved yet: an administrator has to approve it.")
    if query.is_rejected:
        texts.append("Rejected. Nothing has moved.")
    return states.notices(texts, "info")


def _done_text(visit: Visit, entry: WalletEntry) -> str:
    amount = fmt.exact_money(entry.amount_micros, entry.currency, visit.account.locale)
    after = fmt.exact_money(entry.balance_after_micros, entry.currency, visit.account.locale)
    kind = balance_page.KIND_NAMES.get(entry.kind, entry.kind)
    return f"Done: {kind.lower()} of {amount}. The balance is now {after}."


def _movement(visit: Visit, query: BalanceQuery) -> Any:
    """The form of the address, or the confirmation when what was typed can be done."""
    action, account = query.action, visit.account
    assert action is not None, "asked for only then"
    if not may(visit.scope.role, action):
        return states.refused("Not for your role", _who_may(action))
    key = query.key or secrets.token_urlsafe(18)
    errors: dict[str, str] = {}
    if query.is_confirming:
        try:
            fields = dict(query.fields)
            if "amount" in FIELDS[action]:
                typed = fields.get("amount", "")
                fields["amount"] = visit.desk.plain_amount(typed, account)
            movement = parse_movement(action, fields, account)
            preview = visit.desk.wallet.preview(visit.scope, movement)
            edit = balance_address(do=action.value, key=key, **query.fields)
            return wallet_forms.confirmation(
                wallet_forms.ConfirmView(
                    preview, query.fields, key, account.id, account.name, account.currency,
                    account.locale, visit.zone, edit,
                )
            )  # fmt: skip
        except InputError as error:
            errors[form_field(error.field)] = error.fix
        except ProductError as error:
            errors["line" if action is Action.REFUND else ""] = error.message
    return wallet_forms.movement_form(
        wallet_forms.FormView(
            action,
            query.fields,
            errors,
            key,
            account.currency,
            fmt.number(AMOUNT_EXAMPLE, account.locale, 2, least_decimals=2),
        )
    )


def _who_may(action: Action) -> str:
    who = " or ".join(f"the {role.value}" for role in Role if may(role, action))
    return f"“{wallet_forms.NAMES[action]}” is for {who}."


def _waiting(visit: Visit) -> Any:
    found = tuple(visit.desk.wallet.approvals(visit.scope, is_waiting=True))
    if not found:
        return None
    actor = f"person:{visit.viewer.person_id}"
    is_admin = visit.scope.role is Role.ADMIN
    return wallet_forms.waiting_card(
        wallet_forms.WaitingView(
            found, tuple(is_admin and each.asked_by != actor for each in found),
            visit.desk.wallet.names(visit.scope, [each.asked_by for each in found]),
            visit.account.id, visit.account.currency, visit.account.locale, visit.zone,
        )
    )  # fmt: skip


def _holds(visit: Visit) -> Any:
    account, holds = visit.account, visit.desk.limits.open_holds(visit.scope)
    names = {}
    if any(hold.campaign for hold in holds):
        names = dict(visit.figures.names(visit.scope, Dimension.CAMPAIGN))
    reserved = visit.figures.balance(visit.scope).reserved_micros
    telling = Telling(account.currency, account.locale, visit.zone, names)
    is_cut = len(holds) >= MOST_HOLDS
    return holds_card(HoldsView(holds, reserved, visit.now, telling, is_cut))


def _lots(visit: Visit) -> Any:
    account, lots = visit.account, tuple(visit.desk.wallet.lots(visit.scope))
    days = tuple(
        (account.today(lot.expires_at) - visit.today).days if lot.expires_at else None
        for lot in lots
    )
    return balance_page.lots_card(
        balance_page.LotsView(lots, days, account.currency, account.locale, visit.zone)
    )


def _history(visit: Visit, query: BalanceQuery) -> Any:
    wallet, scope = visit.desk.wallet, visit.scope
    page = wallet.entries(scope, EntryQuery(query.kinds), query.cursor, PAGE_ENTRIES)
    show = query.view if query.view != "all" else None
    refunds = {}
    if may(scope.role, Action.REFUND):
        refunds = {
            entry.line_id: balance_address(do=Action.REFUND.value, line=entry.line_id)
            for entry in page.entries
            if entry.kind == "charge" and entry.line_id
        }
    return balance_page.history_card(
        balance_page.HistoryView(
            page.entries,
            wallet.names(scope, sorted({entry.actor for entry in page.entries if entry.actor})),
            refunds,
            tuple(
                Choice(
                    label, balance_address(show=view if view != "all" else None),
                    view == query.view,
                )
                for view, label, _ in VIEWS
            ),
            balance_address(show=show, cursor=page.newer_cursor) if page.newer_cursor else None,
            balance_address(show=show, cursor=page.older_cursor) if page.older_cursor else None,
            visit.account.locale, visit.zone, visit.gates.has_drill_down,
        )
    )  # fmt: skip


def _zone(visit: Visit) -> Any:
    return html.P(
        f"In posting order, newest first · days and times in {visit.zone}", className="watermark"
    )
