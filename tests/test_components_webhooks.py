"""Webhooks, the bell and the inbox as components: words for every state, and names that fit."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing.access import Role
from billing.alerts import Channel, Level, Target
from billing.errors import InputError, NotAllowedError
from billing.notices import Notice, NoticeKind, NoticeWords, Send, SendState
from billing.webhook_queries import (
    Ask,
    EndpointForm,
    WebhooksQuery,
    form_of,
    parse_webhooks_search,
    webhooks_address,
)
from billing.webhooks import (
    Attempt,
    Delivery,
    DeliveryPage,
    DeliveryState,
    DeliveryView,
    Endpoint,
    EndpointView,
    Topic,
    may_change_webhooks,
    may_see_webhooks,
    require_webhook_change,
    require_webhook_sight,
)
from components import inbox, webhook_forms, webhooks_page
from components.bell import bell
from components.webhook_words import STATE_NAMES, TOPIC_NAMES, outcome_text
from tests.components_reading import hrefs, of_kind, with_class, words

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
ZONE = "Asia/Kolkata"
URL = "https://platform.example/hooks?key=a&b=<c>"
ENDPOINT = Endpoint("e1", "acme", URL, (), "Dialler", True, NOW)
DELIVERY = Delivery(
    "d1", "e1", "m1", Topic.OUTBOUND_PAUSED, 7, DeliveryState.WAITING, 0, NOW, NOW, None, None, None
)


def view(*endpoints: EndpointView, **rest: Any) -> webhooks_page.WebhooksView:
    given = webhooks_page.WebhooksView("acme", endpoints, "", ZONE, "en_IN", NOW, True)
    return replace(given, **rest)


# --- words -----------------------------------------------------------------------------------
def test_every_topic_and_state_has_a_name():
    assert set(TOPIC_NAMES) == set(Topic)
    assert set(STATE_NAMES) == set(DeliveryState)
    assert set(inbox.SEND_WORDS) == set(SendState)


@pytest.mark.parametrize(
    ("changed", "is_on", "expected"),
    [
        ({}, True, "Is tried now, in its turn"),
        ({}, False, "Waits until the webhook is switched on"),
        ({"attempt_count": 2, "last_status": 500, "next_at": NOW + timedelta(minutes=2)}, True,
         "Last answer 500; tried again from 18:02:00 IST"),
        ({"attempt_count": 1, "last_error": "ConnectError: nobody there",
          "next_at": NOW + timedelta(seconds=30)}, True,
         "Last answer ConnectError: nobody there; tried again from 18:00:30 IST"),
        ({"attempt_count": 1, "last_error": "ConnectError: Nobody"}, False,
         "Last answer ConnectError: Nobody; waits until the webhook is switched on"),
        ({"attempt_count": 1, "next_at": NOW + timedelta(minutes=1)}, True,
         "Last answer no answer; tried again from 18:01:00 IST"),
        ({"state": DeliveryState.DELIVERED, "attempt_count": 1, "last_status": 204,
          "done_at": NOW}, True, "Answered 204, Sun 22 Nov, 18:00:00 IST"),
        ({"state": DeliveryState.PARKED, "attempt_count": 12, "last_status": 301,
          "last_error": "it redirects"}, True, "Tried for a day, last answer 301: it redirects"),
    ],
)  # fmt: skip
def test_what_became_of_a_delivery(changed: dict[str, Any], is_on: bool, expected: str):
    assert outcome_text(replace(DELIVERY, **changed), ZONE, NOW, is_on=is_on) == expected


# --- the page --------------------------------------------------------------------------------
def test_nothing_there_says_what_to_do_next():
    card = webhooks_page.endpoints_card(view())
    assert hrefs(card) == [webhooks_address(do="add")]
    assert hrefs(webhooks_page.endpoints_card(view(may_change=False))) == []


def test_an_endpoint_says_where_what_and_how_it_went():
    last = replace(DELIVERY, state=DeliveryState.PARKED, attempt_count=12)
    off = replace(ENDPOINT, is_on=False, topics=(Topic.HOLD_EXPIRED, Topic.ALERT_FIRED))
    card = webhooks_page.endpoints_card(view(EndpointView(off, last, 3)))
    said = words(card)
    for each in (URL, "Off", "Dialler", "Hold expired, Alert fired", "Given up", "3 waiting"):
        assert each in said, each
    assert "All messages" in words(webhooks_page.endpoints_card(view(EndpointView(ENDPOINT))))
    buttons = of_kind(card, "Button")
    assert [vars(each)["data-field-do"] for each in buttons] == ["test", "switch"]
    assert {vars(each)["data-field-account"] for each in buttons} == {"acme"}
    names = [vars(each)["aria-label"] for each in (*buttons, *of_kind(card, "A")[1:])]
    for each, name in zip((*buttons, *of_kind(card, "A")[1:]), names, strict=True):
        assert name.startswith(words(each).rstrip("…")), "what one sees is what one can say"
    seen = webhooks_page.endpoints_card(view(EndpointView(off, last), may_change=False))
    assert of_kind(seen, "Button") == []


def test_deliveries_have_their_tries_and_answers_as_text():
    attempt = Attempt(1, NOW, 500, None, "<script>alert(1)</script>", 12)
    shown = DeliveryView(replace(DELIVERY, attempt_count=1, last_status=500), (attempt,))
    done = DeliveryView(replace(DELIVERY, id="d2", state=DeliveryState.DELIVERED, done_at=NOW), ())
    page = DeliveryPage((shown, done), "cursor")
    card = webhooks_page.deliveries_card(ENDPOINT, page, view(EndpointView(ENDPOINT)), None)
    assert "500 in 12 ms <script>alert(1)</script>" in words(card)
    assert [vars(each)["data-field-delivery"] for each in of_kind(card, "Button")] == ["d2"]
    assert webhooks_address(webhook="e1", cursor="cursor") in hrefs(card)


def test_a_form_begins_with_what_is_set_and_says_what_is_wrong():
    chosen = replace(ENDPOINT, topics=(Topic.HOLD_EXPIRED,))
    assert webhook_forms.form_of_endpoint(chosen) == EndpointForm(
        URL, "Dialler", "some", ("hold.expired",)
    )
    form = webhook_forms.endpoint_form(
        webhook_forms.EndpointFormView("acme", EndpointForm(), None, {"url": "use https://"})
    )
    (error,) = with_class(form, "field-error")
    assert vars(error)["data-error-of"] == "webhook-url"
    (sent,) = of_kind(form, "Form")
    assert (sent.method, sent.action) == ("post", webhooks_page.CHANGES)


# --- what an address and a form say -----------------------------------------------------------
@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("", WebhooksQuery()),
        ("?do=add", WebhooksQuery(Ask.ADD)),
        ("?do=test&webhook=e1", WebhooksQuery(None, "e1")),
        ("?done=rotate&webhook=e1", WebhooksQuery(None, "e1", None, Ask.ROTATE)),
        ("?refused=invalid&do=edit", WebhooksQuery(Ask.EDIT, refused="invalid")),
        ("?refused=made-up&done=made-up", WebhooksQuery()),
    ],
)
def test_an_address_is_read(search: str, expected: WebhooksQuery):
    assert parse_webhooks_search(search) == expected


def test_a_form_is_read():
    form = form_of({"url": " https://a.example ", "which": "some"}, ["hold.expired", "made.up"])
    assert form.given() == {
        "url": "https://a.example", "topics": ("hold.expired",), "description": "",
    }  # fmt: skip
    assert form_of({"which": "all"}, ["hold.expired"]).given()["topics"] == ()
    for fields in ({"which": "some"}, {"which": "none"}):
        with pytest.raises(InputError) as refused:
            form_of(fields, []).given()
        assert refused.value.field == "topics"


@pytest.mark.parametrize(
    ("role", "sees", "changes"),
    [(Role.OWNER, True, True), (Role.MANAGER, False, False), (Role.SUPPORT, True, False),
     (Role.ADMIN, True, True)],
)  # fmt: skip
def test_who_may(role: Role, sees: bool, changes: bool):
    assert (may_see_webhooks(role), may_change_webhooks(role)) == (sees, changes)
    for is_allowed, require in ((sees, require_webhook_sight), (changes, require_webhook_change)):
        if is_allowed:
            require(role)
        else:
            with pytest.raises(NotAllowedError):
                require(role)


# --- bell and inbox --------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("count", "name", "shown"),
    [(None, "Notices", ""), (0, "Notices", ""), (1, "Notices: 1 unread", "1"),
     (99, "Notices: 99 unread", "99"), (100, "Notices: 99+ unread", "99+")],
)  # fmt: skip
def test_the_bell_says_its_count_to_eyes_and_ears(count: int | None, name: str, shown: str):
    (way,) = of_kind(bell(count), "A")
    assert vars(way)["aria-label"] == name
    assert words(way) == shown


def notice(notice_id: str = "n1", **rest: Any) -> Notice:
    given = Notice(notice_id, "acme", NoticeKind.ALERT_FIRED, Level.URGENT, {}, True, NOW)
    return replace(given, **rest)


SAID = NoticeWords(
    "Urgent: balance at ₹4", ("It is down to ₹4.",), "Add credits immediately",
    (("Balance", "₹4"), ("Level", "Urgent")),
)  # fmt: skip


def test_a_notice_says_level_time_words_action_and_deliveries():
    sends = [
        Send(f"s{state}", "n1", Target(Channel.EMAIL, f"{state}@acme.example"), state, 1, NOW)
        for state in SendState
    ]
    sends.append(Send("s", "n1", Target(Channel.SMS, ""), SendState.SENT, 1, NOW))
    row = inbox.InboxRow(notice(is_unread=True), SAID, sends)
    card = inbox.inbox_card(inbox.InboxView([row], "acme", ZONE, None, None))
    said = words(card)
    for each in ("1 new", "New", "Urgent", "Sun 22 Nov 2026, 18:00 IST", "Add credits immediately.",
                 "SMS to an erased address: sent"):  # fmt: skip
        assert each in said, each
    assert said.count("E-mail to") == len(SendState)
    assert len(with_class(card, "is-amiss")) == 3
    assert [words(each) for each in of_kind(card, "Dt")] == ["Balance"], "the level is said above"
    assert vars(card)["data-seen-at"] == NOW.isoformat()


def test_what_was_read_or_is_on_an_older_page_is_not_marked_seen_again():
    read = inbox.InboxRow(notice(), SAID, ())
    new = inbox.InboxRow(notice("n2", is_unread=True), SAID, ())
    assert "data-seen-at" not in vars(
        inbox.inbox_card(inbox.InboxView([read], "acme", ZONE, None, None))
    )
    older = inbox.inbox_card(inbox.InboxView([new], "acme", ZONE, None, "/billing/alerts/inbox"))
    assert "data-seen-at" not in vars(older)


def test_a_notice_about_the_installation_says_so():
    row = inbox.InboxRow(notice(account_id="*"), SAID, ())
    assert "Installation" in words(
        inbox.inbox_card(inbox.InboxView([row], "acme", ZONE, None, None))
    )
