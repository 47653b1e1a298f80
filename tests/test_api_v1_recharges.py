"""Auto-recharge through a running server: set, carried out, read, refused."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.api_client import ApiClient, new_key
from tests.live import NOW
from tests.stream_ear import set_clock, wait_for

UNIT = 1_000_000
PATH = "/wallet/auto-recharge"


def wanted(client: ApiClient, **changed: Any) -> dict[str, Any]:
    """Settings that make a top-up due now."""
    balance = client.get("/balance").json()
    posted = balance["available_micros"] + balance["reserved_micros"]
    return {
        "is_on": True, "threshold_micros": posted + UNIT, "mode": "fixed_amount",
        "amount_micros": 20 * UNIT, "daily_ceiling_micros": 50 * UNIT, **changed,
    }  # fmt: skip


@pytest.fixture
def client(live):
    opened = ApiClient(live, "acme", "wallet:read", "wallet:write", "usage:read")
    yield opened
    opened.close()


def put(client: ApiClient, body: dict[str, Any]) -> httpx.Response:
    return client.http.put(PATH, json=body)


def tries(client: ApiClient) -> list[dict[str, Any]]:
    return client.get("/wallet/recharges").json()["recharges"]


def until(client: ApiClient, state: str) -> dict[str, Any]:
    """The newest try, once the server's own job has brought it there."""
    wait_for(lambda: tries(client)[:1] != [] and tries(client)[0]["state"] == state, 20)
    return tries(client)[0]


def test_an_account_that_never_set_it_says_so(client):
    found = client.get(PATH).json()
    assert found.pop("as_of")
    assert [each["is_test"] for each in found.pop("methods")] == [True] * 4
    assert found == {
        "is_on": False, "threshold_micros": 0, "mode": "fixed_amount", "amount_micros": 0,
        "daily_ceiling_micros": 0, "method": "test_succeeds", "version": 0, "state": "off",
        "next_at": None, "charged_today_micros": 0, "currency": "INR",
    }  # fmt: skip
    assert client.get("/wallet/recharges").json() == {
        "recharges": [], "next_cursor": None, "currency": "INR",
    }  # fmt: skip


def test_it_is_set_carried_out_and_read(client, live):
    before = client.get("/balance").json()["available_micros"]
    answer = put(client, wanted(client))
    assert answer.status_code == 200
    assert (answer.json()["version"], answer.json()["state"]) == (1, "in_flight")
    assert answer.json()["charged_today_micros"] == 20 * UNIT
    done = until(client, "done")
    assert done["amount_micros"] == 20 * UNIT
    assert client.get("/balance").json()["available_micros"] == before + 20 * UNIT
    entry = client.get("/wallet/entries", kind="top_up").json()["entries"][0]
    assert (entry["id"], entry["actor"]) == (done["entry_id"], "auto-recharge")
    assert entry["cause"] == "Auto-recharge"
    found = client.get(PATH).json()
    assert found["state"] == "enough"


def test_a_decline_waits_and_says_until_when(client, live):
    put(client, wanted(client, method="test_declines"))
    newest = until(client, "declined")
    found = client.get(PATH).json()
    assert found["state"] == "declined"
    assert found["next_at"] == (NOW + timedelta(minutes=15)).isoformat().replace("+00:00", "Z")
    assert newest["reason"] == "The card was declined (test)"
    told = client.get("/notifications").json()
    assert "recharge.declined" in str(told)


def test_a_lost_answer_is_found(client, live):
    put(client, wanted(client, method="test_loses_answer"))
    until(client, "sent")
    assert client.get(PATH).json()["state"] == "in_flight"
    set_clock(live, NOW + timedelta(minutes=1))
    until(client, "done")
    set_clock(live, NOW)


def test_another_version_is_refused(client):
    version = client.get(PATH).json()["version"]
    body = wanted(client, is_on=False)
    assert put(client, body | {"version": version}).json()["version"] == version + 1
    refused = put(client, body | {"version": version})
    assert (refused.status_code, refused.json()["code"]) == (409, "changed")


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"threshold_micros": 0}, "threshold_micros"),
        ({"amount_micros": 1}, "amount_micros"),
        ({"amount_micros": -1}, "amount_micros"),
        ({"amount_micros": 1.5}, "amount_micros"),
        ({"daily_ceiling_micros": UNIT}, "daily_ceiling_micros"),
        ({"mode": "to_target", "amount_micros": UNIT}, "amount_micros"),
        ({"mode": "as_you_like"}, "mode"),
        ({"method": "gold"}, "method"),
        ({"more": 1}, "more"),
        ({"is_on": "yes"}, "is_on"),
    ],
)
def test_what_can_not_be_is_refused_by_name(client, changed, field):
    version = client.get(PATH).json()["version"]
    refused = put(client, wanted(client) | changed)
    assert refused.status_code == 422
    assert refused.json()["field"] == field
    assert client.get(PATH).json()["version"] == version


def test_support_sees_and_does_not_set_and_an_administrator_does(client, live):
    body = wanted(client, is_on=False)
    for scope, status in (("support", 403), ("admin", 200)):
        key, _ = new_key(live.installation, "*", scope)
        headers = {"Authorization": f"Bearer {key}"}
        url = f"{live.url}/api/v1{PATH}"
        assert httpx.get(url, params={"account": "acme"}, headers=headers).status_code == 200
        answer = httpx.put(url, params={"account": "acme"}, headers=headers, json=body)
        assert answer.status_code == status
