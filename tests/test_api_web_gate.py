"""What strangers reach, where people are sent, and what every response carries."""

import json
import re
from base64 import b64encode
from hashlib import sha256
from urllib.parse import quote

import pytest

from api.web_auth import LIBRARIES, safe_next
from tests.web_app import EMAIL, FAULT, PASSWORD, Browser, built, found, installed

STRICT_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'; script-src 'self'{hashes}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; "
    "worker-src 'self' blob:; manifest-src 'self'"
)
OUTSIDE = [
    "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "\\/evil.example",
    "https://evil.example", "javascript:alert(1)", "data:text/html,x", "evil.example", "",
    "/\t/evil.example", "/\n/evil.example", " //evil.example", "/a\\b", "/\x00", "/" + "a" * 2001,
    "/sign-in", "/sign-in?next=/x", "/sign-out",
]  # fmt: skip


@pytest.fixture
def opened(tmp_path):
    with installed(tmp_path) as opened:
        yield opened


@pytest.fixture
def app(opened):
    with built(opened) as app:
        yield app


@pytest.fixture
def browser(app):
    return Browser(app)


# --- the gate --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "path",
    ["/", "/billing/usage", "/sign-in/", "/assets", "/sign-out", "/healthz", "/x%2F..%2Fassets%2F"],
)
def test_pages_ask_strangers_to_sign_in(browser, path):
    answer = browser.get(path)
    assert answer.status_code == 302
    assert answer.location.startswith("/sign-in")


@pytest.mark.parametrize(
    "path",
    ["/_dash-layout", "/_dash-dependencies", "/_reload-hash", "/export/usage/daily.csv", "/stream"],
)  # fmt: skip
def test_programs_are_told_401(browser, path):
    answer = browser.get(path)
    assert answer.status_code == 401
    assert answer.json["code"] == "signed_out"
    assert browser.client.post(path).status_code == 401
    assert browser.callback().status_code == 401


def test_a_link_to_a_file_shows_a_page_to_people(browser):
    answer = browser.get("/export/usage/daily.csv", headers={"Accept": "text/html,*/*"})
    assert (answer.status_code, answer.mimetype) == (401, "text/html")
    assert "Sign in" in answer.text


def test_open_paths_are_open_and_nothing_else_is(browser, app):
    assert browser.get("/assets/none.css").status_code == 404
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<[^>]+>", "x", rule.rule)
        if path.startswith(("/assets/", LIBRARIES)) or path in {"/sign-in", "/sign-out"}:
            continue
        for method in rule.methods:
            status = browser.client.open(path, method=method).status_code
            assert status in {302, 401}, (method, path)


@pytest.mark.parametrize("target", OUTSIDE)
def test_nobody_is_sent_elsewhere(browser, target):
    assert safe_next(target) == "/"
    assert browser.sign_in(next=target).location == "/"
    assert browser.get(f"/sign-in?next={quote(target)}").location == "/"
    assert browser.post("/session/account", account="acme", next=target).location == "/"


@pytest.mark.parametrize(
    "path", ["//evil.example/x", "/%5Cevil.example", "/\\evil.example", "/%09/evil.example"]
)
def test_an_odd_path_goes_nowhere_else(browser, path):
    answer = browser.client.open(path, headers={"Host": "evil.example"})
    assert (
        "evil" not in answer.headers.get("Location", "").replace("%2F%2F", "//").split("next=")[0]
    )
    assert not answer.headers.get("Location", "/").startswith(("http", "//"))


def test_a_broken_address_is_no_fault_of_ours(browser):
    for path in ("/x?next=%ff%fe", "/sign-in?next=%ff", "/sign-in?next=%00", "/%ff"):
        assert browser.get(path).status_code < 500


def test_a_foreign_host_is_repeated_nowhere(browser):
    for path in ("/", "/billing/usage", "/sign-in", "/broken"):
        answer = browser.client.get(path, headers={"Host": "evil.example"})
        assert "evil.example" not in str(answer.headers) + answer.text


# --- headers and errors ----------------------------------------------------------------------
@pytest.mark.parametrize(
    "path", ["/", "/sign-in", "/assets/none.css", "/missing", "/broken", "/_dash-layout", "/whose"]
)
@pytest.mark.parametrize("is_signed_in", [True, False])
def test_every_response_carries_the_headers(browser, path, is_signed_in):
    if is_signed_in:
        browser.sign_in()
    headers = browser.get(path).headers
    hashes = "".join(re.findall(r" 'sha256-[^']{44}'", headers["Content-Security-Policy"]))
    assert headers["Content-Security-Policy"] == STRICT_POLICY.format(hashes=hashes)
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    assert re.fullmatch(r"[0-9a-f]{16}", headers["X-Request-ID"])
    if not path.startswith("/assets/"):
        assert headers["Cache-Control"] == "no-store"


def test_the_policy_allows_the_inline_scripts_of_the_index_and_no_others(browser):
    browser.sign_in()
    for _ in range(2):
        page = browser.get("/")
        text = re.sub(r"<!--.*?-->", "", page.text, flags=re.DOTALL)
        scripts = re.findall(r"<script(?![^>]*(?:src|json))[^>]*>(.*?)</script>", text, re.DOTALL)
        wanted = {f"'sha256-{b64encode(sha256(s.encode()).digest()).decode()}'" for s in scripts}
        allowed = re.findall(r"'sha256-[^']+'", page.headers["Content-Security-Policy"])
        assert len(scripts) >= 2, "the renderer's and the pages'"
        assert wanted == set(allowed)
        assert len(allowed) == len(wanted), "none twice"


@pytest.mark.parametrize("is_secure", [True, False])
def test_cookies_are_kept_from_scripts_and_other_sites(tmp_path, is_secure):
    site = "https://usage.example"
    with installed(tmp_path, cookie_secure=is_secure) as opened, built(opened) as app:
        client = app.test_client()
        client.get("/sign-in", base_url=site)
        cookie = client.get_cookie("_csrf_token", "usage.example")
        assert cookie
        answer = client.post(
            "/sign-in", base_url=site, headers={"Referer": f"{site}/sign-in"},
            data={"csrf_token": cookie.value, "email": EMAIL, "password": PASSWORD},
        )  # fmt: skip
    assert answer.status_code == 303
    cookies = {line.split("=")[0]: line for line in answer.headers.getlist("Set-Cookie")}
    assert set(cookies) == {"usage_session", "usage_form", "_csrf_token"}
    for name, line in cookies.items():
        assert "Path=/" in line
        assert ("Secure" in line) == is_secure
        assert ("HttpOnly" in line) == (name != "_csrf_token"), "dash-renderer has to read that one"
    assert "SameSite=Lax" in cookies["usage_session"]
    assert f"Max-Age={12 * 3600}" in cookies["usage_session"]


def test_an_error_shows_an_id_and_no_detail(browser, caplog):
    browser.sign_in()
    page = browser.get("/broken")
    assert page.status_code == 500
    assert FAULT not in page.text
    assert "Traceback" not in page.text
    shown = found(r"<code>(\w+)</code>", page.text)
    assert shown == page.headers["X-Request-ID"]
    assert shown in caplog.text
    assert FAULT in caplog.text, "the log has it all"
    answer = browser.callback("break")
    assert answer.status_code == 500
    assert answer.mimetype == "application/problem+json"
    assert FAULT not in answer.text
    assert json.loads(answer.text)["request_id"] == answer.headers["X-Request-ID"]


def test_a_refusal_is_readable_and_safe(browser):
    browser.sign_in()
    missing, wrong = browser.get("/missing"), browser.get("/wrong")
    assert (missing.status_code, wrong.status_code) == (404, 400)
    assert "There is no &lt;call&gt; of this name." in missing.text
    assert "<script>" not in wrong.text
    assert browser.client.post("/missing", headers={"X-CSRFToken": browser.cookie("_csrf_token")})


def test_the_request_id_of_the_server_around_is_kept(browser):
    environ = {"asgi.scope": {"state": {"request_id": "abc123"}}}
    answer = browser.client.get("/sign-in", environ_overrides=environ)
    assert answer.headers["X-Request-ID"] == "abc123"
