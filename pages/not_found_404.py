"""Any other address: says so, and where to go."""

from __future__ import annotations

from typing import Any

import dash

from components import shell, states
from components.links import Choice
from pages._frame import framed

dash.register_page(__name__, title="Not found", name="Not found")


def layout(search: str | None = None, **_: Any) -> Any:
    """The whole page; the address itself is not repeated."""
    return framed(
        search,
        "/billing/usage",
        "none",
        (shell.Crumb("Not found"),),
        lambda _visit: [
            shell.page_head("This page doesn't exist"),
            states.empty(
                "The address may be mistyped or out of date",
                "Everything about spending starts on the usage page.",
                Choice("Open usage", "/billing/usage"),
            ),
        ],
    )
