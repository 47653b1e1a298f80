"""/settings/webhooks: where the platform is told of what happens, and what became of each message.

Only those who may see webhooks see any of it; a new secret is shown once, by the look that follows
the form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dash

from billing.errors import InputError, NotFoundError
from billing.webhook_queries import (
    DONE,
    PATH,
    REFUSALS,
    Ask,
    EndpointForm,
    WebhooksQuery,
    parse_webhooks_search,
    webhooks_address,
)
from billing.webhooks import may_change_webhooks, may_see_webhooks
from components import html, shell, states, webhook_forms, webhooks_page
from components.links import link
from pages._frame import Visit, framed

PAGE_DELIVERIES = 25
CRUMBS = (shell.Crumb("Settings", "/settings"), shell.Crumb("Webhooks"))
ROLE_REFUSED = "Webhooks are for the owner of the account to change."

dash.register_page(__name__, PATH, title="Webhooks", name="Webhooks")


def layout(search: str | None = None, **_: Any) -> Any:
    """The whole page."""
    return framed(search, PATH, "settings", CRUMBS, _content, moves_without_usage=True)


def _content(visit: Visit) -> Sequence[Any]:
    query = parse_webhooks_search(visit.search)
    head = visit.still(lambda: _head(visit, query))
    if not may_see_webhooks(visit.scope.role):
        return [head, visit.still(_locked)]
    left = visit.desk.left(PATH) if visit.live is None else {}
    newest = "deliveries" if query.cursor is None else None  # other pages stay as they were
    return [
        head,
        visit.still(lambda: _notice(query)),
        visit.region("The new secret", lambda: _secret(visit, left)),
        visit.region("This form", lambda: _form(visit, query, left)) if query.ask else None,
        visit.region("Webhooks", lambda: _endpoints(visit, query), live="webhooks"),
        visit.region("Deliveries", lambda: _deliveries(visit, query), live=newest)
        if query.webhook
        else None,
    ]


def _head(visit: Visit, query: WebhooksQuery) -> Any:
    way = None
    if may_change_webhooks(visit.scope.role) and query.ask is not Ask.ADD:
        way = link("Add a webhook", webhooks_address(do=Ask.ADD.value), "btn btn-main")
    actions = html.Div(way, className="head-actions") if way else None
    return shell.page_head("Webhooks", "Signed messages to your platform", actions)


def _locked() -> Any:
    return states.locked(
        "Not for your role",
        "Webhooks are for the owner of the account to see and change. Ask them, if your platform "
        "is to be told of pauses and alerts.",
    )


def _notice(query: WebhooksQuery) -> Any:
    if query.refused:
        return states.notices([REFUSALS[query.refused]])
    return states.notices([DONE[query.done]], "info") if query.done else None


def _secret(visit: Visit, left: Mapping[str, Any]) -> Any:
    if "secret" not in left:
        return None
    endpoint = visit.desk.webhooks.endpoint(visit.scope, left["webhook"])
    return webhooks_page.secret_card(left["secret"], endpoint.url)


def _form(visit: Visit, query: WebhooksQuery, left: Mapping[str, Any]) -> Any:
    if not may_change_webhooks(visit.scope.role):
        return states.refused("Not for your role", ROLE_REFUSED)
    account_id = visit.account.id
    typed = EndpointForm(**{**left["form"], "topics": tuple(left["form"]["topics"])}) if (
        "form" in left
    ) else None  # fmt: skip
    errors = left.get("errors", {})
    if query.ask is Ask.ADD:
        return webhook_forms.endpoint_form(
            webhook_forms.EndpointFormView(account_id, typed or EndpointForm(), None, errors)
        )
    try:
        endpoint = visit.desk.webhooks.endpoint(visit.scope, query.webhook)
    except NotFoundError as error:
        return states.refused("There is no such webhook", error.message)
    if query.ask is Ask.EDIT:
        form = typed or webhook_forms.form_of_endpoint(endpoint)
        return webhook_forms.endpoint_form(
            webhook_forms.EndpointFormView(account_id, form, endpoint.id, errors)
        )
    ask = webhook_forms.rotate_form if query.ask is Ask.ROTATE else webhook_forms.remove_form
    return ask(account_id, endpoint)


def _view(visit: Visit, query: WebhooksQuery) -> webhooks_page.WebhooksView:
    return webhooks_page.WebhooksView(
        visit.account.id, tuple(visit.desk.webhooks.endpoints(visit.scope)), query.webhook,
        visit.zone, visit.account.locale, visit.now, may_change_webhooks(visit.scope.role),
    )  # fmt: skip


def _endpoints(visit: Visit, query: WebhooksQuery) -> Any:
    view = _view(visit, query)
    is_first = query.ask is Ask.ADD and not view.endpoints  # its form says what there is to say
    return None if is_first else webhooks_page.endpoints_card(view)


def _deliveries(visit: Visit, query: WebhooksQuery) -> Any:
    reader, scope = visit.desk.webhooks, visit.scope
    try:
        endpoint = reader.endpoint(scope, query.webhook)
    except NotFoundError:
        return None  # removed meanwhile: the list above says what is there
    try:
        page = reader.deliveries(scope, endpoint.id, query.cursor, PAGE_DELIVERIES)
    except InputError:  # a cursor that is none: the first page
        page = reader.deliveries(scope, endpoint.id, None, PAGE_DELIVERIES)
    newest = webhooks_address(webhook=endpoint.id) if query.cursor else None
    return webhooks_page.deliveries_card(endpoint, page, _view(visit, query), newest)
