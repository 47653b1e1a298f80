"""Spending limits in a real browser: a cap set, reached, raised, overridden, and the next day."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from billing.access import AccountScope, Role
from billing.caps import Limits
from billing.holds import HoldKind, HoldRequest
from billing.plans import Plan
from data.access.people import add_membership, add_person
from data.accounts import NewAccount, add_account, read_account
from tests.api_client import ApiClient, sms
from tests.browser.conftest import enter
from tests.live import FREE, NOW, OWNER, PASSWORD, QUICK, SUPPORT, Live, LiveServer

LIMITS, USAGE, BALANCE = "/billing/limits", "/billing/usage", "/billing/balance"
CODER = "owner@sandpit.example"
MIDNIGHT = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)  # in Kolkata
SOON = 15_000  # milliseconds, on a busy machine
BY_ITSELF = 40_000  # the sweep comes each ten seconds
PHONE = {"viewport": {"width": 390, "height": 844}}
NewPage = Callable[..., Page]
_numbers = count(1)


@pytest.fixture(scope="module")
def server(server: LiveServer) -> LiveServer:
    with server.installation.database.write() as connection:
        new = NewAccount("sandpit", "Sandpit", Plan.GROWTH, "USD", "UTC", environment="development")
        add_account(connection, new, NOW)
        added = add_person(connection, CODER, "Cody", PASSWORD, NOW, passwords=QUICK)
        add_membership(connection, added.person.id, "sandpit", Role.OWNER)
    return server


@pytest.fixture(autouse=True)
def as_before(live: Live) -> None:
    """No limits, and the clock where it was."""
    live.clock_file.write_text(NOW.isoformat())
    with live.installation.database.read() as connection:
        scope = AccountScope(read_account(connection, "acme"), Role.OWNER, NOW)
    live.installation.limits.save(scope, "person:test", Limits())


def go(page: Page, live: Live, path: str, email: str | None = OWNER) -> Page:
    page.set_default_timeout(SOON)
    if email:
        enter(page, live, email)
    page.goto(live.url + path)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    return page


def save_cap(page: Page, amount: str, name: str = "daily spending cap") -> None:
    """Edits or sets a cap as somebody does: link, amount, review, save."""
    way = page.get_by_role("link", name=re.compile(f"^(Edit the|Set a) {name}$"))
    way.click()
    page.get_by_label("Amount in INR").fill(amount)
    page.get_by_role("button", name="Review").click()
    expect(page.get_by_role("heading", name="Backtest")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".notices")).to_contain_text("Saved: Daily spending cap")


def figure(page: Page, name: str) -> Any:
    """A figure of the daily cap's gauge."""
    row = page.locator(".cap-row", has_text="Daily spending cap")
    return row.locator(".cap-figures > div", has_text=name).locator("dd")


def hold(live: Live, units: int = 1) -> dict[str, Any]:
    request = HoldRequest(
        f"request-{next(_numbers)}", HoldKind.SMS, "diwali", "user:1", "14155550142", units
    )
    return live.installation.decisions.submit("acme", request).result(10)


def test_a_cap_is_reached_raised_and_reached_again_until_the_next_day(
    page: Page, new_page: NewPage, live: Live, acme: ApiClient, axe: Any
) -> None:
    # Minutes before the account's midnight: nobody's session ends when it has passed.
    live.clock_file.write_text((MIDNIGHT - timedelta(minutes=5)).isoformat())
    go(page, live, LIMITS)
    other = go(new_page(), live, USAGE)
    save_cap(page, "10")
    assert axe(page) == []
    expect(figure(page, "Spent")).to_have_text("₹5.40")
    expect(page.locator(".banner")).to_have_count(0)
    time.sleep(1)

    held = hold(live, 2)
    assert held["decision"] == "allowed"
    expect(figure(page, "Reserved")).to_have_text("₹1.20")
    expect(figure(page, "Left")).to_have_text("₹3.40")

    # Charges that never asked go over the cap: within moments every open page says so.
    assert acme.send(*(sms(segments=2) for _ in range(5))).status_code == 204
    begun = time.monotonic()
    banner = other.locator(".banner")
    expect(banner).to_contain_text("Outbound services are paused until Mon 23 Nov, 00:00 IST")
    assert time.monotonic() - begun < 5, "by the stream, not by a reload"
    expect(banner).to_contain_text("₹11.40 spent of the daily spending cap, ₹10.00")
    expect(figure(page, "Spent")).to_have_text("₹11.40")
    expect(page.locator(".cap-row").first).to_contain_text("₹2.60 over")
    expect(page.locator("#paused")).to_contain_text("Outbound services are paused until")
    expect(page.locator(".card-big")).to_contain_text("Paused")
    assert hold(live)["rule"] == "paused"
    assert axe(other) == []
    assert axe(page) == []

    save_cap(page, "20")
    expect(page.locator(".notices")).to_contain_text("No longer paused by this limit")
    expect(banner).to_have_count(0)
    expect(page.locator("#paused")).to_have_count(0)
    assert hold(live)["decision"] == "allowed"

    save_cap(page, "5")
    expect(banner).to_be_visible()
    live.clock_file.write_text((MIDNIGHT + timedelta(minutes=1)).isoformat())
    expect(banner).to_have_count(0, timeout=BY_ITSELF)
    expect(page.locator(".banner")).to_have_count(0)
    expect(figure(page, "Spent")).to_have_text("₹0.00")
    expect(page.locator("#pauses tbody tr").first).to_contain_text("The next day began")
    assert hold(live)["decision"] == "allowed"


def test_an_override_by_keyboard_lets_outbound_go_on(page: Page, live: Live, axe: Any) -> None:
    go(page, live, LIMITS)
    save_cap(page, "1")
    page.get_by_role("link", name="Override the daily spending cap").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Review").click()
    reason = page.get_by_label("Reason")
    expect(reason).to_be_focused()
    expect(reason).to_have_accessible_description(re.compile("Say why in 1 to 255"))
    assert axe(page) == []
    page.keyboard.type("Launch evening")
    page.keyboard.press("Enter")
    expect(page.locator(".confirm-sentence")).to_contain_text("may go over the limit until")
    page.get_by_role("button", name="Override", exact=True).press("Enter")
    expect(page.locator(".notices")).to_contain_text("the override is in force")
    expect(page.locator(".banner")).to_have_count(0)
    row = page.locator(".cap-row").first
    expect(row).to_contain_text("by Owner: Launch evening")
    assert axe(page) == []
    row.get_by_role("button", name="Take back").click()
    expect(page.locator(".notices")).to_contain_text("the override was taken back")
    expect(page.locator(".banner")).to_be_visible()


def test_a_budget_on_a_phone_in_the_dark(new_page: NewPage, live: Live, axe: Any) -> None:
    phone = go(new_page(**PHONE, color_scheme="dark"), live, LIMITS)
    phone.get_by_role("link", name="Add a budget").click()
    phone.get_by_label("Campaign").fill("diwali")
    phone.get_by_label("Amount in INR").fill("1.000")
    phone.get_by_role("button", name="Review").click()
    expect(phone.locator(".field-error")).to_contain_text("two ways: write 1,000 or 1.00")
    assert phone.get_by_label("Campaign").input_value() == "diwali", "what was typed stays"
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    assert axe(phone) == []
    phone.get_by_label("Amount in INR").fill("100")
    phone.get_by_role("button", name="Review").click()
    expect(phone.locator(".confirm-note")).to_contain_text("Saving pauses at once: Campaign diwali")
    assert axe(phone) == []
    phone.get_by_role("button", name="Save").click()
    expect(phone.locator(".banner")).to_contain_text("Campaign diwali is paused")
    expect(phone.locator(".budgets-table")).to_contain_text("diwali")
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    assert axe(phone) == []
    phone.goto(live.url + USAGE)
    expect(phone.locator(".banner")).to_contain_text("Campaign diwali is paused")
    phone.locator(".banner").get_by_role("link", name="Spending limits").click()
    expect(phone.get_by_role("heading", level=1, name="Spending limits")).to_be_visible()


def test_a_development_account_takes_the_daily_cap_it_is_offered(page: Page, live: Live) -> None:
    go(page, live, LIMITS, CODER)
    page.get_by_role("button", name="Set a daily cap of $5.00").dblclick()
    expect(page.locator(".notices")).to_contain_text("Saved: Daily spending cap, $5.00, hard.")
    expect(page.get_by_role("button", name="Set a daily cap")).to_have_count(0)


def test_who_may_only_see_and_whose_plan_has_none(
    page: Page, new_page: NewPage, live: Live, axe: Any
) -> None:
    go(page, live, LIMITS, SUPPORT)
    expect(page.get_by_text("the owner changes them")).to_be_visible()
    expect(page.get_by_role("link", name="Edit")).to_have_count(0)
    assert axe(page) == []
    free = go(new_page(**PHONE), live, LIMITS, FREE)
    expect(free.get_by_role("heading", name="Nothing to limit on the Free plan")).to_be_visible()
    assert axe(free) == []


def test_open_holds_come_and_go_on_the_balance_page(page: Page, live: Live, axe: Any) -> None:
    go(page, live, BALANCE)
    expect(page.locator(".buffer-note")).to_contain_text("3 days of usage")
    before = page.locator("#holds tbody tr").count()
    time.sleep(1)
    held = hold(live, 3)
    row = page.locator("#holds tbody tr", has_text="3 units")
    expect(row).to_contain_text("₹1.80")
    expect(page.locator("#holds tbody tr")).to_have_count(before + 1)
    assert axe(page) == []
    client = ApiClient(live, "acme", "holds:write")
    assert client.http.post(f"/holds/{held['hold_id']}/release").status_code == 200
    client.close()
    expect(page.locator("#holds tbody tr")).to_have_count(before)
