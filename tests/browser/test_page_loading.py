"""How a page comes and changes: asked for early and once, and changed in place."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Request, Route, expect

from tests.live import OWNER, PASSWORD, Live

UPDATE = "**/_dash-update-component*"
TOTAL = ".card-big .fig-value"
MARK = """() => {
  window.kept = [...document.querySelectorAll(
    ".js-plotly-plot, .metric-table, .card-big, .chart details")];
  return window.kept.length;
}"""
STILL_THERE = "() => window.kept.every((element) => element.isConnected)"


@pytest.fixture
def usage(page: Page, live: Live) -> Page:
    """The usage page of this month, drawn."""
    page.set_default_timeout(8_000)
    page.goto(live.url + "/sign-in")
    page.get_by_label("E-mail").fill(OWNER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".js-plotly-plot .barlayer")).to_be_visible()
    return page


def figures(page: Page) -> list[str]:
    """Everything that the page says, without its instant."""
    return page.locator("main").inner_text().split("complete to")[:1]


def test_a_page_is_asked_for_once_and_before_its_libraries_run(usage: Page, live: Live):
    asked: list[Request] = []

    def note(request: Request) -> None:
        if "/_dash-" in request.url and "suites" not in request.url:
            asked.append(request)

    usage.on("request", note)
    usage.goto(live.url + "/billing/usage?period=last_month")
    expect(usage.locator(".js-plotly-plot .barlayer")).to_be_visible()
    paths = sorted(each.url.split("?")[0].rsplit("/", 1)[1] for each in asked)
    assert paths == ["_dash-dependencies", "_dash-layout", "_dash-update-component"]
    drawn = usage.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    page_request = next(each for each in asked if "update" in each.url)
    begun = page_request.timing["startTime"] - usage.evaluate("performance.timeOrigin")
    assert begun < drawn


def test_another_period_changes_the_page_in_place(usage: Page, live: Live):
    usage.locator(".chart details summary").click()
    assert usage.evaluate(MARK) >= 4
    before = usage.locator(TOTAL).inner_text()
    link = usage.get_by_role("link", name="Last month")
    link.click()
    expect(usage.locator(TOTAL)).not_to_have_text(before)
    assert usage.evaluate(STILL_THERE)
    expect(link).to_be_focused()
    expect(usage.locator(".chart details")).to_have_attribute("open", "")
    expect(link).to_have_attribute("aria-current", "true")
    usage.locator(".chart details summary").click()
    in_place = figures(usage)
    usage.reload()
    expect(usage.locator(".js-plotly-plot .barlayer")).to_be_visible()
    assert figures(usage) == in_place

    usage.go_back()
    expect(usage.locator(TOTAL)).to_have_text(before)
    assert usage.title() == "Usage"


def test_the_answer_to_an_older_question_is_not_shown(usage: Page, live: Live):
    """Last month is asked for first and answered last."""
    now = usage.locator(TOTAL).inner_text()
    held: list[Route] = []

    def hold(route: Route) -> None:
        body = route.request.post_data or ""
        if "last_month" in body:
            held.append(route)
        else:
            route.continue_()

    usage.route(UPDATE, hold)
    usage.get_by_role("link", name="Last month").click()
    usage.wait_for_function("() => location.search.includes('last_month')")
    # Nothing on the page takes a click meanwhile, but going on in the history does.
    usage.evaluate("() => window.usageGo('?period=last_7_days')")
    expect(usage.locator("h1 + p, .head p").first).to_contain_text("16 – 22 Nov 2026")
    week = usage.locator(TOTAL).inner_text()
    assert week != now
    assert len(held) == 1
    with usage.expect_response(lambda answer: "last_month" in (answer.request.post_data or "")):
        held[0].continue_()
    usage.evaluate("() => new Promise((done) => setTimeout(done, 300))")
    expect(usage.locator(TOTAL)).to_have_text(week)
    expect(usage.locator("h1 + p, .head p").first).to_contain_text("16 – 22 Nov 2026")


def test_what_cannot_be_changed_in_place_is_drawn_anew(
    usage: Page, expected_errors: list[str], live: Live
):
    # Whatever the stream brings meanwhile is broken likewise.
    expected_errors += ["The page is drawn anew", "uncaught: broken"]
    usage.evaluate("() => { window.usageLive.changesOf = () => { throw new Error('broken') } }")
    usage.evaluate(MARK)
    before = usage.locator(TOTAL).inner_text()
    usage.get_by_role("link", name="Last month").click()
    expect(usage.locator(TOTAL)).not_to_have_text(before)
    assert not usage.evaluate(STILL_THERE)


def test_a_change_in_place_that_fails_says_so(usage: Page, expected_errors: list[str]):
    """The server fails: no old figure stays under the new address."""
    expected_errors += ["500", "Callback error updating"]
    usage.route(UPDATE, lambda route: route.fulfill(status=500, body="broken"))
    usage.get_by_role("link", name="Last month").click()
    expect(usage.locator("#page-failed")).to_contain_text("error (500)")
    expect(usage.locator(TOTAL)).not_to_be_visible()


@pytest.fixture
def slow_sign_in(new_page: Callable[..., Page], live: Live) -> Page:
    """A browser whose session ends between the index and the page."""
    page = new_page()
    page.set_default_timeout(8_000)
    page.goto(live.url + "/sign-in")
    page.get_by_label("E-mail").fill(OWNER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(TOTAL)).to_be_visible()
    return page


def test_an_early_question_that_is_refused_leads_to_sign_in(
    slow_sign_in: Page, expected_errors: list[str], live: Live
):
    # Dash reads a refusal twice, and looks for the title of the page that it hasn't got.
    expected_errors += ["401", "body stream already read", "reading 'title'"]
    slow_sign_in.route(UPDATE, lambda route: route.fulfill(status=401, body="{}"))
    slow_sign_in.goto(live.url + "/billing/usage")
    expect(slow_sign_in.locator("#page-failed")).to_contain_text("You are signed out")
