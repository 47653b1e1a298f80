"""Where a server listens, taken before anything starts, and what it still lacks.

The kernel ends a connection on which nothing that was sent has been taken in for
``UNREAD_SECONDS``: one who stays connected but stops reading would otherwise keep, for as long
as he likes, what waits for him in the kernel and in this process. Where a platform has no such
option (it is Linux's), only the server's own limits of patience apply, which stop adding to it.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from sqlalchemy import select

from billing.errors import InputError
from data import tables as t
from data.installation import Installation

LOOPBACK = ("127.0.0.1", "localhost", "::1")
UNREAD_SECONDS = 60
_FIRST_STEPS = (
    (t.accounts.c.id, "No account yet: usage-dashboard account add ID --name …"),
    (t.people.c.id, "Nobody can sign in yet: usage-dashboard user add EMAIL --role owner …"),
    (t.rate_lists.c.id, "No price list yet, so no usage can be charged: rates import FILE …"),
)


@contextmanager
def listen_at(host: str, port: int) -> Iterator[list[socket.socket]]:
    """The sockets of every address a host's name stands for, taken until the end of the context.

    Nobody can connect before the server listens on them; what is accepted inherits their options.
    Errors: ``InputError`` when a server can't listen there.
    """
    with ExitStack() as taken:
        sockets: list[socket.socket] = []
        try:
            for address in _addresses(host, port):
                if listener := _bound(*address):
                    sockets.append(taken.enter_context(listener))
            if not sockets:
                raise OSError(errno.EADDRNOTAVAIL, "cannot assign requested address")
        except OSError as error:
            raise cannot_listen(error, host, port) from None
        yield sockets


def cannot_listen(error: OSError, host: str, port: int) -> InputError:
    """What to do about an address that can't be had."""
    reason = (error.strerror or "not available").lower()
    if error.errno in {errno.EADDRINUSE, errno.EACCES}:
        return InputError("port", port, f"choose another port ({reason})")
    fix = f"use an address of this machine, such as 127.0.0.1 ({reason})"
    return InputError("host", host, fix)


def _addresses(host: str, port: int) -> list[tuple[int, Any]]:
    """Family and address of each, in the order of the resolver, each once."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _bound(family: int, address: Any) -> socket.socket | None:
    """A socket at the address; none where the machine hasn't got it, as ::1 without IPv6."""
    try:
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        if error.errno == errno.EAFNOSUPPORT:
            return None
        raise
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            milliseconds = UNREAD_SECONDS * 1000
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
        listener.bind(address)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRNOTAVAIL:
            return None
        raise
    return listener


def start_notes(installation: Installation, host: str) -> Iterator[str]:
    """What is missing before the server is of use, or safe, one sentence each."""
    settings = installation.settings
    with installation.database.read() as connection:
        for column, sentence in _FIRST_STEPS:
            if connection.execute(select(column).limit(1)).first() is None:
                yield sentence
    if settings.is_always_secure:
        if (settings.base_url or "").startswith("https://") and not settings.trusted_proxies:
            yield (
                "USAGE_BASE_URL is https, but USAGE_TRUSTED_PROXIES names no proxy: all who come "
                "through one count as one address when sign-ins are throttled."
            )
    elif host not in LOOPBACK:
        yield (
            "Passwords travel in the clear: put HTTPS before it, then set USAGE_BASE_URL to the "
            "https address and USAGE_TRUSTED_PROXIES to the proxy's."
        )
