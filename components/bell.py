"""The bell in the header: how many notices one person hasn't seen, and the way to them.

The count is one person's own: whoever renders it must not share it with another.
"""

from __future__ import annotations

from typing import Any

from components import html
from components.links import attributes, icon, link

BELL = "header-bell"  # the id of what stands around it
INBOX = "/billing/alerts/inbox"
MOST = 99


def bell(unread_count: int | None) -> html.Div:
    """The bell; ``unread_count`` none: it could not be read."""
    return html.Div(bell_link(unread_count), id=BELL, className="bell")


def bell_link(unread_count: int | None) -> Any:
    """What the bell is: a link that says how many there are, for eyes and ears."""
    count = unread_count or 0
    shown = f"{MOST}+" if count > MOST else str(count)
    words = f"Notices: {shown} unread" if count else "Notices"
    mark = html.Span(shown, className="bell-count", **attributes(aria_hidden="true"))
    return link(
        [icon("bell"), mark if count else None], INBOX, "icon-button bell-button", label=words,
        title=words,
    )  # fmt: skip
