"""A change before it is made: what will be, what it does now, and the one button that posts it.

For every page whose form leads to a review, so that no address changes anything. Must not know
what is changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from components import html
from components.form_fields import form_card, posting_button
from components.links import icon, link

Tone = Literal["plain", "soon"]
Note = tuple[str, Tone]


@dataclass(frozen=True, slots=True)
class ReviewPlace:
    """The page's own: where it posts, its address, and what the ids of its form begin with."""

    changes: str
    path: str
    form: str


@dataclass(frozen=True, slots=True)
class ReviewView:
    """A change before it is made. ``notes``: what it would do, each with its tone.

    ``edit`` says which form it is and, with ``fields``, the account and the version that was
    shown, is sent by the button; ``edit_href``: none where there is no form to go back to.
    ``tried``: what a backtest found.
    """

    edit: str
    title: str
    sentence: str
    notes: tuple[Note, ...]
    fields: Mapping[str, str]
    account_id: str
    version: int
    button: str
    edit_href: str | None = None
    tried: Any = None


def review(view: ReviewView, place: ReviewPlace) -> html.Section:
    """The sentence, what it does, the buttons, and what it would have done."""
    sent = {
        "do": str(view.edit), **view.fields, "account": view.account_id,
        "version": str(view.version),
    }  # fmt: skip
    buttons = html.Div(
        [
            posting_button(view.button, place.changes, sent, is_main=True),
            link("Change", view.edit_href, "btn") if view.edit_href else None,
            link("Cancel", place.path, "btn"),
        ],
        className="form-buttons",
    )
    return form_card(
        view.title,
        [
            html.P(view.sentence, className="confirm-sentence"),
            *(_note(text, tone) for text, tone in view.notes),
            buttons,
            view.tried,
        ],
        close_href=place.path,
        element_id=place.form,
    )


def _note(text: str, tone: Tone) -> html.P:
    if tone == "plain":
        return html.P(text, className="review-note")
    return html.P([icon("warning"), text], className="confirm-note")
