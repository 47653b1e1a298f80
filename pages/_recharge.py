"""Auto-recharge on the Balance page: its card, and its form or review by the address."""

from __future__ import annotations

from typing import Any

from billing.errors import InputError, ProductError
from billing.recharge_queries import (
    REFUSALS,
    RechargeQuery,
    form_address,
    form_field,
    parse_settings,
)
from billing.recharges import check_settings, may_change, may_see
from components import format as fmt
from components import recharge, states
from pages._frame import Visit

AMOUNT_EXAMPLE = 1_250  # grouped in every locale, so that one sees how it is written
ROLE_REFUSED = "Auto-recharge is for the owner to set."


def recharge_region(visit: Visit) -> Any:
    """The card, for those who may see it."""
    if not may_see(visit.scope.role):
        return None
    return recharge.recharge_card(_view(visit))


def recharge_notice(visit: Visit, query: RechargeQuery) -> Any:
    """What a form came to, read again from the ledger."""
    if query.refused:
        return states.notices([REFUSALS[query.refused]])
    if query.saved is None or not may_see(visit.scope.role):
        return None
    view = _view(visit)
    if query.saved != str(view.standing.settings.version):
        return None
    return states.notices(
        [f"Saved. {recharge.set_sentence(view.standing.settings, view)}"], "info"
    )  # fmt: skip


def recharge_edit(visit: Visit, query: RechargeQuery) -> Any:
    """The form of the address, or its review when what was typed can be taken."""
    if not may_change(visit.scope.role):
        return states.refused("Not for your role", ROLE_REFUSED)
    view, account = _view(visit), visit.account
    settings, errors = view.standing.settings, dict[str, str]()
    if query.is_reviewing:
        try:
            return _review(visit, query, view)
        except InputError as error:
            errors[form_field(error.field)] = error.fix
        except ProductError as error:
            errors[""] = error.message
    is_test = account.is_demo or account.environment == "development"
    return recharge.recharge_form(
        recharge.RechargeForm(
            {**recharge.filled(settings, account.locale), **query.fields}, errors,
            account.currency,
            fmt.number(AMOUNT_EXAMPLE, account.locale, 2, least_decimals=2),
            view.standing.methods if is_test else (),
        )
    )  # fmt: skip


def _review(visit: Visit, query: RechargeQuery, view: recharge.RechargeView) -> Any:
    account = visit.account
    wanted = check_settings(
        parse_settings(
            query.fields, view.standing.settings,
            lambda text: visit.desk.plain_amount(text, account),
        ),
        account.currency, view.standing.methods,
    )  # fmt: skip
    posted = visit.figures.balance(visit.scope).posted_micros
    return recharge.recharge_review(
        recharge.RechargeReview(
            wanted, wanted.is_on and posted < wanted.threshold_micros, query.fields, view,
            form_address(**query.fields),
        )
    )  # fmt: skip


def _view(visit: Visit) -> recharge.RechargeView:
    account = visit.account
    return recharge.RechargeView(
        visit.desk.recharges.standing(visit.scope), account.id, account.currency, account.locale,
        visit.zone, may_change(visit.scope.role),
    )  # fmt: skip
