"""One e-mail to one address by SMTP: taken, refused for good, or to be tried again.

A refusal of the address or the message is for good; whatever else goes wrong (no connection, a
login, a sender that isn't let through, "not now") may pass. A connection serves one mail after
another. Must not know what is written, nor what becomes of it.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from email.utils import parseaddr
from enum import StrEnum
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

from billing.errors import InputError

STEP_SECONDS = 10.0  # for one answer of the server
LONGEST_SECONDS = 30.0  # for one mail, whatever the server does
ANSWER_LENGTH = 250
MOST_BY_ONE_CONNECTION = 100
SUBMISSION, RELAY, TLS = 587, 25, 465
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_NEEDS_LOGIN = frozenset({530, 534, 535, 538})  # of us, not of the address


class Outcome(StrEnum):
    """What came of handing a notice over."""

    TAKEN = "taken"
    REFUSED = "refused"  # for good
    LATER = "later"  # certainly not taken: may be tried again
    UNKNOWN = "unknown"  # perhaps taken


@dataclass(frozen=True, slots=True)
class Handed:
    """An outcome and the other side's answer, without secrets; ``milliseconds`` it took."""

    outcome: Outcome
    answer: str
    milliseconds: int = 0


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where e-mail is handed in. ``is_tls``: from the first byte."""

    host: str
    port: int
    is_tls: bool
    user: str = ""
    password: str = ""


def mail_server(url: str) -> MailServer:
    """A server from ``smtp://user:password@host:port`` or ``smtps://``. Errors: ``InputError``."""
    fix = "use smtp://user:password@host:587, or smtps:// for TLS from the start"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InputError("USAGE_SMTP_URL", "••••••", fix) from None
    is_odd = parts.path not in {"", "/"} or parts.query or parts.fragment or port == 0
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname or is_odd:
        raise InputError("USAGE_SMTP_URL", "••••••", fix)
    if bool(parts.username) != bool(parts.password):
        raise InputError("USAGE_SMTP_URL", "••••••", "give user and password, or neither")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    is_tls = parts.scheme == "smtps"
    usual = TLS if is_tls else SUBMISSION if user else RELAY
    return MailServer(parts.hostname, port or usual, is_tls, user, password)


class _InTheClearError(Exception):
    """A password would have to be sent for everybody to read."""


class MailLine:
    """A connection to the server, made when first needed; for one thread."""

    def __init__(self, server: MailServer) -> None:
        self._server = server
        self._smtp: smtplib.SMTP | None = None
        self._count = 0
        self._deadline = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()

    def close(self) -> None:
        """Says goodbye, as far as the server listens."""
        smtp, self._smtp = self._smtp, None
        if smtp is None:
            return
        try:
            smtp.quit()
        except (smtplib.SMTPException, OSError):
            smtp.close()

    def send(self, message: bytes, recipient: str) -> Handed:
        """Hands one message over; never raises for what the server does."""
        begun = time.monotonic()
        self._deadline = begun + LONGEST_SECONDS
        cut = threading.Timer(LONGEST_SECONDS, self._cut)  # a byte at a time never times out
        cut.daemon = True
        cut.start()
        try:
            outcome, answer = self._send(message, recipient)
        finally:
            cut.cancel()
        if outcome is not Outcome.TAKEN:
            self.close()  # whatever state it is in: the next one begins anew
        milliseconds = round((time.monotonic() - begun) * 1000)
        return Handed(outcome, _short(answer), milliseconds)

    def _send(self, message: bytes, recipient: str) -> tuple[Outcome, str]:
        try:
            smtp = self._open()
            if time.monotonic() >= self._deadline:  # names are looked up without an end
                return Outcome.LATER, "it took too long to connect"
            sender = _sender(message)
            options = []
            if not (recipient.isascii() and sender.isascii()):
                if not smtp.has_extn("smtputf8"):
                    return Outcome.REFUSED, "the server takes no address with such letters"
                options = ["SMTPUTF8", "BODY=8BITMIME"]
            return _hand_over(smtp, sender, recipient, message, options)
        except _InTheClearError as error:
            return Outcome.LATER, str(error)
        except smtplib.SMTPResponseException as error:
            return Outcome.LATER, f"{error.smtp_code} {_text(error.smtp_error)}"
        except (smtplib.SMTPException, OSError, ValueError) as error:
            return Outcome.LATER, f"{type(error).__name__}: {error}"

    def _open(self) -> smtplib.SMTP:
        if self._smtp is not None and self._count < MOST_BY_ONE_CONNECTION:
            try:
                if self._smtp.noop()[0] == 250:  # it may have hung up meanwhile
                    self._count += 1
                    return self._smtp
            except (smtplib.SMTPException, OSError):
                pass
        self.close()
        server = self._server
        context = ssl.create_default_context()
        if server.is_tls:
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(timeout=STEP_SECONDS, context=context)
        else:
            smtp = smtplib.SMTP(timeout=STEP_SECONDS)
        self._smtp, self._count = smtp, 1
        smtp._host = server.host  # type: ignore[attr-defined]  # whose certificate is checked
        code, answer = smtp.connect(server.host, server.port)
        if code != 220:
            raise smtplib.SMTPConnectError(code, answer)
        smtp.ehlo_or_helo_if_needed()
        is_near = server.host in LOOPBACK
        if not server.is_tls and smtp.has_extn("starttls") and (server.user or not is_near):
            smtp.starttls(context=context)
            smtp.ehlo()
        elif server.user and not server.is_tls and not is_near:
            raise _InTheClearError("it offers no STARTTLS: a password isn't sent in the clear")
        if server.user:
            smtp.login(server.user, server.password)
        return smtp

    def _cut(self) -> None:
        smtp = self._smtp
        if smtp is not None and smtp.sock is not None:
            with suppress(OSError):
                smtp.sock.shutdown(socket.SHUT_RDWR)  # wakes whoever reads, as a close doesn't


def _hand_over(
    smtp: smtplib.SMTP, sender: str, recipient: str, message: bytes, options: list[str]
) -> tuple[Outcome, str]:
    """Sender, recipient, message; what the server answers to the one that decides."""
    code, answer = smtp.mail(sender, options)
    if code != 250:
        return Outcome.LATER, f"{code} to the sender: {_text(answer)}"
    code, answer = smtp.rcpt(recipient)
    if code not in {250, 251}:
        return _refusal(code), f"{code} {_text(answer)}"
    code, answer = smtp.data(message)
    if code != 250:
        return _refusal(code), f"{code} {_text(answer)}"
    return Outcome.TAKEN, f"{code} {_text(answer)}"


def _refusal(code: int) -> Outcome:
    is_final = 500 <= code < 600 and code not in _NEEDS_LOGIN
    return Outcome.REFUSED if is_final else Outcome.LATER


def _sender(message: bytes) -> str:
    """The address that failures come back to: the one the message names."""
    header = BytesHeaderParser().parsebytes(message)["From"]
    return parseaddr(str(header))[1]


def _text(answer: bytes | str) -> str:
    return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer


def _short(answer: str) -> str:
    shown = "".join(each if each.isprintable() else " " for each in answer)
    return " ".join(shown.split())[:ANSWER_LENGTH]
