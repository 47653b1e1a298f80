"""Alerts changed by people and keys: the one use case behind the API's calls and the page's forms.

Who may, and on which plan, is asked here, so that no way leads around it. Must not know who shows
the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import Connection, bindparam, delete, select, text

from billing.access import ALL_ACCOUNTS, AccountScope
from billing.accounts import Account
from billing.alert_standing import require_alert_change, require_alert_plan
from billing.alerts import Alert, AlertRule, Channel, Unit
from billing.clock import Clock
from billing.errors import NotFoundError, ProductError
from billing.notices import NoticeDraft, NoticeKind
from data import tables as t
from data.access.audit import record
from data.accounts import read_account
from data.alerts.book import read_alerts
from data.alerts.looking import facts_of
from data.alerts.rules import NO_ALERT, add_alert, change_alert, install_recommended, remove_alert
from data.alerts.values import AlertValues
from data.changes import mark_changed
from data.columns import Instant
from data.ledger.wallet import OpenWallet
from data.notices.outbox import leave_notice
from data.writer import Writer

TEST_EVERY = timedelta(minutes=1)
T = TypeVar("T")
_notices, _mutes = t.notices.c, t.notice_mutes.c
_MARK = text(
    "INSERT INTO notice_marks (account_id, person_id, seen_at) VALUES (:account, :person, :at) "
    "ON CONFLICT (account_id, person_id) DO UPDATE SET seen_at = excluded.seen_at "
    "WHERE notice_marks.seen_at < excluded.seen_at"
).bindparams(bindparam("at", type_=Instant))


class JustTestedError(ProductError):
    """A test of this alert was sent less than a minute ago."""

    code = "too_many"

    def __init__(self, seconds: int) -> None:
        super().__init__(
            f"A test of this alert was sent less than a minute ago: try again in {seconds} s."
        )
        self.retry_after_seconds = seconds


class AlertDesk:
    """Changes alerts in the writer.

    Errors of every change: ``NotAllowedError`` for a role or a plan that may not; ``BusyError``.
    """

    def __init__(self, writer: Writer, clock: Clock) -> None:
        self._writer = writer
        self._clock = clock

    def add(self, scope: AccountScope, actor: str, rule: AlertRule) -> Alert:
        """A new alert; already broken, it says so at once.

        Errors: ``InputError`` for a rule that can't be, or one too many.
        """
        return self._change(scope, lambda c, account, now: add_alert(c, account, rule, actor, now))

    def change(
        self, scope: AccountScope, actor: str, alert_id: str, rule: AlertRule,
        version: int | None = None,
    ) -> Alert:  # fmt: skip
        """Replaces what an alert says.

        ``version``: the one that was read, so that nobody's change is lost unseen; none: whatever
        it is. Errors: ``NotFoundError``; ``AlertChangedError`` for another version; ``InputError``.
        """
        return self.amend(scope, actor, alert_id, lambda _: rule, version)

    def amend(
        self, scope: AccountScope, actor: str, alert_id: str,
        edit: Callable[[AlertRule], AlertRule], version: int | None = None,
    ) -> Alert:  # fmt: skip
        """Changes a part of what an alert says. ``edit``: the rule it says into the one it is to.

        Errors: as ``change``, and those of ``edit``.
        """

        def work(connection: Connection, account: Account, now: datetime) -> Alert:
            OpenWallet.open(connection, account)  # its lock keeps every other change out meanwhile
            found = _find(connection, account.id, alert_id)
            rule = edit(found.rule)
            return change_alert(connection, account, found.id, rule, version, actor, now)

        return self._change(scope, work)

    def switch(
        self, scope: AccountScope, actor: str, alert_id: str, *, is_on: bool,
        version: int | None = None,
    ) -> Alert:  # fmt: skip
        """Pauses an alert, or lets it go on. Errors: as ``change``."""
        return self.amend(scope, actor, alert_id, lambda rule: replace(rule, is_on=is_on), version)

    def remove(
        self, scope: AccountScope, actor: str, alert_id: str, version: int | None = None
    ) -> None:
        """Removes an alert, on any plan; what it told stays known. Errors: as ``change``."""
        require_alert_change(scope.role)

        def work(connection: Connection) -> None:
            account = read_account(connection, scope.account_id)
            remove_alert(connection, account, alert_id, version, actor, self._clock.now())

        self._writer.write(work)

    def install_recommended(
        self, scope: AccountScope, actor: str, emails: Sequence[str] = ()
    ) -> tuple[Alert, ...]:
        """The recommended levels that aren't there yet, the mildest first; none: all are.

        ``emails``: who is told besides the dashboard. Errors: ``InputError`` naming them.
        """
        return self._change(
            scope,
            lambda c, account, now: install_recommended(c, account, tuple(emails), actor, now),
        )

    def send_test(self, scope: AccountScope, actor: str, alert_id: str) -> str:
        """Tells whom an alert tells, by every channel, marked as a test; gives the notice's id.

        With the figures of now. Errors: ``NotFoundError``; ``JustTestedError`` within a minute.
        """

        def work(connection: Connection, account: Account, now: datetime) -> str:
            wallet = OpenWallet.open(connection, account)  # its lock
            alert = _find(connection, account.id, alert_id)
            _refuse_second_test(connection, alert, now)
            values = AlertValues(connection, account, now, wallet.posted_micros)
            is_percent = alert.rule.threshold.unit is Unit.PERCENT
            facts = facts_of(
                alert, values.reading(alert.rule), account,
                values.average.micros if is_percent else None, values.today, number=1, cause=None,
            )  # fmt: skip
            draft = NoticeDraft(
                NoticeKind.ALERT_TEST, alert.rule.level, facts, alert.rule.targets, alert.id
            )
            notice_id = leave_notice(connection, account.id, draft, now)
            detail = {"alert_id": alert.id, "notice_id": notice_id}
            record(connection, now, actor, account.id, "alert.tested", detail)
            return notice_id

        return self._change(scope, work)

    def mark_seen(
        self, accounts: Sequence[str], person_id: str, until: datetime | None = None
    ) -> None:
        """Notes up to when a person has seen notices; never back.

        ``accounts``: whose notices they were (``seen_accounts`` of the reader). ``until``: when the
        newest they were shown was left, so that one that came meanwhile stays new; none: now.
        """
        at = until or self._clock.now()

        def work(connection: Connection) -> None:
            for account_id in accounts:
                connection.execute(_MARK, {"account": account_id, "person": person_id, "at": at})
                if account_id != ALL_ACCOUNTS:  # which would wake everybody for one person's bell
                    mark_changed(connection, account_id)

        self._writer.write(work)

    def unmute(
        self, scope: AccountScope, actor: str, channel: Channel, address: str, alert_id: str = ""
    ) -> None:
        """Lets somebody be told again who had asked not to; ``alert_id`` empty: of all alerts.

        Errors: ``NotFoundError`` for one who hadn't asked that.
        """
        require_alert_change(scope.role)

        def work(connection: Connection) -> None:
            done = connection.execute(
                delete(t.notice_mutes).where(
                    _mutes.account_id == scope.account_id, _mutes.channel == channel.value,
                    _mutes.address == address, _mutes.alert_id == alert_id,
                )
            )  # fmt: skip
            if not done.rowcount:
                raise NotFoundError("Nobody of that address asked not to be told.")
            detail = {"channel": channel.value, "alert_id": alert_id}
            now = self._clock.now()
            record(connection, now, actor, scope.account_id, "alert.unmuted", detail)

        self._writer.write(work)

    def _change(self, scope: AccountScope, work: Callable[[Connection, Account, datetime], T]) -> T:
        """One change in a transaction, by who may, on a plan that has alerts."""
        require_alert_change(scope.role)

        def checked(connection: Connection) -> T:
            now = self._clock.now()
            account = read_account(connection, scope.account_id)
            require_alert_plan(account, account.today(now))
            return work(connection, account, now)

        return self._writer.write(checked)


def _find(connection: Connection, account_id: str, alert_id: str) -> Alert:
    found = read_alerts(connection, account_id).find(alert_id)
    if found is None:
        raise NotFoundError(NO_ALERT)
    return found


def _refuse_second_test(connection: Connection, alert: Alert, now: datetime) -> None:
    last = connection.scalar(
        select(_notices.created_at)
        .where(
            _notices.alert_id == alert.id, _notices.kind == NoticeKind.ALERT_TEST.value,
            _notices.created_at > now - TEST_EVERY,
        )
        .order_by(_notices.created_at.desc())
        .limit(1)
    )  # fmt: skip
    if last is not None:
        wait = last + TEST_EVERY - now
        raise JustTestedError(min(60, max(1, -(-wait // timedelta(seconds=1)))))
