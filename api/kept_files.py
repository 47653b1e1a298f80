"""Front-end files, read and compressed once and then answered from memory.

They are the same for everybody and change only with a new start, so neither a thread nor a session
is needed for them. Must not know what is in them: they come from the application behind.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

import brotli
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FOLDERS = ("/assets/", "/_dash-component-suites/")
KEPT_HEADERS = ("content-type", "cache-control")
SMALLEST_BYTES = 500
QUALITY = 6  # of 11: a tenth larger than the best, in a sixtieth of the time
TEXTS = ("text/", "application/javascript", "application/json", "image/svg+xml")
MOST_BYTES = 64_000_000  # of all kept files as they came; those that are served are about five
# Dash marks the files of its packages by version and time, and takes any such mark.
_MARK = re.compile(r"\.v[\w-]*m\d+(?=\.)")


@dataclass(frozen=True, slots=True)
class Kept:
    """A file with its headers; ``small``: compressed, where that makes it smaller."""

    headers: tuple[tuple[bytes, bytes], ...]
    tag: str
    body: bytes
    small: bytes | None


class KeptFiles:
    """An ASGI application in front of the one that has the files."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._files: dict[str, Kept] = {}
        self._bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; what is no front-end file goes to the application behind."""
        is_file = scope["type"] == "http" and scope["path"].startswith(FOLDERS)
        if not is_file or scope["method"] not in {"GET", "HEAD"}:
            await self.app(scope, receive, send)
            return
        name = _MARK.sub("", scope["path"])
        kept = self._files.get(name)
        if kept is None:
            answer = _Answer()
            await self.app(_plain(scope), receive, answer.take)
            if answer.status != 200:
                await answer.pass_on(send)
                return
            kept = await run_in_threadpool(_kept, answer)
            self._keep(name, kept)
        await _send(kept, scope, send)

    def _keep(self, name: str, kept: Kept) -> None:
        if self._bytes + len(kept.body) <= MOST_BYTES:
            self._bytes += len(kept.body)
            self._files[name] = kept


class _Answer:
    """Collects what the application behind answers."""

    def __init__(self) -> None:
        self.status = 500
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = [(name.lower(), value) for name, value in message["headers"]]
        else:
            self.body += message.get("body", b"")

    async def pass_on(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})


def _plain(scope: Scope) -> Scope:
    """The request for a whole file: without a condition, a range, or ``HEAD``."""
    dropped = (b"if-", b"range", b"accept-encoding", b"cookie")
    headers = [each for each in scope["headers"] if not each[0].lower().startswith(dropped)]
    return {**scope, "method": "GET", "headers": headers}


def _kept(answer: _Answer) -> Kept:
    given = {name.decode(): value for name, value in answer.headers}
    headers = tuple((name.encode(), given[name]) for name in KEPT_HEADERS if name in given)
    is_text = given.get("content-type", b"").decode().startswith(TEXTS)
    small = None
    if is_text and len(answer.body) >= SMALLEST_BYTES:
        small = brotli.compress(answer.body, quality=QUALITY)
        small = small if len(small) < len(answer.body) else None
    tag = hashlib.sha256(answer.body).hexdigest()[:20]
    return Kept(headers, tag, answer.body, small)


async def _send(kept: Kept, scope: Scope, send: Send) -> None:
    asked = Headers(scope=scope)
    is_small = kept.small is not None and _takes_brotli(asked.get("accept-encoding", ""))
    tag = f'"{kept.tag}-br"' if is_small else f'"{kept.tag}"'
    headers = [*kept.headers, (b"etag", tag.encode())]
    if kept.small is not None:
        headers.append((b"vary", b"Accept-Encoding"))
    tags = [each.strip().removeprefix("W/") for each in asked.get("if-none-match", "").split(",")]
    if tag in tags or "*" in tags:
        await send({"type": "http.response.start", "status": 304, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
        return
    body = kept.small if is_small and kept.small is not None else kept.body
    if is_small:
        headers.append((b"content-encoding", b"br"))
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def _takes_brotli(accepted: str) -> bool:
    """Whether a client names brotli among what it decodes, and not with a quality of zero."""
    for each in accepted.split(","):
        name, _, quality = each.partition(";")
        if name.strip().lower() == "br":
            return not re.fullmatch(r"\s*q=0(\.0*)?\s*", quality)
    return False
