"""The Balance page's posts: money moved by hand, and requests decided, by a signed-in person.

The person's role is checked by the same use case as a key's in the API.
"""

from __future__ import annotations

from typing import cast

import flask
from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from api.amounts import plain_amount
from api.forms import back_to_page, form_actor, form_scope
from billing.balance_queries import (
    FIELDS,
    REFUSALS,
    balance_address,
    parse_action,
    parse_movement,
)
from billing.errors import InputError
from data.ledger.movements import Movements

MOVEMENTS = "usage_movements"
APPROVE, REJECT = "approve", "reject"

wallet_forms = Blueprint("wallet_forms", __name__)
_back_to_page = back_to_page(lambda code: balance_address(refused=code), REFUSALS)


@wallet_forms.post("/wallet/movements")
@_back_to_page
def move() -> AnyResponse:
    """Makes a confirmed movement once, however often its button was pressed."""
    scope, form = form_scope(), request.form
    action = parse_action(form.get("do", ""))
    fields = {name: form[name] for name in FIELDS[action] if name in form}
    if "amount" in fields:
        fields["amount"] = plain_amount(fields["amount"], scope.account)
    movement = parse_movement(action, fields, scope.account)
    moved = _movements().move(scope, form_actor(), movement, form.get("key"))
    if moved.approval is not None:
        return redirect(balance_address(asked=moved.approval.id), 303)
    assert moved.entry is not None, "what doesn't wait has moved"
    return redirect(balance_address(done=moved.entry.id), 303)


@wallet_forms.post("/wallet/decisions")
@_back_to_page
def decide() -> AnyResponse:
    """Approves or rejects a waiting request."""
    scope, form = form_scope(), request.form
    decision = form.get("decision", "")
    if decision not in {APPROVE, REJECT}:
        raise InputError("decision", decision, f"use {APPROVE} or {REJECT}")
    _, moved = _movements().decide(
        scope, form_actor(), form.get("approval", ""), is_approved=decision == APPROVE
    )
    if moved is None or moved.entry is None:
        return redirect(balance_address(rejected="yes"), 303)
    return redirect(balance_address(done=moved.entry.id), 303)


def _movements() -> Movements:
    return cast("Movements", flask.current_app.extensions[MOVEMENTS])
