"""Deliveries as people look at them: the newest, each with its attempts, and sent again by hand.

Must not know how a message travels.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select, update

from billing.errors import NotFoundError
from billing.webhooks import Attempt, Delivery, DeliveryState, Topic
from data import tables as t
from data.access.audit import record
from data.changes import mark_changed

MOST_SHOWN = 200
NO_DELIVERY = "There is no such delivery in this account."
_deliveries, _messages = t.webhook_deliveries.c, t.webhook_messages.c


def replay(
    connection: Connection, account_id: str, delivery_id: str, actor: str, at: datetime
) -> None:
    """Sends a delivery again, whatever became of it. Errors: ``NotFoundError``."""
    again = connection.execute(
        update(t.webhook_deliveries)
        .where(_deliveries.id == delivery_id, _deliveries.account_id == account_id)
        .values(
            state=DeliveryState.WAITING.value, next_at=at, done_at=None, created_at=at,
        )
    )  # fmt: skip
    if not again.rowcount:
        raise NotFoundError(NO_DELIVERY)
    mark_changed(connection, account_id)
    record(connection, at, actor, account_id, "webhook.replayed", {"delivery_id": delivery_id})


def read_deliveries(
    connection: Connection, account_id: str, endpoint_id: str, most: int = MOST_SHOWN
) -> Sequence[Delivery]:
    """The newest deliveries of an endpoint."""
    rows = connection.execute(
        select(t.webhook_deliveries, _messages.topic)
        .join(t.webhook_messages, _messages.id == _deliveries.message_id)
        .where(_deliveries.account_id == account_id, _deliveries.endpoint_id == endpoint_id)
        .order_by(_deliveries.sequence.desc())
        .limit(most)
    )
    return [
        Delivery(
            row.id, row.endpoint_id, row.message_id, Topic(row.topic), row.sequence,
            DeliveryState(row.state), row.attempt_count, row.created_at, row.next_at,
            row.done_at, row.last_status, row.last_error,
        )
        for row in rows
    ]  # fmt: skip


def read_attempts(connection: Connection, account_id: str, delivery_id: str) -> Sequence[Attempt]:
    """Every try of a delivery, oldest first. Errors: ``NotFoundError``."""
    own = _deliveries.account_id == account_id
    if connection.scalar(select(_deliveries.id).where(_deliveries.id == delivery_id, own)) is None:
        raise NotFoundError(NO_DELIVERY)
    attempts = t.webhook_attempts.c
    rows = connection.execute(
        select(t.webhook_attempts)
        .where(attempts.delivery_id == delivery_id)
        .order_by(attempts.number)
    )
    return [
        Attempt(row.number, row.at, row.status, row.error, row.answer, row.milliseconds)
        for row in rows
    ]
