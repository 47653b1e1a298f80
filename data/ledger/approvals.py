"""Movements above support's limit: kept as asked, decided once by somebody else.

Must not know what a movement does; who may decide is in billing/movements.py.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from billing.access import Role
from billing.accounts import Account
from billing.errors import NotFoundError
from billing.lots import DEFAULT_PRIORITY
from billing.movements import APPROVAL_FOR, Action, Approval, DecisionError, Movement
from data import tables as t
from data.identity import new_id

MOST_SHOWN = 100
_LONGEST_ID = 36
_PREFIX = "wallet."  # of actions of the wallet in the audit log
_BY_SUPPORT = tuple(
    f"{_PREFIX}{action.value}" for action in (Action.GRANT, Action.ADJUSTMENT, Action.REFUND)
)
_columns = t.approvals.c


def audit_action(action: Action) -> str:
    """What a movement is called in the audit log."""
    return f"{_PREFIX}{action.value}"


def moved_today(connection: Connection, account: Account, now: datetime) -> int:
    """What support moved of an account since its local midnight, without signs, in micros.

    What somebody else approved doesn't count; nor does what an administrator did alone.
    """
    midnight = account.zones.start_of(account.today(now))
    details = connection.scalars(
        select(t.audit.c.detail).where(
            t.audit.c.account_id == account.id,
            t.audit.c.at >= midnight,
            t.audit.c.action.in_(_BY_SUPPORT),
        )
    )
    found = [json.loads(detail) for detail in details]
    return sum(
        abs(each["amount_micros"])
        for each in found
        if each["role"] == Role.SUPPORT and each["approval_id"] is None
    )


def ask(
    connection: Connection, account_id: str, movement: Movement, micros: int, actor: str,
    now: datetime,
) -> Approval:  # fmt: skip
    """Keeps a movement of ``micros`` (with its sign) until somebody decides, for seven days."""
    approval = Approval(new_id(), account_id, movement, micros, actor, now, now + APPROVAL_FOR)
    connection.execute(
        insert(t.approvals).values(
            id=approval.id, account_id=account_id, action=movement.action.value,
            request=json.dumps(movement.request(), ensure_ascii=False, sort_keys=True),
            amount_micros=micros, asked_by=actor, asked_at=now, expires_at=approval.expires_at,
        )
    )  # fmt: skip
    return approval


def read_approval(connection: Connection, account_id: str, approval_id: str) -> Approval:
    """One request of an account; ``NotFoundError`` for none, or another account's."""
    row = None
    if len(approval_id) <= _LONGEST_ID:
        row = connection.execute(
            select(t.approvals).where(_columns.id == approval_id, _columns.account_id == account_id)
        ).first()
    if row is None:
        raise NotFoundError("There is no such request in this account.")
    return _approval(row)


def read_approvals(
    connection: Connection, account_id: str, now: datetime, *, is_waiting: bool
) -> Sequence[Approval]:
    """The newest requests of an account, at most 100; only those that still wait, if asked."""
    query = select(t.approvals).where(_columns.account_id == account_id)
    if is_waiting:
        query = query.where(_columns.decision.is_(None), _columns.expires_at > now)
    rows = connection.execute(
        query.order_by(_columns.asked_at.desc(), _columns.id.desc()).limit(MOST_SHOWN)
    )
    return [_approval(row) for row in rows]


def decide(
    connection: Connection, approval: Approval, decision: str, actor: str, now: datetime,
    entry_id: str | None,
) -> None:  # fmt: skip
    """Writes a decision; ``DecisionError`` when somebody was faster."""
    done = connection.execute(
        update(t.approvals)
        .where(_columns.id == approval.id, _columns.decision.is_(None))
        .values(decision=decision, decided_by=actor, decided_at=now, entry_id=entry_id)
    )
    if done.rowcount != 1:
        raise DecisionError("This request was decided before; nothing was done now.")


def _approval(row: Row[*tuple[Any, ...]]) -> Approval:
    request = json.loads(row.request)
    ends = request["expires_at"]
    movement = Movement(
        Action(request["action"]), request["amount_micros"], request["reason"],
        request["line_id"], datetime.fromisoformat(ends) if ends else None,
        request.get("priority", DEFAULT_PRIORITY),
    )  # fmt: skip
    return Approval(
        row.id, row.account_id, movement, row.amount_micros, row.asked_by, row.asked_at,
        row.expires_at, row.decision, row.decided_by, row.decided_at, row.entry_id,
    )  # fmt: skip
