"""The Alerts page's posts: an alert added, changed, paused, removed or tried by a person.

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
from api.web_auth import current_viewer
from billing.access import AccountScope
from billing.alert_queries import (
    FIELDS,
    REFUSALS,
    WITH_FORM,
    Edit,
    alerts_address,
    parse_edit,
    parse_rule,
)
from billing.errors import InputError, ProductError
from data.installation import Installation

ALERTS = "usage_alerts"
WITHOUT_FORM = {"other_account", "not_found", "not_allowed", "plan_lacks"}  # nothing to send again
LONGEST_TYPED = 6_000  # characters of a field that an address gives back: twenty long addresses

alert_forms = Blueprint("alert_forms", __name__)


def _again(code: str) -> str:
    """The address of the form that was refused, with what was typed into it."""
    edit, fields = _sent()
    if code in WITHOUT_FORM or edit not in WITH_FORM:
        return alerts_address(refused=code)
    assert edit is not None, "it has a form"
    shown = {name: typed[:LONGEST_TYPED] for name, typed in fields.items()}
    return alerts_address(do=edit.value, step="review", refused=code, **shown)


@alert_forms.post("/alerts/changes")
@back_to_page(_again, REFUSALS)
def change() -> AnyResponse:
    """Makes a reviewed change, or sends a test."""
    scope = form_scope()
    edit, fields = parse_edit(request.form.get("do", "")), _sent()[1]
    about = _change(scope, edit, fields)
    version = _installation().alerts_reader.standing(scope).version
    return redirect(alerts_address(done=edit.value, saved=str(version), about=about), 303)


def _change(scope: AccountScope, edit: Edit, fields: dict[str, str]) -> str | None:
    """Does it; gives the id of the alert that it was done to."""
    alerts, actor, alert_id = _installation().alerts, form_actor(), fields.get("id", "")
    if edit is Edit.RECOMMENDED:
        if not alerts.install_recommended(scope, actor, [current_viewer().email]):
            raise ProductError("The recommended levels are already there.", code="installed")
        return None
    if edit is Edit.ADD:
        rule = parse_rule(fields, lambda text: plain_amount(text, scope.account))
        return alerts.add(scope, actor, rule).id
    if edit is Edit.CHANGE:
        rule = parse_rule(fields, lambda text: plain_amount(text, scope.account))
        return alerts.change(scope, actor, alert_id, rule, _version()).id
    if edit is Edit.TEST:
        alerts.send_test(scope, actor, alert_id)
        return alert_id
    if edit is Edit.REMOVE:
        alerts.remove(scope, actor, alert_id, _version())
        return None
    return alerts.switch(scope, actor, alert_id, is_on=edit is Edit.RESUME).id


def _version() -> int:
    """The version of the alert that the page showed."""
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
    return cast("Installation", flask.current_app.extensions[ALERTS])
