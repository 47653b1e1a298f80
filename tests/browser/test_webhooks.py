"""Webhooks in a real browser: an endpoint added, tested, seen to fail and recover, and removed."""

import re
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from billing.access import Role
from data.access.people import add_membership, add_person
from tests.browser.conftest import NewPage, enter
from tests.live import NOW, OWNER, PASSWORD, QUICK, Live, LiveServer
from tests.receivers import receiving

PATH, MANAGER = "/settings/webhooks", "manager@acme.example"
PHONE = {"viewport": {"width": 390, "height": 844}}
SECRET = re.compile(r"^whsec_\S{40,}$")


@pytest.fixture(scope="module")
def server(server: LiveServer) -> LiveServer:
    settings = server.installation.settings  # which nothing has looked at yet
    object.__setattr__(settings, "allow_private_webhooks", True)
    with server.installation.database.write() as connection:
        added = add_person(connection, MANAGER, "Mana", PASSWORD, NOW, passwords=QUICK)
        add_membership(connection, added.person.id, "acme", Role.MANAGER)
    return server


def go(page: Page, live: Live, email: str = OWNER) -> Page:
    page.set_default_timeout(15_000)
    enter(page, live, email)
    page.goto(live.url + PATH)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    return page


def test_an_endpoint_from_its_first_form_to_its_end(
    page: Page, new_page: NewPage, live: Live, axe: Any
) -> None:
    live.clock_file.write_text(NOW.isoformat())
    with receiving() as receiver:
        go(page, live)
        page.get_by_role("link", name="Add a webhook").first.click()
        page.get_by_label("Address").fill("http:// nowhere")
        page.get_by_label("Messages", exact=True).select_option("some")
        page.get_by_label("Outbound paused").check()
        page.get_by_role("button", name="Add webhook").click()
        field = page.get_by_label("Address")
        expect(field).to_have_accessible_description(re.compile("https:// address"))
        expect(field).to_have_value("http:// nowhere")
        expect(page.get_by_label("Outbound paused")).to_be_checked()
        assert axe(page) == []
        field.fill(receiver.url)
        page.get_by_role("button", name="Add webhook").click()

        secret = page.locator("#webhook-secret")
        expect(secret).to_have_text(SECRET)
        shown = secret.inner_text()
        assert axe(page) == []
        assert shown not in page.url
        assert receiver.url not in page.url
        page.reload()
        expect(page.locator(".hook-url")).to_have_text(receiver.url)
        expect(secret).to_have_count(0)
        page.go_back()
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page.get_by_text(shown)).to_have_count(0)

        receiver.status = 500
        page.get_by_role("button", name="Send test").click()
        expect(page.locator(".sent-list")).to_contain_text("Last answer 500")
        expect(page.locator(".sent-list .hook-state")).to_have_text("Waiting")
        receiver.status = 204
        live.clock_file.write_text((NOW + timedelta(seconds=6)).isoformat())
        expect(page.locator(".sent-list .hook-state")).to_have_text("Delivered")
        page.locator(".tries").click()
        expect(page.locator(".tries-list li")).to_have_count(2)
        assert axe(page) == []
        page.get_by_role("button", name="Send again: message 1").click()
        expect(page.locator(".tries")).to_have_text("3 tries")
        assert len(set(receiver.ids)) == 1

        phone = go(new_page(**PHONE, color_scheme="dark"), live)
        phone.locator(".hook-url").click()
        expect(phone.locator(".sent-list")).to_contain_text("Answered 204")
        assert phone.evaluate("document.documentElement.scrollWidth") == 390
        assert axe(phone) == []
        phone.get_by_role("link", name="New secret").click()
        phone.get_by_role("button", name="Make a new secret").click()
        expect(phone.locator("#webhook-secret")).to_have_text(SECRET)
        assert phone.locator("#webhook-secret").inner_text() != shown
        phone.get_by_role("link", name="Remove").click()
        phone.get_by_role("button", name="Remove", exact=True).click()
        expect(phone.get_by_role("heading", name="No webhooks yet")).to_be_visible()
        expect(page.get_by_role("heading", name="No webhooks yet")).to_be_visible()


def test_a_manager_is_told_whose_it_is(page: Page, live: Live, axe: Any) -> None:
    go(page, live, MANAGER)
    expect(page.get_by_role("heading", name="Not for your role")).to_be_visible()
    assert axe(page) == []
