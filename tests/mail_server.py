"""A real mail server (aiosmtpd) that takes, refuses, dawdles, asks for a login or for TLS."""

from __future__ import annotations

import asyncio
import datetime
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER, PASSWORD = "post", "a word & a:nother"


@dataclass
class MailServer:
    """What came, by whom it was sent to, and how to answer.

    ``answers``: to a recipient, in place of 250. ``answer``: to every message. ``seconds``: before
    the answer to a message; ``seconds_by``: to one recipient's alone.
    """

    port: int = 0
    came: list[tuple[list[str], EmailMessage]] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    answer: str = "250 taken"
    seconds: float = 0.0
    seconds_by: dict[str, float] = field(default_factory=dict)
    connections: int = 0
    was_tls: list[bool] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def recipients(self) -> list[str]:
        """Whom mails were for, in order."""
        return [each for recipients, _ in self.came for each in recipients]

    def ids(self, recipient: str) -> Counter[str]:
        """The Message-IDs that came to somebody, and how often each did."""
        return Counter(str(m["Message-ID"]) for to, m in self.came if recipient in to)

    # --- what aiosmtpd calls ---------------------------------------------------------------
    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        refusal = self.answers.get(address)
        if refusal:
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        seconds = max([self.seconds_by.get(each, 0) for each in envelope.rcpt_tos] + [self.seconds])
        await asyncio.sleep(seconds)
        if self.answer.startswith("2"):
            message = message_from_bytes(envelope.content, policy=default)
            with self._lock:
                self.came.append((list(envelope.rcpt_tos), message))
                self.was_tls.append(server.transport.get_extra_info("sslcontext") is not None)
        return self.answer


@contextmanager
def mail_server(
    *, tls: Path | None = None, implicit: bool = False, needs_login: bool = False, port: int = 0
) -> Iterator[MailServer]:
    """A server on a port of its own, ended afterwards. ``tls``: a folder with a certificate."""
    opened = MailServer()
    context = None
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls / "cert.pem", tls / "key.pem")

    def login(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        is_right = isinstance(data, LoginPassword) and (
            data.login, data.password
        ) == (USER.encode(), PASSWORD.encode())  # fmt: skip
        return AuthResult(success=is_right, handled=False)

    given: dict[str, Any] = {}
    if needs_login:
        given |= {
            "authenticator": login, "auth_required": True,
            "auth_require_tls": context is not None and not implicit,
        }  # fmt: skip
    if implicit:
        given["ssl_context"] = context
    elif context is not None:
        given["tls_context"] = context
    controller = Controller(opened, hostname="127.0.0.1", port=port or _free_port(), **given)
    controller.start()
    opened.port = controller.port
    try:
        yield opened
    finally:
        controller.stop()


def _free_port() -> int:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def certificate(folder: Path) -> Path:
    """A certificate of 127.0.0.1 and mail.example, its own authority, in a folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.example")])
    now = datetime.datetime.now(datetime.UTC)
    import ipaddress

    names = [x509.DNSName("mail.example"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )  # fmt: skip
    return folder
