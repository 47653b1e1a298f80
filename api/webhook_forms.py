"""The Webhooks page's posts: endpoints added, changed, tested and removed by a signed-in person.

A new secret and a form that was refused go to the page as ``api/left.py`` does it: neither a secret
nor a receiver's address is ever in an address.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import TypeVar, cast

import flask
from flask import Blueprint, redirect, request
from sqlalchemy import Connection
from werkzeug.wrappers import Response as AnyResponse

from api.forms import back_to_page, form_actor, form_scope
from api.left import leave_for
from api.web_auth import current_viewer
from billing.access import AccountScope
from billing.errors import InputError
from billing.webhook_queries import (
    ASKING,
    PATH,
    REFUSALS,
    Ask,
    EndpointForm,
    form_of,
    known_id,
    parse_ask,
    webhooks_address,
)
from billing.webhooks import require_webhook_change
from data.installation import Installation
from data.webhooks.deliveries import replay

WEBHOOKS = "usage_webhooks"
T = TypeVar("T")

webhook_forms = Blueprint("webhook_forms", __name__)


def _again(code: str) -> str:
    """The address of what was refused."""
    ask = request.form.get("do", "")
    is_form = ask in ASKING and code == "invalid"
    return webhooks_address(
        do=ask if is_form else None, webhook=_webhook_id() if is_form else None, refused=code
    )


@webhook_forms.post("/webhooks/changes")
@back_to_page(_again, REFUSALS)
def change() -> AnyResponse:
    """Makes one change."""
    scope = form_scope()
    require_webhook_change(scope.role)
    ask, change = parse_ask(request.form.get("do", "")), _Change(scope)
    if ask in {Ask.ADD, Ask.EDIT}:
        return _save(change, ask)
    if ask is Ask.ROTATE:
        secret = change.write(
            lambda c, now: change.endpoints.rotate(c, *change.which, change.actor, now)
        )
        return _with_secret(scope, ask, change.webhook_id, secret)
    _do(change, ask)
    opened = None if ask is Ask.REMOVE else change.webhook_id
    return redirect(webhooks_address(webhook=opened, done=ask.value), 303)


class _Change:
    """What every change needs, read from the request: it is made on another thread."""

    def __init__(self, scope: AccountScope) -> None:
        self.scope = scope
        self.actor = form_actor()
        self.webhook_id = _webhook_id()
        self.which = (scope.account_id, self.webhook_id)
        self._installation = cast("Installation", flask.current_app.extensions[WEBHOOKS])
        self.endpoints = self._installation.endpoints

    def write(self, work: Callable[[Connection, datetime], T]) -> T:
        """What the work gives, done in one transaction."""
        clock = self._installation.clock
        return self._installation.writer.write(lambda c: work(c, clock.now()))


def _save(change: _Change, ask: Ask) -> AnyResponse:
    form = form_of(request.form, request.form.getlist("topics"))
    endpoints, scope, actor = change.endpoints, change.scope, change.actor
    try:
        given = form.given()
        if ask is Ask.EDIT:
            change.write(lambda c, now: endpoints.change(c, *change.which, given, actor, now))
            return redirect(webhooks_address(webhook=change.webhook_id, done=ask.value), 303)
        endpoint, secret = change.write(
            lambda c, now: endpoints.add(c, scope.account_id, given, actor, now)
        )
    except InputError as error:
        return _refused(scope, form, error)
    return _with_secret(scope, ask, endpoint.id, secret)


def _refused(scope: AccountScope, form: EndpointForm, error: InputError) -> AnyResponse:
    """Back to the form with everything that was typed, where there is room for it."""
    answer = redirect(_again(error.code), 303)
    errors = {error.field: error.fix}
    whole = {"form": asdict(form), "errors": errors}
    if not leave_for(answer, PATH, current_viewer(), scope, whole):
        leave_for(answer, PATH, current_viewer(), scope, {"errors": errors})
    return answer


def _with_secret(scope: AccountScope, ask: Ask, endpoint_id: str, secret: str) -> AnyResponse:
    answer = redirect(webhooks_address(webhook=endpoint_id, done=ask.value), 303)
    left = {"secret": secret, "webhook": endpoint_id}
    is_left = leave_for(answer, PATH, current_viewer(), scope, left)
    assert is_left, "a secret is shorter than a cookie"
    return answer


def _do(change: _Change, ask: Ask) -> None:
    """What comes to nothing that has to be shown."""
    endpoints, which, actor = change.endpoints, change.which, change.actor
    if ask is Ask.REMOVE:
        change.write(lambda c, now: endpoints.remove(c, *which, actor, now))
    elif ask is Ask.TEST:
        change.write(lambda c, now: endpoints.test(c, *which, actor, now))
    elif ask is Ask.REPLAY:
        delivery_id = known_id(request.form.get("delivery", ""))
        change.write(lambda c, now: replay(c, change.scope.account_id, delivery_id, actor, now))
    else:
        state = request.form.get("state", "")
        if state not in {"on", "off"}:
            raise InputError("state", state, "use on or off")
        given = {"is_on": state == "on"}
        change.write(lambda c, now: endpoints.change(c, *which, given, actor, now))


def _webhook_id() -> str:
    return known_id(request.form.get("webhook", ""))
