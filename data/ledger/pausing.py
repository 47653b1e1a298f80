"""Pauses in the truth: what is due is compared with what is open, and the difference is written.

Safe to repeat: asked twice, the second time finds nothing to do. Callers hold the lock on the
account's balance. While an import fills an account nothing of it is paused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, exists, insert, select, update

from billing.accounts import Account
from billing.caps import CapKind, Limits, Window
from billing.pauses import (
    Due,
    Pause,
    Reason,
    ResumeCause,
    due_pauses,
    present_windows,
    resume_cause,
)
from data import tables as t
from data.changes import mark_changed
from data.identity import new_id
from data.ledger.counters import CapCounters
from data.ledger.importing import is_importing
from data.ledger.telling import tell_turned

_pauses = t.pauses.c
_OPEN = (
    select(t.pauses)
    .where(_pauses.account_id == bindparam("account"), _pauses.ended_at.is_(None))
    .order_by(_pauses.started_at, _pauses.id)
)
_END = (
    update(t.pauses)
    .where(_pauses.id == bindparam("pause"), _pauses.ended_at.is_(None))
    .values(ended_at=bindparam("at"), end_cause=bindparam("cause"))
)
_HAS_ENTRY = select(exists().where(t.wallet_entries.c.account_id == bindparam("account")))


@dataclass(frozen=True, slots=True)
class Moment:
    """What pauses are reckoned from, at one instant."""

    account: Account
    limits: Limits
    posted_micros: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Turned:
    """What a look at the account's pauses changed."""

    begun: tuple[Pause, ...] = ()
    ended: tuple[Pause, ...] = ()


def open_pauses(connection: Connection, account_id: str) -> tuple[Pause, ...]:
    """What stands still now, oldest first."""
    return tuple(pause_of(row) for row in connection.execute(_OPEN, {"account": account_id}))


def due_now(connection: Connection, moment: Moment, counters: CapCounters) -> tuple[Due, ...]:
    """Everything that is to stand still, by counters with all that was changed so far."""
    limits, zones = moment.limits, moment.account.zones
    windows = present_windows(limits, moment.at, zones)
    counters.look_up(windows)
    counts = {window: counters.counted(window) for window in windows}
    return tuple(
        each
        for each in due_pauses(limits, counts, moment.posted_micros, moment.at, zones)
        if _is_meant(connection, moment, each)
    )


def turn(
    connection: Connection, moment: Moment, known: Sequence[Pause] | None = None,
    counters: CapCounters | None = None,
) -> Turned:  # fmt: skip
    """Pauses and resumes what is to be.

    ``known``: the open pauses, if they were read; ``counters``: the account's, if they are open.
    """
    begun, over = _difference(connection, moment, known, counters)
    account_id = moment.account.id
    ended = tuple(_end(connection, moment, pause) for pause in over)
    started = tuple(_begin(connection, account_id, each, moment.at) for each in begun)
    tell_turned(connection, moment.account, started, ended)
    return Turned(started, ended)


def is_settled(connection: Connection, moment: Moment) -> bool:
    """Whether what is paused is just what is to be."""
    return _difference(connection, moment, None, None) == ([], [])


def _difference(
    connection: Connection, moment: Moment, known: Sequence[Pause] | None,
    counters: CapCounters | None,
) -> tuple[list[Due], list[Pause]]:  # fmt: skip
    """What is to be paused, and which pauses are over."""
    account_id = moment.account.id
    present = open_pauses(connection, account_id) if known is None else known
    found = due_now(connection, moment, counters or CapCounters(connection, account_id))
    due = {each.reason.name: each for each in found}
    over = [pause for pause in present if not _goes_on(pause, due)]
    kept = {pause.reason.name for pause in present if pause not in over}
    begun = [each for name, each in due.items() if name not in kept]
    if begun and is_importing(connection, account_id):
        begun = []
    return begun, over


def _goes_on(pause: Pause, due: dict[tuple[str, str], Due]) -> bool:
    """Whether an open pause is still due, and of the same window."""
    found = due.get(pause.reason.name)
    return found is not None and found.reason.window == pause.reason.window


def _is_meant(connection: Connection, moment: Moment, due: Due) -> bool:
    """A balance that never held anything hasn't run out."""
    if due.reason.window is not None or moment.posted_micros < 0:
        return True
    return bool(connection.scalar(_HAS_ENTRY, {"account": moment.account.id}))


def _begin(connection: Connection, account_id: str, due: Due, at: datetime) -> Pause:
    pause = Pause(
        new_id(), account_id, due.reason, at, due.spent_micros, due.limit_micros, due.until_at
    )
    window = due.reason.window
    connection.execute(
        insert(t.pauses).values(
            id=pause.id, account_id=account_id, rule=due.reason.rule,
            campaign_id=due.reason.campaign, window_on=window.start_on if window else None,
            spent_micros=due.spent_micros, limit_micros=due.limit_micros, started_at=at,
            until_at=due.until_at,
        )
    )  # fmt: skip
    mark_changed(connection, account_id)
    return pause


def _end(connection: Connection, moment: Moment, pause: Pause) -> Pause:
    cause = resume_cause(
        pause.reason, moment.limits, moment.at, moment.account.zones, pause.limit_micros
    )
    connection.execute(_END, {"pause": pause.id, "at": moment.at, "cause": cause.value})
    mark_changed(connection, moment.account.id)
    return Pause(
        pause.id, pause.account_id, pause.reason, pause.started_at, pause.spent_micros,
        pause.limit_micros, pause.until_at, moment.at, cause,
    )  # fmt: skip


def pause_of(row: Any) -> Pause:
    """A row of ``pauses`` as a value."""
    window = None
    if row.window_on is not None:
        window = Window(CapKind(row.rule), row.window_on, row.campaign_id)
    return Pause(
        row.id, row.account_id, Reason(row.rule, window), row.started_at, row.spent_micros,
        row.limit_micros, row.until_at, row.ended_at,
        ResumeCause(row.end_cause) if row.end_cause else None,
    )  # fmt: skip
