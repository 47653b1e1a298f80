"""Notices to tell: written in the transaction of what they tell of, for every channel at once.

The dashboard shows a notice as soon as it is committed; webhooks go the way of all webhooks
(data/webhooks/outbox.py); e-mail and SMS wait as deliveries. An alert's go to whomever somebody
named, so that they are bounded by the day. Must not know how anything is sent.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, exists, func, insert, or_, select, text

from billing.alerts import MOST_ADDRESSES, MOST_ALERTS, Channel, Target
from billing.notices import NoticeDraft, NoticeKind, SendState
from billing.webhooks import Topic
from data import tables as t
from data.changes import mark_changed
from data.identity import new_id
from data.webhooks.outbox import tell

EVERYBODY = "*"  # the account of notices to those who run the product
SENT = (Channel.EMAIL, Channel.SMS)
# Of one account's alerts within a day: every alert may tell everybody once. An SMS costs money.
A_DAY = timedelta(hours=24)
MOST_A_DAY = {Channel.EMAIL: MOST_ALERTS * MOST_ADDRESSES, Channel.SMS: 500}
_log = logging.getLogger(__name__)
_TOPICS = {
    NoticeKind.ALERT_FIRED: Topic.ALERT_FIRED,
    NoticeKind.ALERT_REPEATED: Topic.ALERT_FIRED,
    NoticeKind.ALERT_RECOVERED: Topic.ALERT_RECOVERED,
    NoticeKind.ALERT_TEST: Topic.ALERT_TEST,
}
_mutes = t.notice_mutes.c
_MUTED = select(_mutes.channel, _mutes.address).where(
    _mutes.account_id == bindparam("account"),
    or_(_mutes.alert_id == "", _mutes.alert_id == bindparam("alert")),
)
_COUNTED = (
    select(t.notice_sends.c.channel, func.count().label("sends"))
    .where(
        t.notice_sends.c.account_id == bindparam("account"),
        t.notice_sends.c.created_at > bindparam("since"),
    )
    .group_by(t.notice_sends.c.channel)
)  # fmt: skip
# As the index says it: with parameters in their place SQLite would read the whole table.
_WAITING = select(
    exists().select_from(t.notice_sends).where(text("notice_sends.state IN ('waiting', 'sending')"))
)


def leave_notice(connection: Connection, account_id: str, draft: NoticeDraft, at: datetime) -> str:
    """Leaves a notice and its deliveries in the caller's transaction; gives its id.

    Callers hold the lock on the account's balance when a webhook is among the targets.
    """
    notice_id = new_id()
    channels = {target.channel for target in draft.targets}
    targets, unsent_count = _within_bounds(connection, account_id, draft, at)
    facts = dict(draft.facts) | ({"unsent_count": unsent_count} if unsent_count else {})
    connection.execute(
        insert(t.notices).values(
            id=notice_id, account_id=account_id, kind=draft.kind.value, level=draft.level.value,
            alert_id=draft.alert_id, episode_id=draft.episode_id,
            facts=json.dumps(facts, separators=(",", ":"), ensure_ascii=False),
            is_shown=Channel.DASHBOARD in channels, created_at=at,
        )
    )  # fmt: skip
    _leave_sends(connection, account_id, draft, notice_id, targets, at)
    if Channel.WEBHOOK in channels and draft.kind in _TOPICS:
        tell(connection, account_id, _TOPICS[draft.kind], _told(draft, notice_id), at)
    mark_changed(connection, account_id)
    return notice_id


def has_waiting_sends(connection: Connection) -> bool:
    """Whether any e-mail or SMS waits, due or not."""
    return bool(connection.scalar(_WAITING))


def _within_bounds(
    connection: Connection, account_id: str, draft: NoticeDraft, at: datetime
) -> tuple[list[Target], int]:
    """Who is sent something, and how many aren't, because a day allows no more.

    Whatever makes an alert fire again and again, nobody's mailbox is flooded through it, and the
    mails of other accounts don't wait behind it. What isn't an alert's goes to known people.
    """
    wanted = [each for each in draft.targets if each.channel in SENT]
    if draft.alert_id is None or account_id == EVERYBODY or not wanted:
        return wanted, 0
    counted = connection.execute(_COUNTED, {"account": account_id, "since": at - A_DAY})
    left = {channel: MOST_A_DAY[channel] for channel in SENT}
    for row in counted:
        left[Channel(row.channel)] -= row.sends
    kept: list[Target] = []
    for each in wanted:
        left[each.channel] -= 1
        if left[each.channel] >= 0:
            kept.append(each)
    unsent_count = len(wanted) - len(kept)
    if unsent_count:
        _log.warning(
            "%s deliveries of an alert of %s were left out: no more of them go out within a day",
            unsent_count, account_id,
        )  # fmt: skip
    return kept, unsent_count


def _leave_sends(
    connection: Connection, account_id: str, draft: NoticeDraft, notice_id: str,
    targets: Sequence[Target], at: datetime,
) -> None:  # fmt: skip
    if not targets:
        return
    asked = {"account": account_id, "alert": draft.alert_id or ""}
    muted = {(row.channel, row.address) for row in connection.execute(_MUTED, asked)}
    rows = []
    for channel, address in targets:
        is_muted = (channel.value, address) in muted
        state = SendState.MUTED if is_muted else SendState.WAITING
        rows.append(
            {
                "id": new_id(), "account_id": account_id, "notice_id": notice_id,
                "channel": channel.value, "address": address, "state": state.value,
                "attempt_count": 0, "created_at": at, "next_at": None if is_muted else at,
                "done_at": at if is_muted else None,
            }
        )  # fmt: skip
    connection.execute(insert(t.notice_sends), rows)


def _told(draft: NoticeDraft, notice_id: str) -> Mapping[str, Any]:
    """What a webhook carries of a notice."""
    return {
        "notice_id": notice_id, "alert_id": draft.alert_id, "episode_id": draft.episode_id,
        "level": draft.level.value, **draft.facts,
    }  # fmt: skip
