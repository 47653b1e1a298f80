"""Nobody reads another account's usage, through any door of the running server.

Doors are taken from the server itself, not from a list: a route, callback, page or file that the
tables below don't know fails, until somebody has written down who may go through it.
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dash
import pytest
from fastapi.routing import APIRoute
from sqlalchemy import select
from starlette.routing import Mount
from starlette_compress import CompressMiddleware

from api import downloads
from api.kept_files import KeptFiles
from api.screens import Screens
from billing.events import SmsEvent
from data import tables as t
from tests.live import FREE, NOW, OTHER, OWNER, SUPPORT, Live, LiveServer, post
from tests.web_client import WebClient, page_request

SECRET = "acme-secret-campaign"
PEOPLE = (OWNER, OTHER, FREE)

# What (a stranger, somebody of another account, somebody on a Free plan) is answered. A path with
# a place in it is tried with every name in NAMES.
CLOSED_CALL = (401, 200, 200)
SUITES = "/_dash-component-suites/<string:package_name>/<path:fingerprinted_path>"
JOINED = '/assets/<any("first.js", "all.js", "all.css"):name>'
ROUTES = {
    ("GET", "/healthz"): (200, 200, 200),
    ("GET", "/readyz"): (200, 200, 200),
    ("GET", "/api/docs"): (200, 200, 200),
    ("GET", "/metrics"): (401, 401, 401),  # tests/test_api_metrics.py: who may
    **{
        (method, "/api/{path:path}"): (404, 404, 404)
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
    },
    ("GET", "/"): (302, 302, 302),
    ("GET", "/<path:path>"): (302, 404, 404),
    ("GET", "/assets/<path:filename>"): (200, 200, 200),
    ("GET", SUITES): (404, 404, 404),
    ("GET", JOINED): (200, 200, 200),
    ("GET", "/_dash-layout"): CLOSED_CALL,
    ("GET", "/_dash-dependencies"): CLOSED_CALL,
    ("GET", "/_reload-hash"): CLOSED_CALL,
    ("GET", "/_favicon.ico"): CLOSED_CALL,
    ("POST", "/_dash-update-component"): (401, 400, 400),
    ("GET", "/sign-in"): (200, 303, 303),
    ("POST", "/sign-in"): (400, 400, 400),
    ("POST", "/sign-out"): (400, 400, 400),
    # Without the token of a mail: tests/test_api_mutes.py says what one opens.
    ("GET", "/notices/mute"): (400, 400, 400),
    ("POST", "/notices/mute"): (400, 400, 400),
    ("POST", "/session/account"): (401, 400, 400),
    ("POST", "/wallet/movements"): (401, 400, 400),
    ("POST", "/wallet/decisions"): (401, 400, 400),
    ("POST", "/wallet/auto-recharge"): (401, 400, 400),
    ("POST", "/limits/changes"): (401, 400, 400),
    ("POST", "/alerts/changes"): (401, 400, 400),
    ("POST", "/webhooks/changes"): (401, 400, 400),
    ("POST", "/notices/seen"): (401, 400, 400),
    ("GET", "/export/usage/<file_name>"): (401, 200, 403),
    ("GET", "/export/usage/<metric_id>/<file_name>"): (401, 200, 403),
}  # fmt: skip
NAMES = {
    "path": "acme", "path:path": "acme/usage", "path:filename": "05-theme.js",
    "string:package_name": "os", "path:fingerprinted_path": "path.py",
    "file_name": "daily.csv", "metric_id": "sms_credits",
    'any("first.js", "all.js", "all.css"):name': "all.js",
}  # fmt: skip
# Callbacks by their output: where they run.
CALLBACKS = {
    "_pages_content.children": "server",
    "_pages_dummy.children": "browser",
}
# Pages by their template: an address of each.
PAGES = {
    "/billing/usage": "/billing/usage",
    "/billing/usage/<metric_id>": "/billing/usage/sms_credits",
    "/billing/balance": "/billing/balance",
    "/billing/limits": "/billing/limits",
    "/billing/alerts": "/billing/alerts",
    "/billing/rates": "/billing/rates",
    "/settings": "/settings",
    "/settings/webhooks": "/settings/webhooks",
    "/billing/alerts/inbox": "/billing/alerts/inbox",
    "/404": "/no-such-page",
}
# Files, of all metrics and, but for the last, of one.
FILES = {"transactions.csv", "daily.csv", "summary.csv"}


@pytest.fixture(scope="module")
def server(server: LiveServer) -> LiveServer:
    secret = SmsEvent(
        source="test", id="secret", occurred_at=NOW - timedelta(minutes=1), direction="outbound",
        segments=3, campaign=SECRET, consumer="user:acme-secret",
    )  # fmt: skip
    post(server.installation, "acme", [secret])
    return server


@pytest.fixture(scope="module")
def clients(live) -> Iterator[dict[str | None, WebClient]]:
    """A client a person, signed in, and one of a stranger."""
    opened: dict[str | None, WebClient] = {None: WebClient(live.url)}
    opened |= {email: WebClient(live.url, email) for email in (*PEOPLE, SUPPORT)}
    yield opened
    for client in opened.values():
        client.close()


@pytest.fixture(scope="module")
def line_id(live) -> str:
    """The id of the secret line."""
    with live.installation.database.read() as connection:
        lines = t.usage_lines.c
        return str(connection.scalar(select(lines.id).where(lines.campaign_id == SECRET)))


def routes_of(live: Live) -> set[tuple[str, str]]:
    """Every method and path that the server answers, FastAPI's and Flask's."""
    found = set()
    for route in live.application.routes:
        if isinstance(route, APIRoute) and route.path == "/stream":
            continue  # its answer never ends: test_api_stream.py says who hears what
        if isinstance(route, APIRoute):
            found |= {(method, route.path) for method in route.methods or ()}
            continue
        assert isinstance(route, Mount), f"{route} is neither a route nor mounted"
        if route.path == "/api/v1":  # has no cookies, and a table of its own: test_api_v1_tenancy
            continue
        screens = route.app  # the one other thing that is mounted, behind what answers files
        while isinstance(screens, KeptFiles | CompressMiddleware):
            screens = screens.app
        assert isinstance(screens, Screens), f"{route} is mounted, and this test can't look inside"
        for rule in screens.flask_app.url_map.iter_rules():
            methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
            found |= {(method, rule.rule) for method in methods}
    return found


def address(template: str) -> str:
    return re.sub(r"[<{]([^>}]+)[>}]", lambda match: NAMES[match[1]], template)


def says_secrets(text: str, line_id: str) -> list[str]:
    """What of acme's a text repeats."""
    return [each for each in (SECRET, "Acme", "acme-secret", line_id) if each in text]


# --- routes ----------------------------------------------------------------------------------
def test_every_route_has_a_policy(live):
    assert routes_of(live) == set(ROUTES)


@pytest.mark.parametrize(("method", "template"), ROUTES)
def test_a_route_answers_each_person_as_written_down(live, clients, line_id, method, template):
    expected = dict(zip((None, OTHER, FREE), ROUTES[method, template], strict=True))
    for email, status in expected.items():
        answer = clients[email].http.request(method, address(template))
        assert answer.status_code == status, (email, answer.text[:200])
        assert not says_secrets(answer.text.replace("acme/usage", ""), line_id)


@pytest.mark.parametrize(("method", "template"), ROUTES)
def test_every_answer_is_protected_and_has_an_id(clients, method, template):
    for email in (None, OTHER):
        headers = clients[email].http.request(method, address(template)).headers
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "unsafe-inline" not in headers["Content-Security-Policy"].split("style-src")[0]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert re.fullmatch("[0-9a-f]{16}", headers["X-Request-ID"])
        assert "server" not in headers


def test_nothing_is_open_to_strangers_but_this(live):
    is_open = {path for (_, path), (stranger, *_) in ROUTES.items() if stranger in {200, 400}}
    assert is_open == {
        "/healthz", "/readyz", "/api/docs", "/assets/<path:filename>", JOINED, "/sign-in",
        "/sign-out", "/notices/mute",
    }  # fmt: skip


# --- callbacks -------------------------------------------------------------------------------
def test_every_callback_has_a_policy(clients):
    found = {
        output: "browser" if each["clientside_function"] else "server"
        for each in clients[OWNER].http.get("/_dash-dependencies").json()
        for output in [each["output"].strip(".").split("...")[0]]
    }
    assert found == CALLBACKS


def test_a_callback_needs_a_person_and_their_token(clients):
    body = page_request("/billing/usage", "")
    path = "/_dash-update-component"
    assert clients[None].http.post(path, json=body).status_code == 401
    assert clients[OWNER].http.post(path, json=body).status_code == 400
    stolen = {"X-CSRFToken": clients[OTHER].token}
    assert clients[OWNER].http.post(path, json=body, headers=stolen).status_code == 400
    assert clients[OWNER].callback(body).status_code == 200


FORGED: list[Any] = [
    {}, [], "x", None, {"output": "x.y"}, {"output": ["x"]}, {"output": "_pages_dummy.children"},
    {"outputs": []}, {"inputs": []}, {"inputs": [1, 2]}, {"state": {"a": 1}}, {"changedPropIds": 7},
]  # fmt: skip
WRONG: list[Any] = [None, 7, [], {}, "no-slash"]


@pytest.mark.parametrize("forged", FORGED, ids=repr)
def test_a_forged_callback_is_the_senders_mistake(clients, caplog, forged):
    whole = page_request("/billing/usage", "")
    body = {**whole, **forged} if isinstance(forged, dict) and forged else forged
    assert clients[OWNER].callback(body).status_code in {400, 415}
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("wrong", WRONG, ids=repr)
def test_an_address_that_is_none_is_the_senders_mistake(clients, wrong):
    assert clients[OWNER].callback(page_request(wrong, "")).status_code == 400
    if not isinstance(wrong, str):
        assert clients[OWNER].callback(page_request("/settings", wrong)).status_code == 400


# --- pages -----------------------------------------------------------------------------------
def test_every_page_has_an_address():
    found = {page["path_template"] or page["path"] for page in dash.page_registry.values()}
    assert {"/404" if "404" in path else path for path in found} == set(PAGES)


@pytest.mark.parametrize("path", PAGES.values())
def test_pages_show_others_nothing(clients, line_id, path):
    forged = f"?campaign={SECRET}&consumer=user%3Aacme-secret&line={line_id}"
    for email in (OTHER, FREE):
        for search in ("", "?account=acme", "?account_id=acme&scope=acme"):
            text = clients[email].page(path, search)
            assert not says_secrets(text.replace("account=acme", ""), line_id), (email, search)
        text = clients[email].page(path, forged)
        assert "Acme" not in text
        assert "₹" not in text, "the currency of the other account"
    assert "Acme" in clients[OWNER].page(path, ""), "the owner does see it"


def test_a_transaction_of_another_account_does_not_exist(clients, line_id):
    path = "/billing/usage/sms_credits"
    other = clients[OTHER].page(path, f"?line={line_id}")
    nobody = clients[OTHER].page(path, f"?line={line_id[::-1]}")
    sentence = "There is no such transaction that you may see."
    assert sentence in other
    assert sentence in nobody
    assert "Balance before" not in other
    own = clients[OWNER].page(path, f"?line={line_id}")
    assert sentence not in own
    assert SECRET in own


def test_a_cursor_of_another_account_opens_nothing(clients, line_id):
    path = "/billing/usage/sms_credits"
    own = clients[OWNER].page(path, "?from=2026-09-01&to=2026-11-23")
    assert "cursor=" in own
    for cursor in set(re.findall(r"cursor=([\w-]+)", own)):
        text = clients[OTHER].page(path, f"?cursor={cursor}")
        assert not says_secrets(text, line_id)
        assert "₹" not in text


# --- files -----------------------------------------------------------------------------------
def test_every_file_is_known():
    assert set(downloads.FILES) == FILES


@pytest.mark.parametrize("place", ["", "sms_credits/"])
@pytest.mark.parametrize("file", sorted(FILES))
def test_files_hold_nothing_of_others(clients, line_id, place, file):
    if place and file == "summary.csv":
        return
    for search in ("", f"?campaign={SECRET}", "?account=acme", f"?line={line_id}"):
        answers = {
            email: clients[email].http.get(f"/export/usage/{place}{file}{search}")
            for email in (None, *PEOPLE)
        }
        assert [a.status_code for a in answers.values()] == [401, 200, 200, 403]
        assert not says_secrets(answers[OTHER].text, line_id)
        assert "INR" not in answers[OTHER].text
        assert "INR" in answers[OWNER].text, "the owner does get it"
        assert "acme" not in answers[OTHER].headers["Content-Disposition"]
        if SECRET in search:
            assert not re.search(r",[1-9]\d*\.\d", answers[OTHER].text), "no amount but zero"


@pytest.mark.parametrize(
    "path",
    ["/export/usage/..%2f..%2fdata.csv", "/export/usage/sms_credits/%2e%2e%2fdaily.csv",
     "/export/usage/nothing/daily.csv", "/export/usage/sms_credits/summary.csv",
     "/assets/..%2fapp.py", "/assets/%2e%2e/%2e%2e/app.py", "/assets/vendor/..%2f..%2fapp.py",
     "/_dash-component-suites/dash/dash.py", "/_dash-component-suites/dash/..%2fdash.py"],
)  # fmt: skip
def test_no_path_leads_outside(clients, path):
    answer = clients[OWNER].http.get(path)
    assert answer.status_code == 404
    assert "import" not in answer.text


# --- the choice of account -------------------------------------------------------------------
@pytest.mark.parametrize("email", [OTHER, FREE])
def test_an_account_of_others_cannot_be_told_from_none(clients, email):
    answers = {}
    for account in ("acme", "nobody", "*", "ACME", "", "acme' OR 1=1 --", "a" * 500):
        answer = clients[email].post("/session/account", account=account)
        assert answer.status_code == 404
        assert "Acme Outreach" not in answer.text
        answers[account] = re.sub(r"<code>\w+</code>", "", answer.text)
    assert answers["acme"] == answers["nobody"].replace("nobody", "acme")
    assert "Acme" not in clients[email].page("/billing/usage", "")


def test_support_sees_one_account_at_a_time(clients, line_id):
    client = clients[SUPPORT]
    client.post("/session/account", account="globex")
    file = "/export/usage/transactions.csv"
    assert not says_secrets(client.http.get(file).text, line_id)
    client.post("/session/account", account="acme")
    assert SECRET in client.http.get(file).text
