"""What every request gets and every answer carries, whoever answers.

A request gets an id, is noted in the log and counted; an answer carries the id and protecting
headers. Made on the bare protocol: the framework's own function middleware ends an answer that
broke off as though it were whole, and a cut file must not look complete.
"""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass

import flask
from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.forwarded import Forwarded
from api.metrics import Metrics
from api.web_auth import security_headers
from data.identity import new_request_id
from data.logs import begin_request, note
from data.settings import Settings

UNMATCHED = "unmatched"  # an address that no route has: its text is the sender's
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_GIVEN_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
_log = logging.getLogger("usage.access")


def protect(server: FastAPI, screens: flask.Flask, settings: Settings, metrics: Metrics) -> None:
    """Puts what is in this file around everything that a server answers."""
    server.add_middleware(Protection, is_always_secure=settings.is_always_secure)
    server.add_middleware(Observed, metrics=metrics)
    server.add_middleware(Forwarded, trusted=settings.proxy_networks)
    flask.request_started.connect(_note_screen, screens, weak=False)


class Protection:
    """Headers of every answer, the request's id among them; cookies that keep to HTTPS."""

    def __init__(self, app: ASGIApp, *, is_always_secure: bool = False) -> None:
        self._app = app
        self._is_always_secure = is_always_secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; what an answer sets by itself stays."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = scope["state"]["request_id"]
        is_secure = self._is_always_secure or scope.get("scheme") == "https"

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                own = {"X-Request-ID": request_id, "Cache-Control": "no-store"}
                for name, value in {**security_headers(), **own}.items():
                    headers.setdefault(name, value)
                if is_secure:
                    message["headers"] = [_secure_cookie(*each) for each in message["headers"]]
            await send(message)

        await self._app(scope, receive, protected)


@dataclass
class _Answer:
    """What became of a request so far. ``status`` 500 until an answer begins."""

    status: int = 500
    is_stream: bool = False

    def see(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.is_stream = any(
                name.lower() == b"content-type" and value.startswith(b"text/event-stream")
                for name, value in message["headers"]
            )


class Observed:
    """One id, one line in the log and one count for each request, however it ends."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; the log's context stays with its task, for whoever reports a fault."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in METHODS else "OTHER"
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        facts = begin_request(request_id, method)
        answer, begun = _Answer(), time.perf_counter()

        async def observed(message: Message) -> None:
            answer.see(message)
            await send(message)

        try:
            await self._app(scope, receive, observed)
        finally:
            seconds = time.perf_counter() - begun
            route = str(facts.setdefault("route", _route(scope)))
            measured = None if answer.is_stream else seconds
            self._metrics.count_request(method, route, answer.status, measured)
            fields = {"status": answer.status, "ms": round(seconds * 1000, 1)}
            _log.info("answered", extra=fields)


def _request_id(scope: Scope) -> str:
    """The id that a well-behaved caller gave, else a new one."""
    given = [value for name, value in scope["headers"] if name == b"x-request-id"]
    if len(given) == 1 and _GIVEN_ID.fullmatch(given[0]):
        return str(given[0].decode("ascii"))
    return new_request_id()


def _route(scope: Scope) -> str:
    """The template of the route that took the request, never the address itself."""
    path = getattr(scope.get("route"), "path", None)
    return UNMATCHED if path is None else f"{scope.get('root_path', '')}{path}"


def _note_screen(_: flask.Flask, **__: object) -> None:
    rule = flask.request.url_rule
    note(route=rule.rule if rule else UNMATCHED)


def _secure_cookie(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """A header; a cookie's with the word that keeps it from travelling in the clear."""
    if name.lower() != b"set-cookie" or b"; secure" in value.lower():
        return name, value
    return name, value + b"; Secure"
