"""The live regions of a page, rendered for a stream by the code that renders the page itself.

Regions travel as the JSON of their components, which is what the page would have got.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any

from dash._pages import _path_to_page  # the router's own rule, so that both agree
from flask import Flask, g

from api.dash_app import page_exists
from api.listeners import Standing
from billing.errors import InputError
from data.reading.news import Place, parse_place

MOST_VIEWS = 8
LONGEST_VIEW = 2_000
LIVE = "live_regions"  # where pages/_frame.py looks whether a stream asks
FRAME_ONLY = "live_frame_only"  # and whether for more than what stands around the content
PERSONAL = "live_personal"  # and whether for one person alone

Regions = dict[str, str]  # JSON by the id of the element it belongs into


@dataclass(frozen=True, slots=True)
class PageView:
    """A page that is open in a browser. ``seen``: how far into the ledger it was read."""

    path: str
    search: str
    seen: Place | None

    @property
    def address(self) -> str:
        """The page with its query, as the browser named it."""
        return self.path + self.search


def parse_views(addresses: list[str], seen: list[str]) -> list[PageView]:
    """The open pages that a stream is asked to keep current.

    ``seen``: a place for each, in the same order, or fewer. Errors: ``InputError`` for too many,
    or for an address that is no page.
    """
    if len(addresses) > MOST_VIEWS:
        raise InputError("view", len(addresses), f"ask for at most {MOST_VIEWS} pages")
    places = [parse_place(text, "seen") for text in seen[: len(addresses)]]
    found = []
    for index, address in enumerate(addresses):
        path, mark, query = address.partition("?")
        is_page = path.startswith("/") and len(address) <= LONGEST_VIEW and page_exists(path)
        if not is_page or not address.isprintable():
            raise InputError("view", address, "use the address of a page")
        found.append(PageView(path, mark + query, places[index] if index < len(places) else None))
    return found


def shown_as(standing: Standing, now: datetime) -> Hashable:
    """What of a listener decides what a page shows: those who agree in it share a rendering."""
    scope = standing.scope
    today = scope.account.today(now)
    is_sandbox = scope.account.gates_on(today).is_sandbox_only
    since = scope.session_started_at if is_sandbox else None
    return scope.role, scope.visible_from, since, today


def is_personal(view: PageView) -> bool:
    """Whether a page asks who looks in what a stream is sent: then nobody else is shown it."""
    page, _ = _path_to_page(view.path.strip("/"))  # type: ignore[no-untyped-call]
    return bool(page.get("is_personal"))


def render_regions(
    flask_app: Flask, standing: Standing, view: PageView, *, is_frame_only: bool = False
) -> Regions:
    """The page's live regions as this person would see them now. Takes a thread's time.

    ``is_frame_only``: only those that change without usage and stand on every page.
    """
    from plotly.io.json import to_json_plotly  # plotly is slow to import

    page, variables = _path_to_page(view.path.strip("/"))  # type: ignore[no-untyped-call]
    with flask_app.app_context():
        g.viewer, g.account_scope = standing.viewer, standing.scope
        setattr(g, PERSONAL, is_personal(view))
        setattr(g, LIVE, {})
        setattr(g, FRAME_ONLY, is_frame_only)
        built: dict[str, Any] = page["layout"](
            pathname=view.path, search=view.search, **(variables or {})
        )
    return {element_id: to_json_plotly(part) for element_id, part in built.items()}


def fingerprint(text: str) -> bytes:
    """What a stream remembers of something it has sent."""
    return blake2b(text.encode(), digest_size=12).digest()
