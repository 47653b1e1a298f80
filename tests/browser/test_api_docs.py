"""The API's docs page in a real browser: calls are drawn, nothing is loaded from outside."""

import pytest
from playwright.sync_api import expect

from tests.api_client import new_key

CALLS = ["GET /usage", "GET /transactions", "GET /balance", "POST /events"]


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (1280, "light"), (390, "dark"), pytest.param(1280, "dark", marks=pytest.mark.long),
        pytest.param(390, "light", marks=pytest.mark.long),
    ],
)  # fmt: skip
def test_every_call_is_drawn(live, new_page, axe, scheme, width):
    page = new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(f"{live.url}/api/docs")
    page.wait_for_selector(".opblock")
    described = page.evaluate("fetch('/api/v1/openapi.json').then((answer) => answer.json())")
    expected = {
        f"{method.upper()} {path}" for path, each in described["paths"].items() for method in each
    }
    drawn = {
        " ".join(block.inner_text().replace("\u200b", "").split()[:2])
        for block in page.query_selector_all(".opblock-summary-control")
    }
    assert drawn == expected
    assert set(CALLS) <= drawn
    names = page.locator(".opblock-summary-description").all_inner_texts()
    assert {"List transactions", "Send usage events", "Top up"} <= set(names)
    font = page.evaluate("getComputedStyle(document.querySelector('.opblock-tag')).fontFamily")
    assert font.startswith("Inter")
    expect(page.get_by_role("link", name="Usage Dashboard")).to_have_attribute("href", "/")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.click("#operations-Events-take_events .opblock-summary-control")
    page.click("#operations-Events-take_events .try-out__btn")
    expect(page.locator("#operations-Events-take_events textarea")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # Swagger nests a button in each of its rows that open: not ours to mend.
    assert axe(page, rules={"nested-interactive": {"enabled": False}}) == []
    is_dark = page.evaluate("document.documentElement.classList.contains('dark-mode')")
    assert is_dark == (scheme == "dark")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(14, 17, 22)" if is_dark else "rgb(246, 247, 249)")


def test_a_call_can_be_tried_with_a_key(live, page):
    key, _ = new_key(live.installation, "acme", "wallet:read")
    page.goto(f"{live.url}/api/docs")
    page.click("button.authorize")
    page.fill(".auth-container input", key)
    page.click(".auth-btn-wrapper button.authorize")
    page.click(".auth-btn-wrapper button.btn-done")
    page.click("#operations-Wallet-read_balance .opblock-summary-control")
    page.click("#operations-Wallet-read_balance .try-out__btn")
    page.click("#operations-Wallet-read_balance button.execute")
    shown = page.wait_for_selector(
        "#operations-Wallet-read_balance .live-responses-table tr.response .response-col_status"
    )
    assert "200" in shown.inner_text()
    assert "available_micros" in page.inner_text("#operations-Wallet-read_balance")


def test_the_screens_do_not_load_it(live, page):
    loaded: list[str] = []
    page.on("request", lambda request: loaded.append(request.url))
    page.goto(f"{live.url}/sign-in")
    page.wait_for_load_state("networkidle")
    assert loaded
    assert not [url for url in loaded if "swagger" in url or "api-docs" in url]
