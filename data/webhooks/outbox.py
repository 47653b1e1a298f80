"""Messages to tell: written in the transaction of what they tell of, for every endpoint at once.

Must not know how a message travels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, exists, func, insert, select, text

from billing.webhooks import DeliveryState, Endpoint, Topic
from data import tables as t
from data.changes import mark_changed
from data.identity import new_id

_endpoints = t.webhook_endpoints.c
_OF_ACCOUNT = (
    select(t.webhook_endpoints)
    .where(_endpoints.account_id == bindparam("account"), _endpoints.removed_at.is_(None))
    .order_by(_endpoints.created_at, _endpoints.id)
)
# As the index says it: with a parameter in its place SQLite would read the whole table.
_WAITING = select(
    exists().select_from(t.webhook_deliveries).where(text("webhook_deliveries.state = 'waiting'"))
)
_LAST = select(func.max(t.webhook_messages.c.sequence)).where(
    t.webhook_messages.c.account_id == bindparam("account")
)


def endpoint_of(row: Any) -> Endpoint:
    """A row of ``webhook_endpoints`` as a value, without its secret."""
    return Endpoint(
        row.id, row.account_id, row.url, tuple(Topic(each) for each in row.topics.split()),
        row.description, row.is_on, row.created_at,
    )  # fmt: skip


def has_waiting(connection: Connection) -> bool:
    """Whether any message waits, due or not."""
    return bool(connection.scalar(_WAITING))


def tell(
    connection: Connection, account_id: str, topic: Topic, data: Mapping[str, Any], at: datetime
) -> None:
    """Leaves a message for every endpoint of the account that wants it; none, if none does.

    Callers hold the lock on the account's balance, so that messages are numbered in the order in
    which things happened. ``data``: plain JSON values.
    """
    rows = connection.execute(_OF_ACCOUNT, {"account": account_id}).all()
    wanting = [each for each in map(endpoint_of, rows) if each.wants(topic)]
    if wanting:
        leave(connection, account_id, topic, data, at, [each.id for each in wanting])


def leave(
    connection: Connection, account_id: str, topic: Topic, data: Mapping[str, Any], at: datetime,
    endpoint_ids: list[str],
) -> str:  # fmt: skip
    """Leaves a message for certain endpoints; gives its id."""
    sequence = (connection.scalar(_LAST, {"account": account_id}) or 0) + 1
    message_id = new_id()
    payload = {
        "type": topic.value, "timestamp": at.isoformat().replace("+00:00", "Z"),
        "account": account_id, "sequence": sequence, "data": dict(data),
    }  # fmt: skip
    connection.execute(
        insert(t.webhook_messages).values(
            account_id=account_id, sequence=sequence, id=message_id, topic=topic.value,
            payload=json.dumps(payload, separators=(",", ":"), ensure_ascii=False),
            created_at=at,
        )
    )  # fmt: skip
    connection.execute(
        insert(t.webhook_deliveries),
        [
            {
                "id": new_id(), "account_id": account_id, "endpoint_id": endpoint_id,
                "message_id": message_id, "sequence": sequence,
                "state": DeliveryState.WAITING.value, "attempt_count": 0, "created_at": at,
                "next_at": at,
            }
            for endpoint_id in endpoint_ids
        ],
    )  # fmt: skip
    mark_changed(connection, account_id)
    return message_id
