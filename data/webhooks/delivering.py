"""Deliveries: each endpoint's messages one after another, tried again, and given up after a day.

A message is sent at least once: a process that dies between the receiver's answer and writing it
down leaves it to be sent again, under the same id. A slow receiver keeps only its own messages
waiting. Must not know what is told, nor who leads.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from billing.clock import Clock
from billing.notices import TroubleName
from billing.webhooks import DeliveryState, next_try
from data import tables as t
from data.changes import mark_changed
from data.database import Database
from data.lease import LeaseLostError, Writes
from data.notices.troubles import Trouble, begin, end
from data.sealed import SealError
from data.webhooks.endpoints import Endpoints
from data.webhooks.sending import Answered, Message, Sender

AT_ONCE = 8  # endpoints
MOST_IN_A_ROW = 50  # messages of one endpoint, before others have their turn
_deliveries, _messages = t.webhook_deliveries.c, t.webhook_messages.c
_log = logging.getLogger(__name__)


class Deliverer:
    """Sends what waits; ``deliver`` is called again and again by whoever leads."""

    def __init__(
        self, database: Database, writer: Writes, clock: Clock, endpoints: Endpoints,
        sender: Sender,
    ) -> None:  # fmt: skip
        self._database = database
        self._writer = writer
        self._clock = clock
        self._endpoints = endpoints
        self._sender = sender
        self._lock = threading.Lock()
        self._busy: set[str] = set()
        self._is_closing = threading.Event()
        self._pool = ThreadPoolExecutor(AT_ONCE, "webhooks")

    def deliver(self, may_go_on: Callable[[], bool] = lambda: True) -> int:
        """Begins with every endpoint whose next message is due; gives how many.

        ``may_go_on`` is asked before each message.
        """
        begun = 0
        for endpoint_id in self._due():
            with self._lock:
                if endpoint_id in self._busy or self._is_closing.is_set():
                    continue
                self._busy.add(endpoint_id)
            begun += 1
            self._pool.submit(self._run, endpoint_id, may_go_on)
        return begun

    def close(self) -> None:
        """Begins nothing more; what is under way ends by itself, within its bounds."""
        self._is_closing.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _due(self) -> Sequence[str]:
        """Endpoints that are on and whose oldest waiting message is due."""
        with self._database.read() as connection:
            first = (
                select(_deliveries.endpoint_id, func.min(_deliveries.sequence).label("sequence"))
                .where(_deliveries.state == DeliveryState.WAITING.value)
                .group_by(_deliveries.endpoint_id)
                .subquery()
            )
            return connection.scalars(
                select(_deliveries.endpoint_id)
                .join(
                    first,
                    (first.c.endpoint_id == _deliveries.endpoint_id)
                    & (first.c.sequence == _deliveries.sequence),
                )
                .join(t.webhook_endpoints, t.webhook_endpoints.c.id == _deliveries.endpoint_id)
                .where(
                    _deliveries.state == DeliveryState.WAITING.value,
                    _deliveries.next_at <= self._clock.now(),
                    t.webhook_endpoints.c.is_on,
                )
            ).all()

    def _run(self, endpoint_id: str, may_go_on: Callable[[], bool]) -> None:
        try:
            for _ in range(MOST_IN_A_ROW):
                if self._is_closing.is_set() or not may_go_on():
                    return
                if not self._deliver_next(endpoint_id):
                    return
        except LeaseLostError:  # it is sent again by whoever leads now, under the same id
            _log.info("a webhook was sent by a process that leads no more")
        except Exception:  # on a thread of its own: nobody else would say so
            _log.exception("webhooks of an endpoint couldn't be delivered")
        finally:
            with self._lock:
                self._busy.discard(endpoint_id)

    def _deliver_next(self, endpoint_id: str) -> bool:
        """Sends an endpoint's oldest message if it is due; whether the next may follow."""
        now = self._clock.now()
        with self._database.read() as connection:
            row = _next_of(connection, endpoint_id)
        if row is None or row.next_at > now or not row.is_on:
            return False
        try:
            message = Message(row.message_id, row.payload, self._endpoints.secrets_of(row, now))
            answer = self._sender.send(row.url, message)
        except SealError as error:
            answer = Answered(None, error.message, "", 0)
        state = self._writer.write(lambda c: self._note(c, row, answer, now))
        return state is not DeliveryState.WAITING

    def _note(
        self,
        connection: Connection,
        row: Row[*tuple[Any, ...]],
        answer: Answered,
        begun_at: datetime,
    ) -> DeliveryState:
        now, number = self._clock.now(), row.attempt_count + 1
        state, next_at = DeliveryState.DELIVERED, None
        if not answer.is_taken:
            next_at = next_try(row.created_at, number, now)
            state = DeliveryState.WAITING if next_at else DeliveryState.PARKED
        noted = connection.execute(
            update(t.webhook_deliveries)
            .where(
                _deliveries.id == row.id, _deliveries.attempt_count == row.attempt_count,
                _deliveries.state == DeliveryState.WAITING.value,
            )
            .values(
                state=state.value, attempt_count=number, next_at=next_at,
                done_at=None if next_at else now, last_status=answer.status,
                last_error=answer.error,
            )
        )  # fmt: skip
        if not noted.rowcount:  # another process was quicker: it has written its own attempt down
            return DeliveryState.WAITING
        connection.execute(
            insert(t.webhook_attempts).values(
                delivery_id=row.id, number=number, at=begun_at, status=answer.status,
                error=answer.error, answer=answer.text, milliseconds=answer.milliseconds,
            )
        )  # fmt: skip
        mark_changed(connection, row.account_id)
        trouble = Trouble(TroubleName.WEBHOOK_PARKED, row.endpoint_id, row.account_id)
        if state is DeliveryState.PARKED:
            _log.warning("a webhook of %s was given up after a day", row.account_id)
            begin(connection, trouble, now)
        elif state is DeliveryState.DELIVERED:
            end(connection, trouble, now)
        return state


def _next_of(connection: Connection, endpoint_id: str) -> Row[*tuple[Any, ...]] | None:
    """An endpoint's oldest waiting delivery, with its message and where it goes."""
    endpoints = t.webhook_endpoints.c
    return connection.execute(
        select(
            t.webhook_deliveries, _messages.payload, endpoints.url, endpoints.is_on,
            endpoints.sealed_secret, endpoints.old_sealed_secret, endpoints.old_secret_until,
        )
        .join(t.webhook_messages, _messages.id == _deliveries.message_id)
        .join(t.webhook_endpoints, endpoints.id == _deliveries.endpoint_id)
        .where(
            _deliveries.endpoint_id == endpoint_id,
            _deliveries.state == DeliveryState.WAITING.value,
        )
        .order_by(_deliveries.sequence)
        .limit(1)
    ).first()  # fmt: skip
