"""Webhooks to a real receiver: signed, in order, tried again, given up, and never inwards."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from standardwebhooks.webhooks import Webhook

from billing.errors import InputError, NotFoundError
from billing.webhooks import GIVEN_UP_AFTER, MOST_ENDPOINTS, DeliveryState, Topic, next_try
from data import tables as t
from data.lease import LeaseLostError
from data.sealed import SealError, Seals
from data.webhooks import sending
from data.webhooks.deliveries import read_attempts, read_deliveries, replay
from data.webhooks.delivering import Deliverer
from data.webhooks.endpoints import Endpoints, read_endpoints
from data.webhooks.outbox import tell
from data.webhooks.sending import Message, Sender
from tests.receivers import Receiver, receiving
from tests.wallet_ledger import Wallet

SECRET = "a secret of tests, long enough"
ACTOR = "person:ada"
PATIENCE_SECONDS = 20


class Hooked(Wallet):
    """A ledger with endpoints and deliveries."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.endpoints = Endpoints(SECRET, may_be_plain=True)
        self.deliverer = self.process()

    def process(self) -> Deliverer:
        return Deliverer(
            self.database, self.writer, self.clock, self.endpoints, Sender(may_be_private=True)
        )

    def close(self) -> None:
        self.deliverer.close()
        super().close()

    def hook(self, url: str, account_id: str = "acme", **given: Any) -> tuple[str, str]:
        """A new endpoint; its id and secret."""
        endpoint, secret = self.writer.write(
            lambda c: self.endpoints.add(c, account_id, {"url": url, **given}, ACTOR, self.clock.at)
        )
        return endpoint.id, secret

    def tell(self, number: int = 0, account_id: str = "acme",
             topic: Topic = Topic.OUTBOUND_PAUSED) -> None:  # fmt: skip
        self.writer.write(lambda c: tell(c, account_id, topic, {"number": number}, self.clock.at))

    def states(self, endpoint_id: str) -> list[DeliveryState]:
        """Oldest first."""
        with self.database.read() as connection:
            found = read_deliveries(connection, "acme", endpoint_id)
        return [each.state for each in reversed(found)]

    def run(self, until: Callable[[], bool]) -> None:
        """Delivers again and again."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not until():
            assert time.monotonic() < deadline, "it didn't come"
            self.deliverer.deliver()
            time.sleep(0.01)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Hooked]:
    with Hooked(tmp_path) as opened:
        opened.add()
        yield opened
        assert opened.broken() == []


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as opened:
        yield opened


def numbers(receiver: Receiver) -> list[int]:
    return [json.loads(body)["data"]["number"] for _, body in receiver.came]


# --- delivery ------------------------------------------------------------------------------------
def test_a_message_is_verified_by_the_receivers_own_library(ledger: Hooked, receiver: Receiver):
    endpoint_id, secret = ledger.hook(receiver.url)
    ledger.tell(7)
    ledger.run(lambda: ledger.states(endpoint_id) == [DeliveryState.DELIVERED])
    headers, body = receiver.came[0]
    payload = Webhook(secret).verify(body, headers)
    assert payload == {
        "type": "outbound.paused", "timestamp": "2026-11-22T12:00:00Z", "account": "acme",
        "sequence": 1, "data": {"number": 7},
    }  # fmt: skip
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(secret).verify(body.replace(b"7", b"8"), headers)


def test_messages_of_an_account_come_in_order_and_are_numbered(ledger: Hooked, receiver: Receiver):
    endpoint_id, _ = ledger.hook(receiver.url)
    for number in range(30):
        ledger.tell(number)
    ledger.run(lambda: len(receiver.came) == 30)
    assert numbers(receiver) == list(range(30))
    assert [json.loads(body)["sequence"] for _, body in receiver.came] == list(range(1, 31))
    ledger.run(lambda: set(ledger.states(endpoint_id)) == {DeliveryState.DELIVERED})


def test_an_endpoint_gets_the_kinds_it_wants_and_only_its_own_account(
    ledger: Hooked, receiver: Receiver
):
    ledger.add(account_id="globex")
    ledger.hook(receiver.url, topics=["call.limit_reached"])
    ledger.tell(1)
    ledger.tell(2, topic=Topic.CALL_LIMIT_REACHED)
    ledger.tell(3, "globex", topic=Topic.CALL_LIMIT_REACHED)
    ledger.run(lambda: len(receiver.came) == 1)
    assert numbers(receiver) == [2]
    assert ledger.rows(t.webhook_messages, "globex") == [], "nobody there listens"


@pytest.mark.parametrize("status", [500, 404, 301, 302, 307])
def test_a_failure_is_tried_again_and_the_next_waits_for_it(
    ledger: Hooked, receiver: Receiver, status: int
):
    receiver.status, receiver.headers = status, {"Location": "http://127.0.0.1:1/"}
    endpoint_id, _ = ledger.hook(receiver.url)
    ledger.tell(1)
    ledger.tell(2)
    ledger.run(lambda: tried(ledger) == 1)
    ledger.deliverer.deliver()
    time.sleep(0.1)
    assert numbers(receiver) == [1], "not before its time, and not the second one first"
    receiver.status = 200
    ledger.clock.at += timedelta(seconds=5)
    ledger.run(lambda: len(receiver.came) == 3)
    assert numbers(receiver) == [1, 1, 2]
    assert receiver.ids[0] == receiver.ids[1] != receiver.ids[2]
    ledger.run(lambda: set(ledger.states(endpoint_id)) == {DeliveryState.DELIVERED})


def troubles(ledger: Hooked) -> list[tuple[str, str, str]]:
    """What those who run the product were told, oldest first."""
    rows = [(row.kind, json.loads(row.facts)) for row in ledger.rows(t.notices, "*")]
    return [(kind, facts["name"], facts["subject"]) for kind, facts in rows]


def tried(ledger: Hooked) -> int:
    return len(ledger.rows(t.webhook_attempts, None))


def test_a_receiver_that_is_down_for_a_day_is_given_up_and_the_next_goes_on(
    ledger: Hooked, receiver: Receiver
):
    endpoint_id, _ = ledger.hook(receiver.url)
    receiver.status = 503
    ledger.tell(1)
    attempts = 0
    while ledger.states(endpoint_id) == [DeliveryState.WAITING]:
        ledger.run(lambda: tried(ledger) > attempts)  # noqa: B023
        attempts = tried(ledger)
        ledger.clock.at += timedelta(hours=4)
        assert attempts < 20, "it never ends"
    assert ledger.states(endpoint_id) == [DeliveryState.PARKED]
    assert troubles(ledger) == [("trouble", "webhook_parked", endpoint_id)]
    receiver.status = 204
    ledger.tell(2)
    ledger.run(lambda: ledger.states(endpoint_id)[1] is DeliveryState.DELIVERED)
    assert troubles(ledger)[1:] == [("trouble.over", "webhook_parked", endpoint_id)]
    with ledger.database.read() as connection:
        (_, parked) = read_deliveries(connection, "acme", endpoint_id)
        shown = read_attempts(connection, "acme", parked.id)
        with pytest.raises(NotFoundError):
            read_attempts(connection, "globex", parked.id)
    assert parked.last_status == 503
    assert [each.number for each in shown] == list(range(1, attempts + 1))
    ledger.writer.write(lambda c: replay(c, "acme", parked.id, ACTOR, ledger.clock.at))
    ledger.run(lambda: set(ledger.states(endpoint_id)) == {DeliveryState.DELIVERED})
    with pytest.raises(NotFoundError):
        ledger.writer.write(lambda c: replay(c, "globex", parked.id, ACTOR, ledger.clock.at))


def test_nobody_waits_for_a_slow_receiver_but_its_own_messages(ledger: Hooked, receiver: Receiver):
    with receiving() as slow:
        slow.seconds = 2
        ledger.hook(slow.url)
        quick, _ = ledger.hook(receiver.url)
        ledger.tell(1)
        begun = time.monotonic()
        ledger.run(lambda: ledger.states(quick) == [DeliveryState.DELIVERED])
        assert time.monotonic() - begun < 1.5
        ledger.run(lambda: tried(ledger) == 2)


def test_an_answer_that_never_ends_is_cut(monkeypatch, ledger: Hooked, receiver: Receiver):
    monkeypatch.setattr(sending, "LONGEST_SECONDS", 0.5)
    receiver.body, receiver.drip = b"x" * 400, 0.2
    begun = time.monotonic()
    answer = Sender(may_be_private=True).send(receiver.url, Message("m", "{}", ("whsec_c2VjcmV0",)))
    assert time.monotonic() - begun < 5
    assert len(answer.text) < 400 or answer.error


def test_a_process_that_dies_after_the_answer_sends_it_again_under_the_same_id(
    ledger: Hooked, receiver: Receiver
):
    """The write is refused, as that of a process that leads no more."""
    endpoint_id, _ = ledger.hook(receiver.url)
    ledger.tell(1)

    class Dead:
        def write(self, _: Any) -> Any:
            raise LeaseLostError("scheduler")

    died = Deliverer(
        ledger.database, Dead(), ledger.clock, ledger.endpoints, Sender(may_be_private=True)
    )
    died.deliver()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not receiver.came and time.monotonic() < deadline:
        time.sleep(0.01)
    died.close()
    assert ledger.states(endpoint_id) == [DeliveryState.WAITING]
    ledger.run(lambda: ledger.states(endpoint_id) == [DeliveryState.DELIVERED])
    assert len(receiver.came) == 2
    assert len(set(receiver.ids)) == 1


def test_one_that_leads_no_more_sends_nothing(ledger: Hooked, receiver: Receiver):
    ledger.hook(receiver.url)
    ledger.tell(1)

    ledger.deliverer.deliver(lambda: False)
    time.sleep(0.2)
    assert receiver.came == []


# --- endpoints -----------------------------------------------------------------------------------
def test_a_rotated_secret_signs_beside_the_old_one_for_a_day(ledger: Hooked, receiver: Receiver):
    endpoint_id, old = ledger.hook(receiver.url)
    new = ledger.writer.write(
        lambda c: ledger.endpoints.rotate(c, "acme", endpoint_id, ACTOR, ledger.clock.at)
    )
    assert new != old
    ledger.tell(1)
    ledger.run(lambda: len(receiver.came) == 1)
    headers, body = receiver.came[0]
    for secret in (old, new):
        Webhook(secret).verify(body, headers)
    ledger.run(lambda: ledger.states(endpoint_id) == [DeliveryState.DELIVERED])
    ledger.clock.at += timedelta(hours=25)
    ledger.tell(2)
    ledger.run(lambda: len(receiver.came) == 2)
    headers, body = receiver.came[1]
    Webhook(new).verify(body, headers)
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(old).verify(body, headers)


def test_a_test_says_that_it_is_one(ledger: Hooked, receiver: Receiver):
    endpoint_id, _ = ledger.hook(receiver.url, topics=["hold.expired"])
    ledger.writer.write(
        lambda c: ledger.endpoints.test(c, "acme", endpoint_id, ACTOR, ledger.clock.at)
    )
    ledger.run(lambda: len(receiver.came) == 1)
    payload = json.loads(receiver.came[0][1])
    assert (payload["type"], payload["data"]["test"]) == ("webhook.test", True)


def test_what_is_switched_off_or_removed_gets_nothing(ledger: Hooked, receiver: Receiver):
    off, _ = ledger.hook(receiver.url)
    gone, _ = ledger.hook(receiver.url)
    ledger.tell(1)
    write, now = ledger.writer.write, ledger.clock.at
    write(lambda c: ledger.endpoints.change(c, "acme", off, {"is_on": False}, ACTOR, now))
    write(lambda c: ledger.endpoints.remove(c, "acme", gone, ACTOR, now))
    ledger.tell(2)
    ledger.deliverer.deliver()
    time.sleep(0.2)
    assert receiver.came == []
    with ledger.database.read() as connection:
        assert [each.id for each in read_endpoints(connection, "acme")] == [off]
    write(lambda c: ledger.endpoints.change(c, "acme", off, {"is_on": True}, ACTOR, now))
    ledger.run(lambda: numbers(receiver) == [1])


def test_no_secret_is_stored_in_the_clear(ledger: Hooked, receiver: Receiver):
    _, secret = ledger.hook(receiver.url)
    with ledger.database.read() as connection:
        rows = [
            str(row)
            for table in ("webhook_endpoints", "audit")
            for row in connection.execute(text(f"SELECT * FROM {table}"))
        ]
    assert not any(secret in row or secret.removeprefix("whsec_") in row for row in rows)


def test_another_installation_secret_opens_nothing():
    sealed = Seals(SECRET, "webhooks").seal("x")
    assert Seals(SECRET, "webhooks").open(sealed) == "x"
    for other in (Seals(SECRET + "!", "webhooks"), Seals(SECRET, "mail")):
        with pytest.raises(SealError):
            other.open(sealed)


@pytest.mark.parametrize(
    "url",
    ["", "ftp://a.example", "https://", "https://user:word@a.example/", "http://a.example",
     "https://a.example/#x", "https://a.example:0/", "https://a.example:99999/",
     "https://a b.example", "https://" + "a" * 2_000, "https://[::1", "javascript:alert(1)",
     "https://a.example/\n"],
)  # fmt: skip
def test_an_address_that_cannot_be_is_refused_by_name(ledger: Hooked, url: str):
    strict = Endpoints(SECRET, may_be_plain=False)
    with pytest.raises(InputError) as refused:
        ledger.writer.write(lambda c: strict.add(c, "acme", {"url": url}, ACTOR, ledger.clock.at))
    assert refused.value.field == "url"
    assert ledger.rows(t.webhook_endpoints, "acme") == []


def test_there_is_a_most(ledger: Hooked, receiver: Receiver):
    for _ in range(MOST_ENDPOINTS):
        ledger.hook(receiver.url)
    with pytest.raises(InputError, match="remove one"):
        ledger.hook(receiver.url)
    with pytest.raises(InputError, match="topics"):
        ledger.hook(receiver.url, topics=["everything"])


# --- where nothing goes --------------------------------------------------------------------------
@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "0.0.0.0",
     "100.64.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1%eth0", "fc00::1",
     "::ffff:127.0.0.1", "64:ff9b::7f00:1", "::127.0.0.1", "2002:7f00:1::", "ff02::1"],
)  # fmt: skip
def test_a_name_that_leads_inwards_is_refused(address: str):
    sender = Sender(may_be_private=False, addresses=lambda *_: ["93.184.215.14", address])
    answer = sender.send("https://hooks.example/", Message("m", "{}", ("whsec_c2VjcmV0",)))
    assert answer.status is None
    assert "isn't a public address" in (answer.error or "")


def test_a_name_is_looked_up_once_and_the_connection_goes_there(receiver: Receiver):
    looked: list[str] = []

    def once(host: str, _: int) -> list[str]:
        looked.append(host)
        return ["127.0.0.1"]

    port = receiver.url.split(":")[2].split("/")[0]
    url = f"http://hooks.example:{port}/hook"
    answer = Sender(may_be_private=True, addresses=once).send(
        url, Message("m", "{}", ("whsec_c2VjcmV0",))
    )
    assert answer.is_taken
    assert looked == ["hooks.example"]
    assert receiver.came[0][0]["host"] == f"hooks.example:{port}"


def test_a_name_that_has_no_address_is_a_failure_and_no_error():
    def unknown(*_: Any) -> list[str]:
        raise OSError("Name or service not known")

    answer = Sender(may_be_private=True, addresses=unknown).send(
        "https://nowhere.example/", Message("m", "{}", ("whsec_c2VjcmV0",))
    )
    assert (answer.status, answer.is_taken) == (None, False)


# --- when ----------------------------------------------------------------------------------------
def test_tries_come_ever_later_until_a_day_is_over():
    begun = datetime(2026, 11, 22, tzinfo=UTC)
    now, waits = begun, []
    for count in range(1, 50):
        due = next_try(begun, count, now)
        if due is None:
            break
        waits.append(due - now)
        now = due
    assert waits == sorted(waits)
    assert waits[0] == timedelta(seconds=5)
    assert GIVEN_UP_AFTER - timedelta(hours=4) <= now - begun < GIVEN_UP_AFTER
