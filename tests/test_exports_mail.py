"""A mail's bytes: well-formed, the same in text and HTML, and nothing a name holds gets out."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest

from billing.alerts import Level
from billing.notices import Envelope, Notice, NoticeKind, NoticeWords
from exports.mail import compose
from exports.sms import sms_text
from tests.notice_ledger import FACTS

AT = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
NOTICE = Notice("n", "acme", NoticeKind.ALERT_FIRED, Level.URGENT, FACTS, True, AT, "a", "e-1")
WORDS = NoticeWords(
    "Urgent: balance at ₹4,120.00", ("The balance is down.",), "Add credits immediately",
    (("Balance", "−₹4,120.00"), ("Threshold", "₹5,000.00")),
)  # fmt: skip
ENVELOPE = Envelope(
    "send-1", NOTICE, "Usage <alerts@usage.example>", "owner@acme.example", "Acme",
    "https://usage.example/billing/alerts", "https://usage.example/notices/mute?token=t",
)  # fmt: skip
HOSTILE = [
    "Acme\r\nBcc: all@acme.example", "Acme\nBcc: x", "Acme\r\n\r\n<script>alert(1)</script>",
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "Acme\0\x1b[31m", "\u202eAcme",
    "x" * 1_000_000, "=?utf-8?q?Bcc=3A_x?=", "A\u2028Bcc: x", "\ud800", "🦊" * 3_000, "",
]  # fmt: skip


def parsed(words: NoticeWords = WORDS, envelope: Envelope = ENVELOPE) -> Any:
    return message_from_bytes(compose(words, envelope), policy=default)


def test_a_mail_is_made_for_people_and_programs():
    message = parsed()
    assert message["Subject"] == "Acme: Urgent: balance at ₹4,120.00"
    assert message["Date"].datetime == AT
    assert message["Message-ID"] == "<send-1@usage.example>"
    assert message["References"] == "<e-1@usage.example>"
    assert message["Importance"] == "high"
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == [
        "text/plain", "text/html",
    ]  # fmt: skip
    raw = compose(WORDS, ENVELOPE)
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert raw.isascii()


def test_what_is_the_same_at_every_try():
    one, other = parsed(), parsed()
    for header in ("Message-ID", "Date", "Subject", "List-Unsubscribe"):
        assert one[header] == other[header]


def test_the_page_asks_no_host_for_anything():
    html = parsed().get_body(("html",)).get_content()
    assert not re.search(r"<(img|script|link|iframe|object|embed|form)\b|url\(|@import", html)
    hosts = set(re.findall(r'https?://[^/"\s]+', html))
    assert hosts == {"https://usage.example"}


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda text: repr(text[:20]))
def test_nothing_that_a_name_holds_becomes_a_header_or_markup(hostile: str):
    words = replace(
        WORDS, title=f"{hostile} at ₹1", sentences=(hostile,), action=hostile,
        figures=((hostile, hostile), (hostile, hostile)),
    )  # fmt: skip
    message = parsed(words, replace(ENVELOPE, account_name=hostile))
    assert set(message.keys()) == set(parsed().keys())
    assert message["To"] == "owner@acme.example"
    html = message.get_body(("html",)).get_content()
    assert "<script" not in html
    assert "<img" not in html
    assert len(compose(words, ENVELOPE)) < 120_000
    assert len(str(message["Subject"])) <= 300


@pytest.mark.parametrize(
    "address", ["", "nobody", "a@b\r\nBcc: c@d", "a@b\n", "@acme.example", "owner@"]
)
def test_an_address_that_is_none_is_refused(address: str):
    with pytest.raises(ValueError, match="address"):
        compose(WORDS, replace(ENVELOPE, recipient=address))


def test_a_host_with_letters_of_its_own_is_written_for_mail():
    message = parsed(envelope=replace(ENVELOPE, recipient="owner@exämple.example"))
    assert message["To"] == "owner@xn--exmple-cua.example"


def test_without_an_address_of_its_own_there_are_no_links():
    message = parsed(envelope=replace(ENVELOPE, view_url=None, mute_url=None))
    assert message["List-Unsubscribe"] is None
    assert "http" not in message.get_body(("plain",)).get_content()


@pytest.mark.parametrize(
    ("title", "owner", "said"),
    [
        ("Urgent: balance at ₹4,120.00", "Acme",
         "Acme: Urgent: balance at Rs 4,120.00. Add credits immediately."),
        ("Still in alarm · usage at −1", "", "Still in alarm - usage at -1. Add credits "
         "immediately."),
    ],
)  # fmt: skip
def test_a_text_uses_the_letters_a_phone_has(title: str, owner: str, said: str):
    assert sms_text(replace(WORDS, title=title), owner) == said


def test_a_text_is_cut_to_one_part_or_two():
    long = sms_text(replace(WORDS, title="balance " * 60), "Acme")
    assert len(long) <= 160
    assert long.endswith("...")
    hindi = sms_text(replace(WORDS, title="शेष राशि " * 60), "Acme")
    assert len(hindi.encode("utf-16-le")) <= 2 * 134
    assert sum(2 if each in "[]{}€~|^\\" else 1 for each in sms_text(
        replace(WORDS, title="€[" * 200), "")) <= 160  # fmt: skip
