"""Deliveries in the ledger: what is due, who has taken one, and what came of it.

A delivery is claimed before it is handed over, so that two processes don't send it beside each
other. A mail's claim lapses and it is sent again, under the same id. An SMS that was begun is
never begun again: without an answer it becomes unknown. Must not know how anything is sent.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, and_, insert, literal, or_, select, text, update

from billing.alerts import Channel, Level, Target
from billing.notices import GIVEN_UP_AFTER, Notice, NoticeKind, Send, SendState
from billing.webhooks import next_try
from data import tables as t
from data.changes import mark_changed
from data.notices.mailing import Handed, Outcome

CLAIM = timedelta(seconds=60)  # longer than handing over may take
LOOK_AGAIN = timedelta(minutes=10)  # whether a way to send has been set up meanwhile
MOST_DUE = 500
IN_DOUBT = "the process ended while it was being sent: it may have gone out"
# As the index says it: with a parameter in its place no planner could tell that it fits.
OPEN = text("notice_sends.state IN ('waiting', 'sending')")
_sends, _notices, _mutes = t.notice_sends.c, t.notices.c, t.notice_mutes.c
_DUE = (
    select(_sends.id, _sends.channel, _sends.state, _sends.next_at)
    .where(OPEN)
    .order_by(_sends.next_at, _sends.id)
    .limit(MOST_DUE)
)
_STATES = {
    Outcome.TAKEN: SendState.SENT, Outcome.REFUSED: SendState.REFUSED,
    Outcome.UNKNOWN: SendState.UNKNOWN,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Due:
    """One delivery that may be begun, or (``is_in_doubt``) was begun and never ended."""

    id: str
    channel: Channel
    is_in_doubt: bool


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is this process's until its claim lapses, with its notice."""

    send: Send
    notice: Notice
    begun_at: datetime


def read_due(connection: Connection, now: datetime) -> Sequence[Due]:
    """What is due, the longest first, at most ``MOST_DUE``."""
    rows = connection.execute(_DUE.where(_sends.next_at <= now))
    return [Due(row.id, Channel(row.channel), row.state == SendState.SENDING.value) for row in rows]


def claim(connection: Connection, send_id: str, now: datetime) -> Claimed | None:
    """Takes a delivery that is due; none: another has, or it isn't to be sent any more."""
    row = connection.execute(
        select(
            t.notice_sends, _notices.kind, _notices.level, _notices.facts, _notices.is_shown,
            _notices.alert_id, _notices.episode_id, _notices.created_at.label("noticed_at"),
            _is_muted().label("is_muted"),
        )
        .join(t.notices, _notices.id == _sends.notice_id)
        .where(_sends.id == send_id)
    ).first()  # fmt: skip
    is_waiting = row is not None and row.state == SendState.WAITING.value
    if row is None or not is_waiting or row.next_at is None or row.next_at > now:
        return None
    if row.is_muted:
        _set(connection, row, state=SendState.MUTED, next_at=None, done_at=now)
        return None
    if not row.address:
        _set(connection, row, state=SendState.REFUSED, next_at=None, done_at=now,
             error="its address was erased")  # fmt: skip
        return None
    is_text = row.channel == Channel.SMS.value
    state = SendState.SENDING if is_text else SendState.WAITING
    if not _set(connection, row, state=state, next_at=now + CLAIM):
        return None
    send = Send(
        row.id, row.notice_id, Target(Channel(row.channel), row.address), state,
        row.attempt_count, row.created_at, now + CLAIM, None, row.error,
    )  # fmt: skip
    notice = Notice(
        row.notice_id, row.account_id, NoticeKind(row.kind), Level(row.level),
        json.loads(row.facts), row.is_shown, row.noticed_at, row.alert_id, row.episode_id,
    )  # fmt: skip
    return Claimed(send, notice, now)


def note(
    connection: Connection, claimed: Claimed, handed: Handed, now: datetime
) -> SendState | None:
    """Writes down what came of a claimed delivery; none: somebody else has meanwhile."""
    send, number = claimed.send, claimed.send.attempt_count + 1
    next_at = None
    if handed.outcome is Outcome.LATER:
        next_at = next_try(send.created_at, number, now)
        state = SendState.WAITING if next_at else SendState.PARKED
    else:
        state = _STATES[handed.outcome]
    is_taken = handed.outcome is Outcome.TAKEN
    noted = connection.execute(
        update(t.notice_sends)
        .where(
            _sends.id == send.id, _sends.attempt_count == send.attempt_count,
            _sends.state == send.state.value,
        )
        .values(
            state=state.value, attempt_count=number, next_at=next_at,
            done_at=None if next_at else now, error=None if is_taken else handed.answer,
        )
    )  # fmt: skip
    if not noted.rowcount:
        return None
    _note_attempt(connection, send.id, number, claimed.begun_at, handed)
    mark_changed(connection, claimed.notice.account_id)
    return state


def doubt(connection: Connection, send_id: str, now: datetime) -> bool:
    """An SMS that was begun, and whose process said no more of it, is unknown from now on."""
    row = connection.execute(select(t.notice_sends).where(_sends.id == send_id)).first()
    if row is None or row.state != SendState.SENDING.value or row.next_at > now:
        return False
    handed = Handed(Outcome.UNKNOWN, IN_DOUBT)
    is_mine = _set(connection, row, state=SendState.UNKNOWN, next_at=None, done_at=now,
                   error=IN_DOUBT, attempt_count=row.attempt_count + 1)  # fmt: skip
    if is_mine:
        _note_attempt(connection, row.id, row.attempt_count + 1, row.next_at - CLAIM, handed)
    return is_mine


def postpone(connection: Connection, send_ids: Sequence[str], reason: str, now: datetime) -> int:
    """What can't be sent here at all waits, with the reason; after a day it is given up."""
    parked = 0
    for send_id in send_ids:
        row = connection.execute(select(t.notice_sends).where(_sends.id == send_id)).first()
        if row is None or row.state != SendState.WAITING.value or row.next_at > now:
            continue
        end = row.created_at + GIVEN_UP_AFTER
        if now >= end:
            parked += _set(connection, row, state=SendState.PARKED, next_at=None, done_at=now,
                           error=reason)  # fmt: skip
        else:
            _set(connection, row, next_at=min(now + LOOK_AGAIN, end), error=reason)
    return parked


def _set(connection: Connection, row: Row[*tuple[Any, ...]], **values: Any) -> bool:
    """Changes a delivery that is still as it was read; whether it was."""
    done = connection.execute(
        update(t.notice_sends)
        .where(_sends.id == row.id, _sends.state == row.state, _sends.next_at == row.next_at)
        .values(**{name: getattr(value, "value", value) for name, value in values.items()})
    )
    if done.rowcount:
        mark_changed(connection, row.account_id)
    return bool(done.rowcount)


def _note_attempt(
    connection: Connection, send_id: str, number: int, at: datetime, handed: Handed
) -> None:
    connection.execute(
        insert(t.notice_attempts).values(
            send_id=send_id, number=number, at=at, is_taken=handed.outcome is Outcome.TAKEN,
            answer=handed.answer, milliseconds=handed.milliseconds,
        )
    )  # fmt: skip


def _is_muted() -> Any:
    """Whether the recipient has asked, since it was left, to hear no more of it."""
    of_alert = or_(_mutes.alert_id == "", _mutes.alert_id == _notices.alert_id)
    mine = and_(
        _mutes.account_id == _sends.account_id, _mutes.channel == _sends.channel,
        _mutes.address == _sends.address,
    )  # fmt: skip
    return select(literal(1)).where(mine, of_alert).correlate(t.notice_sends, t.notices).exists()
