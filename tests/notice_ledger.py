"""A real ledger with notices to send, a mail server's address, and deliverers as processes have."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import select

from billing.alerts import Channel, Level, Target
from billing.notices import NoticeDraft, NoticeKind, SendState, Writing
from components.notice_words import words
from data import tables as t
from data.database import Database
from data.notices.mutes import Mutes
from data.notices.outbox import leave_notice
from data.notices.sending import NoticeDeliverer
from data.notices.ways import MailWay, TextWay, Way
from exports.mail import compose
from exports.sms import sms_text
from tests.wallet_ledger import Wallet

SECRET = "a secret of tests, long enough"
SENDER = "Usage <alerts@usage.example>"
BASE = "https://usage.example"
OWNER, OTHER = "owner@acme.example", "billing@acme.example"
WRITING = Writing(words, compose, sms_text)
PATIENCE_SECONDS = 20
FACTS: dict[str, Any] = {
    "name": "", "level": "urgent", "kind": "low_balance", "scope": "account", "scope_id": "",
    "measure": "cost", "span": None, "unit": "money", "amount": 5_000_000, "threshold": 5_000_000,
    "value": 4_120_000, "average_micros": None, "currency": "USD", "window_on": None,
    "window_end_on": None, "number": 1, "cause": None,
}  # fmt: skip


def mails(*addresses: str) -> tuple[Target, ...]:
    return tuple(Target(Channel.EMAIL, each) for each in addresses)


def texts(*numbers: str) -> tuple[Target, ...]:
    return tuple(Target(Channel.SMS, each) for each in numbers)


class Noticed(Wallet):
    """A ledger with notices. ``smtp`` and ``sms``: where they go; none: not set up."""

    def __init__(self, folder: Path, smtp: str | None = None, sms: str | None = None,
                 opened: Database | None = None) -> None:  # fmt: skip
        super().__init__(folder, opened)
        self.smtp, self.sms = smtp, sms
        self.deliverers: list[NoticeDeliverer] = []
        self._own: NoticeDeliverer | None = None

    def process(self, writer: Any = None) -> NoticeDeliverer:
        """A deliverer of a process of its own, as far as the ledger can tell."""
        ways: dict[Channel, Way] = {}
        if self.smtp:
            ways[Channel.EMAIL] = MailWay(self.smtp, SENDER, BASE, Mutes(SECRET), WRITING)
        if self.sms:
            ways[Channel.SMS] = TextWay(self.sms, WRITING)
        made = NoticeDeliverer(self.database, writer or self.writer, self.clock, ways)
        self.deliverers.append(made)
        return made

    @property
    def deliverer(self) -> NoticeDeliverer:
        self._own = self._own or self.process()
        return self._own

    def close(self) -> None:
        for each in self.deliverers:
            each.close()
        super().close()

    def leave(self, *targets: Target, kind: NoticeKind = NoticeKind.ALERT_FIRED,
              alert_id: str | None = None, episode_id: str | None = None,
              account_id: str = "acme", **facts: Any) -> str:  # fmt: skip
        draft = NoticeDraft(
            kind, Level.URGENT, {**FACTS, **facts}, targets, alert_id, episode_id
        )  # fmt: skip
        return self.writer.write(lambda c: leave_notice(c, account_id, draft, self.clock.at))

    def sends(self) -> dict[str, Any]:
        """Every delivery, by address (tests use one a notice, or look at the newest)."""
        with self.database.read() as connection:
            rows = connection.execute(select(t.notice_sends).order_by(t.notice_sends.c.id)).all()
        return {row.address: row for row in rows}

    def states(self) -> dict[str, SendState]:
        return {address: SendState(row.state) for address, row in self.sends().items()}

    def attempts(self) -> list[Any]:
        return self.rows(t.notice_attempts, None)

    def run(self, until: Callable[[], bool], deliverer: NoticeDeliverer | None = None) -> None:
        """Delivers again and again."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not until():
            assert time.monotonic() < deadline, f"it didn't come: {self.states()}"
            (deliverer or self.deliverer).deliver()
            time.sleep(0.01)
