"""Figures that change by themselves: one stream a browser, nothing lost of what one was doing."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from api.hub import Hub
from billing.events import SmsEvent
from billing.usage import Dimension
from tests.browser.conftest import enter
from tests.live import FREE, NOW, OTHER, OWNER, SUPPORT, Live

USAGE = "/billing/usage"
DETAIL = "/billing/usage/sms_credits"
SOON = 20  # seconds, on a busy machine; benchmarks/streaming.py measures


@pytest.fixture
def live(live: Live) -> Live:
    """The server, without a stream left over from the test before."""
    is_listening(live, 0)
    return live


@pytest.fixture
def asked(live, monkeypatch) -> list[str]:
    """The address of every request that the server gets, workers' included."""
    seen: list[str] = []
    stack = live.application.middleware_stack
    assert stack is not None

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            seen.append(scope["path"])
        await stack(scope, receive, send)

    monkeypatch.setattr(live.application, "middleware_stack", noting)
    return seen


def sign_in(page: Page, live: Live, email: str = OWNER, path: str = USAGE) -> Page:
    enter(page, live, email)
    return go(page, live, path)


def go(page: Page, live: Live, path: str) -> Page:
    page.goto(f"{live.url}{path}")
    expect(page.locator("#header-balance")).to_be_visible(timeout=SOON * 1000)
    expect(page.locator(".live .card").first).to_be_visible()
    return page


def hub_of(live: Live) -> Hub:
    hub = live.application.state.hub
    assert isinstance(hub, Hub)
    return hub


def wait_for(what: Callable[[], bool], seconds: float = SOON) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        threading.Event().wait(0.02)


def is_listening(live: Live, count: int = 1) -> None:
    wait_for(lambda: hub_of(live).stream_count == count)


def post(live: Live, event_id: str, account_id: str = "acme", **rest: Any) -> None:
    """One message of three segments, through the path of live events."""
    unique = f"{event_id} {time.monotonic_ns()}"
    given: dict[str, Any] = {"segments": 3, "campaign": unique, "consumer": "user:1", **rest}
    event = SmsEvent(
        source="live", id=unique, occurred_at=NOW - timedelta(minutes=1),
        direction="outbound", **given,
    )  # fmt: skip
    for answer in live.installation.intake.submit(account_id, [event], NOW):
        assert {outcome.status for outcome in answer.result(10)} == {"accepted"}


def text_of(page: Page, selector: str) -> str:
    return page.locator(selector).first.text_content() or ""


def sms_row(page: Page) -> Locator:
    return page.locator(".metric-table tr", has_text="SMS Credits")


def changes(place: Locator, before: str | None) -> None:
    """Waits until a place doesn't say any more what it said."""
    wait_for(lambda: place.text_content() != before)


def test_a_charge_changes_the_page_and_nothing_but_the_stream_is_asked(live, new_page, asked):
    page = sign_in(new_page(), live)
    other = sign_in(new_page(), live, OTHER)
    is_listening(live, 2)
    before = {name: text_of(page, name) for name in ("#header-balance", ".card-big .fig-value")}
    row, others = sms_row(page).text_content(), other.locator("body").inner_text()
    time.sleep(1)
    asked.clear()
    post(live, "one")
    changes(page.locator("#header-balance"), before["#header-balance"])
    changes(page.locator(".card-big .fig-value").first, before[".card-big .fig-value"])
    changes(sms_row(page), row)
    assert text_of(page, "#live-balance .fig-value") == text_of(page, "#header-balance")
    time.sleep(1)
    assert asked == []  # the stream was open already
    assert other.locator("body").inner_text() == others


def test_a_transaction_appears_on_top_of_the_list(live, new_page, asked):
    page = sign_in(new_page(), live, path=DETAIL)
    is_listening(live)
    first = page.locator("#transactions tbody tr").first
    before, cost = first.text_content(), text_of(page, ".card-big .fig-value")
    time.sleep(1)
    asked.clear()
    post(live, "one", segments=41)
    changes(first, before)
    expect(first).to_contain_text("41")
    changes(page.locator(".card-big .fig-value").first, cost)
    assert asked == []


def test_nothing_of_what_one_is_doing_is_lost(live, new_page):
    page = sign_in(new_page(), live)
    is_listening(live)
    page.locator("#live-chart details summary").click()
    scroller = page.locator("#live-chart .behind [tabindex]")
    scroller.evaluate("(element) => { element.scrollTop = 90 }")
    page.locator("#header-balance-menu summary").click()
    page.locator("#live-metrics a.row-link").nth(2).focus()
    page.evaluate("window.scrollTo(0, 300)")
    marks = ("#live-chart .js-plotly-plot", "#live-chart details", "#live-metrics tbody")
    for mark in marks:
        page.locator(mark).first.evaluate("(element) => { element.dataset.kept = 'yes' }")
    focused = page.evaluate("document.activeElement.getAttribute('href')")
    scrolled = page.evaluate("window.scrollY")
    available = text_of(page, "#breakdown-available")
    for event_id in ("one", "two"):
        post(live, event_id)
        changes(page.locator("#breakdown-available"), available)
        available = text_of(page, "#breakdown-available")
        time.sleep(0.5)
    assert page.locator("#header-balance-menu[open]").count() == 1
    assert page.locator("#live-chart details[open]").count() == 1
    assert scroller.evaluate("(element) => element.scrollTop") == 90
    assert page.evaluate("document.activeElement.getAttribute('href')") == focused
    assert page.evaluate("window.scrollY") == scrolled
    for mark in marks:
        assert page.locator(mark).first.get_attribute("data-kept") == "yes", mark


def test_focus_stays_on_a_transaction_that_moves_down(live, new_page):
    page = sign_in(new_page(), live, path=DETAIL)
    is_listening(live)
    link = page.locator("#transactions a.row-link").nth(1)
    link.focus()
    href, first = link.get_attribute("href"), page.locator("#transactions tbody tr").first
    before = first.text_content()
    post(live, "one")
    changes(first, before)
    time.sleep(0.3)
    assert page.evaluate("document.activeElement.getAttribute('href')") == href
    assert page.locator("#transactions a.row-link").nth(2).get_attribute("href") == href


def test_selected_text_is_not_pulled_away(live, new_page):
    page = sign_in(new_page(), live, path=DETAIL)
    is_listening(live)
    page.locator("#transactions tbody tr").nth(1).select_text()
    selected = page.evaluate("getSelection().toString()")
    first = page.locator("#transactions tbody tr").first
    before = first.text_content()
    post(live, "one")
    time.sleep(1.5)
    assert page.evaluate("getSelection().toString()") == selected
    page.evaluate("getSelection().removeAllRanges()")
    changes(first, before)


def test_the_tabs_of_a_browser_share_one_stream(live, new_page, asked):
    first = sign_in(new_page(), live)
    pages = [first]
    paths = (USAGE, DETAIL, f"{USAGE}?period=today", "/settings", "/billing/rates", DETAIL, USAGE)
    for path in paths:
        tab = first.context.new_page()
        tab.goto(f"{live.url}{path}")
        expect(tab.locator("#header-balance")).to_be_visible()
        pages.append(tab)
    is_listening(live)
    time.sleep(1)
    before = [text_of(tab, "#header-balance") for tab in pages]
    assert len(set(before)) == 1
    post(live, "one")
    for tab in pages:
        changes(tab.locator("#header-balance"), before[0])
    assert hub_of(live).stream_count == 1
    for tab in pages[1:]:
        tab.close()
    latest = text_of(first, "#header-balance")
    post(live, "two")
    changes(first.locator("#header-balance"), latest)
    assert hub_of(live).stream_count == 1


def test_another_page_of_the_same_tab_is_kept_current(live, new_page):
    page = sign_in(new_page(), live)
    is_listening(live)
    page.locator("#live-metrics a.row-link", has_text="SMS Credits").click()
    expect(page.locator("#transactions")).to_be_visible()
    first = page.locator("#transactions tbody tr").first
    before = first.text_content()
    time.sleep(0.5)
    post(live, "one")
    changes(first, before)
    page.go_back()
    expect(page.locator("#live-metrics")).to_be_visible()
    row = sms_row(page).text_content()
    time.sleep(0.5)
    post(live, "two")
    changes(sms_row(page), row)


def test_a_sandbox_session_is_live_too(live, new_page):
    page = sign_in(new_page(), live, FREE)
    is_listening(live)
    expect(page.get_by_text("Nothing recorded in this session yet")).to_be_visible()
    post(live, "one", "tinker", is_sandbox=True)
    expect(page.locator("#live-session")).to_contain_text("SMS Credits", timeout=SOON * 1000)


def test_a_broken_connection_is_said_after_a_while_and_made_good(
    live, server, new_page, expected_errors
):
    expected_errors += ["/stream", "ERR_"]
    page = sign_in(new_page(), live)
    is_listening(live)
    before = text_of(page, "#header-balance")
    hub = hub_of(live)
    hub.close()  # as on a stop: streams end, and new ones are refused
    note = page.locator("#live-note")
    wait_for(lambda: hub.stream_count == 0)
    post(live, "while away")
    expect(note).to_have_text("Live updates paused — reconnecting", timeout=15_000)
    assert note.get_attribute("aria-live") == "polite"
    hub.is_closed = False
    hub._closing.clear()
    changes(page.locator("#header-balance"), before)
    expect(note).to_have_text("")


def test_a_page_that_could_not_be_loaded_comes_by_itself(live, new_page, expected_errors):
    expected_errors += ["_dash-update-component", "readyz", "ERR_FAILED", "Failed to fetch",
                        "Callback"]  # fmt: skip
    page = sign_in(new_page(), live)
    page.route("**/_dash-update-component*", lambda route: route.abort())
    page.route("**/readyz", lambda route: route.abort())
    page.get_by_role("link", name="Last month").click()
    expect(page.get_by_text("It is tried again by itself")).to_be_visible()
    page.wait_for_timeout(2_500)  # asked once, in vain
    expect(page.locator("#page-failed")).to_be_visible()
    page.unroute("**/readyz")
    page.unroute("**/_dash-update-component*")
    page.evaluate("window.dispatchEvent(new Event('online'))")
    expect(page.locator(".card-big .fig-value").first).to_be_visible(timeout=SOON * 1000)
    expect(page.locator("#page-failed")).to_have_count(0)
    assert "period=last_month" in page.url


def test_a_region_that_failed_comes_when_the_stream_is_back(live, new_page, expected_errors):
    expected_errors += ["/stream", "ERR_"]
    page = sign_in(new_page(), live)
    live.reader.failing = {(Dimension.CONSUMER,)}
    try:
        go(page, live, USAGE)
        failed = page.locator(".state-failed", has_text="Top consumers")
        expect(failed).to_be_visible()
        is_listening(live)
    finally:
        live.reader.failing = set()
    hub = hub_of(live)
    hub.close()
    wait_for(lambda: hub.stream_count == 0)
    hub.is_closed = False
    hub._closing.clear()
    expect(failed).to_have_count(0, timeout=SOON * 1000)
    expect(page.locator("#live-consumers")).to_be_visible()


def test_a_tab_says_that_another_account_was_chosen(live, new_page):
    page = sign_in(new_page(), live, SUPPORT)
    second = page.context.new_page()
    go(second, live, USAGE)
    is_listening(live)
    second.locator("#account-switcher summary").click()
    second.locator(".menu-item", has_text="Globex").click()
    expect(second.locator(".account-button")).to_contain_text("Globex")
    expect(page.locator("#live-note")).to_contain_text("another account", timeout=20_000)
    page.locator("#live-note a").click()
    expect(page.locator(".account-button")).to_contain_text("Globex")


def test_live_pages_are_accessible_and_calm(live, new_page, axe):
    page = sign_in(new_page(reduced_motion="reduce"), live)
    is_listening(live)
    before = text_of(page, "#header-balance")
    post(live, "one")
    changes(page.locator("#header-balance"), before)
    assert page.evaluate("document.getAnimations().length") == 0
    assert axe(page) == []
    assert page.locator("main [aria-live]").count() == 0
