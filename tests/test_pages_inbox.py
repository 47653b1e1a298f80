"""Bell, inbox and the stream's notices over HTTP: each person's own, and nobody else's."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from billing.access import Role
from billing.alerts import Channel, Level, Target
from billing.notices import NoticeKind
from data import tables as t
from data.access.people import add_membership, add_person
from tests.extra_people import add_people
from tests.live import FREE, NOW, OTHER, OWNER, PASSWORD, QUICK, SUPPORT, Live, LiveServer
from tests.notices import leave, leave_trouble
from tests.stream_ear import add, listening, post, wait_for
from tests.web_client import WebClient

ADMIN, MANAGER = "admin@usage.example", "manager@acme.example"
INBOX, USAGE, SEEN = "/billing/alerts/inbox", "/billing/usage", "/notices/seen"
SHORTLY = timedelta(seconds=1)
NOTICES = {"event": ["notifications", "balance"]}
_tests = count()


@pytest.fixture(scope="module")
def server(server: LiveServer) -> LiveServer:
    with server.installation.database.write() as connection:
        add_people(
            connection,
            (ADMIN, "*", Role.ADMIN), (MANAGER, "acme", Role.MANAGER),
        )  # fmt: skip
    return server


@pytest.fixture(scope="module")
def clients(live: Live) -> Iterator[dict[str, WebClient]]:
    people = (OWNER, OTHER, MANAGER, SUPPORT, ADMIN, FREE)
    opened = {email: WebClient(live.url, email) for email in people}
    for email in (SUPPORT, ADMIN):
        opened[email].post("/session/account", account="acme")
    yield opened
    for client in opened.values():
        client.close()


@pytest.fixture(autouse=True)
def now(live: Live, clients: dict[str, WebClient]) -> datetime:
    """Each test has an instant of its own, at which everybody has seen what came before."""
    at = NOW + timedelta(minutes=20 * next(_tests))
    live.clock_file.write_text(at.isoformat())
    with live.installation.database.read() as connection:
        people = connection.scalars(select(t.people.c.id)).all()
    for person_id in people:
        live.installation.alerts.mark_seen(("acme", "globex", "*"), person_id, at - SHORTLY)
    return at


def bell(client: WebClient, path: str = USAGE) -> str:
    """What the bell says of a page."""
    text = client.page(path, "")
    return text.split("'aria-label': 'Notices")[1].split("'")[0].lstrip(": ")


def signed_in(live: Live, email: str) -> WebClient:
    """Another owner of acme, who has never looked before."""
    with live.installation.database.write() as connection:
        added = add_person(connection, email, "Another", PASSWORD, NOW, passwords=QUICK)
        add_membership(connection, added.person.id, "acme", Role.OWNER)
    return WebClient(live.url, email)


def see(client: WebClient, until: Any, account_id: str = "acme") -> httpx.Response:
    return client.post(SEEN, account=account_id, until=str(until))


def test_the_bell_counts_for_one_person_on_every_page(live, clients, now):
    assert bell(clients[OWNER]) == ""
    leave(live)
    leave(live, level=Level.CRITICAL)
    for path in (USAGE, "/billing/balance", "/billing/rates", "/settings", INBOX):
        assert bell(clients[OWNER], path) == "2 unread", path
    assert bell(clients[OTHER]) == ""
    assert bell(clients[FREE]) == ""
    assert see(clients[OWNER], now).status_code == 204
    assert bell(clients[OWNER]) == ""
    assert bell(clients[MANAGER]) == "2 unread", "of the same page, shared a moment ago"
    assert bell(clients[SUPPORT]) == "2 unread"
    assert bell(clients[OWNER]) == ""
    leave(live, at=now + timedelta(microseconds=1))
    assert bell(clients[OWNER]) == "1 unread"


def test_a_hundred_unread_are_said_to_be_more(live, clients, now):
    for _ in range(101):
        leave(live)
    assert bell(clients[OWNER]) == "99+ unread"


def test_the_inbox_shows_words_figures_deliveries_and_what_is_new(live, clients, now):
    mail = Target(Channel.EMAIL, "billing@acme.example")
    leave(live, targets=(Target(Channel.DASHBOARD), mail))
    leave(live, level=Level.CRITICAL, kind=NoticeKind.ALERT_TEST)
    leave(live, targets=(mail,), name="Only by mail")
    shown = clients[OWNER].page(INBOX, "")
    assert shown.count("'mark mark-new'") == 2
    assert "Only by mail" not in shown
    assert shown.index("Test · Critical") < shown.index("Warning: balance at ₹812.50")
    for words in (
        "E-mail to billing@acme.example: waits", "Plan to add credits soon.", "'Test'", "₹900.00",
        "'level level-critical'",
    ):  # fmt: skip
        assert words in shown, words
    assert f"'data-seen-at': '{now.isoformat()}'" in shown
    assert see(clients[OWNER], now).status_code == 204
    again = clients[OWNER].page(INBOX, "")
    assert "mark-new" not in again
    assert "data-seen-at" not in again
    assert "Warning: balance" in again, "what was read stays"
    assert clients[MANAGER].page(INBOX, "").count("'mark mark-new'") == 2
    other = clients[OTHER].page(INBOX, "")
    assert "Nothing to read" in other
    assert "812.50" not in other
    assert f"'dateTime': '{now.isoformat()}'" in again


def test_names_are_text_whatever_they_hold(live, clients, now):
    leave(live, name="<img src=x onerror=alert(1)>")
    with listening(live, clients[OWNER], NOTICES) as ear:
        wait_for(lambda: bool(ear.of("notifications")))
        assert "<img" not in ear.of("notifications")[-1]["notifications"][0]["title"]
    assert "'children': '<img" not in clients[OWNER].page(INBOX, "")


def test_older_notices_are_on_further_pages(live, clients, now):
    for number in range(27):
        leave(live, name=f"number {number:02}", at=now - number * timedelta(milliseconds=10))
    first = clients[OWNER].page(INBOX, "")
    assert first.count("'data-notice'") == 25
    address = first.split(f"{INBOX}?")[1].split("'")[0]
    second = clients[OWNER].page(INBOX, f"?{address}")
    assert [name for name in ("24", "25", "26") if f"number {name}" in second] == ["25", "26"]
    assert "data-seen-at" not in second, "who looks at older ones hasn't seen the newest"
    assert "Nothing to read" in clients[OTHER].page(INBOX, f"?{address}")
    assert "number 00" in clients[OWNER].page(INBOX, "?cursor=nonsense")


def test_those_who_run_it_are_told_of_its_troubles_in_any_account(live, clients, now):
    leave_trouble(live)
    assert bell(clients[ADMIN]) == "1 unread"
    shown = clients[ADMIN].page(INBOX, "")
    assert "'Installation'" in shown
    assert "isk" in shown
    for email in (OWNER, SUPPORT, MANAGER, OTHER):
        assert bell(clients[email]) == "", email
        assert "isk" not in clients[email].page(INBOX, "").split("'inbox'")[-1], email
    see(clients[ADMIN], now)
    assert bell(clients[ADMIN]) == ""
    clients[ADMIN].post("/session/account", account="globex")
    assert bell(clients[ADMIN]) == "", "seen is seen, whichever account one looks at"
    clients[ADMIN].post("/session/account", account="acme")


@pytest.mark.parametrize(
    "until", ["", "now", "2026-11-22T12:30:00", "9" * 50, "0001-01-01T00:00+14:00"]
)
def test_an_instant_that_is_none_is_refused(clients, until):
    answer = see(clients[OWNER], until)
    assert answer.status_code == 400, answer.text


def test_nobody_sees_for_another_account_nor_ahead_of_time(live, clients, now):
    leave(live)
    assert see(clients[OTHER], now).status_code == 400, "that page showed another account"
    assert clients[OWNER].http.post(SEEN, data={"account": "acme"}).status_code == 400, "no token"
    assert see(clients[OWNER], now - timedelta(seconds=1)).status_code == 204
    assert bell(clients[OWNER]) == "1 unread"
    assert see(clients[OWNER], now + timedelta(days=400)).status_code == 204
    leave(live, at=now + timedelta(seconds=1))
    assert bell(clients[OWNER]) == "1 unread", "what comes later is new"
    see(clients[OWNER], now - timedelta(days=1))
    assert bell(clients[OWNER]) == "1 unread", "and never back"


# --- the stream ------------------------------------------------------------------------------
def test_a_person_hears_of_their_own_notices_and_others_stay_silent(live, clients, now):
    owner, manager, other = (clients[email] for email in (OWNER, MANAGER, OTHER))
    with (
        listening(live, owner, NOTICES) as ear,
        listening(live, manager, NOTICES) as beside,
        listening(live, other, NOTICES) as foreign,
    ):
        wait_for(lambda: all(each.of("notifications") for each in (ear, beside, foreign)))
        assert ear.of("notifications")[0]["unread"] == 0
        said = len(foreign.events)
        notice_id = leave(live, level=Level.CRITICAL)
        wait_for(lambda: len(ear.of("notifications")) == 2)
        told = ear.of("notifications")[1]
        assert (told["account"], told["unread"]) == ("acme", 1)
        (notice,) = told["notifications"]
        assert (notice["id"], notice["level"], notice["level_name"]) == (
            notice_id, "critical", "Critical",
        )  # fmt: skip
        assert (notice["action"], notice["is_test"]) == ("Service disruption imminent", False)
        assert notice["title"].replace("\N{NO-BREAK SPACE}", " ").startswith("Critical: balance")
        assert "1 unread" in json.dumps(told["regions"]["header-bell"])
        wait_for(lambda: beside.of("notifications")[-1]["unread"] == 1)

        see(owner, now)
        wait_for(lambda: ear.of("notifications")[-1]["unread"] == 0)
        post(live, "after it was seen")
        wait_for(lambda: len(beside.of("balance")) > 1)
        assert beside.of("notifications")[-1]["unread"] == 1, "the manager hasn't seen it"
        assert len(foreign.events) == said


def test_two_of_one_role_hear_of_what_each_has_not_seen(live, clients, now):
    partner = signed_in(live, "second@acme.example")
    leave(live)
    see(partner, now)
    with (
        listening(live, clients[OWNER], NOTICES) as ear,
        listening(live, partner, NOTICES) as beside,
    ):
        wait_for(lambda: bool(ear.of("notifications")) and bool(beside.of("notifications")))
        post(live, "both are told of it")
        wait_for(lambda: len(ear.of("balance")) > 1 and len(beside.of("balance")) > 1)
        assert {each["unread"] for each in ear.of("notifications")} == {1}
        assert {each["unread"] for each in beside.of("notifications")} == {0}
    partner.close()


def test_what_is_older_than_a_day_is_counted_but_no_news(live, clients, now):
    leave(live)
    live.clock_file.write_text((now + timedelta(hours=25)).isoformat())
    newcomer = signed_in(live, "new@acme.example")
    with listening(live, newcomer, NOTICES) as ear:
        wait_for(lambda: bool(ear.of("notifications")))
        (told,) = ear.of("notifications")
        assert told["unread"] > 0
        assert told["notifications"] == []
    newcomer.close()


def test_a_trouble_wakes_those_who_run_it_whichever_account_they_look_at(live, clients, now):
    with (
        listening(live, clients[ADMIN], NOTICES) as ear,
        listening(live, clients[OWNER], NOTICES) as owner,
    ):
        wait_for(lambda: bool(ear.of("notifications")))
        leave_trouble(live)
        wait_for(lambda: ear.of("notifications")[-1]["unread"] == 1)
        assert "isk" in ear.of("notifications")[-1]["notifications"][0]["title"]
        wait_for(lambda: bool(owner.of("notifications")))
        assert {each["unread"] for each in owner.of("notifications")} == {0}


def test_a_key_hears_what_its_account_was_told(live):
    key, _ = add(live, "acme", "alerts:write", "wallet:read")
    foreign = leave(live, "globex", currency="USD")
    with listening(live, key, NOTICES) as ear:
        wait_for(lambda: bool(ear.of("notifications")))
        before = {each["id"] for each in ear.of("notifications")[0]["notifications"]}
        notice_id = leave(live)
        wait_for(lambda: len(ear.of("notifications")) == 2)
        told = ear.of("notifications")[1]
        assert told["unread"] is None
        assert "regions" not in told
        assert told["notifications"][0]["id"] == notice_id
        assert notice_id not in before
        assert foreign not in json.dumps(ear.events)
    blind, _ = add(live, "acme", "events:write", "wallet:read")
    refused = httpx.get(f"{live.url}/stream", params={"event": "notifications"}, headers=blind)
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_lacks")


def test_pages_that_name_who_looks_are_streamed_to_them_alone(live, clients, now):
    """Two of one role share what a stream sends of a page, unless it asks who looks."""
    partner = signed_in(live, "partner@acme.example")
    wish = {"event": "regions", "view": "/billing/alerts"}
    with listening(live, clients[OWNER], wish) as one, listening(live, partner, wish) as two:
        wait_for(lambda: bool(one.of("regions")) and bool(two.of("regions")))
        assert "partner@acme.example" not in json.dumps(one.of("regions"))
        assert OWNER not in json.dumps(two.of("regions"))
        assert "could not be loaded" not in json.dumps(one.of("regions"))
    partner.close()
