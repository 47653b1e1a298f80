"""Nobody reads or moves anything of another account through the API, with whatever key.

Calls are taken from the running server: one that tests/api_policies.py doesn't know fails, until
somebody has written down which scope it takes and who else is answered what.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from sqlalchemy import select, update

from billing.events import CallEvent, SmsEvent
from billing.plans import Plan
from data import tables as t
from data.access.keys import SCOPES
from data.accounts import NewAccount, add_account
from data.identity import new_id
from tests.api_client import new_key, revoke
from tests.api_policies import OPEN, ROUTES, STAFF
from tests.live import NOW, Live, LiveServer, post

SECRET = "acme-secret"


@dataclass
class World:
    """A live server with keys of all kinds, and ids of acme's."""

    live: Live
    keys: dict[str, str]
    line_id: str
    hold_ids: dict[str, str]  # acme's, by what is done to them
    alert_id: str  # acme's, in alarm
    notice_id: str

    def ask(self, key: str | None, method: str, template: str, **params: Any) -> httpx.Response:
        headers = {"Content-Type": "application/cloudevents+json"} if template == "/events" else {}
        headers |= {"Idempotency-Key": new_id()} if template.startswith("/wallet") else {}
        if key is not None:
            headers["Authorization"] = f"Bearer {self.keys[key]}"
        return httpx.request(
            method, f"{self.live.url}/api/v1{self.path(method, template)}", headers=headers,
            params=params, json=ROUTES[method, template].body, timeout=30,
        )  # fmt: skip

    def path(self, method: str, template: str) -> str:
        kind = "call" if template.startswith("/calls") else "message"
        template = template.replace("{approval_id}", "no-such-request")
        template = template.replace("{pause_id}", "no-such-pause")
        if template.endswith(("/test", "{alert_id}")) and method in {"POST", "DELETE"}:
            template = template.replace("{alert_id}", "no-such-alert")
        template = template.replace("{alert_id}", self.alert_id)
        template = template.replace("{notification_id}", self.notice_id)
        template = template.replace("{webhook_id}", "no-such-webhook")
        template = template.replace("{delivery_id}", "no-such-delivery")
        hold_id = self.hold_ids.get(template.rpartition("/")[2], self.hold_ids["extend"])
        template = template.replace("{hold_id}", hold_id)
        return template.replace("{id}", self.line_id).replace("{event:path}", f"{SECRET}-{kind}")


@pytest.fixture(scope="module")
def server(server: LiveServer) -> LiveServer:
    common: dict[str, Any] = {
        "source": "test", "occurred_at": NOW - timedelta(minutes=1), "campaign": SECRET,
        "consumer": f"user:{SECRET}", "counterparty": "919876543210", "direction": "outbound",
    }  # fmt: skip
    post(server.installation, "acme", [
        SmsEvent(id=f"{SECRET}-message", segments=3, **common),
        CallEvent(
            id=f"{SECRET}-call", agent="human", is_answered=True, duration_seconds=77, **common
        ),
    ])  # fmt: skip
    return server


@pytest.fixture(scope="module")
def world(live, server) -> World:
    keys, line_id = _prepared(server)
    holder = {"Authorization": f"Bearer {keys['acme']}"}
    holds = {
        each: httpx.post(
            f"{live.url}/api/v1/holds", headers=holder,
            json={"request_id": f"to {each}", "kind": "call.human", "to": "+14155550142",
                  "campaign": SECRET},
        ).json()["hold_id"]
        for each in ("extend", "settle", "release")
    }  # fmt: skip
    at_once = {"kind": "usage", "span": "month", "threshold": {"unit": "money", "amount": 1}}
    alert = httpx.post(
        f"{live.url}/api/v1/alerts", headers=holder,
        json={**at_once, "name": SECRET, "channels": ["email", "dashboard"],
              "recipients": [f"{SECRET}@acme.example"]},
    ).json()  # fmt: skip
    told = httpx.get(f"{live.url}/api/v1/notifications", headers=holder).json()
    notice_id = told["notifications"][0]["id"]
    return World(live, keys, line_id, holds, alert["id"], notice_id)


def _prepared(server: LiveServer) -> tuple[dict[str, str], str]:
    installation = server.installation
    with installation.database.write() as connection:
        add_account(connection, NewAccount("gone", "Gone", Plan.SCALE, "USD", "UTC"), NOW)
    every = [scope for scope in SCOPES if scope not in {"support", "admin"}]
    keys = {name: new_key(installation, name, *every) for name in
            ("acme", "globex", "tinker", "gone")}  # fmt: skip
    for scopes in {policy.scopes for policy in ROUTES.values()}:
        lacking = {*scopes, "events:priced"}
        keys[f"without {scopes}"] = new_key(
            installation, "acme", *(each for each in every if each not in lacking)
        )
    for scope in every:
        keys[f"only {scope}"] = new_key(installation, "acme", scope)
    keys["support"] = new_key(installation, "*", "support")
    keys["admin"] = new_key(installation, "*", "admin")
    keys["revoked"] = new_key(installation, "acme", *every)
    revoke(installation, "acme", keys["revoked"][1].id)
    with installation.database.write() as connection:
        own = t.accounts.c.id == "gone"
        connection.execute(update(t.accounts).where(own).values(closed_at=NOW))
        lines = t.usage_lines.c
        line_id = connection.scalar(
            select(lines.id).where(lines.campaign_id == SECRET, lines.metric == "sms_credits")
        )
    shown = {name: key for name, (key, _) in keys.items()}
    shown["unknown"] = keys["acme"][0][:-1] + ("A" if keys["acme"][0][-1] != "A" else "B")
    return shown, str(line_id)


def secrets_in(answer: httpx.Response, world: World) -> list[str]:
    """What of acme's an answer says that the request didn't."""
    text = answer.text
    for said in (f"{SECRET}-call", f"{SECRET}-message"):
        text = text.replace(said, "")
    return [each for each in (SECRET, "INR", "Acme", world.line_id, "9876543210") if each in text]


def api_of(live: Live) -> FastAPI:
    (mounted,) = [
        getattr(route, "app", None)
        for route in live.application.routes
        if getattr(route, "path", "") == "/api/v1"
    ]
    assert isinstance(mounted, FastAPI)
    return mounted


def test_every_call_has_a_policy(world):
    found: set[tuple[str, str]] = set()
    others: set[tuple[str, str]] = set()
    for route in iter_route_contexts(api_of(world.live).routes):
        kind = found if isinstance(route.original_route, APIRoute) else others
        kind |= {(method, str(route.path)) for method in route.methods or {"?"}}
    assert found == set(ROUTES) | STAFF
    assert others == OPEN


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_who_has_no_key_is_answered_nothing(world, method, path):
    for key in (None, "unknown", "revoked"):
        answer = world.ask(key, method, path)
        assert answer.status_code == 401, key
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.json()["code"] == ("no_key" if key is None else "key_unknown")
        assert not secrets_in(answer, world)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_call_takes_its_scope_and_no_other(world, method, path):
    policy = ROUTES[method, path]
    without = "acme" if policy.is_for_staff else f"without {policy.scopes}"
    answer = world.ask(without, method, path)
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_lacks")
    assert policy.scope in answer.json()["detail"]
    assert not secrets_in(answer, world)
    for scope in set(policy.scopes) - {"support"}:
        assert world.ask(f"only {scope}", method, path).status_code == policy.own


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_key_of_another_account_gets_nothing_of_this_one(world, method, path):
    policy = ROUTES[method, path]
    named = world.ask("globex", method, path, account="acme")
    code = "scope_lacks" if policy.is_for_staff else "other_account"
    assert (named.status_code, named.json()["code"]) == (403, code)
    assert not secrets_in(named, world)
    stolen = world.ask("globex", method, path)
    assert stolen.status_code == policy.stolen
    assert not secrets_in(stolen, world)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_free_account_gets_what_its_plan_has(world, method, path):
    answer = world.ask("tinker", method, path)
    assert answer.status_code == ROUTES[method, path].free
    if answer.status_code == 403 and method == "GET":
        lacking = "scope_lacks" if ROUTES[method, path].is_for_staff else "plan_lacks"
        assert answer.json()["code"] == lacking
    assert not secrets_in(answer, world)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_closed_account_is_closed(world, method, path):
    if path == "/events":
        body = {**ROUTES[method, path].body, "subject": "gone"}
        answer = httpx.post(
            f"{world.live.url}/api/v1/events", json=body,
            headers={"Authorization": f"Bearer {world.keys['gone']}",
                     "Content-Type": "application/cloudevents+json"},
        )  # fmt: skip
    else:
        answer = world.ask("gone", method, path)
    code = "scope_lacks" if ROUTES[method, path].is_for_staff else "account_closed"
    assert (answer.status_code, answer.json()["code"]) == (403, code)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_key_over_all_names_the_account(world, method, path):
    policy = ROUTES[method, path]
    unnamed = world.ask("admin", method, path)
    assert unnamed.status_code == policy.unnamed
    if unnamed.status_code == 422:
        assert unnamed.json()["field"] == "account"
    nobody = world.ask("admin", method, path, account="nobody")
    assert nobody.status_code in {404, policy.unnamed}
    assert world.ask("admin", method, path, account="acme").status_code == policy.own
    support = world.ask("support", method, path, account="acme")
    assert support.status_code == policy.answer_to_support


def test_a_cursor_of_another_account_opens_nothing(world):
    pages = "/transactions"
    for sort in ("newest", "oldest", "cost"):
        own = world.ask("acme", "GET", pages, sort=sort, limit=2).json()
        stolen = world.ask("globex", "GET", pages, sort=sort, cursor=own["next_cursor"])
        assert stolen.status_code == 200
        assert not secrets_in(stolen, world)
        assert {each["currency"] for each in stolen.json()["transactions"]} <= {"USD"}


def test_names_of_another_account_find_nothing(world):
    for name, value in (("campaign", SECRET), ("consumer", f"user:{SECRET}")):
        params = {name: value}
        assert world.ask("acme", "GET", "/usage", **params).json()["totals"]["count"] > 0
        stolen = world.ask("globex", "GET", "/usage", group_by="campaign,consumer", **params)
        assert stolen.json()["rows"] == []
        listed = world.ask("globex", "GET", "/transactions", **params)
        assert listed.json()["transactions"] == []


def test_an_account_that_is_not_the_keys_cannot_be_told_from_none(world):
    answers = {
        name: world.ask("globex", "GET", "/usage", account=name).json()
        for name in ("acme", "nobody", "tinker", "*")
    }
    for answer in answers.values():
        answer.pop("request_id")
    # What was asked for is said back; nothing else may differ.
    assert len({str(answer).replace(name, "…") for name, answer in answers.items()}) == 1


def test_what_another_read_is_not_unchanged_for_this_one(world):
    etag = world.ask("acme", "GET", "/usage").headers["ETag"]
    answer = httpx.get(
        f"{world.live.url}/api/v1/usage",
        headers={"Authorization": f"Bearer {world.keys['globex']}", "If-None-Match": etag},
    )
    assert (answer.status_code, answer.json()["currency"]) == (200, "USD")


def test_the_other_party_is_a_prefix_and_two_digits(world):
    for path in ("/calls/{event:path}", "/messages/{event:path}",
                 "/transactions/{id}/explanation"):  # fmt: skip
        answer = world.ask("acme", "GET", path)
        assert "9876543210" not in answer.text
        assert answer.json()["counterparty"] == "…10"


def test_the_description_is_open_and_says_nothing_of_anybody(world):
    answer = httpx.get(f"{world.live.url}/api/v1/openapi.json")
    assert answer.status_code == 200
    assert not secrets_in(answer, world)
