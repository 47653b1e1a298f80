"""A browser for the tests: every page is watched, and whatever goes wrong on it fails its test."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypedDict
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    sync_playwright,
)

from tests import chromium
from tests.live import Live
from tests.web_client import WebClient

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
OUTSIDE_FREE_SCHEMES = {"about", "blob", "data"}
# A stream that ends because its page is left is no failure.
LEFT = "net::ERR_ABORTED"
WCAG_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
RUN_AXE = """
async ([tags, options]) => {
    const runOnly = { type: "tag", values: tags };
    const results = await axe.run(document, { runOnly, ...options });
    return results.violations.map((violation) => ({
        rule: violation.id,
        impact: violation.impact,
        help: violation.help,
        targets: violation.nodes.map((node) => node.target.join(" ")),
    }));
}
"""


class Violation(TypedDict):
    """One broken accessibility rule and the selectors of the elements that break it."""

    rule: str
    impact: str
    help: str
    targets: list[str]


NewPage = Callable[..., Page]
Axe = Callable[..., list[Violation]]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests; each test has contexts, so cookies and storage, of its own."""
    path = chromium.find()
    assert path, chromium.MISSING
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            args=chromium.LAUNCH_ARGUMENTS,
            headless=not os.environ.get("HEADED"),
        )
        yield browser
        browser.close()


@pytest.fixture
def expected_errors() -> list[str]:
    """Parts of the troubles that this test provokes on purpose: append to it within the test."""
    return []


@pytest.fixture
def new_page(browser: Browser, expected_errors: list[str]) -> Iterator[NewPage]:
    """Makes pages in new contexts: new_page(viewport=…, color_scheme="dark", locale="de-DE").

    A console error, an uncaught exception, a failed request or one to another host, on any page of
    these contexts, fails the test when it ends.
    """
    contexts: list[BrowserContext] = []
    troubles: list[str] = []

    def open_page(**options: Any) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        _watch(context, troubles)
        return context.new_page()

    yield open_page
    for context in contexts:
        context.close()
    unexpected = [
        trouble for trouble in troubles if not any(part in trouble for part in expected_errors)
    ]
    if unexpected:
        pytest.fail("trouble in the browser:\n" + "\n".join(unexpected), pytrace=False)


@pytest.fixture
def page(new_page: NewPage) -> Page:
    """A desktop page."""
    return new_page(viewport={"width": 1280, "height": 900})


def enter(page: Page, live: Live, email: str) -> None:
    """Gives a page's browser a new session of somebody's; test_journey.py types it in instead."""
    client = WebClient(live.url, email)
    page.context.add_cookies(
        [
            {"name": cookie.name, "value": cookie.value or "", "url": live.url}
            for cookie in client.http.cookies.jar
        ]
    )
    client.close()


@pytest.fixture(scope="session")
def axe() -> Axe:
    """Gives the accessibility rules (WCAG 2.2 A and AA) that a page breaks: axe(page) == []."""
    assert AXE.exists(), f"{AXE} is missing: make install"
    source = AXE.read_text()

    def run(page: Page, **options: Any) -> list[Violation]:
        page.evaluate(f"() => {{ {source} }}")
        violations: list[Violation] = page.evaluate(RUN_AXE, [WCAG_TAGS, options])
        return violations

    return run


def _watch(context: BrowserContext, troubles: list[str]) -> None:
    def request_made(request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in OUTSIDE_FREE_SCHEMES and address.hostname != "127.0.0.1":
            troubles.append(f"request outside: {request.method} {request.url}")

    def request_failed(request: Request) -> None:
        if request.failure != LEFT:
            troubles.append(f"request failed: {request.url} {request.failure}")

    def console_written(message: ConsoleMessage) -> None:
        if message.type == "error":
            troubles.append(f"console: {message.text} ({message.location['url']})")

    context.on("request", request_made)
    context.on("requestfailed", request_failed)
    context.on("console", console_written)
    context.on("weberror", lambda error: troubles.append(f"uncaught: {error.error}"))
