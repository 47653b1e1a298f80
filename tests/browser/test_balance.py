"""The Balance page in a real browser: what there is, what happened, and money moved by hand."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from billing.access import Role
from data.access.people import add_membership, add_person
from tests.browser.conftest import enter
from tests.live import FREE, NOW, OWNER, PASSWORD, QUICK, SUPPORT, Live, LiveServer

ADMIN = "admin@usage.example"
BALANCE = "/billing/balance"
PHONE = {"viewport": {"width": 390, "height": 844}}
SignIn = Callable[..., None]


@pytest.fixture(scope="module")
def server(server: LiveServer) -> LiveServer:
    with server.installation.database.write() as connection:
        added = add_person(connection, ADMIN, "Ada Admin", PASSWORD, NOW, passwords=QUICK)
        add_membership(connection, added.person.id, "*", Role.ADMIN)
    return server


@pytest.fixture
def sign_in(live: Live) -> SignIn:
    """Signs somebody in and opens the Balance page."""

    def go(page: Page, email: str = OWNER) -> None:
        page.set_default_timeout(8_000)
        enter(page, live, email)
        page.goto(live.url + BALANCE)
        expect(page.get_by_role("heading", level=1, name="Balance")).to_be_visible()

    return go


def available(page: Page) -> str:
    return page.locator(".card-big .fig-value").inner_text()


def kinds(page: Page) -> list[str]:
    return page.locator(".entry-table .kind").all_inner_texts()


def test_an_owner_reads_the_wallet_and_tops_up(
    page: Page, live: Live, sign_in: SignIn, axe: Any
) -> None:
    sign_in(page)
    labels = page.locator(".balance-cards .card-label").all_inner_texts()
    assert labels == [
        "Available Balance", "Paid Credits", "Promotional Credits", "Reserved Amount",
        "Today’s Usage", "This Month’s Usage",
    ]  # fmt: skip
    assert available(page) == page.locator("#header-balance").inner_text()
    assert available(page) == page.locator(".lots-table tfoot td.n").inner_text()
    assert available(page) == page.locator(".entry-table .cell-units").first.inner_text()
    assert axe(page) == []

    newest = page.locator(".entry-table tbody tr").first.inner_text()
    page.get_by_role("link", name="Older ›").click()
    expect(page.locator(".entry-table tbody tr").first).not_to_have_text(newest)
    page.get_by_role("link", name="‹ Newer").click()
    expect(page.locator(".entry-table .cell-units").first).to_have_text(available(page))
    page.get_by_role("link", name="Credit added").click()
    expect(page.locator(".entry-table .kind-charge")).to_have_count(0)
    assert set(kinds(page)) == {"Top-up", "Grant"}

    page.get_by_role("link", name="Top up").click()
    expect(page.get_by_text("no payment is taken")).to_be_visible()
    page.get_by_label("Amount in INR").fill("five")
    page.get_by_role("button", name="Continue").click()
    expect(page.locator(".field-error")).to_have_text("Use a number such as 1,250.50")
    amount = page.get_by_label("Amount in INR")
    expect(amount).to_have_attribute("aria-invalid", "true")
    expect(amount).to_have_accessible_description("Use a number such as 1,250.50")
    expect(amount).to_be_focused()
    assert page.get_by_label("Amount in INR").input_value() == "five", "what was typed stays"
    assert axe(page) == []
    page.get_by_label("Amount in INR").fill("1.000")
    page.get_by_role("button", name="Continue").click()
    expect(page.locator(".field-error")).to_contain_text("two ways: write 1,000 or 1.00")
    page.get_by_label("Amount in INR").fill("500")
    page.get_by_role("button", name="Continue").click()
    expect(page.locator(".confirm-sentence")).to_contain_text("Adds ₹500.00 paid credit")
    after = page.locator(".confirm-after").inner_text()
    assert axe(page) == []
    confirming = page.url
    page.get_by_role("button", name="Confirm: add ₹500.00").dblclick()
    expect(page.locator(".notices")).to_contain_text("Done: top-up of ₹500.00")
    assert (available(page), kinds(page)[:2]) == (after, ["Top-up", "Charge"])

    # The same confirmation once more, as after going back: it says what it came to, no more.
    page.goto(confirming)
    page.get_by_role("button", name="Confirm: add ₹500.00").click()
    expect(page.locator(".notices")).to_contain_text("Done: top-up of ₹500.00")
    assert (available(page), kinds(page)[:2]) == (after, ["Top-up", "Charge"])


def test_support_refunds_a_charge_and_asks_for_what_is_above_its_limit(
    new_page: Callable[..., Page], live: Live, sign_in: SignIn, axe: Any
) -> None:
    page = new_page(viewport={"width": 1280, "height": 900}, color_scheme="dark")
    sign_in(page, SUPPORT)
    expect(page.get_by_role("link", name="Top up")).to_have_count(0)
    page.get_by_role("link", name="Charges", exact=True).click()
    page.get_by_role("link", name="Refund this charge").first.click()
    page.get_by_label("Reason").fill("Dropped call")
    page.get_by_role("button", name="Continue").click()
    expect(page.locator(".confirm-sentence")).to_contain_text("back to the credit that paid it")
    page.get_by_role("button", name="Confirm: refund").click()
    expect(page.locator(".notices")).to_contain_text("Done: refund of")
    assert kinds(page)[0] == "Refund"
    line = page.get_by_role("link", name="Explain this refund").first
    line.click()
    expect(page.get_by_role("heading", name="Explain this charge")).to_be_visible()
    expect(page.locator(".receipt")).to_contain_text("Takes back an earlier charge")

    page.goto(live.url + BALANCE)
    before = available(page)
    page.get_by_role("link", name="Grant credit").click()
    page.get_by_label("Amount in INR").fill("700")
    page.get_by_label("Last day valid").fill("2026-11-30")
    page.get_by_label("Reason").fill("Outage on Friday")
    page.get_by_role("button", name="Continue").click()
    expect(page.locator(".confirm-note")).to_contain_text("₹500.00")
    assert axe(page) == []
    page.get_by_role("button", name="Ask for approval").click()
    expect(page.locator(".notices")).to_contain_text("Nothing has moved yet")
    assert available(page) == before
    expect(page.locator("#waiting")).to_contain_text("Grant of ₹700.00")
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)

    phone = new_page(**PHONE)
    sign_in(phone, ADMIN)
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    assert axe(phone) == []
    phone.get_by_role("button", name="Approve").click()
    expect(phone.locator(".notices")).to_contain_text("Done: grant of ₹700.00")
    expect(phone.locator("#waiting")).to_have_count(0)
    assert available(phone) != before
    expect(phone.locator(".lots-table tbody tr").first).to_contain_text("9 days left")


def test_a_page_of_another_account_moves_nothing(page: Page, live: Live, sign_in: SignIn) -> None:
    sign_in(page, ADMIN)
    page.goto(f"{live.url}{BALANCE}?do=top_up&step=confirm&amount=5&key=mine")
    other = page.context.new_page()
    other.goto(live.url + BALANCE)
    other.locator("#account-switcher summary").click()
    other.get_by_role("button", name="Globex").click()
    expect(other.locator("#account-switcher summary")).to_contain_text("Globex")
    page.get_by_role("button", name="Confirm: add ₹5.00").click()
    expect(page.locator(".notices")).to_contain_text("that page showed another account")
    for page_of in (page, other):
        page_of.goto(f"{live.url}{BALANCE}?show=credit")
        expect(page_of.locator(".entry-table tbody tr")).to_have_count(2)
        expect(page_of.locator(".lots-table tbody")).not_to_contain_text("$5.00")


def test_an_empty_wallet_says_so(new_page: Callable[..., Page], sign_in: SignIn, axe: Any) -> None:
    page = new_page(**PHONE)
    sign_in(page, FREE)
    expect(page.get_by_text("There is no credit left, and no debt")).to_be_visible()
    expect(page.get_by_text("Nothing here yet")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert axe(page) == []
