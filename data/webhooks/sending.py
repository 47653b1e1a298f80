"""One message to one address: signed, to a public host alone, with an end in sight.

The name is looked up once, every address it has must be public, and the connection goes to one of
those: a name that says something else a moment later leads nowhere. Redirects aren't followed. An
answer is read to a few hundred characters and for ten seconds. Must not know what is told.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import httpx
from standardwebhooks.webhooks import Webhook

from billing.clock import Clock
from data.clocks import SystemClock

LONGEST_SECONDS = 10.0
CONNECT_SECONDS = 5.0
ANSWER_BYTES = 500
ERROR_LENGTH = 255
_HOLD_IPV4 = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "::/96")))  # in their last bits
Addresses = Callable[[str, int], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent, and the secrets it is signed with: the newest first."""

    id: str
    body: str
    secrets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back: a status, or why there was none. ``milliseconds``: how long it took."""

    status: int | None
    error: str | None
    text: str
    milliseconds: int

    @property
    def is_taken(self) -> bool:
        """Whether the receiver said that it has it."""
        return self.status is not None and 200 <= self.status < 300


class _RefusedAddressError(Exception):
    """An address that nothing is sent to."""


def lookup(host: str, port: int) -> list[str]:
    """Every address of a host. Errors: ``OSError``."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


class Sender:
    """Sends messages. ``may_be_private``: to this machine and its network too, as in a demo."""

    def __init__(
        self, *, may_be_private: bool, addresses: Addresses = lookup, clock: Clock | None = None
    ) -> None:
        self._may_be_private = may_be_private
        self._addresses = addresses
        self._clock = clock or SystemClock()  # receivers compare with their own, whatever a demo's
        self._context = httpx.create_ssl_context(trust_env=False)

    def send(self, url: str, message: Message) -> Answered:
        """Sends a message once; never raises for what the other side does."""
        begun = time.monotonic()
        status, error, text = None, None, ""
        try:
            status, text = self._post(url, message, begun + LONGEST_SECONDS)
            if 300 <= status < 400:
                error = "it redirects, and redirects aren't followed"
        except _RefusedAddressError as refused:
            error = str(refused)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, RuntimeError) as failed:
            error = f"{type(failed).__name__}: {failed}"
        milliseconds = round((time.monotonic() - begun) * 1000)
        return Answered(status, error[:ERROR_LENGTH] if error else None, text, milliseconds)

    def _post(self, url: str, message: Message, deadline: float) -> tuple[int, str]:
        parts = urlsplit(url)
        host, is_tls = parts.hostname or "", parts.scheme == "https"
        port = parts.port or (443 if is_tls else 80)
        address = self._pinned(host, port)
        shown = f"[{host}]" if ":" in host else host
        is_usual = port == (443 if is_tls else 80)
        headers = {
            **_signed(message, self._clock.now()), "Content-Type": "application/json",
            "User-Agent": "usage-dashboard-webhooks", "Accept-Encoding": "identity",
            "Host": shown if is_usual else f"{shown}:{port}",
        }  # fmt: skip
        client = httpx.Client(
            verify=self._context, follow_redirects=False, trust_env=False,
            timeout=httpx.Timeout(LONGEST_SECONDS, connect=CONNECT_SECONDS),
        )  # fmt: skip
        # An answer that comes a byte at a time would never time out: its connection is cut.
        cut = threading.Timer(LONGEST_SECONDS, client.close)
        cut.daemon = True
        cut.start()
        try:
            request = client.build_request(
                "POST", httpx.URL(url).copy_with(host=address, port=port),
                content=message.body.encode(), headers=headers,
                extensions={"sni_hostname": host} if is_tls else {},
            )  # fmt: skip
            answer = client.send(request, stream=True)
            try:
                return answer.status_code, _beginning(answer, deadline)
            finally:
                answer.close()
        finally:
            cut.cancel()
            client.close()

    def _pinned(self, host: str, port: int) -> str:
        """One address of the host, after all of them were looked at."""
        found = self._addresses(host, port)
        if not found:
            raise _RefusedAddressError(f"{host} has no address")
        if not self._may_be_private:
            for each in found:
                if not _is_public(each):
                    raise _RefusedAddressError(
                        f"{host} leads to {each}, which isn't a public address"
                    )
        return found[0]


def _is_public(address: str) -> bool:
    """Whether an address is one of the open internet, whatever it is wrapped in."""
    found: ipaddress.IPv4Address | ipaddress.IPv6Address
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour
        teredo = found.teredo
        inner = inner or (teredo[1] if teredo else None)
        if any(found in network for network in _HOLD_IPV4):
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return _is_public(str(inner))
    return found.is_global and not found.is_multicast


def _signed(message: Message, at: datetime) -> dict[str, str]:
    """The headers of Standard Webhooks, one signature for each secret."""
    signatures = [Webhook(secret).sign(message.id, at, message.body) for secret in message.secrets]
    return {
        "webhook-id": message.id, "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }  # fmt: skip


def _beginning(answer: httpx.Response, deadline: float) -> str:
    """The first characters of an answer, however slowly the rest would come."""
    body = b""
    for piece in answer.iter_raw(ANSWER_BYTES):
        body += piece
        if len(body) >= ANSWER_BYTES or time.monotonic() > deadline:
            break
    return body[:ANSWER_BYTES].decode("utf-8", "replace").replace("\0", "�")
