"""What wraps every answer of the API: fingerprints of what was read, and a bound on what is sent.

An answer's ETag is made of its content without the instants it was read at, so that a client that
asks again and again gets 304 until something has changed.
"""

from __future__ import annotations

import hashlib
import re
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from billing.limits import limit

CACHE_CONTROL = "private, no-cache"
# In compact JSON a quote within a text is escaped, so that this matches names of fields alone.
_READ_AT = re.compile(rb'"(?:as_of|watermark|request_id)":"[^"]*"')
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
    """An ASGI middleware: a body over the limit is answered 413 before it is read whole."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "")
        most = limit("body")
        is_refused = length.isdecimal() and int(length[:20]) > most
        taken = 0

        async def bounded() -> Message:
            nonlocal taken
            if is_refused:
                raise too_large()
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > most:
                raise too_large()
            return message

        await self._app(scope, bounded, send)


def too_large() -> HTTPException:
    """The refusal of a body over the limit."""
    return HTTPException(413, f"The body is too large: send at most {limit('body'):,} bytes.")


def etag_of(body: bytes) -> str:
    """A weak fingerprint of a document, the same however often it is read."""
    digest = hashlib.blake2b(_READ_AT.sub(b"", body), digest_size=16).hexdigest()
    return f'W/"{digest}"'


def is_known(if_none_match: list[str], etag: str) -> bool:
    """Whether a client has that document, by weak comparison."""
    known = [each.strip().removeprefix("W/") for line in if_none_match for each in line.split(",")]
    return "*" in known or etag.removeprefix("W/") in known
