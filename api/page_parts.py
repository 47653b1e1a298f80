"""Pages whose content is shared: what the pages ask for it, and how it gets into an answer.

What stands around a page's content depends on the person and is made for each request; the content
is made once, as JSON, and put into the answer's JSON in the place of a word that nobody can guess.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Hashable
from typing import TypeVar

from flask import Flask, Response, g, request

from api.callbacks import ENDPOINT
from api.shared_parts import Part, SharedParts
from billing.access import AccountScope
from data.analytics.lake import LakeError
from data.installation import Installation
from data.reading.shown import shown_of

PARTS = "shared_parts"  # on flask.g, where pages/_frame.py looks; among a server's extensions too
LONGEST_ADDRESS = 2_000
Facts = TypeVar("Facts")


class PageParts:
    """The shared contents that one request's page is made with."""

    def __init__(self, installation: Installation, shared: SharedParts) -> None:
        self._installation = installation
        self._shared = shared
        self.contents: dict[str, bytes] = {}  # by the words that stand for them

    def content(
        self,
        scope: AccountScope,
        address: str,
        shown: tuple[Hashable, ...],
        make: Callable[[], tuple[object, Facts, bool]],
        is_sums: Callable[[], bool],
    ) -> tuple[object, Facts]:
        """What stands for a content in the page, and what came of making it.

        ``make``: gives components, facts for whoever puts the page together, and whether nothing
        failed; it may depend on nothing but ``scope``, ``address``, ``shown`` and the ledger.
        ``is_sums``: whether ``data/reading/shown.py`` compares all that it depends on there.
        """
        try:
            lake_state = self._installation.lake.state
        except LakeError:  # its regions say so, until it can be opened
            lake_state = None
        if lake_state is None or len(address) > LONGEST_ADDRESS:
            components, facts, _ = make()
            return components, facts

        def place() -> Hashable:
            if not is_sums():
                return None
            with self._installation.database.read() as connection:
                return shown_of(connection, scope)

        key = (scope, address, shown, lake_state)
        part = self._shared.get(key, place, lambda: _as_json(make))
        word = secrets.token_hex(16)
        self.contents[word] = part.json
        return word, part.facts

    def filled(self, answer: bytes) -> bytes:
        """An answer's JSON with the contents in it."""
        for word, content in self.contents.items():
            before, found, after = answer.partition(f'"{word}"'.encode())
            if not found:
                raise RuntimeError("a page's content is not in its answer")
            answer = b"".join((before, content, after))
        return answer


def install_page_parts(server: Flask, installation: Installation) -> None:
    """Lets the pages of a server share their contents."""
    shared = SharedParts(installation.database.version)
    server.extensions[PARTS] = shared

    def begin() -> None:
        if request.endpoint == ENDPOINT:
            setattr(g, PARTS, PageParts(installation, shared))

    def fill(response: Response) -> Response:
        parts: PageParts | None = g.get(PARTS)
        if parts is not None and parts.contents and response.status_code == 200:
            response.set_data(parts.filled(response.get_data()))
        return response

    server.before_request(begin)
    server.after_request(fill)


def _as_json(make: Callable[[], tuple[object, Facts, bool]]) -> Part:
    from plotly.io.json import to_json_plotly  # plotly is slow to import

    components, facts, is_whole = make()
    return Part(to_json_plotly(components).encode(), facts, is_whole)
