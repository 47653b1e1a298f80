"""Notices as e-mail and as SMS: words in, bytes of a message or a short text out.

A mail has the same content as text and as HTML, asks no outside host for anything, follows the
reader's light or dark mode, and can be unsubscribed from with one click (RFC 8058). Whatever a
name holds, it can't add a header or markup. Must not know how anything is sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, parseaddr

from billing.alerts import Level
from billing.errors import shorten
from billing.notices import Envelope, NoticeKind, NoticeWords
from exports.mail_page import page

PRODUCT = "Usage Dashboard"
LONGEST_SUBJECT = 150
LONGEST_LINE = 500  # of a sentence, label or figure, whatever it was made of
MOST_FIGURES = 20
AUTO_SUBMITTED = "auto-generated"
_GOOD = frozenset({NoticeKind.ALERT_RECOVERED, NoticeKind.TROUBLE_OVER})
_URGENT = frozenset({Level.URGENT, Level.CRITICAL})
_UNSAFE_ID = re.compile(r"[^A-Za-z0-9.-]")


def compose(words: NoticeWords, envelope: Envelope) -> bytes:
    """A whole message as it travels; its Message-ID and date are the same at every try.

    Errors: ``ValueError`` for a sender or recipient that is no address.
    """
    words = tidy(words)
    envelope = replace(envelope, account_name=one_line(envelope.account_name, LONGEST_SUBJECT // 2))
    sender, recipient = _address(envelope.sender), _address(envelope.recipient)
    is_plain = str(recipient).isascii() and str(sender).isascii()
    message = EmailMessage(policy=SMTP if is_plain else SMTPUTF8)
    message["From"] = sender if sender.display_name else _named(PRODUCT, sender)
    message["To"] = recipient
    message["Subject"] = subject(words, envelope)
    message["Date"] = format_datetime(envelope.notice.created_at.astimezone(UTC))
    message["Message-ID"] = f"<{_id(envelope.id)}@{_domain(sender)}>"
    if envelope.notice.episode_id:  # what is told of one episode stands together
        message["References"] = f"<{_id(envelope.notice.episode_id)}@{_domain(sender)}>"
    message["Auto-Submitted"] = AUTO_SUBMITTED
    message["X-Auto-Response-Suppress"] = "All"
    if envelope.notice.level in _URGENT and not words.is_test:
        message["Importance"] = "high"
    if envelope.mute_url:
        message["List-Unsubscribe"] = f"<{envelope.mute_url}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content("\n".join(_lines(words, envelope)), cte="quoted-printable")
    html = page(words, envelope, tone(words, envelope))
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    return message.as_bytes()


def subject(words: NoticeWords, envelope: Envelope) -> str:
    """One line that says whose notice it is and what happened."""
    owner = envelope.account_name
    return shorten(f"{owner}: {words.title}" if owner else words.title, LONGEST_SUBJECT)


def tone(words: NoticeWords, envelope: Envelope) -> str:
    """``test``, ``good``, or the level: what the mail's one coloured place says."""
    if words.is_test:
        return "test"
    return "good" if envelope.notice.kind in _GOOD else envelope.notice.level.value


def tidy(words: NoticeWords) -> NoticeWords:
    """The words without line breaks or control characters, each of a bounded length."""
    return NoticeWords(
        one_line(words.title, LONGEST_SUBJECT),
        tuple(one_line(each) for each in words.sentences[:MOST_FIGURES]),
        one_line(words.action),
        tuple((one_line(label), one_line(text)) for label, text in words.figures[:MOST_FIGURES]),
        words.path, words.is_test,
    )  # fmt: skip


def one_line(text: str, length: int = LONGEST_LINE) -> str:
    """The text on one line, without anything that isn't shown, cut at ``length``."""
    cut = text[: 4 * length]  # before looking at each character of what may be a million
    shown = "".join(
        each if each.isprintable() or each == "\N{NO-BREAK SPACE}" else " " for each in cut
    )
    return shorten(" ".join(shown.split(" ")).strip(), length)


def _lines(words: NoticeWords, envelope: Envelope) -> Iterable[str]:
    """The mail as text."""
    if words.is_test:
        yield from ("*** TEST: nothing has happened ***", "")
    yield from (words.title, "")
    yield from words.sentences
    if words.action:
        yield from ("", f"{words.action}.")
    yield ""
    width = max((len(label) for label, _ in words.figures), default=0)
    for label, text in words.figures:
        yield f"  {label + ':':<{width + 1}} {text}"
    if envelope.view_url:
        yield from ("", f"Open it: {envelope.view_url}")
    yield from ("", "-- ", f"{PRODUCT}: you get this because your address was named for it.")
    if envelope.mute_url:
        yield f"No more of this: {envelope.mute_url}"


def _address(text: str) -> Address:
    """An address with its name, if it has one; nothing in it can become a header."""
    if any(not each.isprintable() for each in text):
        raise ValueError("an address can't hold line breaks or control characters")
    name, found = parseaddr(text)
    local, at, domain = found.rpartition("@")
    if not at or not local or not domain:
        raise ValueError("it isn't an e-mail address")
    host = domain if domain.isascii() else domain.encode("idna").decode("ascii")
    return Address(name, local, host)


def _named(name: str, address: Address) -> Address:
    return Address(name, address.username, address.domain)


def _domain(sender: Address) -> str:
    return _id(sender.domain) or "localhost"


def _id(text: str) -> str:
    return _UNSAFE_ID.sub("-", text)[:200]
