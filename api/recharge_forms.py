"""The Balance page's post of auto-recharge, by a signed-in person.

The person's role is checked by the same use case as a key's in the API. What is refused leads back
to the form with everything that was typed, read again by the page.
"""

from __future__ import annotations

from typing import cast

import flask
from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from api.amounts import plain_amount
from api.forms import back_to_page, form_actor, form_scope
from billing.balance_queries import balance_address
from billing.errors import InputError
from billing.recharge_queries import FIELDS, REFUSALS, form_address, parse_settings
from data.installation import Installation

RECHARGES = "usage_recharges"

recharge_forms = Blueprint("recharge_forms", __name__)


def _again(code: str) -> str:
    """The address of the form that was refused, with what was typed into it."""
    if code == "other_account":  # there is nothing to send again
        return balance_address(recharge=code)
    return form_address(step="review", recharge=code, **_sent())


@recharge_forms.post("/wallet/auto-recharge")
@back_to_page(_again, REFUSALS)
def change() -> AnyResponse:
    """Makes a reviewed change."""
    scope = form_scope()
    opened = cast("Installation", flask.current_app.extensions[RECHARGES])
    found = opened.recharges_reader.standing(scope).settings
    wanted = parse_settings(_sent(), found, lambda text: plain_amount(text, scope.account))
    kept = opened.recharging.save(scope, form_actor(), wanted, _version())
    return redirect(balance_address(saved=str(kept.version)), 303)


def _version() -> int:
    """The version of the settings that the page showed."""
    text = request.form.get("version", "")
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise InputError("version", text, "send the version that the page showed")
    return int(text)


def _sent() -> dict[str, str]:
    return {name: request.form[name] for name in FIELDS if name in request.form}
