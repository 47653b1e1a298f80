"""What people do, in a real browser: from sign-in to an explained charge, on desktop and phone."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from billing.money import parse_amount
from billing.usage import Dimension
from tests.live import FREE, OTHER, OWNER, PASSWORD, SUPPORT, Live

PHONE = {"viewport": {"width": 390, "height": 844}}
DESKTOP = {"viewport": {"width": 1280, "height": 900}}


@pytest.fixture
def sign_in(live: Live) -> Callable[..., None]:
    """Signs somebody in and waits for the usage page."""

    def go(page: Page, email: str = OWNER, path: str = "/") -> None:
        page.set_default_timeout(8_000)
        page.goto(live.url + path)
        page.get_by_label("E-mail").fill(email)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", level=1, name="Usage")).to_be_visible()

    return go


def amount(text: str) -> str:
    """Digits, point and minus of an amount, without sign and grouping."""
    return "".join(each for each in text if each.isdigit() or each in ".−")


def test_an_owner_finds_out_where_the_money_went(
    page: Page, live: Live, sign_in: Callable[..., None], axe: Any, tmp_path: Path
) -> None:
    sign_in(page)
    expect(page.locator(".crumbs, nav[aria-label=Breadcrumb]").first).to_contain_text("Billing")
    total = page.locator(".card-big .fig-value").inner_text()
    assert total == page.locator(".metric-table tfoot td.strong").inner_text()
    expect(page.locator(".watermark").first).to_contain_text("18:00:00 IST")

    page.get_by_role("link", name="Last 7 days").click()
    expect(page).to_have_url(f"{live.url}/billing/usage?period=last_7_days")
    expect(page.locator("h1 + p, .head p").first).to_contain_text("16 – 22 Nov 2026")

    page.locator("#range-menu summary").click()
    page.get_by_label("First day").fill("2026-11-01")
    page.get_by_label("Last day, included").fill("2026-11-10")
    page.get_by_role("button", name="Apply").click()
    expect(page).to_have_url(f"{live.url}/billing/usage?from=2026-11-01&to=2026-11-11")
    expect(page.locator("h1 + p, .head p").first).to_contain_text("1 – 10 Nov 2026")
    table_cost = (
        page.get_by_role("row", name="Human Connected Minutes").locator("td.strong").inner_text()
    )

    page.get_by_role("link", name="Human Connected Minutes", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Human Connected Minutes")
    expect(page.locator(".card-big .fig-value")).to_have_text(table_cost)
    assert axe(page) == []

    first = page.locator(".line-table tbody tr").first
    first.get_by_role("link").first.click()
    explanation = page.get_by_role("heading", name="Explain this charge")
    expect(explanation).to_be_in_viewport()
    expect(page.locator(".receipt")).to_contain_text("Standard INR")
    assert axe(page) == []

    page.go_back()
    expect(explanation).to_have_count(0)
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Usage")
    expect(page.locator("h1 + p, .head p").first).to_contain_text("1 – 10 Nov 2026")

    rows = download(page, "Summary by metric (CSV)", tmp_path)
    shown = page.locator(".metric-table tfoot td.strong").inner_text()
    assert sum(int(row["cost_micros"]) for row in rows) == parse_amount(amount(shown))
    lines = download(page, "Transactions (CSV)", tmp_path)
    assert sum(int(row["cost_micros"]) for row in lines) == sum(
        int(row["cost_micros"]) for row in rows
    )
    assert {row["booked_on"] for row in lines} == {f"2026-11-{day:02d}" for day in range(1, 11)}


def download(page: Page, label: str, folder: Path) -> list[dict[str, str]]:
    """The rows of a file of the Export menu."""
    page.locator("#export-menu summary").click()
    with page.expect_download() as pending:
        page.get_by_role("link", name=label).click()
    file = folder / pending.value.suggested_filename
    pending.value.save_as(file)
    page.keyboard.press("Escape")
    return list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8-sig"))))


@pytest.mark.parametrize(
    ("screen", "scheme"),
    [
        pytest.param(DESKTOP, "light", id="desktop-light"),
        pytest.param(PHONE, "dark", id="phone-dark"),
        pytest.param(DESKTOP, "dark", id="desktop-dark", marks=pytest.mark.long),
        pytest.param(PHONE, "light", id="phone-light", marks=pytest.mark.long),
    ],
)
def test_every_page_is_accessible_and_fits(
    new_page: Any, live: Live, sign_in: Callable[..., None], axe: Any, scheme: str, screen: Any
) -> None:
    page = new_page(color_scheme=scheme, **screen)
    page.goto(live.url + "/sign-in")
    assert axe(page) == []
    sign_in(page)
    for path in (
        "/billing/usage", "/billing/usage/sms_credits", "/billing/rates", "/settings",
        "/billing/usage?period=last_month&service=SMS&campaign=diwali",
    ):  # fmt: skip
        page.goto(live.url + path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert axe(page) == [], path
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= screen["viewport"]["width"], f"{path} is {width} px wide"


def test_dark_stays_dark(page: Page, live: Live, sign_in: Callable[..., None]) -> None:
    sign_in(page)
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Switch between light and dark").click()
    after = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert before != after
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == after


def test_the_balance_opens_its_six_items(
    page: Page, live: Live, sign_in: Callable[..., None], axe: Any
) -> None:
    sign_in(page)
    page.locator("#header-balance-menu summary").click()
    for item in (
        "Available Balance", "Paid Credits", "Promotional Credits", "Reserved Amount",
        "Today", "This Month",
    ):  # fmt: skip
        expect(page.locator("#header-balance-menu dt", has_text=item)).to_be_visible()
    assert axe(page) == []


REGIONS = {
    "Usage by metric": (Dimension.DAY, Dimension.METRIC),
    "Top consumers": (Dimension.CONSUMER,),
    "Balance": "balance",
}


@pytest.mark.parametrize("region", list(REGIONS))
def test_a_region_fails_alone_and_old_figures_do_not_stay(
    page: Page, live: Live, sign_in: Callable[..., None], region: str
) -> None:
    sign_in(page)
    figure = page.locator(".card-big .fig-value").inner_text()
    live.reader.failing = {REGIONS[region]}
    try:
        page.get_by_role("link", name="Last month").click()
        failed = page.locator(".state", has_text=region)
        expect(failed.first).to_be_visible()
        expect(failed.first).to_contain_text("Retry")
        others = [each for each in REGIONS if each != region]
        for other in others:
            expect(page.locator(".state", has_text=other)).to_have_count(0)
        if region == "Usage by metric":
            expect(page.locator(".card-big")).to_have_count(0)
            assert figure not in page.locator(".cards").inner_text()
    finally:
        live.reader.failing = set()
    failed.first.get_by_role("link", name="Retry").click()
    expect(page.locator(".state", has_text=region)).to_have_count(0)


def test_a_server_that_is_gone_leaves_no_old_figures(
    page: Page, live: Live, sign_in: Callable[..., None], expected_errors: list[str]
) -> None:
    sign_in(page)
    expected_errors += ["_dash-update-component", "ERR_FAILED", "Failed to fetch", "Callback"]
    page.route("**/_dash-update-component*", lambda route: route.abort())
    page.get_by_role("link", name="Last month").click()
    expect(page.get_by_text("could not be loaded")).to_be_visible()
    assert not page.locator(".fig-value").first.is_visible()
    assert not page.locator("#header-balance").is_visible()


def test_a_mistyped_address_says_so_and_shows_the_default(
    page: Page, live: Live, sign_in: Callable[..., None]
) -> None:
    sign_in(page)
    page.goto(live.url + "/billing/usage?period=yesterweek&from=2026-13-77&zz=<script>")
    expect(page.get_by_role("status").first).to_contain_text("yesterweek")
    expect(page.locator("h1 + p, .head p").first).to_contain_text("1 – 30 Nov 2026")


def test_an_unknown_address_is_not_found(
    page: Page, live: Live, sign_in: Callable[..., None], expected_errors: list[str]
) -> None:
    sign_in(page)
    expected_errors.append("404")
    answer = page.goto(live.url + "/billing/nothing-here")
    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_role("heading", level=1)).to_have_text("This page doesn't exist")
    page.goto(live.url + "/billing/usage/no_such_metric")
    expect(page.get_by_text("There is no such metric")).to_be_visible()


def test_one_tenant_never_sees_another(
    new_page: Any, live: Live, sign_in: Callable[..., None], expected_errors: list[str]
) -> None:
    owner, other = new_page(**DESKTOP), new_page(**DESKTOP)
    sign_in(owner)
    sign_in(other, OTHER)
    expect(other.locator("main")).not_to_contain_text("₹")
    owner.goto(live.url + "/billing/usage/sms_credits")
    owner.locator(".line-table tbody tr").first.get_by_role("link").first.click()
    expect(owner.get_by_role("heading", name="Explain this charge")).to_be_visible()
    other.goto(owner.url)
    expect(other.get_by_role("heading", name="Explain this charge")).to_have_count(0)


def test_support_switches_accounts(page: Page, live: Live, sign_in: Callable[..., None]) -> None:
    sign_in(page, SUPPORT)
    expect(page.locator("main")).to_contain_text("₹")
    page.locator("#account-switcher summary").click()
    page.get_by_role("button", name="Globex").click()
    expect(page.locator("main")).to_contain_text("$")
    expect(page.locator("main")).not_to_contain_text("₹")


def test_a_free_account_sees_its_session_and_what_a_plan_adds(
    page: Page, live: Live, sign_in: Callable[..., None], expected_errors: list[str]
) -> None:
    sign_in(page, FREE)
    expect(page.locator(".state-locked")).to_be_visible()
    expect(page.locator("#range-menu")).to_have_count(0)
    page.goto(live.url + "/billing/usage/sms_credits")
    expect(page.locator(".state-locked")).to_be_visible()
    answer = page.request.get(live.url + "/export/usage/transactions.csv")
    assert answer.status == 403
