"""Alerts in a real browser: installed, told on every way, recovered, told again; by keyboard."""

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from billing.access import AccountScope, Role
from billing.movements import Action, Movement
from data.accounts import read_account
from tests.api_client import ApiClient, call, sms
from tests.browser.conftest import NewPage, enter
from tests.live import FREE, NOW, OWNER, SUPPORT, Live, LiveServer
from tests.mail_server import MailServer, mail_server

ALERTS, USAGE = "/billing/alerts", "/billing/usage"
SOON = 15_000  # milliseconds, on a busy machine
PHONE = {"viewport": {"width": 390, "height": 844}}
DAY_SECONDS = 86_400


@pytest.fixture(scope="module")
def mails() -> Iterator[MailServer]:
    """Where the product's mails go."""
    with mail_server() as opened:
        yield opened


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, mails: MailServer) -> Iterator[LiveServer]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("USAGE_SMTP_URL", f"smtp://127.0.0.1:{mails.port}")
        patch.setenv("USAGE_MAIL_FROM", "usage@usage.example")
        server = LiveServer(tmp_path_factory.mktemp("live"))
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def no_alerts(live: Live) -> None:
    """Each test begins without alerts."""
    scope = scope_of(live)
    for each in live.installation.alerts_reader.standing(scope).alerts:
        live.installation.alerts.remove(scope, "person:test", each.alert.id)


def scope_of(live: Live) -> AccountScope:
    with live.installation.database.read() as connection:
        return AccountScope(read_account(connection, "acme"), Role.OWNER, NOW)


def go(page: Page, live: Live, path: str, email: str | None = OWNER) -> Page:
    page.set_default_timeout(SOON)
    if email:
        enter(page, live, email)
    page.goto(live.url + path)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    return page


def row(page: Page, name: str) -> Any:
    """An alert's row on the list."""
    return page.locator(".cap-row", has_text=name)


def balance_micros(live: Live) -> int:
    return live.installation.reader.balance(scope_of(live)).posted_micros


def move(live: Live, micros: int) -> None:
    """Adds credit as a person does."""
    live.installation.movements.move(
        scope_of(live), "person:test", Movement(Action.TOP_UP, micros, "top-up"),
        f"top-up-{time.monotonic_ns()}",
    )  # fmt: skip


def spend_to(live: Live, acme: ApiClient, wanted_micros: int) -> None:
    """Charges that leave at most so much: long calls, then messages."""
    while (left := balance_micros(live) - wanted_micros) > 0:
        minutes = left // 600_000
        if minutes > 10:
            seconds = min(DAY_SECONDS, minutes * 60)
            answer = acme.send_one(call(duration_s=seconds))
        else:
            answer = acme.send_one(sms(segments=min(9, left // 600_000 + 1)))
        assert answer.status_code == 204, answer.text


def wait_for_mails(mails: MailServer, count: int) -> list[str]:
    """The subjects of so many mails, and that there are no more of them a moment later."""
    deadline = time.monotonic() + 20
    while len(mails.came) < count:
        assert time.monotonic() < deadline, f"{len(mails.came)} mails of {count}"
        time.sleep(0.05)
    time.sleep(1.5)
    assert len(mails.came) == count
    return [str(mail["Subject"]) for _, mail in mails.came]


def test_the_recommended_levels_tell_recover_and_tell_again(
    page: Page, new_page: NewPage, live: Live, acme: ApiClient, mails: MailServer, axe: Any
) -> None:
    go(page, live, ALERTS)
    expect(page.get_by_role("heading", name="No alerts yet")).to_be_visible()
    assert axe(page) == []
    page.get_by_role("button", name="Install recommended levels").click()
    expect(page.locator(".notices")).to_contain_text("Installed: Warning, Urgent and Critical")
    for name, action in (
        ("Low balance, 30", "Plan to add credits soon."),
        ("Low balance, 15", "Add credits immediately."),
        ("Low balance, 5", "Service disruption imminent."),
    ):
        expect(row(page, name)).to_contain_text(action)
        expect(row(page, name).locator(".phase")).to_have_text("Armed")
    expect(page.locator(".card-big")).to_contain_text("None")
    assert axe(page) == []
    other = go(new_page(), live, USAGE)
    page.wait_for_timeout(1_000)

    # The charge that crosses 30 % is told at once: on this page, by bell, toast and mail.
    average = live.installation.alerts_reader.standing(scope_of(live)).average_micros
    assert average is not None
    spend_to(live, acme, average * 30 // 100)
    warned = row(page, "Low balance, 30")
    expect(warned.locator(".phase")).to_contain_text("In alarm since Sun 22 Nov, 18:00 IST")
    expect(warned.locator(".level-bar")).to_have_class(re.compile("is-alarm"))
    expect(warned).to_contain_text("Last told")
    expect(row(page, "Low balance, 15").locator(".phase")).to_have_text("Armed")
    expect(page.locator(".card-big")).to_contain_text("1 Warning")
    expect(page.locator("#told")).to_contain_text("Dashboard: shown")
    expect(other.locator("#header-bell a")).to_have_accessible_name("Notices: 1 unread")
    expect(other.locator(".toast-card")).to_contain_text("Plan to add credits soon")
    (subject,) = wait_for_mails(mails, 1)
    assert "Warning" in subject
    assert mails.recipients == [OWNER]
    expect(page.locator("#told")).to_contain_text("Email: sent")
    assert axe(page) == []

    # A second charge tells nobody; credit ends the episode, and the next crossing begins another.
    assert acme.send_one(sms()).status_code == 204
    move(live, average)
    expect(warned.locator(".phase")).to_have_text("Armed")
    expect(page.locator("#episodes tbody tr").first).to_contain_text("It recovered")
    wait_for_mails(mails, 1)
    spend_to(live, acme, average * 30 // 100)
    expect(warned.locator(".phase")).to_contain_text("In alarm since")
    expect(page.locator("#episodes tbody tr")).to_have_count(2)
    wait_for_mails(mails, 2)

    # Down to 5 %: of the two that are crossed together the critical one is told, and recovery.
    move(live, average)
    expect(warned.locator(".phase")).to_have_text("Armed")
    spend_to(live, acme, average * 30 // 100 + 1_200_000)
    assert acme.send_one(call(duration_s=60 * (average * 29 // 100 // 600_000))).status_code == 204
    expect(row(page, "Low balance, 5").locator(".phase")).to_contain_text("In alarm since")
    expect(page.locator(".card-big")).to_contain_text("3 Critical")
    expect(page.locator(".card-big")).to_contain_text("Service disruption imminent")
    assert "Critical" in wait_for_mails(mails, 3)[-1]
    move(live, average)
    expect(page.locator(".card-big")).to_contain_text("None")
    wait_for_mails(mails, 4)
    page.get_by_role("link", name="Inbox", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator("#inbox .mark-new")).to_have_count(4)
    move(live, 2 * average)  # the next test begins with credit


def test_an_alert_is_made_by_keyboard_tried_paused_and_removed(
    page: Page, live: Live, mails: MailServer, axe: Any
) -> None:
    go(page, live, ALERTS)
    page.get_by_role("link", name="Add Alert").focus()
    page.keyboard.press("Enter")
    kind = page.get_by_label("Alert Type")
    kind.select_option("Usage threshold")
    expect(page.get_by_label("Usage of")).to_be_visible()
    expect(page.get_by_label("Campaign")).to_be_hidden()
    page.get_by_label("Usage of").select_option("Metric: SMS Credits")
    page.get_by_label("Counted over").select_option("a calendar month")
    page.get_by_label("In", exact=True).select_option("units of the metric")
    page.get_by_label("Threshold").fill("1.000")
    expect(page.get_by_label("Numbers for SMS")).to_be_hidden()
    page.get_by_label("SMS", exact=True).check()
    expect(page.get_by_text("SMS isn’t set up on this installation yet")).to_be_visible()
    page.get_by_label("SMS", exact=True).uncheck()
    page.get_by_label("Name").fill("Messages <b>")
    assert axe(page) == []
    page.get_by_label("Threshold").press("Enter")
    threshold = page.get_by_label("Threshold")
    expect(threshold).to_be_focused()
    expect(threshold).to_have_accessible_description(re.compile("two ways: write 1,000 or 1.00"))
    assert page.get_by_label("Name").input_value() == "Messages <b>", "what was typed stays"
    expect(page.get_by_label("Email", exact=True)).to_be_checked()
    assert axe(page) == []
    threshold.fill("1,000")
    threshold.press("Enter")
    expect(page.locator(".confirm-sentence")).to_have_text(
        "When the SMS Credits in a calendar month reach 1,000\N{NO-BREAK SPACE}credits, tell "
        "owner@acme.example by e-mail and everybody on the dashboard, once, and again when it "
        "has recovered."
    )
    expect(page.locator("#alert-backtest .main-svg").first).to_be_visible()
    page.get_by_text("Show as table").click()
    expect(page.locator(".alert-backtest tbody tr")).to_have_count(90)
    assert axe(page) == []
    page.get_by_role("button", name="Save Alert").press("Enter")
    expect(page.locator(".notices")).to_contain_text("Saved: Messages <b>.")

    came = len(mails.came)
    made = row(page, "Messages <b>")
    made.locator("summary").press("Enter")
    expect(made.get_by_role("button", name="Send test: Messages <b>")).to_be_visible()
    assert axe(page) == []
    made.get_by_role("button", name="Send test").press("Enter")
    expect(page.locator(".notices")).to_contain_text("is on its way, marked as a test")
    assert "Test" in wait_for_mails(mails, came + 1)[-1]
    expect(page.locator("#told li").first).to_contain_text("Email: sent")
    page.get_by_role("link", name="Tries of").first.press("Enter")
    expect(page.locator(".sends")).to_contain_text("Email to owner@acme.example")
    expect(page.locator(".sends ol")).to_contain_text("taken, “250")
    assert axe(page) == []

    made.locator("summary").press("Enter")
    made.get_by_role("button", name="Pause").press("Enter")
    expect(made.locator(".phase")).to_have_text("Paused")
    made.locator("summary").press("Enter")
    made.get_by_role("link", name="Remove").press("Enter")
    expect(page.locator(".confirm-sentence")).to_contain_text("Removes the alert “Messages <b>”.")
    page.get_by_role("button", name="Remove", exact=True).press("Enter")
    expect(page.locator(".notices")).to_contain_text("Removed")
    expect(made).to_have_count(0)


def test_on_a_phone_in_the_dark_an_alert_that_is_so_already(
    new_page: NewPage, live: Live, axe: Any
) -> None:
    phone = go(new_page(**PHONE, color_scheme="dark"), live, f"{ALERTS}?do=add")
    assert axe(phone) == []
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    phone.get_by_label("In", exact=True).select_option("INR, an amount")
    phone.get_by_label("Threshold").fill("9,99,999")
    phone.get_by_label("Level").select_option("Critical: Service disruption imminent")
    phone.get_by_role("button", name="Review").click()
    expect(phone.locator(".confirm-note").first).to_contain_text("it will be told at once")
    assert axe(phone) == []
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    phone.get_by_role("button", name="Save Alert").click()
    expect(row(phone, "Low balance").locator(".phase")).to_contain_text("In alarm since")
    assert axe(phone) == []
    assert phone.evaluate("document.documentElement.scrollWidth") == 390


def test_who_may_only_see_and_whose_plan_has_none(
    page: Page, new_page: NewPage, live: Live, axe: Any
) -> None:
    go(page, live, ALERTS, SUPPORT)
    expect(page.get_by_text("the owner changes them")).to_be_visible()
    expect(page.get_by_role("link", name="Add Alert")).to_have_count(0)
    assert axe(page) == []
    free = go(new_page(**PHONE), live, ALERTS, FREE)
    expect(free.get_by_role("heading", name="Nothing to warn of on the Free plan")).to_be_visible()
    assert axe(free) == []
