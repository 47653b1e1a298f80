"""What wraps every answer of the API: fingerprints of what was read, and a bound on what is sent.

An answer's ETag is made of its content without the instants it was read at, so that a client that
asks again and again gets 304 until something has changed.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import refusal
from api.v1.bodies import BODY_SECONDS
from api.v1.callers import NO_KEY
from billing.errors import NotAllowedError
from billing.limits import limit

CACHE_CONTROL = "private, no-cache"
# In compact JSON a quote within a text is escaped, so that this matches names of fields alone.
_READ_AT = re.compile(rb'"(?:as_of|watermark|request_id)":"[^"]*"')
_WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_LARGE = {"events": "body", "limits": "limits_body"}  # of all calls, by their last word
_DROPPED = ("content-length", "content-type")


class Etags:
    """An ASGI middleware: ETag on every JSON answer to GET, 304 where the client has it already."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; a stream, a file or a refusal passes as it is."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(scope, send)
        await self._app(scope, receive, answer.send)


class _Answer:
    """One answer on its way: a document is held until it is whole."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._start: Message | None = None
        self._body = bytearray()

    async def send(self, message: Message) -> None:
        """Takes the next part."""
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.setdefault("Cache-Control", CACHE_CONTROL)
            if self._is_document(message["status"], headers):
                self._start = message
                return
        elif message["type"] == "http.response.body" and self._start is not None:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._finish(self._start)
            return
        await self._send(message)

    def _is_document(self, status: int, headers: Headers) -> bool:
        is_json = headers.get("content-type", "").startswith("application/json")
        return self._scope["method"] == "GET" and status == HTTPStatus.OK and is_json

    async def _finish(self, start: Message) -> None:
        headers = MutableHeaders(scope=start)
        etag = etag_of(bytes(self._body))
        headers["ETag"] = etag
        body = bytes(self._body)
        if is_known(Headers(scope=self._scope).getlist("if-none-match"), etag):
            start["status"], body = HTTPStatus.NOT_MODIFIED, b""
            for name in _DROPPED:
                del headers[name]
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body, "more_body": False})


class BodyLimit:
    """An ASGI middleware: bodies are bounded in size and time, and read for nobody without a key.

    What is too large is answered 413 before it is read whole, what doesn't come in time 408.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if scope["method"] in _WITH_BODY and "authorization" not in headers:
            answer = refusal(Request(scope), NotAllowedError(NO_KEY, code="no_key"))
            await answer(scope, receive, send)
            return
        length = headers.get("content-length", "")
        most = limit(_LARGE.get(scope["path"].rpartition("/")[2], "small_body"))
        is_refused = length.isdecimal() and int(length[:20]) > most
        taken, is_whole, until = 0, False, time.monotonic() + BODY_SECONDS

        async def bounded() -> Message:
            nonlocal taken, is_whole
            if is_refused:
                raise too_large(most)
            if is_whole:  # what comes now is the end of the connection
                return await receive()
            try:
                async with asyncio.timeout(until - time.monotonic()):
                    message = await receive()
            except TimeoutError:
                raise too_slow() from None
            is_whole = not message.get("more_body", False)
            taken += len(message.get("body", b""))
            if taken > most:
                raise too_large(most)
            return message

        await self._app(scope, bounded, send)


def too_large(most: int) -> HTTPException:
    """The refusal of a body over the limit."""
    return HTTPException(413, f"The body is too large: send at most {most:,} bytes.")


def too_slow() -> HTTPException:
    """The refusal of a body that takes too long."""
    return HTTPException(408, f"The body did not arrive within {BODY_SECONDS} s.")


def etag_of(body: bytes) -> str:
    """A weak fingerprint of a document, the same however often it is read."""
    digest = hashlib.blake2b(_READ_AT.sub(b"", body), digest_size=16).hexdigest()
    return f'W/"{digest}"'


def is_known(if_none_match: list[str], etag: str) -> bool:
    """Whether a client has that document, by weak comparison."""
    known = [each.strip().removeprefix("W/") for line in if_none_match for each in line.split(",")]
    return "*" in known or etag.removeprefix("W/") in known
