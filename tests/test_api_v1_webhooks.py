"""Webhooks by API on a live server: made, tested, watched, rotated, removed; nobody else's."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from billing.caps import Cap, CapKind, Limits
from data.accounts import read_account
from data.ledger.limits import set_limits
from tests.api_client import ApiClient
from tests.live import NOW, Live, LiveServer
from tests.receivers import Receiver, receiving
from tests.stream_ear import wait_for


@pytest.fixture(scope="module")
def server(server: LiveServer) -> LiveServer:
    settings = server.installation.settings  # which nothing has looked at yet
    object.__setattr__(settings, "allow_private_webhooks", True)
    return server


@pytest.fixture
def keeper(live: Live) -> Iterator[ApiClient]:
    client = ApiClient(live, "acme", "account:write")
    yield client
    for each in client.get("/webhooks").json()["webhooks"]:
        client.http.delete(f"/webhooks/{each['id']}")
    client.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as opened:
        yield opened


def made(client: ApiClient, url: str, **more: Any) -> tuple[str, str]:
    """A new endpoint; its id and secret."""
    answer = client.http.post("/webhooks", json={"url": url, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()["webhook"]["id"], answer.json()["secret"]


def test_a_pause_is_told_within_seconds_and_verified_by_the_receiver(
    live: Live, keeper: ApiClient, receiver: Receiver
):
    endpoint_id, secret = made(keeper, receiver.url, topics=["outbound.paused"])
    live.installation.writer.write(
        lambda c: set_limits(
            c, read_account(c, "acme"), Limits((Cap(CapKind.DAILY, 0),)), "person:ada", NOW
        )
    )
    wait_for(lambda: bool(receiver.came))
    headers, body = receiver.came[0]
    told = Webhook(secret).verify(body, headers)
    assert (told["type"], told["data"]["rule"]) == ("outbound.paused", "daily")
    shown = lambda: keeper.get(f"/webhooks/{endpoint_id}/deliveries").json()["deliveries"]  # noqa: E731
    wait_for(lambda: shown()[0]["state"] == "delivered")
    (delivery,) = shown()
    assert delivery["message_id"] == headers["webhook-id"]
    (attempt,) = keeper.get(f"/webhooks/deliveries/{delivery['id']}/attempts").json()["attempts"]
    assert attempt["status"] == 204


def test_a_test_is_sent_and_sent_again(live: Live, keeper: ApiClient, receiver: Receiver):
    endpoint_id, _ = made(keeper, receiver.url)
    message_id = keeper.http.post(f"/webhooks/{endpoint_id}/test").json()["message_id"]
    wait_for(lambda: receiver.ids == [message_id])
    assert json.loads(receiver.came[0][1])["data"]["test"] is True
    wait_for(lambda: deliveries(keeper, endpoint_id)[0]["state"] == "delivered")
    (delivery,) = deliveries(keeper, endpoint_id)
    assert keeper.http.post(f"/webhooks/deliveries/{delivery['id']}/replay").status_code == 202
    wait_for(lambda: receiver.ids == [message_id, message_id])


def deliveries(client: ApiClient, endpoint_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"/webhooks/{endpoint_id}/deliveries").json()[
        "deliveries"
    ]
    return found


def test_it_is_read_changed_rotated_and_removed(keeper: ApiClient, receiver: Receiver):
    endpoint_id, secret = made(keeper, receiver.url, description="ours")
    path = f"/webhooks/{endpoint_id}"
    assert keeper.get(path).json()["description"] == "ours"
    changed = keeper.http.patch(path, json={"is_on": False, "topics": ["hold.expired"]}).json()
    assert (changed["is_on"], changed["topics"], changed["url"]) == (
        False, ["hold.expired"], receiver.url,
    )  # fmt: skip
    rotated = keeper.http.post(f"{path}/rotate").json()
    assert rotated["secret"] != secret
    assert rotated["webhook"] == changed
    assert "secret" not in keeper.get("/webhooks").text
    assert keeper.http.delete(path).status_code == 204
    assert keeper.get(path).status_code == 404
    assert keeper.get("/webhooks").json() == {"webhooks": []}


def test_another_account_finds_none_of_it(live: Live, keeper: ApiClient, receiver: Receiver):
    endpoint_id, _ = made(keeper, receiver.url)
    keeper.http.post(f"/webhooks/{endpoint_id}/test")
    wait_for(lambda: deliveries(keeper, endpoint_id) != [])
    delivery_id = deliveries(keeper, endpoint_id)[0]["id"]
    other = ApiClient(live, "globex", "account:write")
    path = f"/webhooks/{endpoint_id}"
    answers = [
        other.get(path), other.get(f"{path}/deliveries"), other.http.post(f"{path}/test"),
        other.http.post(f"{path}/rotate"), other.http.patch(path, json={"is_on": False}),
        other.http.delete(path), other.http.post(f"/webhooks/deliveries/{delivery_id}/replay"),
        other.get(f"/webhooks/deliveries/{delivery_id}/attempts"),
    ]  # fmt: skip
    assert {answer.status_code for answer in answers} == {404}
    other.close()


def test_a_key_needs_the_scope(live: Live):
    reader = ApiClient(live, "acme", "usage:read")
    assert reader.get("/webhooks").status_code == 403
    reader.close()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"), ({"url": "ftp://a.example"}, "url"), ({"url": 5}, "url"),
        ({"url": "https://a.example", "topics": ["all"]}, "topics.0"),
        ({"url": "https://a.example", "secret": "mine"}, "secret"),
        ({"url": "https://a.example", "description": "x" * 256}, "description"),
    ],
)  # fmt: skip
def test_bad_input_is_named(keeper: ApiClient, body: dict[str, Any], field: str):
    answer = keeper.http.post("/webhooks", json=body)
    assert answer.status_code == 422
    assert answer.json()["field"] == field
    assert keeper.get("/webhooks").json() == {"webhooks": []}
