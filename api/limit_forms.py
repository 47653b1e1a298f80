"""The Spending limits page's posts: a limit changed, overridden or taken away by a person.

The person's role is checked by the same use case as a key's in the API. What is refused leads back
to the form with everything that was typed, read again by the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import flask
from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from api.amounts import plain_amount
from api.forms import back_to_page, form_actor, form_scope
from billing.access import AccountScope
from billing.errors import InputError
from billing.limit_queries import (
    FIELDS,
    REFUSALS,
    Edit,
    changed_limits,
    limits_address,
    named,
    parse_edit,
    parse_override,
)
from data.installation import Installation
from data.ledger.pausing import Turned

LIMITS = "usage_limits"
WITHOUT_FORM = {"other_account", "pause_over"}  # there is nothing to send again

limit_forms = Blueprint("limit_forms", __name__)


def _again(code: str) -> str:
    """The address of the form that was refused, with what was typed into it."""
    edit, fields = _sent()
    if code in WITHOUT_FORM or edit in {None, Edit.TAKE_BACK}:
        return limits_address(refused=code)
    assert edit is not None, "asked above"
    return limits_address(do=edit.value, step="review", refused=code, **fields)


@limit_forms.post("/limits/changes")
@back_to_page(_again, REFUSALS)
def change() -> AnyResponse:
    """Makes a reviewed change."""
    scope = form_scope()
    edit, fields = parse_edit(request.form.get("do", "")), _sent()[1]
    if edit in {Edit.OVERRIDE, Edit.TAKE_BACK}:
        turned = _override(scope, edit, fields)
    else:
        turned = _save(scope, edit, fields)
    version = _installation().limits_reader.standing(scope).limits.version
    return redirect(
        limits_address(
            done=edit.value, saved=str(version), kind=fields.get("kind"),
            campaign=fields.get("campaign"), begun=named(tuple(each.id for each in turned.begun)),
            ended=named(tuple(each.id for each in turned.ended)),
        ),
        303,
    )  # fmt: skip


def _save(scope: AccountScope, edit: Edit, fields: Mapping[str, str]) -> Turned:
    opened = _installation()
    found = opened.limits_reader.standing(scope).limits
    wanted = changed_limits(edit, fields, found, lambda text: plain_amount(text, scope.account))
    return opened.limits.save(scope, form_actor(), wanted, _version()).turned


def _override(scope: AccountScope, edit: Edit, fields: Mapping[str, str]) -> Turned:
    limits = _installation().limits
    if edit is Edit.TAKE_BACK:
        return limits.take_back(scope, form_actor(), fields.get("pause", "")).turned
    asked = parse_override(
        fields, scope.account.zones, lambda text: plain_amount(text, scope.account)
    )
    given = limits.override(
        scope, form_actor(), asked.pause_id, asked.reason, asked.ends_at, asked.limit_micros
    )
    return given.turned


def _version() -> int:
    """The version of the limits that the page showed."""
    text = request.form.get("version", "")
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise InputError("version", text, "send the version that the page showed")
    return int(text)


def _sent() -> tuple[Edit | None, dict[str, str]]:
    """What was sent: which form, none for one that isn't ours, and its fields."""
    form = request.form
    names = {edit.value: edit for edit in Edit}
    edit = names.get(form.get("do", ""))
    return edit, {name: form[name] for name in FIELDS[edit] if name in form} if edit else {}


def _installation() -> Installation:
    return cast("Installation", flask.current_app.extensions[LIMITS])
