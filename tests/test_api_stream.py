"""``GET /stream``: whose account, what is said, and from where it goes on."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from api import hub as hub_file
from api import live_feed
from billing.events import SmsEvent
from billing.limits import limit
from billing.usage import Dimension
from tests import live as live_file
from tests.live import FREE, NOW, OTHER, OWNER
from tests.stream_ear import add, hub_of, listening, place, post, wait_for
from tests.web_client import WebClient, page_request

QUIET = 1.5


@pytest.fixture
def owner(live) -> Iterator[WebClient]:
    client = WebClient(live.url, OWNER)
    yield client
    client.close()


# --- who ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, "signed_out"),
        ({"Cookie": "usage_session=guess"}, 401, "signed_out"),
        ({"Authorization": "Bearer guess"}, 401, "key_unknown"),
        ({"Authorization": "Basic YTpi"}, 401, "no_key"),
    ],
)
def test_it_is_closed_to_strangers(live, headers, status, code):
    answer = httpx.get(f"{live.url}/stream", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_session_hears_its_own_account_and_no_other(live, owner):
    other = WebClient(live.url, OTHER)
    with listening(live, owner) as acme, listening(live, other) as globex:
        assert acme.of("hello") == [{"account": "acme"}]
        assert globex.of("hello") == [{"account": "globex"}]
        assert {data["currency"] for data in globex.of("balance")} == {"USD"}
        # The last of what it says at first.
        wait_for(lambda: bool(globex.of("notifications") and globex.of("pauses")))
        said = len(globex.events)
        post(live, "own 1")
        wait_for(lambda: acme.lines == ["own 1"] and len(acme.of("balance")) == 2)
        before, after = acme.of("balance")
        cost = acme.of("transactions")[0]["transactions"][0]["cost_micros"]
        assert after["available_micros"] == before["available_micros"] - cost
        threading.Event().wait(QUIET)
        assert len(globex.events) == said
    other.close()


@pytest.mark.parametrize("given", ["acme", "globex", "*", ""])
def test_a_session_can_not_name_an_account(live, owner, given):
    answer = owner.http.get("/stream", params={"account": given})
    assert (answer.status_code, answer.json()["field"]) == (422, "account")


def test_the_balance_is_the_one_of_the_api(live):
    key, _ = add(live, "acme", "wallet:read", "usage:read")
    with listening(live, key) as ear:
        told = ear.of("balance")[-1]
    asked = httpx.get(f"{live.url}/api/v1/balance", headers=key).json()
    assert {**told, "as_of": None} == {**asked, "as_of": None}


def test_a_key_listens_to_its_account_alone(live):
    key, _ = add(live, "acme", "wallet:read", "usage:read")
    for params, status in (({"account": "globex"}, 403), ({"view": "/settings"}, 422)):
        assert httpx.get(f"{live.url}/stream", params=params, headers=key).status_code == status
    blind, _ = add(live, "acme", "events:write")
    assert httpx.get(f"{live.url}/stream", headers=blind).json()["code"] == "scope_lacks"
    over_all, _ = add(live, "*", "support")
    assert httpx.get(f"{live.url}/stream", headers=over_all).json()["field"] == "account"
    with listening(live, over_all, {"account": "globex"}) as ear:
        assert ear.of("hello") == [{"account": "globex"}]


def test_a_key_hears_what_it_may_read(live):
    """Transactions need the scope that reading them needs, and the balance its own."""
    wallet, _ = add(live, "acme", "wallet:read")
    usage, _ = add(live, "acme", "usage:read")
    for key, kind in ((wallet, "transactions"), (usage, "balance")):
        answer = httpx.get(f"{live.url}/stream", params={"event": kind}, headers=key)
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_lacks")
    with listening(live, wallet) as ear:
        post(live, "unheard")
        wait_for(lambda: len(ear.of("balance")) > 1)
        assert ear.of("transactions") == []
    with listening(live, usage, {"event": "transactions"}) as ear:
        post(live, "heard")
        wait_for(lambda: ear.lines == ["heard"])
        assert ear.of("balance") == []


def test_a_free_account_hears_its_balance_but_no_transactions(live):
    client = WebClient(live.url, FREE)
    with listening(live, client, {"view": "/billing/usage"}) as ear:
        wait_for(lambda: bool(ear.of("regions")))
        post(live, "sandbox", account_id="tinker", is_sandbox=True)
        wait_for(lambda: "SMS Credits" in str(ear.of("regions")))
        assert ear.lines == []
    client.close()


# --- what is asked ---------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"wat": "1"}, "wat"),
        ({"event": "gossip"}, "event"),
        ({"after": "12"}, "after"),
        ({"after": "1-2-3"}, "after"),
        ({"after": "9" * 30 + "-1"}, "after"),
        ({"view": "/nowhere"}, "view"),
        ({"view": "//evil.example/billing/usage"}, "view"),
        ({"view": "/billing/usage/no_such_metric"}, "view"),
        ({"view": "/billing/usage?" + "x" * 2_000}, "view"),
        ({"view": ["/settings"] * 9}, "view"),
        ({"view": "/settings", "seen": "now"}, "seen"),
    ],
)
def test_what_can_not_be_taken_is_named(live, owner, params, field):
    answer = owner.http.get("/stream", params=params)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_the_answer_is_a_stream_that_nobody_keeps(live, owner):
    with listening(live, owner) as ear:
        assert ear.answer.headers["Content-Type"].startswith("text/event-stream")
        assert ear.answer.headers["Cache-Control"] == "no-store, no-transform"
        assert ear.answer.headers["X-Accel-Buffering"] == "no"


def test_streams_are_counted(live, owner):
    with ExitStack() as open_ones:
        for _ in range(limit("streams")):
            open_ones.enter_context(listening(live, owner))
        answer = owner.http.get("/stream")
        assert (answer.status_code, answer.json()["code"]) == (429, "throttled")
        assert int(answer.headers["Retry-After"]) > 0
        key, _ = add(live, "acme", "wallet:read", "usage:read")
        with listening(live, key):
            assert hub_of(live).stream_count == limit("streams") + 1
    wait_for(lambda: hub_of(live).stream_count == 0)
    with listening(live, owner):
        assert hub_of(live).stream_count == 1


def test_a_server_has_only_so_many_streams(live, owner, monkeypatch):
    monkeypatch.setattr(hub_file, "limit", lambda name: 2 if name == "all_streams" else 8)
    with listening(live, owner), listening(live, owner):
        assert owner.http.get("/stream").status_code == 429


# --- pages -----------------------------------------------------------------------------------
def test_a_page_that_has_just_been_read_is_sent_only_what_changed(live, owner):
    seen = place(live)
    with listening(live, owner, {"view": "/billing/usage", "seen": seen}) as ear:
        threading.Event().wait(QUIET)
        (frame,) = ear.of("regions")
        assert set(frame["regions"]) == {"live-pauses"}, "which changes without the ledger"
        post(live, "page 1")
        wait_for(lambda: len(ear.of("regions")) == 2)
        first = ear.of("regions")[1]
        assert (first["account"], first["view"]) == ("acme", "/billing/usage")
        assert {"header-balance-menu", "live-metrics", "live-chart"} <= set(first["regions"])
        post(live, "page 2")
        wait_for(lambda: len(ear.of("regions")) == 3)
        assert not {"live-loading", "live-pauses"} & set(ear.of("regions")[2]["regions"])


def test_a_page_that_is_behind_is_made_current_at_once(live, owner):
    seen = place(live)
    post(live, "behind")
    with listening(live, owner, {"view": "/billing/usage/sms_credits", "seen": seen}) as ear:
        wait_for(lambda: bool(ear.of("regions")))
        (told,) = ear.of("regions")
        assert told["place"] == place(live)
        assert "live-transactions" in told["regions"]


def test_a_region_is_what_the_page_itself_shows(live, owner):
    view = "/billing/usage?period=last_month"
    with listening(live, owner, {"view": view}) as ear:
        wait_for(lambda: bool(ear.of("regions")))
        regions = ear.of("regions")[0]["regions"]
    page = owner.http.post(
        "/_dash-update-component",
        json=page_request("/billing/usage", "?period=last_month"),
        headers={"X-CSRFToken": owner.token},
    ).json()["response"]["_pages_content"]["children"]
    found = dict(by_id(page))
    assert {name for name in found if name.startswith("live-")} <= set(regions)
    for name, children in regions.items():
        assert found[name] == children, name


def by_id(node: Any) -> Iterator[tuple[str, Any]]:
    """The children of every component that has an id."""
    if isinstance(node, list):
        for each in node:
            yield from by_id(each)
    elif isinstance(node, dict) and "props" in node:
        props = node["props"]
        if isinstance(props.get("id"), str):
            yield props["id"], props.get("children")
        yield from by_id(props.get("children"))


def test_a_region_that_fails_says_so_and_comes_back(live, server, owner):
    with listening(live, owner, {"view": "/billing/usage", "seen": place(live)}) as ear:
        server.reader.failing.add((Dimension.CONSUMER,))
        post(live, "fails")
        wait_for(lambda: "Top consumers could not be loaded" in str(ear.of("regions")))
        server.reader.failing.clear()
        post(live, "works")
        wait_for(lambda: "could not be loaded" not in str(ear.of("regions")[-1]))
        assert "live-consumers" in ear.of("regions")[-1]["regions"]


# --- going on ----------------------------------------------------------------------------------
@pytest.mark.parametrize("way", ["header", "after"])
def test_a_resumed_stream_tells_what_was_missed_once(live, owner, way):
    with listening(live, owner) as ear:
        post(live, f"{way} heard")
        wait_for(lambda: ear.lines == [f"{way} heard"])
        last = [identity for _, _, identity in ear.events if identity][-1]
    missed = [f"{way} {n}" for n in range(2 * live_feed.MOST_LINES + 10)]
    post(live, *missed)
    given: dict[str, Any] = {"Last-Event-ID": last} if way == "header" else {}
    params = {"after": last} if way == "after" else None
    with listening(live, owner, params, **given) as ear:
        wait_for(lambda: len(ear.lines) >= len(missed))
        post(live, f"{way} later")
        wait_for(lambda: f"{way} later" in ear.lines)
        assert ear.lines == [*missed, f"{way} later"]
        told = ear.of("transactions")
        assert all(len(data["transactions"]) <= live_feed.MOST_LINES for data in told)


def test_a_place_ahead_of_the_ledger_is_its_end(live, owner):
    with listening(live, owner, {"after": "999999999-999999999"}) as ear:
        post(live, "after the end")
        wait_for(lambda: bool(ear.lines))
        assert ear.lines == ["after the end"]


def test_a_bulk_load_is_told_whole_while_balances_are_joined(live, owner):
    names = [f"bulk {n}" for n in range(3_000)]
    with listening(live, owner, {"view": "/billing/usage", "seen": place(live)}) as ear:
        post(live, *names)
        wait_for(lambda: len(ear.lines) == len(names), 60)
        assert ear.lines == names
        last = ear.of("balance")[-1]["available_micros"]
        key, _ = add(live, "acme", "wallet:read", "usage:read")
        balance = f"{live.url}/api/v1/balance"
        wait_for(
            lambda: (
                ear.of("balance")[-1]["available_micros"]
                == httpx.get(balance, headers=key).json()["available_micros"]
            )
        )
        assert last is not None
        assert len(ear.of("balance")) < 40  # thirty commits at least; state is not queued


def test_what_another_process_writes_is_noticed(live, owner):
    with listening(live, owner) as ear:
        live_file.post(  # a connection of its own, past the server's writer
            live.installation, "acme",
            [SmsEvent(source="stream", id="elsewhere", occurred_at=NOW, direction="outbound",
                      segments=1)],
        )  # fmt: skip
        wait_for(lambda: ear.lines == ["elsewhere"])
