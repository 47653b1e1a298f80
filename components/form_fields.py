"""Fields of the pages' forms: a label, what was typed, and below it what is wrong.

A form only leads to a review, whose one button posts; so nothing is changed by an address.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dash_bootstrap_components as dbc

from components import html
from components.links import attributes, icon, link


def form_card(
    title: str,
    content: Sequence[Any],
    *,
    close_href: str,
    element_id: str,
    class_name: str = "card wallet-form",
) -> html.Section:
    """A form or its review, in the one place of a page where something is changed."""
    close = link(icon("close"), close_href, "icon-button", label="Close")
    head = html.Div([html.H2(title), close], className="card-head")
    return html.Section([head, *content], className=class_name, id=element_id)


def asking_form(
    hidden: Mapping[str, str],
    fields: Sequence[Any],
    *,
    path: str,
    submit: str = "Continue",
    other_way: Any = None,
) -> html.Form:
    """A form whose sending only asks: the same page answers with what would happen.

    ``other_way``: a further link beside its buttons.
    """
    return html.Form(
        [
            *(dbc.Input(type="hidden", name=name, value=value) for name, value in hidden.items()),
            html.Div(list(fields), className="form-fields"),
            html.Div(
                [
                    html.Button(submit, type="submit", className="btn btn-main"),
                    link("Cancel", path, "btn"),
                    other_way,
                ],
                className="form-buttons",
            ),
        ],
        method="get",
        action=path,
        noValidate="noValidate",
    )


def posting_button(
    label: Any, address: str, fields: Mapping[str, str], *, is_main: bool = False,
    class_name: str | None = None, **given: Any,
) -> html.Button:  # fmt: skip
    """The button that changes something: assets/50-post.js sends the fields with the token."""
    named = {f"data-field-{name}": value for name, value in fields.items()}
    return html.Button(
        label, type="button", className=class_name or ("btn btn-main" if is_main else "btn"),
        disable_n_clicks=True, **attributes(data_post=address, **given), **named,
    )  # fmt: skip


def whole_error(text: str | None) -> html.P | None:
    """What is wrong with all of a form, over its fields."""
    return html.P(text, className="field-error", role="alert") if text else None


def typed(
    form: str, name: str, label: str, value: str, error: str | None, *, class_name: str,
    **given: Any,
) -> html.Div:  # fmt: skip
    """A field to type into; ``form`` begins its id. assets/56-fields.js ties the error to it."""
    field_id = f"{form}-{name}"
    field = dbc.Input(
        id=field_id, name=name, value=value, className=class_name, invalid=bool(error),
        autocomplete="off", **{"type": "text", **given},
    )  # fmt: skip
    return html.Div(
        [html.Label(label, htmlFor=field_id), field, *_said(field_id, error)], className="labelled"
    )


def typed_long(
    form: str, name: str, label: str, value: str, error: str | None, *, class_name: str,
    **given: Any,
) -> html.Div:  # fmt: skip
    """A field of a few lines, for what may be several."""
    field_id = f"{form}-{name}"
    field = dbc.Textarea(
        id=field_id, name=name, value=value, class_name=class_name, invalid=bool(error), rows=2,
        **given,
    )  # fmt: skip
    return html.Div(
        [html.Label(label, htmlFor=field_id), field, *_said(field_id, error)], className="labelled"
    )


def chosen(
    form: str, name: str, label: str, value: str, options: Sequence[tuple[str, str]],
    error: str | None = None, class_name: str = "field",
) -> html.Div:  # fmt: skip
    """A field to choose from: ``options`` are values and what people read."""
    field_id = f"{form}-{name}"
    field = dbc.Select(
        options=[{"label": text, "value": one} for one, text in options], id=field_id, name=name,
        value=value, className=class_name, invalid=bool(error),
    )  # fmt: skip
    return html.Div(
        [html.Label(label, htmlFor=field_id), field, *_said(field_id, error)], className="labelled"
    )


def _said(field_id: str, error: str | None) -> list[Any]:
    if not error:
        return []
    return [
        html.P(
            error[:1].upper() + error[1:], id=f"{field_id}-error", className="field-error",
            **attributes(data_error_of=field_id),
        )
    ]  # fmt: skip
