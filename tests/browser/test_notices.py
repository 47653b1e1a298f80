"""Bell, toast and inbox in real browsers: once in each, for those it is for, and nobody else."""

from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from billing.alerts import Level
from tests.browser.conftest import NewPage, enter
from tests.live import NOW, OTHER, OWNER, Live
from tests.notices import leave

USAGE, BALANCE, INBOX = "/billing/usage", "/billing/balance", "/billing/alerts/inbox"
PHONE = {"viewport": {"width": 390, "height": 844}}
QUIET_MS = 1_500
_minutes = count(1)


@pytest.fixture(autouse=True)
def now(live: Live) -> None:
    """Each test has a minute of its own: nothing it leaves was seen before."""
    live.clock_file.write_text((NOW + timedelta(minutes=next(_minutes))).isoformat())


def go(page: Page, live: Live, path: str, email: str | None = OWNER) -> Page:
    page.set_default_timeout(15_000)
    if email:
        enter(page, live, email)
    page.goto(live.url + path)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    return page


def bell(page: Page) -> Any:
    return page.locator("#header-bell a")


def toasts(page: Page) -> Any:
    return page.locator(".toast-card")


def test_a_notice_is_a_toast_once_in_a_browser_and_stays_in_the_inbox(
    page: Page, new_page: NewPage, live: Live, axe: Any
) -> None:
    first = go(page, live, USAGE)
    tab = first.context.new_page()
    go(tab, live, BALANCE, None)
    foreign = go(new_page(), live, USAGE, OTHER)
    expect(bell(first)).to_have_accessible_name("Notices")
    first.wait_for_timeout(QUIET_MS)

    leave(live)
    expect(bell(first)).to_have_accessible_name("Notices: 1 unread")
    expect(bell(tab)).to_have_accessible_name("Notices: 1 unread")
    first.wait_for_timeout(500)
    assert toasts(first).count() + toasts(tab).count() == 1, "in one of the tabs"
    leave(live, level=Level.CRITICAL)
    expect(bell(first)).to_have_accessible_name("Notices: 2 unread")
    first.wait_for_timeout(500)
    shown = tab if toasts(tab).count() else first
    critical = toasts(shown).first
    expect(critical).to_contain_text("Critical")
    expect(critical).to_contain_text("Service disruption imminent.")
    expect(shown.locator("#toasts")).to_have_attribute("aria-live", "polite")
    assert axe(shown) == []
    critical.get_by_role("button", name="Dismiss").click()
    expect(toasts(shown)).to_have_count(1)
    shown.reload()
    expect(bell(shown)).to_have_accessible_name("Notices: 2 unread")
    shown.wait_for_timeout(QUIET_MS)
    assert toasts(shown).count() == 0, "each was shown once"

    # The other account: nothing at all.
    expect(bell(foreign)).to_have_accessible_name("Notices")
    assert toasts(foreign).count() == 0

    bell(shown).click()
    expect(shown.locator("#inbox .mark-new")).to_have_count(2)
    assert axe(shown) == []
    expect(bell(shown)).to_have_accessible_name("Notices")
    other_tab = tab if shown is first else first
    expect(bell(other_tab)).to_have_accessible_name("Notices")
    expect(shown.locator("#inbox .mark-new")).to_have_count(2)  # as it was opened
    shown.reload()
    expect(shown.locator("#inbox h3")).to_have_count(2)
    expect(shown.locator("#inbox .mark-new")).to_have_count(0)
    go(foreign, live, INBOX, None)
    expect(foreign.get_by_role("heading", name="Nothing to read")).to_be_visible()
    assert axe(foreign) == []


@pytest.mark.long  # waits for as long as a toast stays
def test_a_toast_goes_by_itself_unless_it_is_critical(page: Page, live: Live) -> None:
    go(page, live, USAGE)
    page.wait_for_timeout(QUIET_MS)
    leave(live, level=Level.CRITICAL)
    leave(live, level=Level.URGENT)
    expect(toasts(page)).to_have_count(2)
    page.locator(".toast-urgent").hover()
    page.wait_for_timeout(13_000)
    expect(toasts(page)).to_have_count(2)  # not while somebody points at it
    page.mouse.move(5, 5)
    expect(page.locator(".toast-urgent")).to_have_count(0, timeout=15_000)
    expect(page.locator(".toast-critical")).to_have_count(1)
    page.locator(".toast-critical button").press("Escape")
    expect(toasts(page)).to_have_count(0)


def test_a_phone_in_the_dark(new_page: NewPage, live: Live, axe: Any) -> None:
    phone = go(new_page(**PHONE, color_scheme="dark"), live, BALANCE)
    phone.wait_for_timeout(QUIET_MS)
    leave(live, level=Level.URGENT)
    toast = phone.locator(".toast-urgent").first
    expect(toast).to_be_visible()
    assert axe(phone) == []
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    toast.get_by_role("link", name="Open the inbox").click()
    expect(phone.get_by_role("heading", level=1, name="Inbox")).to_be_visible()
    expect(phone.locator("#inbox")).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    assert axe(phone) == []
