"""What every request gets and every answer carries, whoever answers: an id, protecting headers.

Made on the bare protocol: the framework's own function middleware ends an answer that broke off as
though it were whole, and a cut file must not look complete.
"""

from __future__ import annotations

import secrets

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.web_auth import security_headers


class Protection:
    """An ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; what an answer sets by itself stays."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in {**security_headers(), "X-Request-ID": request_id}.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, protected)
