"""``GET /stream``: server-sent events of the account of a session or a key.

Who may listen is decided before the first byte and again for as long as the stream is open. One
that isn't read is closed, so that it holds neither memory nor a place for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace

from fastapi import FastAPI, Request
from fastapi.responses import Response, StreamingResponse
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import Receive, Scope, Send

from api.hub import Hub
from api.listeners import KeyListener, listener_of
from api.live_feed import KINDS, Feed, Wish
from api.live_pages import parse_views
from api.problems import refusal
from api.v1.callers import heard_kinds
from api.v1.services import Services
from billing.errors import InputError, ProductError
from data.outage import is_outage, say
from data.reading.news import parse_place

READ_SECONDS = 30.0  # for the next piece; the kernel's buffers are full by then
PARAMETERS = frozenset({"account", "after", "event", "view", "seen"})
HEADERS = {
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",
}


def install_stream(server: FastAPI, hub: Hub, services: Services, flask_app: Flask) -> None:
    """Gives a server its ``/stream``."""

    @server.get("/stream")
    async def stream(request: Request) -> Response:
        """Balance, pauses, notices, transactions; to a browser regions of pages, as they change."""
        try:
            hub.refuse_if_closed()
            listener, standing = await hub.read(lambda: listener_of(request, services))
            wish = parse_wish(request)
            if isinstance(listener, KeyListener):
                wish = _of_key(listener, wish, is_named="event" in request.query_params)
            listening = hub.join(listener.owner, standing.scope.account_id)
        except ProductError as error:
            return refusal(request, error)
        feed = Feed(hub, services, flask_app, listener, listening, wish)
        return EventStream(feed.events, lambda: hub.leave(listening))


def parse_wish(request: Request) -> Wish:
    """What a caller asks to hear; ``InputError`` names what can't be taken."""
    query = request.query_params
    for name in query:
        if name not in PARAMETERS:
            raise InputError(name, query[name], f"use one of {', '.join(sorted(PARAMETERS))}")
    kinds = query.getlist("event") or list(KINDS)
    for kind in kinds:
        if kind not in KINDS:
            raise InputError("event", kind, f"use one of {', '.join(KINDS)}")
    after = query.get("after")
    last = request.headers.get("last-event-id") or after  # the header is where a resumed one is
    field = "after" if last is after else "Last-Event-ID"
    return Wish(
        kinds=frozenset(kinds),
        views=tuple(parse_views(query.getlist("view"), query.getlist("seen"))),
        after=parse_place(last, field) if last else None,
    )


def _of_key(listener: KeyListener, wish: Wish, *, is_named: bool) -> Wish:
    """What a key hears of what it asked for."""
    if wish.views:
        raise InputError("view", wish.views[0].address, "leave it out: pages are for browsers")
    return replace(wish, kinds=heard_kinds(listener.key, wish.kinds, is_named=is_named))


class EventStream(StreamingResponse):
    """An answer that lasts until its reader goes, stops reading, or there is nothing to add."""

    def __init__(
        self, events: Callable[[], AsyncGenerator[bytes]], on_end: Callable[[], None]
    ) -> None:
        super().__init__(iter(()), media_type="text/event-stream", headers=HEADERS)
        self._events = events
        self._on_end = on_end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends until one side ends it."""
        tasks = {
            asyncio.create_task(self._pump(send)), asyncio.create_task(_until_gone(receive)),
        }  # fmt: skip
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._on_end()
        for task in done:
            task.result()  # a fault is the server's to log

    async def _pump(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        try:
            await self._send_all(send)
        except SQLAlchemyError as error:
            if not is_outage(error):
                raise
            # Ended whole: the listener comes again, from where it was, until it is taken.
            say("a stream ended: the ledger could not be read", error)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_all(self, send: Send) -> None:
        async with aclosing(self._events()) as events:
            async for piece in events:
                async with asyncio.timeout(READ_SECONDS):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
