"""Whom a request comes from when a proxy stands before the server.

Only a direct peer from ``USAGE_TRUSTED_PROXIES`` is believed, and of what it says only the part
that trusted proxies wrote: whatever a client put into the headers itself stays a claim.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from data.settings import Network

FOR, PROTO = b"x-forwarded-for", b"x-forwarded-proto"
MOST_HOPS = 20
_ADDRESS = ipaddress.IPv4Address | ipaddress.IPv6Address


class Forwarded:
    """An ASGI middleware: puts the client's own address and scheme into the scope."""

    def __init__(self, app: ASGIApp, trusted: Sequence[Network]) -> None:
        self._app = app
        self._trusted = tuple(trusted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; without trusted proxies nothing is looked at."""
        if self._trusted and scope["type"] == "http" and scope.get("client"):
            peer = _address(scope["client"][0])
            if peer is not None and self._is_trusted(peer):
                self._believe(scope, peer)
        await self._app(scope, receive, send)

    def _believe(self, scope: Scope, peer: _ADDRESS) -> None:
        client = self._client(peer, _values(scope, FOR))
        scope["client"] = (str(client), 0)
        said = _values(scope, PROTO)
        if said and said[-1].lower() in {"http", "https"}:  # what the nearest proxy says
            scope["scheme"] = said[-1].lower()

    def _client(self, peer: _ADDRESS, hops: Sequence[str]) -> _ADDRESS:
        """The last hop that no trusted proxy is; each proxy appends whom it was asked by."""
        client = peer
        for hop in list(reversed(hops))[:MOST_HOPS]:
            address = _address(hop)
            if address is None:  # nothing before a hop that can't be read can be believed
                return client
            client = address
            if not self._is_trusted(address):
                return client
        return client

    def _is_trusted(self, address: _ADDRESS) -> bool:
        return any(address in network for network in self._trusted)


def _values(scope: Scope, name: bytes) -> list[str]:
    """The items of a header that may come on several lines, each with several items."""
    lines = [value.decode("latin1") for key, value in scope["headers"] if key == name]
    return [item.strip() for line in lines for item in line.split(",")]


def _address(text: str) -> _ADDRESS | None:
    """The address, without a port or brackets; an IPv4 one however it is written."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address
