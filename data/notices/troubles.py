"""What is wrong with the product itself: told to its admins once when it begins, once when it ends.

By e-mail to each of them and on their dashboard, in the transaction of what it tells of. What is
measured is looked at by data/notices/watching.py. Must not know how a notice is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from billing.access import ALL_ACCOUNTS, Role
from billing.alerts import Channel, Level, Target
from billing.notices import NoticeDraft, NoticeKind, TroubleName
from data import tables as t
from data.identity import new_id
from data.notices.outbox import EVERYBODY, leave_notice

MOST_ADMINS = 100
LEVELS = {
    TroubleName.SYNC_BEHIND: Level.WARNING, TroubleName.WEBHOOK_PARKED: Level.WARNING,
    TroubleName.RECHARGE_DECLINED: Level.WARNING, TroubleName.DISCREPANCY_FOUND: Level.URGENT,
    TroubleName.DISK_NEARLY_FULL: Level.URGENT,
}  # fmt: skip
_troubles, _people, _members = t.troubles.c, t.people.c, t.memberships.c
_ADMINS = (
    select(_people.email)
    .join(t.memberships, _members.person_id == _people.id)
    .where(
        _members.account_id == ALL_ACCOUNTS, _members.role == Role.ADMIN.value,
        _people.disabled_at.is_(None),
    )
    .order_by(_people.email)
    .limit(MOST_ADMINS)
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something wrong. ``subject``: what it is about, such as an endpoint; empty for the whole."""

    name: TroubleName
    subject: str = ""
    account_id: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


def begin(connection: Connection, trouble: Trouble, at: datetime) -> bool:
    """Tells of a trouble, unless it is known already; whether it told."""
    if _is_open(connection, trouble):
        return False
    connection.execute(
        insert(t.troubles).values(
            id=new_id(), name=trouble.name.value, subject=trouble.subject, started_at=at
        )
    )
    _leave(connection, NoticeKind.TROUBLE, LEVELS[trouble.name], trouble, at)
    return True


def end(connection: Connection, trouble: Trouble, at: datetime) -> bool:
    """Tells that a trouble is over, if it was told of; whether it told. ``facts``: as it is now."""
    if not _is_open(connection, trouble):
        return False
    connection.execute(
        update(t.troubles)
        .where(
            _troubles.name == trouble.name.value, _troubles.subject == trouble.subject,
            _troubles.ended_at.is_(None),
        )
        .values(ended_at=at)
    )  # fmt: skip
    _leave(connection, NoticeKind.TROUBLE_OVER, Level.NOTICE, trouble, at)
    return True


def _is_open(connection: Connection, trouble: Trouble) -> bool:
    found = connection.scalar(
        select(_troubles.id).where(
            _troubles.name == trouble.name.value, _troubles.subject == trouble.subject,
            _troubles.ended_at.is_(None),
        )
    )  # fmt: skip
    return found is not None


def _leave(
    connection: Connection, kind: NoticeKind, level: Level, trouble: Trouble, at: datetime
) -> None:
    facts = {
        **trouble.facts, "name": trouble.name.value, "subject": trouble.subject,
        "account_id": trouble.account_id,
    }  # fmt: skip
    mails = [Target(Channel.EMAIL, email) for email in connection.scalars(_ADMINS)]
    draft = NoticeDraft(kind, level, facts, (Target(Channel.DASHBOARD), *mails))
    leave_notice(connection, EVERYBODY, draft, at)
