"""Links and popovers: the parts from which every control is made, because the address is the state.

``link`` is a plain anchor that assets/20-links.js follows without reloading, so it also works
before the scripts have loaded and can say ``aria-current``, which dcc.Link can't.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import dash_bootstrap_components as dbc

from components import html

MOST_WITHOUT_SEARCH = 8


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice among several: where it leads; none: it can't be chosen now."""

    label: str
    href: str | None
    is_current: bool = False


def attributes(**named: str | None) -> dict[str, Any]:
    """``aria_label="Main"`` as the attribute ``aria-label``; one that is none is left out."""
    return {name.replace("_", "-"): value for name, value in named.items() if value is not None}


def link(
    children: Any,
    href: str,
    class_name: str | None = None,
    *,
    label: str | None = None,
    current: str | None = None,
    **others: Any,
) -> html.A:
    """A link to another address of this application.

    ``label``: its accessible name when the content doesn't say it. ``current``: the value of
    ``aria-current`` (``page``, ``true``). Others pass through.
    """
    given = attributes(aria_label=label, aria_current=current, data_nav="true")
    return html.A(
        children, href=href, className=class_name, disable_n_clicks=True, **given, **others
    )


def download_link(children: Any, href: str, class_name: str | None = None) -> html.A:
    """A link to a file: the browser saves it and the page stays."""
    return html.A(children, href=href, className=class_name, download="", disable_n_clicks=True)


def icon(name: str) -> html.Span:
    """A decorative icon in the text's colour; its shape is in assets/25-icons.css."""
    return html.Span(className=f"icon icon-{name}", **attributes(aria_hidden="true"))


def hidden_text(text: str) -> html.Span:
    """Words for people who hear the page."""
    return html.Span(text, className="visually-hidden")


def choices(label: str, items: tuple[Choice, ...], class_name: str = "") -> html.Div:
    """A segmented control: one of several links is current."""
    return html.Div(
        [_choice(item) for item in items],
        className=f"seg {class_name}".strip(),
        role="group",
        **attributes(aria_label=label),
    )


def _choice(item: Choice) -> html.A | html.Span:
    if item.href is None and not item.is_current:
        return html.Span(
            item.label, className="seg-item is-off", **attributes(aria_disabled="true")
        )
    current = "true" if item.is_current else None
    return link(item.label, item.href or "#", "seg-item", current=current)


def popover(
    label: Any,
    panel: Any,
    *,
    title: str,
    class_name: str = "",
    button_class: str = "btn",
    element_id: str | None = None,
) -> html.Details:
    """A button that opens a small panel; assets/30-popovers.js closes it outside and on Escape.

    ``title`` names the panel. Without scripts it is a plain disclosure and still works.
    """
    given: dict[str, Any] = {"id": element_id} if element_id else {}
    return html.Details(
        [
            html.Summary(label, className=button_class),
            html.Div(panel, className="pop-panel", role="group", **attributes(aria_label=title)),
        ],
        className=f"pop {class_name}".strip(),
        **given,
    )


def searchable(listing: html.Ul, label: str, size: int) -> list[Any]:
    """A list with a search box over it when it is long; assets/30-popovers.js filters it."""
    if size <= MOST_WITHOUT_SEARCH:
        return [listing]
    field_id = f"search-{label.lower().replace(' ', '-')}"
    box = html.Div(
        [
            html.Label(label, htmlFor=field_id, className="visually-hidden"),
            dbc.Input(id=field_id, type="search", placeholder=label, className="field"),
        ],
        className="list-search",
    )
    nothing = html.P("Nothing matches.", className="list-nothing", hidden=True)
    return [box, listing, nothing]
