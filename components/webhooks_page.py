"""The Webhooks page: where messages go, what became of each, and a new secret, shown once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.webhook_queries import Ask, webhooks_address
from billing.webhooks import DeliveryPage, DeliveryState, DeliveryView, Endpoint, EndpointView
from components import html, states
from components.form_fields import posting_button
from components.links import Choice, attributes, icon, link
from components.webhook_words import (
    STATE_NAMES,
    TOPIC_NAMES,
    attempt_text,
    instant_text,
    outcome_text,
    topics_text,
    tries_text,
)

CHANGES = "/webhooks/changes"  # where the page's forms are sent
SECRET = "webhook-secret"


@dataclass(frozen=True, slots=True)
class WebhooksView:
    """An account's endpoints as one person sees them at an instant. ``opened``: by its id."""

    account_id: str
    endpoints: Sequence[EndpointView]
    opened: str
    zone: str
    locale: str
    now: datetime
    may_change: bool


def endpoints_card(view: WebhooksView) -> html.Section | html.Div:
    """Every endpoint: where, what of, on or off, and what became of its newest message."""
    if not view.endpoints:
        return _nothing(view)
    return html.Section(
        [
            html.Div(html.H2("Where messages go"), className="card-head card-table-head"),
            html.Ul([_endpoint_row(each, view) for each in view.endpoints], className="hooks"),
        ],
        className="card card-table",
        id="webhooks",
    )


def _nothing(view: WebhooksView) -> html.Div:
    text = (
        "Give the address of your platform, and it is told within a second when outbound is "
        "paused or goes on, a call reaches its limit, or an alert fires."
    )
    if view.may_change:
        way = Choice("Add a webhook", webhooks_address(do=Ask.ADD.value))
        return states.empty("No webhooks yet", text, way)
    return states.empty("No webhooks yet", "The owner of the account can add one.")


def _endpoint_row(each: EndpointView, view: WebhooksView) -> html.Li:
    endpoint = each.endpoint
    is_opened = endpoint.id == view.opened
    way = link(
        endpoint.url, webhooks_address(webhook=None if is_opened else endpoint.id), "hook-url",
        current="true" if is_opened else None,
    )  # fmt: skip
    return html.Li(
        [
            html.Div(
                [
                    html.H3([way, None if endpoint.is_on else html.Span("Off", className="mark")]),
                    html.P(endpoint.description) if endpoint.description else None,
                    html.P(topics_text(endpoint), className="dim"),
                    html.P(_last_text(each, view), className="dim hook-last"),
                ],
                className="hook-what",
            ),
            html.Div(_ways(endpoint, view), className="form-buttons") if view.may_change else None,
        ],
        className="is-opened" if is_opened else None,
    )


def _last_text(each: EndpointView, view: WebhooksView) -> list[Any]:
    if each.last is None:
        return ["Nothing was sent yet"]
    last = each.last
    more = [f" · {each.waiting_count} waiting"] if each.waiting_count > 1 else []
    return [
        _state(last.state), " ", TOPIC_NAMES[last.topic],
        f", {instant_text(last.created_at, view.zone)}", *more,
    ]  # fmt: skip


def _state(state: DeliveryState) -> html.Span:
    tone = {DeliveryState.DELIVERED: "is-good", DeliveryState.PARKED: "is-bad"}.get(state, "")
    return html.Span(STATE_NAMES[state], className=f"hook-state {tone}".strip())


def _ways(endpoint: Endpoint, view: WebhooksView) -> list[Any]:
    sent = {"account": view.account_id, "webhook": endpoint.id}
    is_on, url = endpoint.is_on, endpoint.url

    def asking(ask: Ask, label: str, words: str) -> Any:
        return link(
            label, webhooks_address(do=ask.value, webhook=endpoint.id), "btn",
            label=f"{words} {url}",
        )  # fmt: skip

    return [
        posting_button(
            "Send test", CHANGES, {"do": Ask.TEST.value, **sent},
            aria_label=f"Send test to {url}",
        ),
        posting_button(
            "Switch off" if is_on else "Switch on", CHANGES,
            {"do": Ask.SWITCH.value, "state": "off" if is_on else "on", **sent},
            aria_label=f"Switch {'off' if is_on else 'on'} {url}",
        ),
        asking(Ask.EDIT, "Edit…", "Edit"),
        asking(Ask.ROTATE, "New secret…", "New secret for"),
        asking(Ask.REMOVE, "Remove…", "Remove"),
    ]  # fmt: skip


def deliveries_card(
    endpoint: Endpoint, page: DeliveryPage, view: WebhooksView, newest_href: str | None
) -> html.Section:
    """An endpoint's messages, newest first, each with its tries and a way to send it again."""
    body: Any = html.P(
        "Nothing was sent there yet. Send a test to see how it arrives.", className="nothing-here"
    )
    if page.deliveries:
        rows = [_delivery_row(each, endpoint, view) for each in page.deliveries]
        body = html.Ul(rows, className="sent-list")
    older = page.next_cursor and webhooks_address(webhook=endpoint.id, cursor=page.next_cursor)
    return html.Section(
        [
            html.Div(
                [html.H2("Deliveries"), html.P(endpoint.url, className="hook-of")],
                className="card-head card-table-head",
            ),
            body,
            pager("deliveries", newest_href, older or None),
        ],
        className="card card-table",
        id="deliveries",
    )


def _delivery_row(each: DeliveryView, endpoint: Endpoint, view: WebhooksView) -> html.Li:
    delivery = each.delivery
    is_done = delivery.state is not DeliveryState.WAITING
    again = None
    if view.may_change and is_done:
        again = posting_button(
            "Send again", CHANGES,
            {"do": Ask.REPLAY.value, "account": view.account_id, "webhook": endpoint.id,
             "delivery": delivery.id},
            aria_label=f"Send again: message {delivery.sequence}",
        )  # fmt: skip
    outcome = outcome_text(delivery, view.zone, view.now, is_on=endpoint.is_on)
    return html.Li(
        [
            html.Div(
                [
                    html.P(
                        [
                            html.B(TOPIC_NAMES[delivery.topic]),
                            html.Span(f" · message {delivery.sequence}", className="dim"),
                        ]
                    ),
                    html.P(instant_text(delivery.created_at, view.zone), className="dim"),
                ],
                className="sent-what",
            ),
            html.Div(
                [
                    html.P([_state(delivery.state), " ", outcome]),
                    _attempts(each, view),
                ],
                className="sent-how",
            ),
            html.Div(again, className="sent-again"),
        ]
    )


def _attempts(each: DeliveryView, view: WebhooksView) -> Any:
    if not each.attempts:
        return None
    items = [
        html.Li(
            [
                html.Span(instant_text(attempt.at, view.zone), className="nowrap"),
                html.Span(attempt_text(attempt)),
                html.Code(attempt.answer) if attempt.answer else None,
            ]
        )
        for attempt in each.attempts
    ]
    return html.Details(
        [
            html.Summary(tries_text(len(each.attempts), view.locale), className="tries"),
            html.Ol(items, className="tries-list"),
        ],
        className="sent-tries",
    )


def pager(noun: str, newest_href: str | None, older_href: str | None) -> html.Nav | None:
    """The ways to other pages of a list that is newest first; nothing when there are none."""
    if not newest_href and not older_href:
        return None
    ways = [("‹ Newest", newest_href), ("Older ›", older_href)]
    return html.Nav(
        [
            link(label, href, "btn")
            if href
            else html.Span(label, className="btn is-off", **attributes(aria_hidden="true"))
            for label, href in ways
        ],
        className="pager",
        **attributes(aria_label=f"Pages of {noun}"),
    )


def secret_card(secret: str, url: str) -> html.Section:
    """A new secret: the only time that it is shown."""
    return html.Section(
        [
            html.Div(html.H2("Signing secret"), className="card-head"),
            html.P(
                ["Messages to ", html.B(url, className="hook-url"), " are signed with it, as "
                 "Standard Webhooks says: give it to the library that checks them. It is shown "
                 "only now."],
                className="form-lead",
            ),
            html.Div(
                [
                    html.Code(secret, id=SECRET, tabIndex=0, className="secret"),
                    html.Button(
                        [icon("copy"), html.Span("Copy")], type="button", className="btn",
                        disable_n_clicks=True,
                        **attributes(data_copy=SECRET),
                    ),
                ],
                className="secret-row",
            ),
        ],
        className="card wallet-form",
        id="new-secret",
    )  # fmt: skip
