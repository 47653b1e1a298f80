"""Pages that several people share: made once for all who are shown the same, and for nobody else.

Whatever is compared is compared with the same page made for its reader alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import update

from api import page_parts, shared_parts
from api.page_parts import PARTS
from api.shared_parts import SharedParts
from billing.access import Role
from data import tables as t
from data.access.people import add_membership, add_person
from tests.api_client import ApiClient, sms
from tests.live import FREE, NOW, OTHER, OWNER, PASSWORD, QUICK, SUPPORT, Live, LiveServer
from tests.shared_pages import METRIC, RATES, USAGE, alone, shown
from tests.web_client import WebClient, page_request

COLLEAGUE = "colleague@acme.example"
SHARED = (
    (USAGE, ""), (USAGE, "?period=last_month"), (USAGE, "?period=today"),
    (USAGE, "?status=delivered"), (METRIC, ""), (METRIC, "?status=delivered"), (RATES, ""),
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def kept_for_long() -> Iterator[None]:
    """No test passes because a page has grown too old."""
    real, shared_parts.KEPT_SECONDS = shared_parts.KEPT_SECONDS, 600.0
    yield
    shared_parts.KEPT_SECONDS = real


@pytest.fixture(scope="module")
def server(server: LiveServer) -> LiveServer:
    with server.installation.database.write() as connection:
        added = add_person(connection, COLLEAGUE, "Colleague", PASSWORD, NOW, passwords=QUICK)
        add_membership(connection, added.person.id, "acme", Role.MANAGER)
    return server


@pytest.fixture(scope="module")
def people(live: Live) -> Iterator[dict[str, WebClient]]:
    found = {email: WebClient(live.url, email) for email in (OWNER, COLLEAGUE, OTHER, FREE)}
    for account_id in ("acme", "globex"):
        staff = found[f"{SUPPORT} {account_id}"] = WebClient(live.url, SUPPORT)
        staff.post("/session/account", account=account_id, next="/")
    yield found
    for client in found.values():
        client.close()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one with each content that is made."""
    found: list[int] = []
    real = page_parts._as_json

    def counted(make: Any) -> Any:
        found.append(1)
        return real(make)

    monkeypatch.setattr(page_parts, "_as_json", counted)
    return found


def shared_of(live: Live) -> SharedParts:
    found: SharedParts = live.application.state.screens.server.extensions[PARTS]
    return found


# --- made once ----------------------------------------------------------------------------------
@pytest.mark.parametrize("page", SHARED)
def test_a_shared_page_is_the_page(people: dict[str, WebClient], page: tuple[str, str]):
    for client in people.values():
        wanted = alone(client, page)
        assert [shown(client, page) for _ in range(3)] == [wanted] * 3


def test_one_who_looks_again_and_their_colleague_share_what_was_made(
    live: Live, people: dict[str, WebClient], made: list[int]
):
    page = (USAGE, "?period=last_7_days")
    for _ in range(6):
        shown(people[OWNER], page)
    assert len(made) <= 2, "a job of the server may have written in between"
    text = json.dumps(shown(people[OWNER], page))
    assert OWNER in text
    assert COLLEAGUE not in text


def test_roles_do_not_share(live: Live, people: dict[str, WebClient], made: list[int]):
    """The owner and a manager see the same figures; who is shown what is decided by role."""
    shared_of(live).forget()
    readers = [OWNER, COLLEAGUE, f"{SUPPORT} acme", OTHER]
    for email in readers:
        shown(people[email], (USAGE, ""))
    assert len(made) == len(readers)


def test_many_who_ask_at_once_make_it_once(
    live: Live, people: dict[str, WebClient], made: list[int]
):
    page = (USAGE, "?from=2026-10-03&to=2026-10-19")
    wanted = alone(people[OWNER], page)
    shared_of(live).forget()
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: shown(people[OWNER], page), range(32)))
    assert all(each == wanted for each in found)
    assert len(made) <= 3, "a job of the server may have written in between"


def test_another_accounts_charges_leave_it_shared(
    live: Live, people: dict[str, WebClient], made: list[int]
):
    """Which are most of what is written where many accounts are at work."""
    globex = ApiClient(live, "globex")
    shared_of(live).forget()
    page = (USAGE, "?period=this_month")
    for _ in range(6):
        shown(people[OWNER], page)
        assert globex.send_one(sms(_subject="globex")).status_code == 204
    globex.close()
    assert len(made) <= 2


# --- only what is theirs ------------------------------------------------------------------------
def test_same_address_other_reader_other_page(live: Live, people: dict[str, WebClient]):
    """Two accounts, four roles, two sign-ins of a Free plan, all at the same addresses at once."""
    again = {f"{FREE} again": WebClient(live.url, FREE)}
    readers = [*people.items(), *again.items()]
    marks = {
        OWNER: (OWNER,), COLLEAGUE: (COLLEAGUE,), OTHER: (OTHER, "Globex"), FREE: (FREE, "Tinker"),
    }  # fmt: skip
    wanted = {(who, page): alone(client, page) for who, client in readers for page in SHARED}
    for (who, _), answer in wanted.items():
        own = marks.get(who.split(" ")[0], ())
        foreign = {each for several in marks.values() for each in several} - set(own)
        text = json.dumps(answer)
        assert all(each in text for each in own)
        if SUPPORT not in who:
            assert not any(each in text for each in foreign - {COLLEAGUE, OWNER})
            assert not any(each in text for each in {COLLEAGUE, OWNER} - set(own))
    asked = [(who, client, page) for _ in range(4) for page in SHARED for who, client in readers]
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda each: shown(each[1], each[2]), asked))
    for (who, _, page), answer in zip(asked, found, strict=True):
        assert answer == wanted[who, page], (who, page)
    again[f"{FREE} again"].close()


def test_who_turns_to_another_account_is_shown_that_one(live: Live, people: dict[str, WebClient]):
    client = WebClient(live.url, SUPPORT)
    for account_id, other in (("acme", "globex"), ("globex", "acme")) * 2:
        client.post("/session/account", account=account_id, next="/")
        assert shown(client, (USAGE, "")) == shown(people[f"{SUPPORT} {account_id}"], (USAGE, ""))
        assert shown(client, (USAGE, "")) != shown(people[f"{SUPPORT} {other}"], (USAGE, ""))
    client.close()


def test_who_lost_the_account_or_signed_out_is_shown_nothing(live: Live):
    gone, out = WebClient(live.url, COLLEAGUE), WebClient(live.url, COLLEAGUE)
    shown(gone, (USAGE, "")), shown(out, (USAGE, ""))
    assert out.post("/sign-out").status_code == 303
    assert out.callback(page_request(USAGE, "")).status_code == 401
    with live.installation.database.write() as connection:
        connection.execute(
            update(t.people).where(t.people.c.email == COLLEAGUE).values(disabled_at=NOW)
        )
    assert gone.callback(page_request(USAGE, "")).status_code == 401
    with live.installation.database.write() as connection:
        connection.execute(
            update(t.people).where(t.people.c.email == COLLEAGUE).values(disabled_at=None)
        )
    gone.close()
    out.close()


# --- faults and size ----------------------------------------------------------------------------
def test_a_region_that_failed_is_tried_again_at_once(live: Live, people: dict[str, WebClient]):
    page = (USAGE, "?period=last_period")
    wanted = alone(people[OWNER], page)
    live.reader.failing = {"balance"}
    try:
        failed = [json.dumps(shown(people[OWNER], page)) for _ in range(2)]
    finally:
        live.reader.failing = set()
    assert all("could not be loaded" in each for each in failed)
    assert shown(people[OWNER], page) == wanted


def test_many_addresses_stay_within_the_bound(
    live: Live, people: dict[str, WebClient], monkeypatch: pytest.MonkeyPatch
):
    shared = shared_of(live)
    shared.forget()
    monkeypatch.setattr(shared, "_most_bytes", 400_000)
    for number in range(8):
        page = (USAGE, f"?period=this_month&from={number}")
        assert shown(people[OWNER], page) == alone(people[OWNER], page)
        assert shared.byte_count <= 400_000
    assert shared.byte_count > 100_000


def test_a_very_long_address_is_kept_by_nobody(live: Live, people: dict[str, WebClient]):
    shared = shared_of(live)
    shared.forget()
    shown(people[OWNER], (USAGE, "?campaign=" + "x" * 100_000))
    assert shared.byte_count == 0
