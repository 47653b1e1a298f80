"""A program that calls the API of a live server with a key."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import httpx

from billing.access import ALL_ACCOUNTS
from data.access.keys import add_key, revoke_key
from data.installation import Installation
from tests.live import NOW, Live

BATCH = "application/cloudevents-batch+json"
STRUCTURED = "application/cloudevents+json"
_numbers = count(1)


class ApiClient:
    """Calls ``/api/v1`` with one key."""

    def __init__(self, live: Live, account_id: str = "acme", *scopes: str) -> None:
        self.key, self.kept = new_key(live.installation, account_id, *scopes)
        self.http = httpx.Client(
            base_url=f"{live.url}/api/v1", headers={"Authorization": f"Bearer {self.key}"},
            timeout=30,
        )  # fmt: skip

    @property
    def bearer(self) -> dict[str, str]:
        """The header of its key."""
        return {"Authorization": f"Bearer {self.key}"}

    def send(self, *events: dict[str, Any], **headers: str) -> httpx.Response:
        """Posts a batch."""
        return self.http.post("/events", json=events, headers={"Content-Type": BATCH, **headers})

    def send_one(self, event: dict[str, Any]) -> httpx.Response:
        """Posts one structured event."""
        return self.http.post("/events", json=event, headers={"Content-Type": STRUCTURED})

    def get(self, path: str, **params: Any) -> httpx.Response:
        """Reads."""
        return self.http.get(path, params=params)

    def close(self) -> None:
        """Ends the connection."""
        self.http.close()


def new_key(installation: Installation, account_id: str, *scopes: str) -> tuple[str, Any]:
    """A new key: by default one that may send events and read everything of its account."""
    usual = ("admin",) if account_id == ALL_ACCOUNTS else (
        "events:write", "usage:read", "wallet:read",
    )  # fmt: skip
    return installation.writer.write(
        lambda c: add_key(c, installation.pseudonyms, account_id, scopes or usual, NOW)
    )


def revoke(installation: Installation, account_id: str, key_id: str) -> None:
    """Ends a key."""
    installation.writer.write(lambda c: revoke_key(c, account_id, key_id, NOW))


def event(name: str, /, at: datetime = NOW - timedelta(minutes=1), **data: Any) -> dict[str, Any]:
    """A CloudEvent of ``usage.<name>`` for acme with an id of its own; ``_id`` and so on differ.

    Names with a leading underscore are attributes, others are data; ``from_`` is ``from``.
    """
    given = {field: value for field, value in data.items() if not field.startswith("_")}
    if "from_" in given:
        given["from"] = given.pop("from_")
    attributes = {field[1:]: value for field, value in data.items() if field.startswith("_")}
    return {
        "specversion": "1.0", "id": f"e-{next(_numbers)}", "source": "dialler",
        "type": f"usage.{name}", "subject": "acme", "time": at.isoformat(), "data": given,
        **attributes,
    }  # fmt: skip


def call(**more: Any) -> dict[str, Any]:
    """An answered outbound call of a person for 83 seconds."""
    given = {
        "direction": "outbound", "agent": "human", "answered": True, "duration_s": 83,
        "to": "+14155550142", "campaign": "renewals",
    }  # fmt: skip
    return event("call", **{**given, **more})


def sms(**more: Any) -> dict[str, Any]:
    """An outbound message of one segment."""
    return event("sms", **{"direction": "outbound", "segments": 1, "to": "+14155550142", **more})


def codes(response: httpx.Response) -> dict[int, str]:
    """The code of each rejected event by its place in the batch."""
    rejected: Sequence[dict[str, Any]] = response.json()["rejected"]
    return {each["index"]: each["code"] for each in rejected}
