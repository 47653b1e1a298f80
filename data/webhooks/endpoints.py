"""Endpoints of an account: made, changed, removed, with secrets that are shown once.

Each change is in the audit log, without secret or address. Must not know who asks, nor HTTP.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from billing.errors import InputError, NotFoundError
from billing.webhooks import MOST_ENDPOINTS, OLD_SECRET_FOR, Endpoint, Topic, check_endpoint
from data import tables as t
from data.access.audit import record
from data.changes import mark_changed
from data.identity import new_id
from data.sealed import Seals
from data.webhooks.outbox import endpoint_of, leave

SECRET_START = "whsec_"
SECRET_BYTES = 32
PURPOSE = "webhooks"
_endpoints = t.webhook_endpoints.c


class Endpoints:
    """Changes endpoints inside the caller's transactions. ``may_be_plain``: http is taken too."""

    def __init__(self, secret: str, *, may_be_plain: bool) -> None:
        self._seals = Seals(secret, PURPOSE)
        self._may_be_plain = may_be_plain

    def add(
        self, connection: Connection, account_id: str, given: Mapping[str, Any], actor: str,
        at: datetime,
    ) -> tuple[Endpoint, str]:  # fmt: skip
        """A new endpoint from ``url``, ``topics`` and ``description``, and its secret.

        Errors: ``InputError``, also for one too many.
        """
        url, topics, description = check_endpoint(
            given["url"], given.get("topics", ()), given.get("description", ""),
            may_be_plain=self._may_be_plain,
        )  # fmt: skip
        count = connection.scalar(
            select(func.count())
            .select_from(t.webhook_endpoints)
            .where(_endpoints.account_id == account_id, _endpoints.removed_at.is_(None))
        )
        if (count or 0) >= MOST_ENDPOINTS:
            raise InputError("url", url, f"remove one first: there are {MOST_ENDPOINTS} already")
        secret = new_secret()
        endpoint = Endpoint(new_id(), account_id, url, topics, description, True, at)
        row = {
            "id": endpoint.id, "account_id": account_id, "url": url, "topics": " ".join(topics),
            "description": description, "sealed_secret": self._seals.seal(secret), "is_on": True,
            "created_at": at,
        }  # fmt: skip
        connection.execute(insert(t.webhook_endpoints).values(**row))
        self._note(connection, endpoint, "webhook.added", actor, at)
        return endpoint, secret

    def change(
        self, connection: Connection, account_id: str, endpoint_id: str,
        given: Mapping[str, Any], actor: str, at: datetime,
    ) -> Endpoint:  # fmt: skip
        """Changes what is given of ``url``, ``topics``, ``description``, ``is_on``.

        Errors: ``NotFoundError``, ``InputError``.
        """
        before = find_endpoint(connection, account_id, endpoint_id)
        url, topics, description = check_endpoint(
            given.get("url", before.url), given.get("topics", before.topics),
            given.get("description", before.description), may_be_plain=self._may_be_plain,
        )  # fmt: skip
        is_on = bool(given.get("is_on", before.is_on))
        values = {
            "url": url, "topics": " ".join(topics), "description": description, "is_on": is_on,
        }  # fmt: skip
        connection.execute(_own(account_id, endpoint_id).values(**values))
        after = Endpoint(before.id, account_id, url, topics, description, is_on, before.created_at)
        self._note(connection, after, "webhook.changed", actor, at)
        return after

    def rotate(
        self, connection: Connection, account_id: str, endpoint_id: str, actor: str, at: datetime
    ) -> str:
        """A new secret; for a day the old one signs beside it. Errors: ``NotFoundError``."""
        row = _row(connection, account_id, endpoint_id)
        secret = new_secret()
        connection.execute(
            _own(account_id, endpoint_id).values(
                sealed_secret=self._seals.seal(secret), old_sealed_secret=row.sealed_secret,
                old_secret_until=at + OLD_SECRET_FOR,
            )
        )  # fmt: skip
        self._note(connection, endpoint_of(row), "webhook.rotated", actor, at)
        return secret

    def remove(
        self, connection: Connection, account_id: str, endpoint_id: str, actor: str, at: datetime
    ) -> None:
        """Nothing goes there any more; what was sent stays known. Errors: ``NotFoundError``."""
        endpoint = find_endpoint(connection, account_id, endpoint_id)
        connection.execute(_own(account_id, endpoint_id).values(removed_at=at, is_on=False))
        self._note(connection, endpoint, "webhook.removed", actor, at)

    def test(
        self, connection: Connection, account_id: str, endpoint_id: str, actor: str, at: datetime
    ) -> str:
        """Leaves a message that says it is a test; gives its id. Errors: ``NotFoundError``."""
        endpoint = find_endpoint(connection, account_id, endpoint_id)
        self._note(connection, endpoint, "webhook.tested", actor, at)
        data = {"test": True, "endpoint_id": endpoint_id}
        return leave(connection, account_id, Topic.TEST, data, at, [endpoint_id])

    def secrets_of(self, row: Row[*tuple[Any, ...]], at: datetime) -> tuple[str, ...]:
        """What messages for an endpoint are signed with now. Errors: ``SealError``."""
        found = [self._seals.open(row.sealed_secret)]
        if row.old_sealed_secret and row.old_secret_until > at:
            found.append(self._seals.open(row.old_sealed_secret))
        return tuple(found)

    def _note(
        self, connection: Connection, endpoint: Endpoint, action: str, actor: str, at: datetime
    ) -> None:
        detail = {
            "endpoint_id": endpoint.id, "is_on": endpoint.is_on,
            "topics": [topic.value for topic in endpoint.topics],
        }  # fmt: skip
        mark_changed(connection, endpoint.account_id)
        record(connection, at, actor, endpoint.account_id, action, detail)


def new_secret() -> str:
    """A secret as Standard Webhooks writes one."""
    return SECRET_START + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def read_endpoints(connection: Connection, account_id: str) -> Sequence[Endpoint]:
    """The account's endpoints, oldest first."""
    rows = connection.execute(
        select(t.webhook_endpoints)
        .where(_endpoints.account_id == account_id, _endpoints.removed_at.is_(None))
        .order_by(_endpoints.created_at, _endpoints.id)
    )
    return [endpoint_of(row) for row in rows]


def find_endpoint(connection: Connection, account_id: str, endpoint_id: str) -> Endpoint:
    """One endpoint; ``NotFoundError`` for one that isn't there, or another account's."""
    return endpoint_of(_row(connection, account_id, endpoint_id))


def _row(connection: Connection, account_id: str, endpoint_id: str) -> Row[*tuple[Any, ...]]:
    row = connection.execute(
        select(t.webhook_endpoints).where(
            _endpoints.id == endpoint_id, _endpoints.account_id == account_id,
            _endpoints.removed_at.is_(None),
        )
    ).first()  # fmt: skip
    if row is None:
        raise NotFoundError("There is no such webhook in this account.")
    return row


def _own(account_id: str, endpoint_id: str) -> Any:
    return update(t.webhook_endpoints).where(
        _endpoints.id == endpoint_id, _endpoints.account_id == account_id
    )
