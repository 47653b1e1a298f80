"""The look at an account's alerts: figures against thresholds, and what comes of it.

Episodes begin and end, and notices with their deliveries are left, in the transaction of whatever
moved the figures; looking again changes nothing. While an import fills the account nobody is told
of it. Callers hold the lock on the account's balance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from billing.accounts import Account
from billing.alert_steps import AlertState, Phase, Reading, Step, Telling, chosen_targets, step
from billing.alerts import Alert, Target
from billing.notices import NoticeDraft, NoticeKind
from data import tables as t
from data.alerts.book import AlertBook
from data.alerts.values import AlertValues
from data.changes import mark_changed
from data.identity import new_id
from data.ledger.importing import is_importing
from data.notices.outbox import leave_notice

_states, _episodes = t.alert_states.c, t.alert_episodes.c
_STATES = select(t.alert_states).where(_states.account_id == bindparam("account"))
_CHANGE_STATE = (
    update(t.alert_states)
    .where(_states.account_id == bindparam("account"), _states.alert_id == bindparam("alert"))
    .values(
        {
            name: bindparam(f"new_{name}")
            for name in (
                "phase", "version", "window_on", "episode_number", "told_count", "told_at",
                "told_on",
            )
        }
    )
)  # fmt: skip
_END_EPISODE = (
    update(t.alert_episodes)
    .where(_episodes.alert_id == bindparam("alert"), _episodes.ended_at.is_(None))
    .values(ended_at=bindparam("at"), end_cause=bindparam("cause"))
)
_OPEN_EPISODE = select(_episodes.id).where(
    _episodes.alert_id == bindparam("alert"), _episodes.ended_at.is_(None)
)
_KINDS = {
    Telling.FIRED: NoticeKind.ALERT_FIRED,
    Telling.REPEATED: NoticeKind.ALERT_REPEATED,
    Telling.RECOVERED: NoticeKind.ALERT_RECOVERED,
}


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look came to: rules whose alarm began or ended, and how many notices were left."""

    begun: tuple[Alert, ...] = ()
    ended: tuple[Alert, ...] = ()
    notice_count: int = 0


def look(
    connection: Connection, account: Account, book: AlertBook, now: datetime,
    posted: int | None = None,
) -> Looked:  # fmt: skip
    """Looks at every alert of an account. ``posted``: the posted balance, if it was read.

    Nobody is told of a closed account, whose credit may lapse all the same.
    """
    if not book.alerts or account.is_closed:
        return Looked()
    values = AlertValues(connection, account, now, posted)
    states = read_states(connection, account.id)
    steps = [step(each, states.get(each.id), values.reading(each.rule), now)
             for each in book.alerts]  # fmt: skip
    moved = [each for each in steps if not each.is_nothing or each.alert.id not in states]
    if not moved or is_importing(connection, account.id):
        return Looked()
    return _write(connection, account, values, steps, moved, states)


def is_calm(connection: Connection, account: Account, book: AlertBook, now: datetime) -> bool:
    """Whether a look would change nothing."""
    if not book.alerts or is_importing(connection, account.id):
        return True
    values, states = AlertValues(connection, account, now), read_states(connection, account.id)
    return all(
        each.id in states and step(each, states[each.id], values.reading(each.rule), now).is_nothing
        for each in book.alerts
    )


def end_alert(connection: Connection, alert: Alert, at: datetime, cause: str) -> None:
    """Ends what an alert has begun, without telling anybody, and forgets when it was told.

    Of one that was removed, or that looks at another figure now.
    """
    connection.execute(_END_EPISODE, {"alert": alert.id, "at": at, "cause": cause})
    connection.execute(
        update(t.alert_states)
        .where(_states.account_id == alert.account_id, _states.alert_id == alert.id)
        .values(phase=Phase.OFF.value, told_at=None, told_on=None)
    )


def read_states(connection: Connection, account_id: str) -> Mapping[str, AlertState]:
    """Where each alert of an account stood at the last look, by its id."""
    return {
        row.alert_id: AlertState(
            Phase(row.phase), row.version, row.window_on, row.episode_number, row.told_count,
            row.told_at, row.told_on,
        )
        for row in connection.execute(_STATES, {"account": account_id})
    }  # fmt: skip


def facts_of(
    alert: Alert, reading: Reading, account: Account, average_micros: int | None,
    today: date, **more: Any,
) -> dict[str, Any]:  # fmt: skip
    """What a notice keeps of an alert's moment (see ``billing.notices.Notice``)."""
    rule = alert.rule
    window = rule.span.of(account, today) if rule.span else None
    return {
        "name": rule.name, "level": rule.level.value, "kind": rule.kind.value,
        "scope": rule.scope.kind.value, "scope_id": rule.scope.id, "measure": rule.measure.value,
        "span": rule.span.value if rule.span else None, "unit": rule.threshold.unit.value,
        "amount": rule.threshold.amount, "threshold": reading.threshold, "value": reading.value,
        "average_micros": average_micros, "currency": account.currency,
        "window_on": window.start.isoformat() if window else None,
        "window_end_on": window.end.isoformat() if window else None, **more,
    }  # fmt: skip


def _write(
    connection: Connection, account: Account, values: AlertValues, steps: Sequence[Step],
    moved: Sequence[Step], states: Mapping[str, AlertState],
) -> Looked:  # fmt: skip
    in_alarm = [each for each in steps if each.after.phase is Phase.ALARM]
    chosen = chosen_targets(moved, in_alarm)
    count = 0
    for each in moved:
        count += _write_step(connection, account, values, each, chosen)
    fresh = [each for each in moved if each.alert.id not in states]
    kept = [each for each in moved if each.alert.id in states]
    if fresh:
        connection.execute(
            insert(t.alert_states),
            [
                {"account_id": account.id, "alert_id": each.alert.id, **_state_row(each.after)}
                for each in fresh
            ],
        )
    if kept:
        connection.execute(
            _CHANGE_STATE,
            [
                {
                    "account": account.id, "alert": each.alert.id,
                    **{f"new_{name}": value for name, value in _state_row(each.after).items()},
                }
                for each in kept
            ],
        )  # fmt: skip
    mark_changed(connection, account.id)
    return Looked(
        tuple(each.alert for each in moved if each.begins),
        tuple(each.alert for each in moved if each.ended), count,
    )  # fmt: skip


def _write_step(
    connection: Connection, account: Account, values: AlertValues, each: Step,
    chosen: Mapping[tuple[str, Telling], tuple[Target, ...]],
) -> int:  # fmt: skip
    """Writes one alert's episodes and notices, in the order in which they happened."""
    alert, now = each.alert, values.now
    episode_id = connection.scalar(_OPEN_EPISODE, {"alert": alert.id})
    if each.ended:
        connection.execute(
            _END_EPISODE, {"alert": alert.id, "at": now, "cause": each.ended.value}
        )  # fmt: skip
    count = 0
    if Telling.RECOVERED in each.tellings:
        count += _tell(connection, account, values, each, Telling.RECOVERED, chosen, episode_id)
    if each.begins:
        episode_id = new_id()
        connection.execute(
            insert(t.alert_episodes).values(
                id=episode_id, account_id=account.id, alert_id=alert.id,
                number=each.after.episode_number, version=alert.version,
                window_on=each.reading.window_on, value=each.reading.value,
                threshold=each.reading.threshold, started_at=now,
            )
        )  # fmt: skip
    for telling in (Telling.FIRED, Telling.REPEATED):
        if telling in each.tellings:
            count += _tell(connection, account, values, each, telling, chosen, episode_id)
    return count


def _tell(
    connection: Connection, account: Account, values: AlertValues, each: Step, telling: Telling,
    chosen: Mapping[tuple[str, Telling], tuple[Target, ...]], episode_id: str | None,
) -> int:  # fmt: skip
    """Leaves a notice for those who are told; none, if a more severe one tells them all."""
    targets = chosen[each.alert.id, telling]
    if not targets:
        return 0
    number = each.before.told_count if telling is Telling.RECOVERED else each.after.told_count
    average = values.average.micros if each.alert.rule.threshold.unit.value == "percent" else None
    facts = facts_of(
        each.alert, each.reading, account, average, values.today, number=number,
        cause=each.ended.value if each.ended and telling is Telling.RECOVERED else None,
    )  # fmt: skip
    draft = NoticeDraft(
        _KINDS[telling], each.alert.rule.level, facts, targets, each.alert.id, episode_id
    )
    leave_notice(connection, account.id, draft, values.now)
    return 1


def _state_row(state: AlertState) -> dict[str, Any]:
    return {
        "phase": state.phase.value, "version": state.version, "window_on": state.window_on,
        "episode_number": state.episode_number, "told_count": state.told_count,
        "told_at": state.told_at, "told_on": state.told_on,
    }  # fmt: skip
