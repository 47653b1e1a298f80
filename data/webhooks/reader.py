"""Webhooks as people look at them: endpoints, and their deliveries with every try.

Must not know who may change them, nor how a message travels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, func, select

from billing.access import AccountScope
from billing.errors import InputError
from billing.webhooks import (
    Attempt,
    Delivery,
    DeliveryPage,
    DeliveryState,
    DeliveryView,
    Endpoint,
    EndpointView,
    Topic,
    require_webhook_sight,
)
from data import tables as t
from data.database import Database
from data.reading.instant_cursor import check_limit
from data.webhooks.endpoints import find_endpoint, read_endpoints

LONGEST_CURSOR = 36
_deliveries, _messages = t.webhook_deliveries.c, t.webhook_messages.c
_attempts = t.webhook_attempts.c


class WebhooksReader:
    """Implements ``billing.desk.WebhooksReader``; whoever may not see them is refused."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def endpoints(self, scope: AccountScope) -> Sequence[EndpointView]:
        """The account's endpoints, oldest first, each with its newest delivery."""
        require_webhook_sight(scope.role)
        with self._database.read() as connection:
            found = read_endpoints(connection, scope.account_id)
            waiting = _waiting_counts(connection, [each.id for each in found])
            return [
                EndpointView(
                    each,
                    next(iter(_newest(connection, scope.account_id, each.id, None, 1)), None),
                    waiting.get(each.id, 0),
                )
                for each in found
            ]

    def endpoint(self, scope: AccountScope, endpoint_id: str) -> Endpoint:
        """One endpoint; ``NotFoundError`` outside the scope."""
        require_webhook_sight(scope.role)
        with self._database.read() as connection:
            return find_endpoint(connection, scope.account_id, endpoint_id)

    def deliveries(
        self, scope: AccountScope, endpoint_id: str, cursor: str | None = None, limit: int = 100
    ) -> DeliveryPage:
        """One page of an endpoint's deliveries, newest first.

        Errors: ``NotFoundError``, ``InputError`` for a cursor that isn't one.
        """
        require_webhook_sight(scope.role)
        check_limit(limit)
        if cursor is not None and not _is_cursor(cursor):
            raise InputError("cursor", cursor, "leave it out to start again from the first page")
        with self._database.read() as connection:
            find_endpoint(connection, scope.account_id, endpoint_id)
            found = _newest(connection, scope.account_id, endpoint_id, cursor, limit + 1)
            shown = found[:limit]
            tries = _attempts_of(connection, [each.id for each in shown])
        return DeliveryPage(
            tuple(DeliveryView(each, tuple(tries[each.id])) for each in shown),
            shown[-1].message_id if len(found) > limit else None,
        )


def _newest(
    connection: Connection, account_id: str, endpoint_id: str, cursor: str | None, most: int
) -> Sequence[Delivery]:
    """By the messages' ids, which are in the order of time and which an index has."""
    query = (
        select(t.webhook_deliveries, _messages.topic)
        .join(t.webhook_messages, _messages.id == _deliveries.message_id)
        .where(_deliveries.endpoint_id == endpoint_id, _deliveries.account_id == account_id)
        .order_by(_deliveries.message_id.desc())
        .limit(most)
    )
    if cursor is not None:
        query = query.where(_deliveries.message_id < cursor)
    return [_delivery(row) for row in connection.execute(query)]


def _delivery(row: Row[*tuple[Any, ...]]) -> Delivery:
    return Delivery(
        row.id, row.endpoint_id, row.message_id, Topic(row.topic), row.sequence,
        DeliveryState(row.state), row.attempt_count, row.created_at, row.next_at,
        row.done_at, row.last_status, row.last_error,
    )  # fmt: skip


def _waiting_counts(connection: Connection, endpoint_ids: Sequence[str]) -> dict[str, int]:
    rows = connection.execute(
        select(_deliveries.endpoint_id, func.count().label("waiting"))
        .where(
            _deliveries.endpoint_id.in_(endpoint_ids),
            _deliveries.state == DeliveryState.WAITING.value,
        )
        .group_by(_deliveries.endpoint_id)
    )
    return {row.endpoint_id: row.waiting for row in rows}


def _attempts_of(
    connection: Connection, delivery_ids: Sequence[str]
) -> defaultdict[str, list[Attempt]]:
    found: defaultdict[str, list[Attempt]] = defaultdict(list)
    rows = connection.execute(
        select(t.webhook_attempts)
        .where(_attempts.delivery_id.in_(delivery_ids))
        .order_by(_attempts.delivery_id, _attempts.number)
    )
    for row in rows:
        found[row.delivery_id].append(
            Attempt(row.number, row.at, row.status, row.error, row.answer, row.milliseconds)
        )
    return found


def _is_cursor(text: str) -> bool:
    return len(text) <= LONGEST_CURSOR and text.isascii() and text.isprintable()
