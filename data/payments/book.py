"""Auto-recharge in the truth: settings and tries as values. Must not know what a gateway is.

Whoever changes one holds the lock on the account's balance.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import takewhile
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, func, insert, select, text, update

from billing.accounts import Account
from billing.movements import LARGEST_MICROS
from billing.recharges import (
    IN_FLIGHT,
    Now,
    Recharge,
    RechargeMode,
    RechargeSettings,
    RechargeState,
    Tries,
)
from data import tables as t
from data.changes import mark_changed
from data.columns import Instant
from data.database import can_write
from data.identity import new_id
from data.ledger.importing import is_importing

# Changes let a declined top-up be tried at once, but no card is tried on and on by changing.
MOST_DECLINES_A_DAY = 8  # one after another; four come of themselves
STREAK_ROWS = 20  # of the newest tries: declines one after another wait as long from the fourth on
_tries = t.recharges.c
_OPEN_STATES = tuple(state.value for state in IN_FLIGHT)
# As the index says it: with parameters in their place SQLite would read every try.
IS_OPEN: ColumnElement[bool] = text("recharges.state IN ('waiting', 'sent')")  # type: ignore[assignment]
_COUNTED_STATES = (*_OPEN_STATES, RechargeState.DONE.value)
_SETTINGS = select(t.auto_recharges).where(t.auto_recharges.c.account_id == bindparam("account"))
_COUNTED = select(func.coalesce(func.sum(_tries.amount_micros), 0)).where(
    _tries.account_id == bindparam("account"),
    _tries.counted_on == bindparam("day"),
    _tries.state.in_(_COUNTED_STATES),
)
_IN_FLIGHT = select(t.recharges).where(_tries.account_id == bindparam("account"), IS_OPEN)
_DUE = (
    select(_tries.id, _tries.account_id)
    .where(IS_OPEN, _tries.next_at <= bindparam("at", type_=Instant()))
    .order_by(_tries.next_at, _tries.id)
)
_NEWEST = (
    select(_tries.state, _tries.version, _tries.done_at)
    .where(
        _tries.account_id == bindparam("account"),
        _tries.state.in_((RechargeState.DONE.value, RechargeState.DECLINED.value)),
    )
    .order_by(_tries.asked_at.desc(), _tries.id.desc())
    .limit(STREAK_ROWS)
)
_ONE = select(t.recharges).where(_tries.id == bindparam("id"))


def read_settings(connection: Connection, account_id: str) -> RechargeSettings:
    """What an account has set; off where nothing ever was."""
    row = connection.execute(_SETTINGS, {"account": account_id}).first()
    if row is None:
        return RechargeSettings()
    return RechargeSettings(
        row.is_on, row.threshold_micros, RechargeMode(row.mode), row.amount_micros,
        row.daily_ceiling_micros, row.method, row.version,
    )  # fmt: skip


def save_settings(
    connection: Connection, account_id: str, settings: RechargeSettings, at: datetime
) -> None:
    """Replaces what is set, under its version; the ceiling is told of anew."""
    assert can_write(connection), "settings are changed in a write transaction"
    assert 0 <= settings.amount_micros <= LARGEST_MICROS, "checked by its caller"
    row = {
        "is_on": settings.is_on, "threshold_micros": settings.threshold_micros,
        "mode": settings.mode.value, "amount_micros": settings.amount_micros,
        "daily_ceiling_micros": settings.daily_ceiling_micros, "method": settings.method,
        "version": settings.version, "updated_at": at, "stopped_on": None,
    }  # fmt: skip
    changed = connection.execute(
        update(t.auto_recharges).where(t.auto_recharges.c.account_id == account_id).values(row)
    )
    if not changed.rowcount:
        connection.execute(insert(t.auto_recharges).values(account_id=account_id, **row))
    mark_changed(connection, account_id)


def stopped_on(connection: Connection, account_id: str) -> date | None:
    """The last local day whose ceiling the account was told of."""
    day: date | None = connection.scalar(
        select(t.auto_recharges.c.stopped_on).where(t.auto_recharges.c.account_id == account_id)
    )
    return day


def note_stopped(connection: Connection, account_id: str, day: date) -> None:
    """Remembers that the account was told of a day's ceiling."""
    connection.execute(
        update(t.auto_recharges)
        .where(t.auto_recharges.c.account_id == account_id)
        .values(stopped_on=day)
    )


def read_tries(
    connection: Connection, account: Account, version: int, at: datetime,
    without: Recharge | None = None,
) -> Tries:  # fmt: skip
    """What was tried, as far as it decides about the next top-up.

    ``version``: of the settings in force: declines before a change of them don't count, unless
    there were ``MOST_DECLINES_A_DAY``. ``without``: one that is in flight, left out.
    """
    day = account.today(at)
    counted = int(connection.scalar(_COUNTED, {"account": account.id, "day": day}) or 0)
    open_one = connection.execute(_IN_FLIGHT, {"account": account.id}).first()
    flying = 0
    if open_one is not None:
        if without is not None and open_one.id == without.id:
            counted -= open_one.amount_micros if open_one.counted_on == day else 0
        else:
            flying = open_one.amount_micros
    streak: list[tuple[datetime, int]] = []
    for row in connection.execute(_NEWEST, {"account": account.id}):
        if row.state == RechargeState.DONE.value:
            break
        streak.append((row.done_at, row.version))
    declined = [done_at for done_at, _ in takewhile(lambda each: each[1] == version, streak)]
    lately = [done_at for done_at, _ in streak if done_at > at - timedelta(hours=24)]
    if len(lately) >= max(MOST_DECLINES_A_DAY, len(declined)):
        declined = lately
    return Tries(flying, counted, len(declined), declined[0] if declined else None)


def moment_of(connection: Connection, account: Account, posted_micros: int, at: datetime) -> Now:
    """The moment that is decided about, with the end of the account's local day."""
    ends_at = account.zones.start_of(account.today(at) + timedelta(days=1))
    return Now(posted_micros, at, ends_at, is_importing(connection, account.id))


def read_recharge(connection: Connection, recharge_id: str) -> Recharge | None:
    """One try; none for an id that is none."""
    row = connection.execute(_ONE, {"id": recharge_id}).first()
    return None if row is None else recharge_of(row)


def add_recharge(
    connection: Connection, account: Account, settings: RechargeSettings, now: Now, amount: int
) -> str:
    """A top-up that is due, to be carried out; gives its id, the reference for the gateway."""
    recharge_id = new_id()
    connection.execute(
        insert(t.recharges).values(
            id=recharge_id, account_id=account.id, version=settings.version,
            state=RechargeState.WAITING.value, amount_micros=amount, method=settings.method,
            posted_micros=now.posted_micros, threshold_micros=settings.threshold_micros,
            asked_at=now.at, counted_on=account.today(now.at), attempt_count=0, next_at=now.at,
        )
    )  # fmt: skip
    mark_changed(connection, account.id)
    return recharge_id


def change_recharge(connection: Connection, recharge: Recharge, **values: Any) -> None:
    """Changes a try that is in flight; ``state`` as a ``RechargeState``."""
    if "state" in values:
        values["state"] = values["state"].value
    changed = connection.execute(
        update(t.recharges)
        .where(_tries.id == recharge.id, _tries.state.in_(_OPEN_STATES))
        .values(values)
    )
    assert changed.rowcount == 1, "read under the lock on the account's balance"
    mark_changed(connection, recharge.account_id)


def due_recharges(connection: Connection, at: datetime) -> Sequence[tuple[str, str]]:
    """Ids of tries that are to be taken on, each with its account's, the longest due first."""
    return [(row.id, row.account_id) for row in connection.execute(_DUE, {"at": at})]


def recharge_of(row: Any) -> Recharge:
    """A row of ``recharges`` as a value."""
    return Recharge(
        row.id, row.account_id, row.version, RechargeState(row.state), row.amount_micros,
        row.method, row.posted_micros, row.threshold_micros, row.asked_at, row.attempt_count,
        row.sent_at, row.next_at, row.done_at, row.entry_id, row.payment_id, row.reason,
    )  # fmt: skip
