"""Forms of the Webhooks page: an endpoint, and the two changes that are asked about once more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import dash_bootstrap_components as dbc

from billing.webhook_queries import ALL, PATH, SOME, TOPICS, Ask, EndpointForm
from billing.webhooks import Endpoint
from components import html
from components.form_fields import chosen, form_card, posting_button, typed, whole_error
from components.links import attributes, link
from components.webhook_words import EVERYTHING, TOPIC_NAMES
from components.webhooks_page import CHANGES

FORM = "webhook"  # what the ids of its fields begin with
SECRET_DAYS = "For a day messages are signed with the old secret too, so that none is lost."


@dataclass(frozen=True, slots=True)
class EndpointFormView:
    """An endpoint's form: what was typed, and what is wrong by field. ``endpoint_id``: of one.

    ``url_example``: as the field's placeholder.
    """

    account_id: str
    form: EndpointForm
    endpoint_id: str | None = None
    errors: Mapping[str, str] = field(default_factory=dict)


def endpoint_form(view: EndpointFormView) -> html.Section:
    """The form of a new endpoint, or of one that is there."""
    is_new, form, errors = view.endpoint_id is None, view.form, view.errors
    ask = Ask.ADD if is_new else Ask.EDIT
    hidden = {"do": ask.value, "account": view.account_id, "webhook": view.endpoint_id or ""}
    known = {"url", "topics", "description"}
    other = next((text for name, text in errors.items() if name not in known), None)
    return form_card(
        "Add a webhook" if is_new else "Edit webhook",
        [
            html.P(
                "Messages are sent to it as they happen, in order, signed, and tried again for a "
                "day when it doesn’t answer with 2xx.",
                className="form-lead",
            ),
            whole_error(other),
            html.Form(
                [
                    *(dbc.Input(type="hidden", name=name, value=value)
                      for name, value in hidden.items()),
                    html.Div(
                        [
                            typed(FORM, "url", "Address", form.url, errors.get("url"),
                                  class_name="field field-long", inputmode="url",
                                  placeholder="https://platform.example/hooks/usage"),
                            typed(FORM, "description", "Description (empty: none)",
                                  form.description, errors.get("description"),
                                  class_name="field field-reason", maxlength=255),
                            chosen(FORM, "which", "Messages", form.which,
                                   ((ALL, EVERYTHING), (SOME, "Only these")),
                                   errors.get("topics")),
                            _topics(form),
                        ],
                        className="form-fields",
                    ),
                    html.Div(
                        [
                            html.Button("Add webhook" if is_new else "Save", type="submit",
                                        className="btn btn-main"),
                            link("Cancel", PATH, "btn"),
                        ],
                        className="form-buttons",
                    ),
                ],
                method="post",
                action=CHANGES,
                noValidate="noValidate",
                className="hook-form",
            ),
        ],
        close_href=PATH,
        element_id=FORM,
    )  # fmt: skip


def _topics(form: EndpointForm) -> html.Fieldset:
    options = [{"label": TOPIC_NAMES[topic], "value": topic.value} for topic in TOPICS]
    return html.Fieldset(
        [
            html.Legend("Which messages", className="visually-hidden"),
            dbc.Checklist(
                options=options, value=list(form.topics), name="topics", id=f"{FORM}-topics",
                className="ticks",
            ),
        ],
        className="hook-topics",
    )  # fmt: skip


def form_of_endpoint(endpoint: Endpoint) -> EndpointForm:
    """An endpoint's form as it is set."""
    return EndpointForm(
        endpoint.url, endpoint.description, SOME if endpoint.topics else ALL,
        tuple(topic.value for topic in endpoint.topics),
    )  # fmt: skip


def rotate_form(account_id: str, endpoint: Endpoint) -> html.Section:
    """Asks before a new secret is made."""
    return _asked(
        account_id, endpoint, Ask.ROTATE, "New signing secret", "Make a new secret",
        f"Messages to {endpoint.url} get a new signing secret.", SECRET_DAYS,
    )  # fmt: skip


def remove_form(account_id: str, endpoint: Endpoint) -> html.Section:
    """Asks before an endpoint is removed."""
    return _asked(
        account_id, endpoint, Ask.REMOVE, "Remove webhook", "Remove",
        f"Nothing is sent to {endpoint.url} any more.",
        "Messages that wait for it are not sent, and its deliveries are not shown any more.",
    )  # fmt: skip


def _asked(
    account_id: str, endpoint: Endpoint, ask: Ask, title: str, button: str, sentence: str,
    note: str,
) -> html.Section:  # fmt: skip
    sent = {"do": ask.value, "account": account_id, "webhook": endpoint.id}
    body: list[Any] = [
        html.P(sentence, className="confirm-sentence hook-of"),
        html.P(note, className="review-note"),
        html.Div(
            [posting_button(button, CHANGES, sent, is_main=True), link("Cancel", PATH, "btn")],
            className="form-buttons",
            **attributes(role="group", aria_label=title),
        ),
    ]
    return form_card(title, body, close_href=PATH, element_id=FORM)
