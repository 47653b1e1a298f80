"""``POST /events`` refuses what can't be read, and whoever may not send."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from billing.limits import limit
from billing.metrics import METRIC_BY_ID
from data import tables as t
from data import writer as writing
from tests.api_client import STRUCTURED, ApiClient, call, codes, event, revoke, sms
from tests.live import NOW, Live


def is_stored(live: Live, event_id: str) -> bool:
    with live.installation.database.read() as connection:
        wanted = select(t.events.c.event_id).where(t.events.c.id == event_id)
        return connection.scalar(wanted) is not None


# --- requests that can't be read -------------------------------------------------------------
MALFORMED = [
    b"", b"{", b"nonsense", b'{"id": NaN}', b'{"id": Infinity}', b"\xff\xfe{", b"[" * 100_000,
    b'{"a": "\xff"}',
]  # fmt: skip


@pytest.mark.parametrize("body", MALFORMED)
def test_what_is_no_json_is_malformed(acme, body):
    answer = acme.http.post("/events", content=body, headers={"Content-Type": STRUCTURED})
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/xml", f"{STRUCTURED}; charset=ebcdic"]
)
def test_other_types_are_not_read(acme, content_type):
    answer = acme.http.post("/events", content=b"{}", headers={"Content-Type": content_type})
    assert (answer.status_code, answer.json()["code"]) == (415, "wrong_type")


def test_a_hostile_content_type_costs_nothing(acme):
    began = time.monotonic()
    for header in (f'application/json;a="{";" * 60_000}', "a" * 5_000):
        answer = acme.http.post("/events", content=b"{}", headers={"Content-Type": header})
        assert answer.status_code == 415
    assert time.monotonic() - began < 2


def test_an_attribute_that_is_no_text_is_refused(acme):
    headers = {"Content-Type": "application/json", "ce-specversion": "1.0", "ce-id": "%ff"}
    answer = acme.http.post("/events", content=b"{}", headers=headers)
    assert (answer.status_code, answer.json()["field"]) == (422, "ce-id")


def test_a_huge_body_is_refused_before_it_is_read(live, acme):
    answer = acme.http.post("/events", content=b" " * (limit("body") + 1),
                           headers={"Content-Type": STRUCTURED})  # fmt: skip
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")

    def pieces() -> Iterator[bytes]:
        for _ in range(limit("body") // 100_000 + 2):
            yield b" " * 100_000

    try:
        chunked = acme.http.post("/events", content=pieces(), headers={"Content-Type": STRUCTURED})
        assert chunked.status_code == 413
    except httpx.WriteError:
        pass  # the connection was closed before all of it was sent
    assert acme.send_one(sms()).status_code == 204


def test_problems_name_field_value_and_fix(acme):
    answer = acme.send_one(call(duration_s=-1))
    body = answer.json()
    assert (answer.status_code, body["code"]) == (422, "invalid")
    assert (body["field"], body["value"]) == ("data.duration_s", "-1")
    assert body["fix"] == "use 0 or more"
    assert body["request_id"] == answer.headers["X-Request-ID"]
    numbers = event("metered", metric="sms_credits", units="1.5")
    assert acme.send_one(numbers).json()["field"] == "data.units"
    unknown = event("metered", metric="faxes", units=1)
    body = acme.send_one(unknown).json()
    assert (body["field"], body["value"]) == ("data.metric", "faxes")
    assert all(name in body["fix"] for name in METRIC_BY_ID)


@pytest.mark.parametrize("time", ["2026-11-22", "2026-11-22T09:00:00", "2026-13-01T00:00:00Z",
                                  "now", "2026-11-22T09:00:60Z", "20261122T090000Z",
                                  "0001-01-01T00:00:00Z",
                                  "9999-12-31T23:59:59-23:59"])  # fmt: skip
def test_times_are_rfc_3339(acme, time):
    answer = acme.send_one(sms(_time=time))
    assert answer.status_code == 422
    assert answer.json()["field"] == "time"


# --- keys ------------------------------------------------------------------------------------
def test_who_may_send(live, acme):
    def status(client: ApiClient, **more: Any) -> tuple[int, str]:
        answer = client.send_one(sms(**more))
        return answer.status_code, answer.json()["code"] if answer.content else ""

    stranger = httpx.post(f"{live.url}/api/v1/events", json=sms())
    assert (stranger.status_code, stranger.json()["code"]) == (401, "no_key")
    assert stranger.headers["WWW-Authenticate"].startswith("Bearer")
    assert status(ApiClient(live, "acme", "usage:read")) == (403, "scope_lacks")
    assert status(ApiClient(live, "globex")) == (403, "other_account")
    revoked = ApiClient(live)
    assert status(revoked) == (204, "")
    revoke(live.installation, "acme", revoked.kept.id)
    assert status(revoked) == (401, "key_unknown")
    admin = ApiClient(live, "*")
    assert status(admin) == (204, "")
    assert status(admin, _subject="nobody") == (404, "not_found")
    assert status(ApiClient(live, "*", "support")) == (403, "scope_lacks")
    wrong = httpx.post(f"{live.url}/api/v1/events", json=sms(),
                       headers={"Authorization": "Basic YTpi"})  # fmt: skip
    assert wrong.status_code == 401


def test_a_closed_account_takes_nothing(live):
    client, admin = ApiClient(live, "globex"), ApiClient(live, "*")
    set_closed(live, NOW)
    try:
        answer = client.send_one(sms(_subject="globex"))
        assert (answer.status_code, answer.json()["code"]) == (403, "account_closed")
        answer = admin.send(sms(_subject="globex"), sms())
        assert codes(answer) == {0: "account_closed"}
        assert answer.json()["accepted"] == 1
    finally:
        set_closed(live, None)


def set_closed(live: Live, at: Any) -> None:
    live.installation.writer.write(
        lambda c: c.execute(
            update(t.accounts).where(t.accounts.c.id == "globex").values(closed_at=at)
        )
    )


def test_a_full_queue_asks_to_come_back(live, acme, monkeypatch):
    monkeypatch.setattr(writing, "MOST_ACCOUNT_ROWS", 2)
    given = [sms() for _ in range(3)]
    answer = acme.send(*given)
    assert (answer.status_code, answer.json()["code"]) == (429, "busy")
    assert int(answer.headers["Retry-After"]) >= 1
    assert not is_stored(live, given[0]["id"])
    monkeypatch.undo()
    assert acme.send(*given).status_code == 204
