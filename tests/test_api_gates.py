"""What a plan opens, through every door: screens, drill-down, explanation, files, filters.

One account a plan; one that upgraded from Free; one that lapsed to Free; and one whose history
begins before its paid plan.
"""

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from api.dash_app import build_dash
from billing.access import Role
from billing.events import CallEvent, SmsEvent, UsageEvent
from billing.lots import LotKind
from billing.metrics import METRICS
from billing.plans import Plan
from billing.rates import Rate
from data import tables as t
from data.access.people import Passwords, add_membership, add_person
from data.accounts import NewAccount, add_account, change_plan, read_account
from data.analytics.sync import sync_all
from data.identity import new_id
from data.installation import Installation, open_installation
from data.ledger.posting import Poster
from data.ledger.price_books import add_rate_list, new_rate_list
from data.ledger.wallet import Credit, Posting
from data.settings import load_settings
from tests.databases import settings_url
from tests.live import NOW, PASSWORD
from tests.web_app import Browser
from tests.web_client import page_request

QUICK = Passwords(time_cost=1, memory_kib=8, parallelism=1)
UPGRADED_ON = date(2026, 11, 10)
SINCE = date(2026, 11, 1)
ACCOUNTS = {
    "free": Plan.FREE, "launch": Plan.LAUNCH, "growth": Plan.GROWTH, "scale": Plan.SCALE,
    "upgraded": Plan.FREE, "lapsed": Plan.GROWTH, "older": Plan.GROWTH,
}  # fmt: skip
SUPPORT = "support"
DETAIL = "/billing/usage/sms_credits"
FILES = ("transactions.csv", "daily.csv", "summary.csv")


@pytest.fixture(scope="module")
def opened(tmp_path_factory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("gates")
    (folder / "clock.txt").write_text(NOW.isoformat())
    settings = load_settings(
        data_dir=folder / "data", database_url=settings_url(folder),
        clock_file=folder / "clock.txt", secret_key="s" * 40, _env_file=None,
    )  # fmt: skip
    installation = open_installation(settings, is_demo=True)
    prices = [Rate(new_id(), metric.id, 10_000, metric.unit.size) for metric in METRICS]
    with installation.database.write() as connection:
        price_list = new_rate_list("Standard", "USD", None, prices, "default")
        add_rate_list(connection, price_list, None, NOW)
        for name, plan in ACCOUNTS.items():
            since = {"upgraded": UPGRADED_ON, "older": SINCE}.get(name)
            new = NewAccount(name, name.title(), plan, "USD", "UTC", paid_since=since)
            add_account(connection, new, NOW)
        change_plan(connection, "upgraded", Plan.GROWTH, UPGRADED_ON)
        change_plan(connection, "lapsed", Plan.FREE, UPGRADED_ON)
        for name in (*ACCOUNTS, SUPPORT):
            added = add_person(
                connection, f"{name}@x.example", name, PASSWORD, NOW, passwords=QUICK
            )
            role = Role.SUPPORT if name == SUPPORT else Role.OWNER
            add_membership(connection, added.person.id, "*" if name == SUPPORT else name, role)
        for name in ACCOUNTS:
            fill(connection, installation, name)
    sync_all(installation.database, installation.lake)
    yield installation
    installation.close()


def fill(connection: Any, installation: Installation, name: str) -> None:
    """Live messages on days with a paid plan, sandbox ones on days without; a top-up of 100."""
    account = read_account(connection, name)
    poster = Poster(connection, account, installation.pseudonyms, NOW)
    posting = Posting(NOW, NOW, NOW, date(2026, 10, 1))
    poster.wallet.credit(Credit(LotKind.PAID, 100_000_000, "top-up"), posting)
    events: list[UsageEvent] = []
    for n in range(40):
        day = NOW - timedelta(days=n, hours=1)
        is_sandbox = account.plan_on(day.date()) is Plan.FREE
        kind = "sandboxed" if is_sandbox else "early" if day.date() < SINCE else "live"
        events.append(sms(f"{name}-{n}", day, 3 if kind == "live" else 7, is_sandbox, kind))
    outcomes = poster.post(events, NOW)
    assert {each.status for each in outcomes} == {"accepted"}
    poster.flush()


def sms(name: str, at: datetime, segments: int, is_sandbox: bool, campaign: str) -> SmsEvent:
    return SmsEvent(
        source="test", id=name, occurred_at=at, direction="outbound", segments=segments,
        campaign=f"{campaign}-campaign", consumer=f"user:{campaign}", is_sandbox=is_sandbox,
    )  # fmt: skip


@pytest.fixture(scope="module")
def app(opened) -> Flask:
    server: Flask = build_dash(opened, is_demo=False).server
    return server


@pytest.fixture(scope="module")
def people(app) -> dict[str, Browser]:
    """Everybody signed in; support looks at the account whose history is longer."""
    browsers = {name: Browser(app) for name in (*ACCOUNTS, SUPPORT)}
    for name, browser in browsers.items():
        assert browser.sign_in(f"{name}@x.example", PASSWORD).status_code == 303
        browser.get("/settings")
    browsers[SUPPORT].post("/session/account", account="older")
    return browsers


def page(browser: Browser, path: str, search: str = "") -> str:
    headers = {"X-CSRFToken": browser.cookie("_csrf_token")}
    body = page_request(path, search)
    answer = browser.client.post("/_dash-update-component", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    assert "state-failed" not in answer.text
    return json.dumps(answer.json, ensure_ascii=False)


def rows(browser: Browser, file: str, search: str = "") -> list[dict[str, str]]:
    answer = fetch(browser, f"{file}{search}")
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))


def fetch(browser: Browser, path: str) -> Any:
    """A file's whole answer."""
    return browser.client.get(f"/export/usage/{path}", buffered=True)


def lines_of(opened: Installation, account: str, campaign: str) -> list[str]:
    lines = t.usage_lines.c
    wanted = select(lines.id).where(lines.account_id == account, lines.campaign_id == campaign)
    with opened.database.read() as connection:
        return list(connection.scalars(wanted))


# --- a plan and its doors --------------------------------------------------------------------
# Account: detail page, filter on the usage page, files.
DOORS = {
    "free": (False, False, 403), "lapsed": (False, False, 403),
    "launch": (True, True, 200), "growth": (True, True, 200), "scale": (True, True, 200),
    "upgraded": (True, True, 200), "older": (True, True, 200),
}  # fmt: skip


@pytest.mark.parametrize("name", DOORS)
def test_a_plan_opens_its_doors_and_no_others(people, name):
    has_detail, has_filter, file_status = DOORS[name]
    browser = people[name]
    detail = page(browser, DETAIL)
    assert ("Not on your plan" not in detail) == has_detail
    assert ("cursor=" in detail or "line=" in detail) == has_detail
    usage = page(browser, "/billing/usage", "?from=2026-10-01&to=2026-11-23&campaign=live-campaign")
    assert ("/export/usage/" in usage) == has_filter
    assert ("period=last_month" in usage) == has_filter
    for file in (*FILES, "sms_credits/transactions.csv", "sms_credits/daily.csv"):
        answer = fetch(browser, file)
        assert answer.status_code == file_status, file
        assert ("code" in answer.text) == (file_status == 403)


@pytest.mark.parametrize("name", ["free", "lapsed"])
@pytest.mark.parametrize("search", ["", "?line={line}", "?cursor=WzEsIm8iLDAsMSwxLDFd", "?by=week"])
def test_a_free_account_reaches_no_detail_by_any_address(opened, people, name, search):
    line = lines_of(opened, name, "sandboxed-campaign")[0]
    text = page(people[name], DETAIL, search.format(line=line))
    assert "Not on your plan" in text
    assert "sandboxed" not in text
    asked = r'/billing/usage(/sms_credits)?\?[^"]*'
    assert line not in re.sub(asked, "", text), "but in the address that was asked for"
    assert fetch(people[name], f"daily.csv{search.format(line=line)}").status_code == 403


def test_a_lapsed_account_sees_nothing_of_its_paid_days(people):
    for path in ("/billing/usage", DETAIL, "/settings"):
        text = page(people["lapsed"], path, "?from=2026-10-01&to=2026-11-01")
        assert "early" not in text
        assert "live-campaign" not in text


def test_a_sandbox_costs_nothing_beside_the_balance(people):
    """Its would-be cost is in the sandbox's table; the balance says what was charged: nothing."""
    browser = people["free"]
    browser.sign_in("free@x.example", PASSWORD)
    text = page(browser, "/settings")
    assert "$0.07" not in text
    assert "$100.00" in text


# --- metrics that the plan lacks -------------------------------------------------------------
@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.id)
@pytest.mark.parametrize("name", ["launch", "growth", "scale"])
def test_a_metric_is_open_as_the_plan_has_it(people, name, metric):
    has_it = ACCOUNTS[name] in metric.plans
    for file in ("daily.csv", "transactions.csv"):
        answer = fetch(people[name], f"{metric.id}/{file}")
        assert answer.status_code == (200 if has_it else 403)
    if not has_it:
        text = page(people[name], f"/billing/usage/{metric.id}")
        assert "isn’t on the" in text
        assert "/export/usage/" not in text


def test_what_the_plan_lacks_is_refused_where_it_is_written(opened):
    call = CallEvent(
        source="test", id="human", occurred_at=NOW, direction="outbound", agent="human",
        is_answered=True, duration_seconds=60,
    )  # fmt: skip
    live = sms("live-on-free", NOW, 1, False, "live")
    with opened.database.write() as connection:
        for name, event in (("launch", call), ("free", live), ("upgraded", _before(live))):
            account = read_account(connection, name)
            poster = Poster(connection, account, opened.pseudonyms, NOW)
            (outcome,) = poster.post([event], NOW)
            assert outcome.error
            assert outcome.error.code == "plan_lacks"


def _before(event: SmsEvent) -> SmsEvent:
    return replace(event, occurred_at=datetime.combine(UPGRADED_ON, NOW.timetz()) - timedelta(3))


# --- an upgrade ------------------------------------------------------------------------------
def test_sandbox_usage_before_an_upgrade_is_nowhere(opened, people):
    browser = people["upgraded"]
    everything = "?from=2026-10-01&to=2026-11-23"
    for path in ("/billing/usage", DETAIL, "/settings"):
        assert "sandboxed" not in page(browser, path, f"{everything}&sort=cost"), path
    lines = rows(browser, "transactions.csv", everything)
    assert {line["campaign"] for line in lines} == {"live-campaign"}
    assert {line["is_sandbox"] for line in lines} == {"false"}
    days = [day for day in rows(browser, "daily.csv", everything) if day["count"] != "0"]
    assert min(day["date"] for day in days) == UPGRADED_ON.isoformat()
    total = sum(int(line["cost_micros"]) for line in lines)
    assert total == 13 * 3 * 10_000
    for file in ("daily.csv", "summary.csv"):
        assert sum(int(row["cost_micros"]) for row in rows(browser, file, everything)) == total
    hidden = f"{everything}&campaign=sandboxed-campaign"
    assert not rows(browser, "transactions.csv", hidden)
    line = lines_of(opened, "upgraded", "sandboxed-campaign")[0]
    assert "There is no such transaction" in page(browser, DETAIL, f"?line={line}")


def test_support_does_not_see_sandbox_lines_either(people):
    browser = people[SUPPORT]
    browser.post("/session/account", account="upgraded")
    lines = rows(browser, "transactions.csv", "?from=2026-10-01&to=2026-11-23")
    assert len(lines) == 13
    browser.post("/session/account", account="older")


# --- history before the paid plan ------------------------------------------------------------
ADDRESSES = (
    "?from=2026-10-01&to=2026-11-23", "?from=2026-10-01&to=2026-11-01", "?period=last_month",
    "?from=2026-10-01&to=2026-11-23&sort=cost", "?from=2026-10-01&to=2026-11-23&sort=oldest",
    "?from=2026-10-01&to=2026-11-23&status=sent", "?campaign=early-campaign&period=last_month",
)  # fmt: skip


@pytest.mark.parametrize("search", ADDRESSES)
def test_history_before_the_paid_plan_is_hidden_from_its_people(people, search):
    owner, support = people["older"], people[SUPPORT]
    for file in ("transactions.csv", "sms_credits/transactions.csv"):
        mine, theirs = rows(owner, file, search), rows(support, file, search)
        assert all(line["booked_on"] >= SINCE.isoformat() for line in mine)
        assert "early-campaign" in {line["campaign"] for line in theirs}, "support does see it"
    for file in ("daily.csv", "summary.csv"):
        mine = rows(owner, file, search)
        assert all(row.get("date", "9") >= SINCE.isoformat() for row in mine)
        assert all(int(row["cost_micros"]) % 30_000 == 0 for row in mine), "7 segments are hidden"


def test_no_line_cursor_or_month_reaches_behind_the_paid_plan(opened, people):
    owner = people["older"]
    hidden = lines_of(opened, "older", "early-campaign")
    line = hidden[0]
    assert "There is no such transaction" in page(owner, DETAIL, f"?line={line}")
    assert "There is no such transaction" not in page(people[SUPPORT], DETAIL, f"?line={line}")
    # A cursor before everything, with the same days: reading on from it gives visible lines alone.
    everything = "?from=2026-10-01&to=2026-11-23"
    text = page(owner, DETAIL, f"{everything}&sort=oldest&cursor=WzEsIm8iLDAsMSwxLDFd")
    assert not [line for line in hidden if line in text]
    assert lines_of(opened, "older", "live-campaign")[-1] in text
    assert "Oct 2026" not in page(owner, "/billing/usage").split("Month over month")[-1]
    assert "Oct 2026" in page(people[SUPPORT], "/billing/usage").split("Month over month")[-1]
