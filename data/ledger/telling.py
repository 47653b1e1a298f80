"""What the platform is told of holds and pauses, as webhooks: in the transaction that changes them.

Must not know how a message travels, nor who decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, select, update

from billing.accounts import Account
from billing.holds import HoldState
from billing.pauses import Pause
from billing.webhooks import Topic
from data import tables as t
from data.accounts import read_account
from data.database import Database
from data.lease import Writes
from data.ledger.hold_book import Hold
from data.ledger.wallet import OpenWallet
from data.webhooks.outbox import tell

_holds = t.holds.c
_AT_LIMIT = (
    select(t.holds)
    .where(
        _holds.state == HoldState.OPEN.value, _holds.limit_at <= bindparam("at"),
        _holds.told_limit_at.is_(None),
    )
    .order_by(_holds.limit_at)
)  # fmt: skip
_TOLD = (
    update(t.holds)
    .where(_holds.id == bindparam("hold"), _holds.told_limit_at.is_(None))
    .values(told_limit_at=bindparam("at"))
)


def tell_turned(
    connection: Connection, account: Account, begun: Sequence[Pause], ended: Sequence[Pause]
) -> None:
    """Tells what stands still now, and what goes on. What ended comes first, as it happened."""
    for pause in ended:
        topic = Topic.CAMPAIGN_RESUMED if pause.reason.campaign else Topic.OUTBOUND_RESUMED
        _tell_pause(connection, account, pause, topic, pause.ended_at or pause.started_at)
    for pause in begun:
        topic = Topic.CAMPAIGN_PAUSED if pause.reason.campaign else Topic.OUTBOUND_PAUSED
        _tell_pause(connection, account, pause, topic, pause.started_at)


def tell_expired(connection: Connection, account: Account, hold: Hold, at: datetime) -> None:
    """Tells that a hold outlived its time and was released."""
    tell(connection, account.id, Topic.HOLD_EXPIRED, _of_hold(account, hold), at)


def tell_limits_reached(database: Database, writer: Writes, now: datetime) -> int:
    """Tells of each call that has reached its last second, once; gives how many there were."""
    with database.read() as connection:
        due = {row.account_id for row in connection.execute(_AT_LIMIT, {"at": now})}
    return sum(writer.write(lambda c: _tell_account(c, each, now)) for each in sorted(due))  # noqa: B023


def _tell_account(connection: Connection, account_id: str, now: datetime) -> int:
    account = read_account(connection, account_id)
    OpenWallet.open(connection, account)  # its lock: messages are numbered one after another
    rows = connection.execute(
        _AT_LIMIT.where(_holds.account_id == account_id), {"at": now}
    ).all()  # fmt: skip
    for row in rows:
        connection.execute(_TOLD, {"hold": row.id, "at": now})
        data = {
            "hold_id": row.id, "request_id": row.request_id, "campaign": row.campaign_id,
            "max_seconds": row.amount, "held_micros": row.held_micros,
            "currency": account.currency,
        }  # fmt: skip
        tell(connection, account_id, Topic.CALL_LIMIT_REACHED, data, now)
    return len(rows)


def _tell_pause(
    connection: Connection, account: Account, pause: Pause, topic: Topic, at: datetime
) -> None:
    data = {
        "pause_id": pause.id, "rule": pause.reason.rule, "campaign": pause.reason.campaign or None,
        "spent_micros": pause.spent_micros, "limit_micros": pause.limit_micros,
        "currency": account.currency, "started_at": _iso(pause.started_at),
        "until_at": _iso(pause.until_at), "ended_at": _iso(pause.ended_at),
        "cause": pause.end_cause.value if pause.end_cause else pause.reason.rule,
    }  # fmt: skip
    tell(connection, account.id, topic, data, at)


def _of_hold(account: Account, hold: Hold) -> dict[str, object]:
    return {
        "hold_id": hold.id, "request_id": hold.request_id, "campaign": hold.campaign,
        "held_micros": hold.held_micros, "currency": account.currency,
        "expires_at": _iso(hold.expires_at),
    }  # fmt: skip


def _iso(at: datetime | None) -> str | None:
    return at.isoformat().replace("+00:00", "Z") if at else None
