"""What a person sees while a fault lasts, and that the page comes back without being asked to."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from api import readiness
from data.analytics.rebuild import rebuild
from tests.browser.conftest import Axe, NewPage
from tests.live import OWNER, PASSWORD, Live, LiveServer
from tests.own_postgresql import OwnPostgresql, own_postgresql
from tests.stream_ear import post, wait_for

USAGE, BALANCE = "/billing/usage", "/billing/balance"
SOON = 40_000  # milliseconds, on a busy machine
STATUS_503 = "503 (Service Unavailable)"


@pytest.fixture(autouse=True)
def looks_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "FRESH_SECONDS", 0.1)


def signed_in(page: Page, live: Live) -> Page:
    page.goto(f"{live.url}/sign-in")
    page.get_by_label("E-mail").fill(OWNER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{live.url}/**/usage*")
    expect(page.locator("#header-balance")).to_be_visible(timeout=SOON)
    expect(page.locator(".live .card").first).to_be_visible(timeout=SOON)
    return page


# --- the ledger's server goes away ---------------------------------------------------------------
@pytest.fixture
def postgresql() -> Iterator[OwnPostgresql]:
    with own_postgresql() as server:
        yield server


@pytest.fixture
def on_postgresql(postgresql: OwnPostgresql, tmp_path: Path) -> Iterator[Live]:
    server = LiveServer(tmp_path, database_url=postgresql.new_database("usage"), sync_seconds=1)
    yield server.start()
    server.stop()


def test_pages_say_that_the_ledger_is_away_and_come_back(
    new_page: NewPage, axe: Axe, on_postgresql: Live, postgresql: OwnPostgresql,
    expected_errors: list[str],
):  # fmt: skip
    live = on_postgresql
    expected_errors += [STATUS_503, "Callback error updating", "ERR_"]
    open_page = signed_in(new_page(), live)
    context = open_page.context
    moving, coming = context.new_page(), context.new_page()
    moving.goto(f"{live.url}{USAGE}")
    expect(moving.locator(".live .card").first).to_be_visible(timeout=SOON)
    before = open_page.locator("#header-balance").inner_text()

    postgresql.stop("immediate")
    moving.get_by_role("link", name="Balance", exact=True).first.click()
    expect(moving.get_by_text("This page could not be loaded")).to_be_visible(timeout=SOON)
    expect(moving.get_by_text("tried again by itself")).to_be_visible()
    coming.goto(f"{live.url}{BALANCE}")
    expect(coming.get_by_role("heading", name="Not available right now")).to_be_visible()
    expect(coming.get_by_text("Nothing that was recorded is lost")).to_be_visible()
    assert axe(moving) == []
    assert axe(coming) == []
    expect(open_page.locator("#header-balance")).to_have_text(before)  # what was read stays right

    postgresql.start()
    for page in (moving, coming):
        expect(page.get_by_text("Balance", exact=True).first).to_be_visible(timeout=SOON)
        expect(page.locator("#header-balance")).to_be_visible(timeout=SOON)
        expect(page.get_by_text("could not be loaded")).to_have_count(0)
    wait_for(lambda: can_post(live))
    expect(open_page.locator("#header-balance")).not_to_have_text(before, timeout=SOON)


def can_post(live: Live) -> bool:
    try:
        post(live, "after the outage", segments=50)
    except Exception:  # the server has just begun
        return False
    return True


# --- analytics are broken ------------------------------------------------------------------------
@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    server = LiveServer(tmp_path)
    yield server.start()
    server.stop()


def test_a_page_without_analytics_says_so_and_fills_once_they_are_made_again(
    page: Page, axe: Axe, live: Live
):
    for file in live.installation.lake.directory.rglob("*.parquet"):
        file.unlink()
    page.goto(f"{live.url}/sign-in")
    page.get_by_label("E-mail").fill(OWNER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{live.url}/**/usage*")
    failed = page.locator(".state-failed")
    expect(failed.first).to_be_visible(timeout=SOON)
    expect(failed.first).to_contain_text("could not be loaded")
    expect(failed.first).to_contain_text("usage is still recorded, nothing is lost")
    expect(page.get_by_text("usage-dashboard rebuild")).to_have_count(0)
    assert axe(page) == []

    installation = live.installation
    rebuild(installation.database, installation.settings.data_dir, clock=installation.clock)
    expect(failed).to_have_count(0, timeout=SOON)
    expect(page.get_by_text("Complete to").first).to_be_visible()
