"""The Flask application behind the asynchronous server, safe from clients that take for ever.

Flask answers on a few threads. Whoever sends or reads a byte a minute must not keep one of them:
a form is read whole before a thread takes it, a page is handed over whole, and only downloads,
which have threads of their own, wait for their reader, for a limited time.
"""

from __future__ import annotations

import asyncio
from typing import Any

from a2wsgi import WSGIMiddleware
from fastapi.responses import JSONResponse
from flask import Flask
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette_compress import CompressMiddleware, remove_compress_type

from api.web_auth import LARGEST_BODY_BYTES

SCREEN_THREADS = 8
FILE_THREADS = 4
FILES = "/export/"
BODY_SECONDS = 10  # for a whole form of at most a megabyte
READ_SECONDS = 60  # for the next part of a download
WHOLE_ANSWER = 0  # no bound: the longest one is a front-end file of about a megabyte
FILE_PARTS = 10
# A page around a form has its token in it, whose length with a guess beside it would tell; a file
# that is cut off must look so.
NOT_COMPRESSED = ("text/html", "text/csv")


class SlowReaderError(Exception):
    """A download's reader took no more of it; ending in an error tells them it isn't whole."""


def compressed(app: ASGIApp) -> ASGIApp:
    """An application whose JSON travels compressed: a page is a tenth of its length then."""
    for kind in NOT_COMPRESSED:
        remove_compress_type(kind)
    return CompressMiddleware(app, zstd_level=3)


class Screens:
    """An ASGI application around a Flask one."""

    def __init__(self, flask_app: Flask) -> None:
        self.flask_app = flask_app
        wsgi: Any = flask_app
        self._pages: Any = WSGIMiddleware(wsgi, SCREEN_THREADS, WHOLE_ANSWER)
        self._files: Any = WSGIMiddleware(wsgi, FILE_THREADS, FILE_PARTS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._pages(scope, receive, send)
            return
        try:
            receive = await _with_whole_body(scope, receive)
        except TimeoutError:
            await _too_slow(scope, receive, send)
            return
        if not scope["path"].startswith(FILES):
            await self._pages(scope, receive, send)
            return
        patience = _Patience(send)
        await self._files(scope, receive, patience.send)
        if patience.is_over:
            raise SlowReaderError("a download was not read to its end")


class _Patience:
    """Passes an answer on until its reader stops taking it; the rest is dropped."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.is_over = False

    async def send(self, message: Message) -> None:
        if self.is_over:
            return
        try:
            async with asyncio.timeout(READ_SECONDS):
                await self._send(message)
        except TimeoutError:
            self.is_over = True  # not raised here: the thread would wait for ever


async def _with_whole_body(scope: Scope, receive: Receive) -> Receive:
    """A ``receive`` that has the request's body already; ``TimeoutError`` if it won't come.

    A body that is too large stays unread (the gate refuses it), as does one of unknown length.
    """
    length = next((int(v) for k, v in scope["headers"] if k == b"content-length"), 0)
    if not 0 < length <= LARGEST_BODY_BYTES:
        return receive
    body, is_complete = bytearray(), False
    async with asyncio.timeout(BODY_SECONDS):
        while not is_complete:
            message = await receive()
            body += message.get("body", b"")
            is_complete = not message.get("more_body", False)  # a disconnect ends it too
    whole: list[Message] = [{"type": "http.request", "body": bytes(body), "more_body": False}]

    async def again() -> Message:
        return whole.pop() if whole else await receive()

    return again


async def _too_slow(scope: Scope, receive: Receive, send: Send) -> None:
    problem = {
        "type": "about:blank", "title": "Request Timeout", "status": 408, "code": "too_slow",
        "detail": "The request did not arrive in time.",
    }  # fmt: skip
    answer = JSONResponse(
        problem, 408, {"Connection": "close"}, media_type="application/problem+json"
    )
    await answer(scope, receive, send)
