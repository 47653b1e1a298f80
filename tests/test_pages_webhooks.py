"""The Webhooks page over HTTP: forms, a secret shown once, who may, and nobody else's endpoints."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
import pytest
from sqlalchemy import Connection, select

from api.left import COOKIE
from billing.access import Role
from billing.webhooks import Endpoint
from data import tables as t
from data.webhooks.endpoints import read_endpoints
from tests.extra_people import add_people
from tests.live import FREE, NOW, OTHER, OWNER, SUPPORT, Live, LiveServer
from tests.receivers import Receiver, receiving
from tests.stream_ear import listening, wait_for
from tests.web_client import WebClient

ADMIN, MANAGER, PARTNER = "admin@usage.example", "manager@acme.example", "partner@acme.example"
PATH, CHANGES = "/settings/webhooks", "/webhooks/changes"


@pytest.fixture(scope="module")
def server(server: LiveServer) -> LiveServer:
    settings = server.installation.settings  # which nothing has looked at yet
    object.__setattr__(settings, "allow_private_webhooks", True)
    with server.installation.database.write() as connection:
        add_people(
            connection,
            (ADMIN, "*", Role.ADMIN), (MANAGER, "acme", Role.MANAGER), (PARTNER, "acme",
             Role.OWNER),
        )  # fmt: skip
    return server


@pytest.fixture(scope="module")
def clients(live: Live) -> Iterator[dict[str, WebClient]]:
    people = (OWNER, OTHER, MANAGER, SUPPORT, ADMIN, FREE, PARTNER)
    opened = {email: WebClient(live.url, email) for email in people}
    yield opened
    for client in opened.values():
        client.close()


@pytest.fixture(autouse=True)
def none_left(live: Live) -> Iterator[None]:
    """Each test ends without endpoints."""
    yield
    installation = live.installation
    for account_id in ("acme", "globex"):
        for each in endpoints(live, account_id):
            installation.writer.write(partial(remove, live, each))


def remove(live: Live, endpoint: Endpoint, connection: Connection) -> None:
    live.installation.endpoints.remove(
        connection, endpoint.account_id, endpoint.id, "person:test", NOW
    )


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as opened:
        yield opened


def endpoints(live: Live, account_id: str = "acme") -> list[Endpoint]:
    with live.installation.database.read() as connection:
        return list(read_endpoints(connection, account_id))


def send(client: WebClient, account_id: str = "acme", **form: Any) -> httpx.Response:
    return client.post(CHANGES, **{"account": account_id, **form})


def came_to(answer: httpx.Response) -> dict[str, str]:
    """What the address that a form leads back to says."""
    assert answer.status_code == 303, answer.text
    address = urlsplit(answer.headers["Location"])
    assert address.path == PATH
    return {name: values[0] for name, values in parse_qs(address.query).items()}


def page(client: WebClient, **query: str) -> str:
    return client.page(PATH, f"?{httpx.QueryParams(query)}" if query else "")


def added(client: WebClient, live: Live, url: str = "https://a.example/h", **form: Any) -> Endpoint:
    assert came_to(send(client, do="add", url=url, **form))["done"] == "add"
    page(client)  # takes the secret away
    return endpoints(live)[-1]


def test_an_endpoint_is_added_and_its_secret_is_shown_to_one_person_once(live, clients):
    owner = clients[OWNER]
    assert "No webhooks yet" in page(owner)
    answer = send(
        owner, do="add", url="https://a.example/h?token=t0p", which="some",
        topics=["outbound.paused", "alert.fired"], description="Dialler",
    )  # fmt: skip
    done = came_to(answer)
    (endpoint,) = endpoints(live)
    assert (endpoint.url, endpoint.description) == ("https://a.example/h?token=t0p", "Dialler")
    assert [topic.value for topic in endpoint.topics] == ["outbound.paused", "alert.fired"]
    assert done == {"done": "add", "webhook": endpoint.id}
    cookie = next(each for each in owner.http.cookies.jar if each.name == COOKIE)
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert "whsec" not in unquote(cookie.value or "") + answer.headers["Location"]
    assert "t0p" not in answer.headers["Location"]

    clients[PARTNER].http.cookies.set(COOKIE, cookie.value or "")
    assert "whsec_" not in page(clients[PARTNER], **done), "another owner, with the stolen cookie"
    first = page(owner, **done)
    assert "whsec_" in first
    assert "Outbound paused, Alert fired" in first
    assert COOKIE not in owner.http.cookies
    again = page(owner, **done)
    assert "whsec_" not in again
    assert "new-secret" not in again


def test_what_is_wrong_stands_under_its_field_with_all_that_was_typed(live, clients):
    owner = clients[OWNER]
    answer = send(
        owner, do="add", url="ftp://secret-host.example", description="mine", which="some",
        topics=["hold.expired"],
    )  # fmt: skip
    done = came_to(answer)
    assert done == {"do": "add", "refused": "invalid"}
    form = page(owner, **done)
    assert "Use an https:// address" in form or "se an https:// address" in form
    assert "'data-error-of': 'webhook-url'" in form
    for typed in ("ftp://secret-host.example", "'value': 'mine'", "'value': ['hold.expired']"):
        assert typed in form
    assert "secret-host" not in page(owner, **done), "shown once"
    assert endpoints(live) == []
    none = page(owner, **came_to(send(owner, do="add", url="https://a.example", which="some")))
    assert "hoose at least one, or all messages" in none


def test_a_form_that_is_too_long_to_be_kept_still_says_what_is_wrong(live, clients):
    owner = clients[OWNER]
    done = came_to(send(owner, do="add", url="https://a.example/" + "x" * 5_000))
    assert "at most 2,000 printable characters" in page(owner, **done)
    assert endpoints(live) == []


def test_one_too_many_is_refused_by_name(live, clients):
    owner = clients[OWNER]
    for number in range(10):
        added(owner, live, f"https://a.example/{number}")
    done = came_to(send(owner, do="add", url="https://a.example/11"))
    assert "emove one first: there are 10 already" in page(owner, **done)


def test_it_is_edited_switched_rotated_and_removed(live, clients):
    owner = clients[OWNER]
    endpoint = added(owner, live, which="some", topics=["hold.expired"])
    form = page(owner, do="edit", webhook=endpoint.id)
    assert "'value': ['hold.expired']" in form
    send(owner, do="edit", webhook=endpoint.id, url="https://b.example/h", which="all")
    (changed,) = endpoints(live)
    assert (changed.url, changed.topics) == ("https://b.example/h", ())
    send(owner, do="switch", webhook=endpoint.id, state="off")
    assert not endpoints(live)[0].is_on
    assert "'Off'" in page(owner)
    send(owner, do="switch", webhook=endpoint.id, state="on")
    assert endpoints(live)[0].is_on

    assert "the old secret too" in page(owner, do="rotate", webhook=endpoint.id)
    done = came_to(send(owner, do="rotate", webhook=endpoint.id))
    assert "whsec_" in page(owner, **done)
    assert "Nothing is sent to https://b.example/h any more" in page(
        owner, do="remove", webhook=endpoint.id
    )
    assert len(endpoints(live)) == 1, "an address changes nothing"
    assert came_to(send(owner, do="remove", webhook=endpoint.id)) == {"done": "remove"}
    assert endpoints(live) == []
    gone = page(owner, webhook=endpoint.id, do="edit")
    assert "There is no such webhook" in gone


def test_a_test_is_sent_shown_live_and_sent_again(live, clients, receiver):
    owner = clients[OWNER]
    endpoint = added(owner, live, receiver.url)
    receiver.status, receiver.body = 500, b"<b>down</b>"
    view = f"{PATH}?webhook={endpoint.id}"
    with listening(live, owner, {"event": "regions", "view": view}) as ear:
        assert came_to(send(owner, do="test", webhook=endpoint.id))["done"] == "test"
        wait_for(lambda: "Last answer 500" in json.dumps(ear.of("regions")))
    shown = page(owner, webhook=endpoint.id)
    assert "1 try" in shown
    assert "<b>down</b>" in shown, "as text, whatever a receiver answers"
    assert "'children': '<b>" not in shown
    receiver.status, receiver.body = 204, b""
    with live.installation.database.read() as connection:
        delivery_id = connection.scalar(
            select(t.webhook_deliveries.c.id).where(
                t.webhook_deliveries.c.endpoint_id == endpoint.id
            )
        )
    assert came_to(
        send(owner, do="replay", webhook=endpoint.id, delivery=delivery_id)
    ) == {"done": "replay", "webhook": endpoint.id}  # fmt: skip
    wait_for(lambda: "Answered 204" in page(owner, webhook=endpoint.id))
    assert len(set(receiver.ids)) == 1, "under the same id"


def test_who_may(live, clients):
    endpoint = added(clients[OWNER], live)
    assert endpoint.url not in page(clients[MANAGER])
    assert "Webhooks are for the owner" in page(clients[MANAGER])
    assert "/settings/webhooks" not in clients[MANAGER].page("/settings", "")
    assert "/settings/webhooks" in clients[OWNER].page("/settings", "")
    clients[SUPPORT].post("/session/account", account="acme")
    seen = page(clients[SUPPORT], webhook=endpoint.id)
    assert endpoint.url in seen
    assert "data-post': '/webhooks" not in seen
    assert "Not for your role" in page(clients[SUPPORT], do="add")
    for email in (MANAGER, SUPPORT):
        for form in ({"do": "add", "url": "https://x.example"}, {"do": "remove"}, {"do": "test"}):
            answer = send(clients[email], webhook=endpoint.id, **form)
            assert came_to(answer) == {"refused": "not_allowed"}, email
    assert endpoints(live) == [endpoint]
    clients[ADMIN].post("/session/account", account="acme")
    assert came_to(send(clients[ADMIN], do="remove", webhook=endpoint.id)) == {"done": "remove"}


def test_another_account_finds_none_of_it(live, clients):
    owner, other = clients[OWNER], clients[OTHER]
    endpoint = added(owner, live)
    assert came_to(send(owner, do="test", webhook=endpoint.id))["done"] == "test"
    with live.installation.database.read() as connection:
        delivery_id = connection.scalar(
            select(t.webhook_deliveries.c.id).where(
                t.webhook_deliveries.c.endpoint_id == endpoint.id
            )
        )
    shown = page(other, webhook=endpoint.id)
    assert "a.example" not in shown
    assert "Deliveries" not in shown
    for do in ("edit", "rotate", "remove", "test", "switch", "replay"):
        odd = send(
            other, "globex", do=do, webhook="\0", delivery="\0", state="off", url=endpoint.url
        )
        assert came_to(odd)["refused"] == "not_found", do
        answer = send(
            other, "globex", do=do, webhook=endpoint.id, delivery=delivery_id, state="off",
            url="https://evil.example",
        )  # fmt: skip
        assert came_to(answer)["refused"] == "not_found", do
        assert "a.example" not in page(other, do=do, webhook=endpoint.id)
        assert came_to(send(other, "acme", do=do, webhook=endpoint.id)) == {
            "refused": "other_account"
        }
    assert endpoints(live) == [endpoint]


@pytest.mark.parametrize(
    "query",
    ["?do=nothing", "?webhook=%00", "?cursor=%ff&webhook=x", "?done=wat", "?refused=<script>",
     "?" + "x" * 3_000],
)  # fmt: skip
def test_an_address_that_cannot_be_read_falls_back(clients, query):
    shown = clients[OWNER].page(PATH, query)
    assert "could not be loaded" not in shown
    assert "No webhooks yet" in shown


def test_a_forged_cookie_shows_nothing_and_is_taken_away(clients):
    owner = clients[OWNER]
    owner.http.cookies.set(COOKIE, "gAAAAAforged")
    assert "new-secret" not in page(owner)
    owner.http.cookies.delete(COOKIE)


def test_deliveries_come_in_pages(live, clients):
    owner = clients[OWNER]
    endpoint = added(owner, live, "https://unreachable.invalid/h")
    for _ in range(27):
        came_to(send(owner, do="test", webhook=endpoint.id))
    first = page(owner, webhook=endpoint.id)
    assert first.count("'sent-what'") == 25
    cursor = first.split("cursor=")[1].split("'")[0].split("&")[0]
    second = page(owner, webhook=endpoint.id, cursor=cursor)
    assert second.count("'sent-what'") == 2
    assert "Newest" in second
    assert page(clients[OTHER], webhook=endpoint.id, cursor=cursor).count("'sent-what'") == 0
