"""The wallet's calls on a live server: entries, movements once a key, approvals, who may what."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from itertools import count, pairwise
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from api.v1 import etags
from billing.limits import limit
from billing.lots import LotKind
from billing.plans import Plan
from data import tables as t
from data.accounts import NewAccount, add_account
from data.ledger.wallet import MOST_MICROS, Credit, OpenWallet, Posting
from tests.api_client import ApiClient, sms
from tests.live import NOW, Live

_keys = count(1)
UNIT = 1_000_000
TOP_UP = {"amount_micros": 5 * UNIT}
GRANT = {"amount_micros": 5 * UNIT, "reason": "an outage"}
STAFF_CALLS: list[tuple[str, Any]] = [
    ("/wallet/grants", GRANT),
    ("/wallet/adjustments", GRANT),
    ("/wallet/refunds", {"line_id": "x", "reason": "y"}),
]


@pytest.fixture(scope="module")
def clients(live: Live) -> Iterator[dict[str, ApiClient]]:
    usual = ("events:write", "usage:read", "wallet:read", "wallet:write")
    found = {
        "owner": ApiClient(live, "acme", *usual),
        "other": ApiClient(live, "globex", *usual),
        "reader": ApiClient(live, "acme", "wallet:read"),
        "support": ApiClient(live, "*", "support"),
        "admin": ApiClient(live, "*", "admin"),
        "second admin": ApiClient(live, "*", "admin"),
    }
    yield found
    for client in found.values():
        client.close()


def post(client: ApiClient, path: str, body: Any, key: str | None = None, **params: str) -> Any:
    headers = {"Idempotency-Key": key or f"key-{next(_keys)}"}
    return client.http.post(path, json=body, headers=headers, params=params)


def staff(client: ApiClient, path: str, body: Any, key: str | None = None) -> httpx.Response:
    return post(client, path, body, key, account="acme")


def a_line(live: Live, client: ApiClient) -> Any:
    """A fresh charged line of acme."""
    event = sms()
    assert client.send_one(event).status_code == 204
    with live.installation.database.read() as connection:
        return connection.execute(
            select(t.usage_lines).join(
                t.events, t.events.c.event_id == t.usage_lines.c.event_id
            ).where(t.events.c.id == event["id"])
        ).one()  # fmt: skip


def test_bodies_are_read_for_nobody_without_a_key_and_no_large_ones(live, clients):
    large = b"[" + b"[]," * 20_000 + b"[]]" + b" " * limit("small_body")
    url = f"{live.url}/api/v1/wallet/top-ups"
    stranger = httpx.post(url, content=large)
    assert (stranger.status_code, stranger.json()["code"]) == (401, "no_key")
    answer = clients["owner"].http.post("/wallet/top-ups", content=large)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_a_body_that_does_not_come_is_not_waited_for(live, clients, monkeypatch):
    monkeypatch.setattr(etags, "BODY_SECONDS", 0.3)

    def slowly() -> Iterator[bytes]:
        yield b"{"
        threading.Event().wait(3)
        yield b"}"

    with suppress(httpx.TransportError):  # the connection may end before all of it was sent
        answer = clients["owner"].http.post("/wallet/top-ups", content=slowly())
        assert (answer.status_code, answer.json()["code"]) == (408, "too_slow")


def test_a_wallet_holds_only_so_much(live):
    new = NewAccount("brim", "Brim", Plan.LAUNCH, "USD", "UTC")
    account = live.installation.writer.write(lambda connection: add_account(connection, new, NOW))
    with live.installation.database.write() as connection:
        wallet = OpenWallet.open(connection, account)
        posting = Posting(NOW, NOW, NOW, account.today(NOW))
        wallet.credit(Credit(LotKind.PAID, MOST_MICROS - 5, "brim"), posting)
        wallet.flush(NOW)
    client = ApiClient(live, "brim", "wallet:write")
    answer = post(client, "/wallet/top-ups", {"amount_micros": 6})
    assert (answer.status_code, answer.json()["field"]) == (422, "amount_micros")
    assert post(client, "/wallet/top-ups", {"amount_micros": 5}).status_code == 200
    client.close()


# --- movements -------------------------------------------------------------------------------
def test_a_top_up_answers_its_entry_and_the_balance_after_it(clients):
    owner = clients["owner"]
    before = owner.get("/balance").json()
    answer = post(owner, "/wallet/top-ups", TOP_UP)
    assert answer.status_code == 200
    entry, balance = answer.json()["entry"], answer.json()["balance"]
    assert (entry["kind"], entry["amount_micros"], entry["cause"]) == (
        "top_up", 5 * UNIT, "Top-up",
    )  # fmt: skip
    assert entry["actor"] == f"key:{owner.kept.id}"
    assert entry["balance_after_micros"] == before["available_micros"] + 5 * UNIT
    assert balance["available_micros"] == entry["balance_after_micros"]
    assert balance["paid_micros"] == before["paid_micros"] + 5 * UNIT
    now = owner.get("/balance").json()
    assert {name: now[name] for name in ("available_micros", "paid_micros", "promotional")} == {
        name: balance[name] for name in ("available_micros", "paid_micros", "promotional")
    }
    assert owner.get("/wallet/entries", limit=1).json()["entries"] == [entry]


def test_grants_adjustments_and_refunds(live, clients):
    support, owner = clients["support"], clients["owner"]
    grant = staff(
        support, "/wallet/grants",
        {**GRANT, "amount_micros": 7, "expires_at": "2026-12-31T00:00:00+05:30", "priority": 3},
    ).json()  # fmt: skip
    lots = grant["balance"]["promotional"]
    assert {"micros": 7, "expires_at": "2026-12-30T18:30:00Z"} in lots
    taken = staff(support, "/wallet/adjustments", {"amount_micros": -7, "reason": "x"}).json()
    assert taken["entry"]["amount_micros"] == -7
    assert taken["balance"]["promotional"] == [lot for lot in lots if lot["micros"] != 7]
    line = a_line(live, owner)
    charged = owner.get("/wallet/entries", limit=1).json()["entries"][0]
    assert (charged["kind"], charged["line_id"], charged["metric"]) == (
        "charge", line.id, "sms_credits",
    )  # fmt: skip
    back = staff(support, "/wallet/refunds", {"line_id": line.id, "reason": "wrong"}).json()
    assert back["entry"]["amount_micros"] == line.cost_micros == -charged["amount_micros"]
    assert back["entry"]["reverses_line_id"] == line.id
    again = staff(support, "/wallet/refunds", {"line_id": line.id, "reason": "wrong"})
    assert (again.status_code, again.json()["code"]) == (409, "already_refunded")


def test_usage_and_wallet_agree_after_a_refund(live, clients):
    owner = clients["owner"]
    days = {"from": "2026-11-22", "to": "2026-11-23"}
    before = owner.get("/usage", **days).json()["totals"]
    line = a_line(live, owner)
    staff(clients["admin"], "/wallet/refunds", {"line_id": line.id, "reason": "wrong"})
    after = owner.get("/usage", **days).json()["totals"]
    assert after["cost_micros"] == before["cost_micros"]
    assert after["base_units"] == before["base_units"]
    assert after["count"] == before["count"] + 2, "a count counts lines, and these are two"


# --- once a key ------------------------------------------------------------------------------
def test_the_same_key_and_body_give_the_first_answer(clients):
    owner = clients["owner"]
    first = post(owner, "/wallet/top-ups", TOP_UP, "same")
    post(owner, "/wallet/top-ups", TOP_UP)
    again = post(owner, "/wallet/top-ups", TOP_UP, "same")
    assert (again.status_code, again.json()) == (200, first.json())
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    other = post(owner, "/wallet/top-ups", {"amount_micros": 6}, "same")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")


def test_sixteen_threads_with_one_key_move_money_once(clients):
    owner = clients["owner"]
    before, barrier = owner.get("/balance").json()["available_micros"], threading.Barrier(16)
    found: list[httpx.Response] = []

    def pay() -> None:
        barrier.wait()
        found.append(post(owner, "/wallet/top-ups", TOP_UP, "race"))

    threads = [threading.Thread(target=pay) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(found) == 16
    assert {answer.status_code for answer in found} <= {200, 409}
    done = [answer for answer in found if answer.status_code == 200]
    assert len({answer.json()["entry"]["id"] for answer in done}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in done) == 1
    busy = [answer for answer in found if answer.status_code == 409]
    assert all(answer.json()["code"] == "in_progress" for answer in busy)
    assert all(answer.headers["Retry-After"] == "1" for answer in busy)
    assert owner.get("/balance").json()["available_micros"] == before + 5 * UNIT


def test_a_key_is_required_and_named(clients):
    calls = [(clients["owner"], "/wallet/top-ups", TOP_UP)]
    calls += [(clients["admin"], path, body) for path, body in STAFF_CALLS]
    for client, path, body in calls:
        for headers in ({}, {"Idempotency-Key": ""}, {"Idempotency-Key": "x" * 256}):
            answer = client.http.post(
                path, json=body, headers=headers,
                params={} if client is clients["owner"] else {"account": "acme"},
            )  # fmt: skip
            assert answer.status_code == 422, (path, headers)
            assert answer.json()["field"] == "Idempotency-Key"


# --- who may ---------------------------------------------------------------------------------
def test_an_accounts_own_key_may_only_top_up(clients):
    for path, body in STAFF_CALLS:
        answer = post(clients["owner"], path, body)
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_lacks"), path
    assert clients["owner"].get("/approvals").status_code == 403
    assert post(clients["reader"], "/wallet/top-ups", TOP_UP).status_code == 403
    assert staff(clients["support"], "/wallet/top-ups", TOP_UP).status_code == 403
    assert staff(clients["admin"], "/wallet/top-ups", TOP_UP).status_code == 200


def test_nobody_without_a_key_gets_anywhere(live):
    paths = ["/wallet/top-ups", *(path for path, _ in STAFF_CALLS), "/approvals/x/approve",
             "/approvals/x/reject"]  # fmt: skip
    for path in paths:
        assert httpx.post(f"{live.url}/api/v1{path}", json={}).status_code == 401
    for path in ("/wallet/entries", "/approvals"):
        assert httpx.get(f"{live.url}/api/v1{path}").status_code == 401


def test_another_accounts_line_key_cursor_and_request_do_not_exist(live, clients):
    admin = clients["admin"]
    line = a_line(live, clients["owner"])
    stolen = post(admin, "/wallet/refunds", {"line_id": line.id, "reason": "x"}, account="globex")
    nobody = post(admin, "/wallet/refunds", {"line_id": "nope", "reason": "x"}, account="globex")
    assert stolen.status_code == nobody.status_code == 404
    assert stolen.json()["detail"] == nobody.json()["detail"]
    post(clients["owner"], "/wallet/top-ups", TOP_UP, "shared")
    own = post(clients["other"], "/wallet/top-ups", {"amount_micros": 1}, "shared")
    assert own.status_code == 200, "the key of another account is no key of this one"
    assert own.json()["entry"]["currency"] == "USD"
    cursor = clients["owner"].get("/wallet/entries", limit=1).json()["next_cursor"]
    entries = clients["other"].get("/wallet/entries", cursor=cursor).json()["entries"]
    assert {entry["currency"] for entry in entries} <= {"USD"}
    asked = staff(clients["support"], "/wallet/grants", {**GRANT, "amount_micros": 501 * UNIT})
    identity = asked.json()["approval"]["id"]
    for verb in ("approve", "reject"):
        answer = admin.http.post(f"/approvals/{identity}/{verb}", params={"account": "globex"})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert admin.get("/approvals", account="globex").json()["approvals"] == []


# --- approvals -------------------------------------------------------------------------------
def test_above_the_limit_a_movement_waits_for_an_administrator(clients):
    support, admin, owner = clients["support"], clients["admin"], clients["owner"]
    before = owner.get("/balance").json()["available_micros"]
    body = {**GRANT, "amount_micros": 900 * UNIT}
    asked = staff(support, "/wallet/grants", body, "big")
    assert asked.status_code == 202
    request = asked.json()["approval"]
    assert (request["state"], request["amount_micros"]) == ("waiting", 900 * UNIT)
    again = staff(support, "/wallet/grants", body, "big")
    assert (again.status_code, again.json()) == (202, asked.json())
    assert owner.get("/balance").json()["available_micros"] == before
    path = f"/approvals/{request['id']}"
    here = {"account": "acme"}
    assert support.http.post(f"{path}/approve", params=here).status_code == 403
    waiting = admin.get("/approvals", account="acme").json()["approvals"]
    assert request["id"] in {each["id"] for each in waiting}
    done = admin.http.post(f"{path}/approve", params=here)
    assert done.status_code == 200
    assert done.json()["approval"]["state"] == "approved"
    assert done.json()["entry"]["balance_after_micros"] == before + 900 * UNIT
    assert done.json()["entry"]["actor"] == f"key:{support.kept.id}"
    for verb in ("approve", "reject"):
        late = clients["second admin"].http.post(f"{path}/{verb}", params=here)
        assert (late.status_code, late.json()["code"]) == (409, "already_decided")
    assert owner.get("/balance").json()["available_micros"] == before + 900 * UNIT


def test_a_rejected_request_moves_nothing(clients):
    owner = clients["owner"]
    before = owner.get("/balance").json()["available_micros"]
    asked = staff(clients["support"], "/wallet/adjustments", {**GRANT, "amount_micros": -(10**12)})
    path = f"/approvals/{asked.json()['approval']['id']}/reject"
    answer = clients["admin"].http.post(path, params={"account": "acme"})
    assert (answer.json()["approval"]["state"], answer.json()["entry"]) == ("rejected", None)
    assert owner.get("/balance").json()["available_micros"] == before
    states = {
        each["state"]
        for each in clients["admin"]
        .get("/approvals", account="acme", state="any")
        .json()["approvals"]
    }
    assert "rejected" in states


# --- what can't be taken ---------------------------------------------------------------------
@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("top-ups", {}, "amount_micros"),
        ("top-ups", {"amount_micros": 0}, "amount_micros"),
        ("top-ups", {"amount_micros": -5}, "amount_micros"),
        ("top-ups", {"amount_micros": 5.0}, "amount_micros"),
        ("top-ups", {"amount_micros": "5"}, "amount_micros"),
        ("top-ups", {"amount_micros": True}, "amount_micros"),
        ("top-ups", {"amount_micros": None}, "amount_micros"),
        ("top-ups", {"amount_micros": 10**15 + 1}, "amount_micros"),
        ("top-ups", {"amount_micros": 5, "currency": "USD"}, "currency"),
        ("top-ups", {"amount_micros": 5, "reason": "a\u0000b"}, "reason"),
        ("grants", {"amount_micros": 5}, "reason"),
        ("grants", {"amount_micros": 5, "reason": "  "}, "reason"),
        ("grants", {"amount_micros": 5, "reason": "x" * 256}, "reason"),
        ("grants", {"amount_micros": 5, "reason": 5}, "reason"),
        ("grants", {**GRANT, "expires_at": "2026-12-31"}, "expires_at"),
        ("grants", {**GRANT, "expires_at": "2026-12-31T00:00:00"}, "expires_at"),
        ("grants", {**GRANT, "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ("grants", {**GRANT, "expires_at": 1_800_000_000}, "expires_at"),
        ("grants", {**GRANT, "priority": 0}, "priority"),
        ("adjustments", {**GRANT, "amount_micros": 0}, "amount_micros"),
        ("adjustments", {**GRANT, "amount_micros": -(10**15) - 1}, "amount_micros"),
        ("refunds", {"line_id": "", "reason": "x"}, "line_id"),
        ("refunds", {"reason": "x"}, "line_id"),
        ("refunds", {"line_id": "x", "reason": "x", "amount_micros": 5}, "amount_micros"),
        ("refunds", [], "body"),
    ],
)
def test_a_body_that_cannot_be_taken_names_its_field(clients, path: str, body: Any, field: str):
    before = clients["owner"].get("/balance").json()["available_micros"]
    answer = staff(clients["admin"], f"/wallet/{path}", body)
    assert answer.status_code == 422, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["field"] == field
    assert clients["owner"].get("/balance").json()["available_micros"] == before


@pytest.mark.parametrize("raw", [b"", b"{", b"null", b'{"amount_micros": NaN}', b'"\\ud800"',
                                 b'{"amount_micros":5,"reason":"\\ud800"}', b"\xff"])  # fmt: skip
def test_no_body_brings_the_server_down(clients, raw: bytes):
    answer = clients["admin"].http.post(
        "/wallet/grants", content=raw, params={"account": "acme"},
        headers={"Idempotency-Key": "raw", "Content-Type": "application/json"},
    )  # fmt: skip
    assert answer.status_code in {400, 422}, answer.text


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 1_001}, "limit"),
        ({"cursor": "x"}, "cursor"),
        ({"kind": "theft"}, "kind"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-11-22", "to": "2026-11-22"}, "to"),
        ({"sort": "oldest"}, "sort"),
    ],
)
def test_a_question_that_cannot_be_asked_names_its_parameter(clients, params: Any, field: str):
    answer = clients["owner"].get("/wallet/entries", **params)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_entries_by_kind_day_and_page(clients):
    owner = clients["owner"]
    everything, cursor = [], None
    while True:
        page = owner.get("/wallet/entries", limit=400, **({"cursor": cursor} if cursor else {}))
        everything += page.json()["entries"]
        cursor = page.json()["next_cursor"]
        if cursor is None:
            break
    assert len({entry["id"] for entry in everything}) == len(everything) > 640
    for newer, older in pairwise(everything):
        assert (
            newer["balance_after_micros"] - newer["amount_micros"]
            == (older["balance_after_micros"])
        )
    kinds = owner.get("/wallet/entries", kind=["top_up", "grant"], limit=1_000).json()["entries"]
    assert kinds == [each for each in everything if each["kind"] in {"top_up", "grant"}]
    days = {"from": "2026-11-01", "to": "2026-11-03"}
    some = owner.get("/wallet/entries", limit=1_000, **days).json()["entries"]
    assert some == [e for e in everything if "2026-11-01" <= e["booked_on"] < "2026-11-03"]
    assert some
