"""Where a server listens: checked before anything starts."""

from __future__ import annotations

import socket

from billing.errors import InputError

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def refuse_busy_port(host: str, port: int) -> None:
    """Says so before anything starts when another program listens there; ``InputError``."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            fix = f"choose another port ({(error.strerror or 'not available').lower()})"
            raise InputError("port", port, fix) from None
