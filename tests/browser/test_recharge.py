"""Auto-recharge in a real browser: set up, topped up, declined; on a phone and in the dark."""

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewPage, enter
from tests.live import OWNER, SUPPORT, Live

BALANCE = "/billing/balance"
PHONE = {"width": 390, "height": 844}
PICTURES = os.environ.get("PICTURES")  # a folder for what these tests see, to be looked at


def opened(page: Page, live: Live, email: str = OWNER) -> Page:
    page.set_default_timeout(10_000)
    enter(page, live, email)
    page.goto(live.url + BALANCE)
    expect(page.get_by_role("heading", level=1, name="Balance")).to_be_visible()
    return page


def picture(page: Page, name: str) -> None:
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


def fill_in(page: Page, method: str, threshold: str = "1,00,000") -> None:
    """The form, sent to its review."""
    page.get_by_label("When the balance falls below").fill(threshold)
    page.get_by_label("Amount to add").fill("500")
    page.get_by_label("At most a day").fill("2,000")
    page.get_by_label("Test gateway").select_option(label=method)
    page.get_by_role("button", name="Review").click()


def test_an_owner_sets_it_up_and_sees_it_top_up_then_be_declined(
    page: Page, live: Live, axe: Any, new_page: NewPage
) -> None:
    opened(page, live)
    card = page.locator("#recharge.card-table")
    expect(card).to_contain_text("Credit is added only by hand")
    before = page.locator("#header-balance").inner_text()

    card.get_by_role("link", name="Set up auto-recharge").click()
    fill_in(page, "Test card that pays", threshold="0")
    expect(page.locator(".field-error").first).to_contain_text("Use an amount above zero")
    assert axe(page) == []
    picture(page, "form")
    fill_in(page, "Test card that pays")
    expect(page.locator(".confirm-sentence")).to_contain_text("₹500.00 is added")
    expect(page.get_by_text("begins at once")).to_be_visible()
    assert axe(page) == []
    picture(page, "review")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved. When the balance falls below ₹1,00,000.00")).to_be_visible()

    # The job of the server tops up, and the open page says so by itself.
    expect(card).to_contain_text("Topped up", timeout=15_000)
    expect(page.locator("#header-balance")).not_to_have_text(before)
    automatic = page.locator(".entry-table tbody tr", has_text="Auto-recharge").first
    expect(automatic).to_contain_text("Automatic")
    # Four of 500 are what a day allows; then it says until when it waits.
    expect(card).to_contain_text("As much as a day allows", timeout=20_000)
    expect(card.locator("tbody tr")).to_have_count(4)
    assert axe(page) == []
    picture(page, "ceiling")

    card.get_by_role("link", name="Change auto-recharge").click()
    page.get_by_label("At most a day").fill("9,000")
    page.get_by_label("Test gateway").select_option(label="Test card that is declined")
    page.get_by_role("button", name="Review").click()
    page.get_by_role("button", name="Save").click()
    expect(card).to_contain_text("The last top-up was declined", timeout=15_000)
    expect(card).to_contain_text("The card was declined (test)")
    picture(page, "declined")

    phone = opened(new_page(viewport=PHONE, color_scheme="dark"), live)
    expect(phone.locator("#recharge.card-table")).to_contain_text("declined")
    wide = phone.evaluate("document.documentElement.scrollWidth")
    assert wide <= PHONE["width"], "nothing sticks out"
    assert axe(phone) == []
    picture(phone, "phone-dark")
    phone.get_by_role("link", name="Change auto-recharge").click()
    expect(phone.get_by_label("At most a day")).to_have_value("9,000.00")
    assert axe(phone) == []
    picture(phone, "phone-dark-form")

    dark = opened(new_page(color_scheme="dark"), live)
    picture(dark, "dark")


@pytest.mark.parametrize("viewport", [PHONE])
def test_support_sees_it_and_can_not_change_it(
    new_page: NewPage, live: Live, viewport: dict[str, int]
) -> None:
    page = opened(new_page(viewport=viewport), live, email=SUPPORT)
    page.request.post(
        f"{live.url}/session/account",
        form={"account": "acme", "csrf_token": _token(page)},
    )
    page.goto(f"{live.url}{BALANCE}?do=auto-recharge")
    expect(page.get_by_text("Not for your role")).to_be_visible()
    expect(page.locator("#recharge.card-table").get_by_role("link")).to_have_count(0)


def _token(page: Page) -> str:
    cookies = {each["name"]: each["value"] for each in page.context.cookies()}
    return next(value for name, value in cookies.items() if name.endswith("_csrf_token"))
