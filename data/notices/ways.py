"""The ways by which notices leave this machine: what one needs, and what goes over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote

from billing.accounts import Account
from billing.alerts import Channel
from billing.notices import Envelope, Writing
from data.notices.claims import Claimed
from data.notices.mailing import Handed, MailLine, mail_server
from data.notices.mutes import MUTE_PATH, Mutes, MuteTicket
from data.notices.texting import TextLine
from data.settings import Settings

NOT_SET_UP = {
    Channel.EMAIL: "E-mail isn't set up here: set USAGE_SMTP_URL",
    Channel.SMS: "SMS isn't set up here: set USAGE_SMS_URL",
}
NOBODYS = "Usage Dashboard"  # in place of an account's name
HandOver = Callable[[Claimed, Account | None], Handed]


@dataclass(frozen=True, slots=True)
class MailWay:
    """E-mail: a connection serves many mails."""

    url: str
    sender: str
    base_url: str | None
    mutes: Mutes
    writing: Writing

    @contextmanager
    def open(self) -> Iterator[HandOver]:
        """What hands over one mail after another."""
        with MailLine(mail_server(self.url)) as line:

            def hand_over(claimed: Claimed, account: Account | None) -> Handed:
                words = self.writing.words(claimed.notice, account)
                recipient = claimed.send.target.address
                envelope = Envelope(
                    claimed.send.id, claimed.notice, self.sender, recipient,
                    account.name if account else "", self._url(words.path),
                    self._mute_url(claimed),
                )  # fmt: skip
                return line.send(self.writing.mail(words, envelope), recipient)

            yield hand_over

    def _url(self, path: str) -> str | None:
        return f"{self.base_url}{path}" if self.base_url else None

    def _mute_url(self, claimed: Claimed) -> str | None:
        notice = claimed.notice
        ticket = MuteTicket(notice.account_id, claimed.send.target, notice.alert_id or "")
        return self._url(f"{MUTE_PATH}?token={quote(self.mutes.token(ticket), safe='')}")


@dataclass(frozen=True, slots=True)
class TextWay:
    """SMS by a provider."""

    url: str
    writing: Writing

    @contextmanager
    def open(self) -> Iterator[HandOver]:
        """What hands over one message after another."""
        line = TextLine(self.url)

        def hand_over(claimed: Claimed, account: Account | None) -> Handed:
            words = self.writing.words(claimed.notice, account)
            text = self.writing.sms(words, account.name if account else NOBODYS)
            return line.send(text, claimed.send.target.address)

        yield hand_over


Way = MailWay | TextWay


def ways_of(settings: Settings, secret: str, writing: Writing) -> Mapping[Channel, Way]:
    """What is set up here."""
    found: dict[Channel, Way] = {}
    if settings.smtp_url is not None and settings.sender is not None:
        url = settings.smtp_url.get_secret_value()
        found[Channel.EMAIL] = MailWay(
            url, settings.sender, settings.base_url, Mutes(secret), writing
        )
    if settings.sms_url is not None:
        found[Channel.SMS] = TextWay(settings.sms_url.get_secret_value(), writing)
    return found
