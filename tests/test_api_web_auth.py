"""Signing in and out, forms, and the choice of account, over HTTP."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from data import tables as t
from data.access.people import Passwords, disable_person
from data.demo.people import DEMO_PASSWORD, DemoPerson
from tests.builders import NOON
from tests.databases import of_sqlite
from tests.web_app import BOB, EMAIL, LONER, PASSWORD, SUPPORT, Browser, built, found, installed


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


# --- signing in ------------------------------------------------------------------------------
def test_the_right_password_opens_the_page_that_was_asked_for(browser):
    asked = browser.get("/billing/usage?from=2026-11-01&group=%C3%A9")
    assert asked.status_code == 302
    page = browser.get(asked.location)
    going = found(r'name="next" value="([^"]*)"', page.text).replace("&amp;", "&")
    assert going == "/billing/usage?from=2026-11-01&group=%C3%A9"
    answer = browser.post("/sign-in", email=EMAIL.upper(), password=PASSWORD, next=going)
    assert (answer.status_code, answer.location) == (303, going)
    assert browser.get("/").status_code == 200
    assert browser.get("/sign-in?next=/x").location == "/x", "nobody signs in twice"


def test_the_sign_in_page_can_be_used_by_everybody(browser):
    page = browser.get("/sign-in")
    assert page.status_code == 200
    for piece in (
        '<html lang="en"', "<h1", '<label for="email">', '<label for="password">',
        'autocomplete="username"', 'autocomplete="current-password"', 'type="password"',
        'href="/assets/x.css"',
    ):  # fmt: skip
        assert piece in page.text
    assert "<style" not in page.text
    assert not re.search(r'\son\w+="|\sstyle="', page.text)


@pytest.mark.parametrize(
    ("email", "password"),
    [(EMAIL, "wrong password"), ("nobody@x.example", PASSWORD), (EMAIL, ""), ("", "")],
)
def test_a_wrong_pair_says_so_and_keeps_the_address(browser, email, password):
    answer = browser.sign_in(email, password, next="/billing/usage")
    assert answer.status_code == 401
    said = found(r"<span>([^<]+)</span>\s*</div>\s*<form", answer.text)
    assert 'role="alert"' in answer.text
    assert said == "This e-mail and password don&#39;t go together. Check both and try again."
    assert f'value="{email}"' in answer.text
    assert 'value="/billing/usage"' in answer.text
    assert not password or password not in answer.text
    assert browser.cookie("usage_session") is None
    assert browser.get("/").status_code == 302


def test_what_was_typed_is_shown_as_text(browser):
    answer = browser.sign_in('"><script>alert(1)</script>')
    assert "<script>alert" not in answer.text


def test_a_disabled_person_is_out_at_once(browser, opened):
    browser.sign_in()
    with opened.database.read() as connection:
        person_id = connection.scalar(select(t.people.c.id).where(t.people.c.email == EMAIL))
    opened.writer.write(lambda connection: disable_person(connection, person_id, NOON))
    assert browser.get("/").status_code == 302
    assert browser.sign_in().status_code == 401


def test_too_many_failures_say_when_to_try_again(browser, opened, app):
    for _ in range(5):
        assert browser.sign_in(password="wrong password").status_code == 401
    refused = browser.sign_in()
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "60")
    assert "Try again in a minute" in refused.text
    claimed = browser.client.post(
        "/sign-in", headers={"X-Forwarded-For": "203.0.113.1", "Forwarded": "for=203.0.113.2"},
        data={"csrf_token": browser.cookie("_csrf_token"), "email": EMAIL, "password": PASSWORD},
    )  # fmt: skip
    assert claimed.status_code == 429, "an address that is only claimed changes nothing"
    assert Browser(app, "198.51.100.1").sign_in().status_code == 303
    opened.clock.at += timedelta(minutes=1)
    assert browser.sign_in().status_code == 303


def test_a_session_ends_after_its_hours_and_when_idle(browser, opened):
    browser.sign_in()
    opened.clock.at = NOON + timedelta(hours=3)
    assert browser.get("/").status_code == 200
    opened.clock.at = NOON + timedelta(hours=8)
    assert browser.get("/").status_code == 302
    assert browser.callback().status_code == 401
    browser.sign_in()
    for hours in (10, 13, 16, 19):
        opened.clock.at = NOON + timedelta(hours=hours)
        assert browser.get("/").status_code == 200
    opened.clock.at = NOON + timedelta(hours=20)
    assert browser.get("/").status_code == 302


def test_signing_out_ends_the_session_everywhere_it_was_copied(browser, app):
    browser.sign_in()
    thief = Browser(app)
    thief.client.set_cookie("usage_session", browser.cookie("usage_session"))
    assert thief.get("/").status_code == 200
    answer = browser.post("/sign-out")
    assert (answer.status_code, answer.location) == (303, "/sign-in")
    assert browser.cookie("usage_session") is None
    assert thief.get("/").status_code == 302
    assert browser.post("/sign-out").status_code == 303, "twice does no harm"
    browser.sign_in()
    browser.get("/sign-out")
    assert browser.get("/whose").status_code == 200, "a link signs nobody out"


def test_a_planted_session_is_never_taken_over(browser, app):
    browser.client.set_cookie("usage_session", "planted-by-somebody-else")
    browser.sign_in()
    first = browser.cookie("usage_session")
    assert first != "planted-by-somebody-else"
    browser.sign_in(BOB)
    assert browser.cookie("usage_session") != first
    old = Browser(app)
    old.client.set_cookie("usage_session", first)
    assert old.get("/").status_code == 302, "the session before has ended"


def test_forms_from_before_a_sign_in_do_not_work_after_it(browser):
    browser.get("/sign-in")
    before = browser.cookie("_csrf_token")
    browser.sign_in()
    assert browser.callback(token=before).status_code == 400
    assert browser.callback().status_code == 200


def test_many_sign_in_at_once(app):
    emails = [EMAIL, BOB, SUPPORT] * 4

    def run(email: str) -> tuple[int, str]:
        browser = Browser(app)
        return browser.sign_in(email).status_code, browser.callback().text

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(run, emails))
    assert {status for status, _ in results} == {303}
    for email, (_, text) in zip(emails, results, strict=True):
        assert email in text


def test_a_flood_is_told_to_come_back(opened):
    passwords = Passwords(1, 8, 1, slots=1, waiting=0)
    with built(opened, passwords=passwords) as app:
        with passwords.slots.take():
            answer = Browser(app).sign_in()
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert Browser(app).sign_in().status_code == 303


@pytest.mark.parametrize("is_demo", [True, False])
def test_only_a_demo_shows_its_people(opened, is_demo):
    people = [DemoPerson("owner@demo.example", "Ann", "owner", "acme", "Owner of Acme")]
    with built(opened, is_demo=is_demo, demo_people=people) as app:
        page = Browser(app).get("/sign-in").text
    for piece in ("owner@demo.example", "Owner of Acme", DEMO_PASSWORD):
        assert (piece in page) == is_demo


def test_a_password_is_hashed_anew_when_costs_change(browser, opened):
    with opened.database.write() as connection:
        stored = Passwords(2, 16, 1).hash(PASSWORD)
        connection.execute(
            update(t.people).where(t.people.c.email == EMAIL).values(password_hash=stored)
        )
    browser.sign_in()
    with opened.database.read() as connection:
        row = connection.scalar(select(t.people.c.password_hash).where(t.people.c.email == EMAIL))
    assert row != stored


@of_sqlite
def test_no_secret_reaches_the_database(browser, tmp_path):
    browser.sign_in()
    browser.get("/")
    stored = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert EMAIL.encode() in stored
    for secret in (browser.cookie("usage_session"), browser.cookie("_csrf_token"), PASSWORD):
        assert secret
        assert secret.encode() not in stored


# --- forms and callbacks ---------------------------------------------------------------------
def test_a_callback_needs_session_and_token(browser):
    browser.sign_in()
    assert f"{EMAIL} acme hello" in browser.callback().text
    assert browser.callback(token="").status_code == 400
    assert browser.callback(token="made up").json["code"] == "stale_form"


def test_a_token_of_somebody_else_does_not_help(browser, app):
    other = Browser(app)
    other.sign_in(BOB)
    browser.sign_in()
    assert browser.callback(token=other.cookie("_csrf_token")).status_code == 400


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/session/account"])
def test_a_form_without_its_token_changes_nothing(browser, path):
    browser.sign_in()
    kept = browser.cookie("usage_session")
    answer = browser.client.post(path, data={"email": BOB, "password": PASSWORD, "account": "acme"})
    assert answer.status_code == 400
    assert browser.cookie("usage_session") == kept
    assert browser.get("/").status_code == 200
    assert "refuses cookies" in answer.text


def test_what_is_too_large_is_refused_unread(browser):
    browser.sign_in()
    assert browser.callback("x" * 1_100_000).status_code == 413
    assert browser.post("/session/account", account="x" * 1_100_000).status_code == 413
    assert Browser(browser.client.application).callback("x" * 1_100_000).status_code == 413


# --- the account -----------------------------------------------------------------------------
def test_support_looks_at_the_account_it_chose(browser):
    browser.sign_in(SUPPORT)
    assert browser.get("/whose").text == "acme"
    answer = browser.post("/session/account", account="globex", next="/billing/usage?a=b")
    assert (answer.status_code, answer.location) == (303, "/billing/usage?a=b")
    assert browser.get("/whose").text == "globex"
    assert f"{SUPPORT} globex" in browser.callback().text


def test_nobody_reaches_the_account_of_others(browser, app):
    browser.sign_in(BOB)
    answers = [browser.post("/session/account", account=name) for name in ("acme", "nowhere")]
    assert [answer.status_code for answer in answers] == [404, 404]
    texts = [re.sub(r"<code>\w+</code>", "", answer.text) for answer in answers]
    assert texts[0].replace("acme", "nowhere") == texts[1], "whether it exists stays unsaid"
    assert browser.get("/whose").text == "globex"
    assert browser.get("/whose?account=acme&account_id=acme").text == "globex"
    assert Browser(app).post("/session/account", account="acme").status_code == 401


def test_a_person_without_an_account_is_told(browser):
    browser.sign_in(LONER)
    answer = browser.get("/whose")
    assert answer.status_code == 403
    assert "ask its owner" in answer.text
