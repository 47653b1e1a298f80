"""What one open stream is told, in which order, and from where it goes on.

A feed is pulled by its reader: nothing is computed for one that doesn't read, and it is always told
the newest state. Transactions are told once each, in ledger order; the id of every event is the
place up to which they were. Must not know how events travel.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Hashable
from dataclasses import dataclass, field
from datetime import date
from functools import partial

from flask import Flask

from api.hub import Hub, Listening
from api.listeners import Listener, Standing
from api.live_pages import (
    PageView,
    Regions,
    fingerprint,
    is_personal,
    render_regions,
    shown_as,
)
from api.notice_feed import notices_told
from api.v1.limit_shapes import pause_shapes
from api.v1.services import Services
from api.v1.shapes import balance_shape
from api.v1.stream_shapes import line_shape
from billing.overview import wallet_now
from data.reading.news import NewLines, Place, lines_after, place_of

HEARTBEAT_SECONDS = 15.0
RETRY_SECONDS = 1.0  # after figures that could not be read
RECONNECT_MS = 2_000
MOST_LINES = 100  # in one event
KINDS = ("balance", "pauses", "notifications", "transactions", "regions")
HEARTBEAT = b": still here\n\n"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a caller asked to hear. ``after``: go on from there; none: from now."""

    kinds: frozenset[str]
    views: tuple[PageView, ...]
    after: Place | None


@dataclass
class Feed:
    """The events of one stream."""

    hub: Hub
    services: Services
    flask_app: Flask
    listener: Listener
    listening: Listening
    wish: Wish
    _told: dict[str, bytes] = field(default_factory=dict)  # fingerprints by what they are of
    _place: Place | None = None
    _today: date | None = None

    async def events(self) -> AsyncGenerator[bytes]:
        """Everything to send, until the listener may not hear more or the server stops."""
        yield f"retry: {RECONNECT_MS}\n\n".encode()
        yield event("hello", json.dumps({"account": self.listening.account_id}))
        wake, is_woken = self.listening.wake, True
        while True:
            wake.clear()
            standing = await self._standing()
            if isinstance(standing, bytes):
                yield standing
                return
            if is_woken or self._today != self._day(standing):
                try:
                    async for message in self._news(standing):
                        yield message
                except Exception:  # the stream goes on: the next try may succeed
                    if not self.hub.is_closed:
                        _log.exception("news of an account could not be read")
                    wake.set()
                    await self.hub.rest(RETRY_SECONDS)
                await self.hub.rest(self.hub.pace_seconds)
            is_woken = await _is_set_within(wake, HEARTBEAT_SECONDS)
            if not is_woken:
                yield HEARTBEAT

    async def _standing(self) -> Standing | bytes:
        """What the listener may see now, or the last words to them."""
        if self.hub.is_closed:
            return bye("stopping")
        try:
            standing = await self.hub.read(self.listener.standing)
        except RuntimeError:
            if self.hub.is_closed:  # its threads have ended meanwhile
                return bye("stopping")
            raise
        if standing is None:
            return bye("signed_out")
        if standing.scope.account_id != self.listening.account_id:
            return event("account", json.dumps({"account": standing.scope.account_id}))
        return standing

    def _day(self, standing: Standing) -> date:
        return standing.scope.account.today(self.services.installation.clock.now())

    # --- news --------------------------------------------------------------------------------
    async def _news(self, standing: Standing) -> AsyncGenerator[bytes]:
        today = self._day(standing)  # before anything is read: a day may begin meanwhile
        is_first, is_new_day = self._place is None, self._today != today
        async for message in self._lines(standing):
            yield message
        assert self._place is not None, "set by reading the lines"
        self.hub.saw(self.listening, self._place)
        alike = shown_as(standing, self.services.installation.clock.now())
        if "balance" in self.wish.kinds:
            work = partial(self._balance, standing)
            (mark, text), is_newest = await self.hub.shared(
                self.listening, ("balance", alike), work
            )
            self._ask_again(is_newest)
            if self._is_news("balance", mark):
                yield event("balance", text, self._place)
        if "pauses" in self.wish.kinds:
            text, is_newest = await self.hub.shared(
                self.listening, ("pauses",), partial(self._pauses, standing)
            )
            self._ask_again(is_newest)
            if self._is_news("pauses", text):
                yield event("pauses", text, self._place)
        if "notifications" in self.wish.kinds:
            async for message in self._notifications(standing):
                yield message
        for view in self.wish.views if "regions" in self.wish.kinds else ():
            # A page that has just been read is told only what changes without the ledger.
            is_read = is_first and view.seen == self._place
            async for message in self._regions(standing, view, is_read, alike):
                yield message
        if is_first or is_new_day:
            self._today = today

    async def _lines(self, standing: Standing) -> AsyncGenerator[bytes]:
        """New transactions; leaves ``_place`` at the end of the ledger."""
        after = self._place or self.wish.after
        if after is None or "transactions" not in self.wish.kinds:
            self._place = await self.hub.read(self._newest)
            return
        while True:
            new = await self.hub.read(partial(self._lines_after, standing, after))
            after = self._place = new.place
            if new.lines:
                rows = [line_shape(line).model_dump(mode="json") for line in new.lines]
                yield event("transactions", json.dumps({"transactions": rows}), new.place)
            if not new.has_more or self.hub.is_closed:
                return
            # A long backlog is many pages: whoever may not see more isn't told the rest of it.
            if not isinstance(await self._standing(), Standing):
                self.listening.wake.set()
                return

    async def _notifications(self, standing: Standing) -> AsyncGenerator[bytes]:
        """What one person hasn't seen, computed for nobody else; to a key, the newest notices."""
        person_id = standing.viewer.person_id if standing.viewer else None
        key = ("notifications", person_id, standing.scope.role, standing.scope.visible_from)
        work = partial(notices_told, self.services.installation, standing.scope, person_id)
        text, is_newest = await self.hub.shared(self.listening, key, work)
        self._ask_again(is_newest)
        if self._is_news("notifications", text):
            yield event("notifications", text, self._place)

    async def _regions(
        self, standing: Standing, view: PageView, is_frame_only: bool, alike: Hashable
    ) -> AsyncGenerator[bytes]:
        whose = None
        if not is_frame_only and standing.viewer is not None and is_personal(view):
            whose = standing.viewer.person_id
        key = ("frame" if is_frame_only else view.address, alike, whose)
        work = partial(self._render, standing, view, is_frame_only)
        (place, regions), is_newest = await self.hub.shared(self.listening, key, work)
        self._ask_again(is_newest)
        changed = {
            element_id: text
            for element_id, text in regions.items()
            if self._is_news(f"{element_id} {view.address}", text)
        }
        if changed:
            head = json.dumps(
                {
                    "account": self.listening.account_id,
                    "view": view.address,
                    "place": str(place),
                }
            )
            parts = ",".join(f"{json.dumps(name)}:{text}" for name, text in changed.items())
            yield event("regions", f'{head[:-1]}, "regions": {{{parts}}}}}', self._place)

    def _ask_again(self, is_newest: bool) -> None:
        if not is_newest:
            self.listening.wake.set()

    def _is_news(self, name: str, text: str) -> bool:
        mark = fingerprint(text)
        is_news = self._told.get(name) != mark
        self._told[name] = mark
        return is_news

    # --- on a thread -----------------------------------------------------------------------
    def _newest(self) -> Place:
        with self.services.installation.database.read() as connection:
            return place_of(connection, self.listening.account_id)

    def _lines_after(self, standing: Standing, after: Place) -> NewLines:
        now = self.services.installation.clock.now()
        with self.services.installation.database.read() as connection:
            return lines_after(connection, standing.scope, now, after, MOST_LINES)

    def _balance(self, standing: Standing) -> tuple[str, str]:
        """The balance without its instant, by which a change shows, and all of it."""
        now = self.services.installation.clock.now()
        shape = balance_shape(wallet_now(self.services.reader, standing.scope, now))
        return shape.model_dump_json(exclude={"as_of"}), shape.model_dump_json()

    def _pauses(self, standing: Standing) -> str:
        """What stands still, whoever asks: every role sees it whole."""
        found = self.services.installation.limits_reader.open_pauses(standing.scope)
        shapes = [each.model_dump(mode="json") for each in pause_shapes(found)]
        return json.dumps({"pauses": shapes, "currency": standing.scope.account.currency})

    def _render(
        self, standing: Standing, view: PageView, is_frame_only: bool
    ) -> tuple[Place, Regions]:
        place = self._newest()
        return place, render_regions(self.flask_app, standing, view, is_frame_only=is_frame_only)


def event(name: str, data: str, place: Place | None = None) -> bytes:
    """One event; ``data`` is JSON on one line."""
    head = f"id: {place}\n" if place is not None else ""
    return f"{head}event: {name}\ndata: {data}\n\n".encode()


def bye(reason: str) -> bytes:
    """The last event: ``signed_out``, or ``stopping`` when the server does."""
    return event("bye", json.dumps({"reason": reason}))


async def _is_set_within(wake: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await wake.wait()
    except TimeoutError:
        return False
    return True
