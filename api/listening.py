"""Where a server listens, checked before anything starts, and what it still lacks."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

from sqlalchemy import select

from billing.errors import InputError
from data import tables as t
from data.installation import Installation

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_FIRST_STEPS = (
    (t.accounts.c.id, "No account yet: usage-dashboard account add ID --name …"),
    (t.people.c.id, "Nobody can sign in yet: usage-dashboard user add EMAIL --role owner …"),
    (t.rate_lists.c.id, "No price list yet, so no usage can be charged: rates import FILE …"),
)


def refuse_busy_port(host: str, port: int) -> None:
    """Says so before anything starts when a server can't listen there; ``InputError``."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        reason = (error.strerror or "not available").lower()
        if error.errno in {errno.EADDRINUSE, errno.EACCES}:
            raise InputError("port", port, f"choose another port ({reason})") from None
        fix = f"use an address of this machine, such as 127.0.0.1 ({reason})"
        raise InputError("host", host, fix) from None


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
