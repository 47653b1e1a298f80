"""What each kind of notice says: what was crossed, by how much, what to do, and where to look."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from billing.alerts import Level
from billing.notices import Notice, NoticeKind, TroubleName
from components.notice_words import words
from tests.builders import account
from tests.notice_ledger import FACTS

ACME = replace(account(zone="Asia/Kolkata"), name="Acme Outreach", currency="INR", locale="en_IN")
AT = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
PERCENT = {
    "unit": "percent", "amount": 15_00, "threshold": 12_480_000_000, "value": 11_902_350_000,
    "average_micros": 83_200_000_000, "currency": "INR",
}  # fmt: skip
MINUTES = {
    "kind": "usage", "scope": "metric", "scope_id": "ai_connected_minutes", "measure": "units",
    "span": "week", "unit": "units", "amount": 60_000, "threshold": 60_000, "value": 72_345,
    "window_on": "2026-11-16", "window_end_on": "2026-11-23",
}  # fmt: skip
CAMPAIGN = {
    "kind": "usage", "scope": "campaign", "scope_id": "diwali", "span": "month", "currency": "INR",
    "threshold": 5_000_000_000, "value": 5_000_000_000, "window_on": "2026-11-01",
    "window_end_on": "2026-12-01",
}  # fmt: skip
DAYS = {"kind": "days_left", "unit": "days", "amount": 5, "threshold": 5, "value": 3}


def notice(kind: NoticeKind, level: Level = Level.URGENT, /, **facts: Any) -> Notice:
    return Notice("n", "acme", kind, level, {**FACTS, **facts}, True, AT, "a", "e")


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("found", "title", "sentence"),
    [
        (notice(NoticeKind.ALERT_FIRED, **PERCENT),
         "Urgent: balance at ₹11,902.35, below ₹12,480.00",
         "The balance of Acme Outreach is down to ₹11,902.35, ₹577.65 below the threshold of "
         "₹12,480.00 (15 % of average monthly usage)."),
        (notice(NoticeKind.ALERT_FIRED, **{**PERCENT, "value": 12_480_000_000}),
         "Urgent: balance at ₹12,480.00",
         "The balance of Acme Outreach is down to ₹12,480.00, at the threshold of ₹12,480.00 (15 % "
         "of average monthly usage)."),
        (notice(NoticeKind.ALERT_FIRED, Level.NOTICE, **MINUTES),
         "Usage of AI Connected Minutes at 1,205.75 min, above 1,000 min",
         "Usage of AI Connected Minutes of Acme Outreach came to 1,205.75 min this week, "
         "205.75 min (20.6 %) above the threshold of 1,000 min."),
        (notice(NoticeKind.ALERT_FIRED, Level.WARNING, **CAMPAIGN),
         "Warning: usage of campaign diwali at ₹5,000.00",
         "Usage of campaign diwali of Acme Outreach came to ₹5,000.00 this month, at the threshold "
         "of ₹5,000.00."),
        (notice(NoticeKind.ALERT_FIRED, Level.WARNING, **DAYS), "Warning: balance lasts 3 days",
         "The balance of Acme Outreach lasts 3 days at the rate of the last seven days, 2 days "
         "below the threshold of 5 days."),
        (notice(NoticeKind.ALERT_REPEATED, Level.CRITICAL, **{**PERCENT, "number": 3}),
         "Still in alarm · Critical: balance at ₹11,902.35, below ₹12,480.00",
         "You were told of this alarm 2 times before, and it goes on."),
        (notice(NoticeKind.ALERT_RECOVERED, **{**PERCENT, "value": 50_000_000_000}),
         "Recovered: balance at ₹50,000.00",
         "The balance of Acme Outreach is above its threshold again: ₹50,000.00, the threshold "
         "being ₹12,480.00 (15 % of average monthly usage)."),
        (notice(NoticeKind.ALERT_TEST, **PERCENT),
         "Test · Urgent: balance at ₹11,902.35, below ₹12,480.00",
         "This is a test that somebody asked for. It says nothing about how things stand."),
        (notice(NoticeKind.ALERT_TEST, **{**PERCENT, "threshold": None, "value": None}),
         "Test · Urgent: balance without a figure yet",
         "The balance of Acme Outreach now: –; the threshold: not known yet."),
        (notice(NoticeKind.RECHARGE_DECLINED, amount_micros=5_000_000_000, currency="INR",
                reason="card expired", next_at="2026-11-22T12:45:00+00:00"),
         "Urgent: auto-recharge of ₹5,000.00 was declined",
         "It is tried again Sun 22 Nov 2026, 18:15 IST."),
        (notice(NoticeKind.RECHARGE_STOPPED, ceiling_micros=20_000_000_000, currency="INR"),
         "Urgent: auto-recharge has reached its daily ceiling",
         "Auto-recharge of Acme Outreach has topped up as much as its daily ceiling of ₹20,000.00 "
         "allows. It goes on tomorrow."),
    ],
)  # fmt: skip
def test_a_notice_says_what_happened(found: Notice, title: str, sentence: str):
    said = words(found, ACME)
    assert plain(said.title) == title
    assert sentence in [plain(each) for each in said.sentences]
    assert said.path.startswith("/billing/")
    figures = {label: plain(text) for label, text in said.figures}
    assert figures["As of"] == "Sun 22 Nov 2026, 18:00 IST"
    assert figures["Account"] == "Acme Outreach"
    assert said.is_test is (found.kind is NoticeKind.ALERT_TEST)


@pytest.mark.parametrize(
    ("level", "action"),
    [(Level.NOTICE, ""), (Level.WARNING, "Plan to add credits soon"),
     (Level.URGENT, "Add credits immediately"), (Level.CRITICAL, "Service disruption imminent")],
)  # fmt: skip
def test_a_level_brings_what_to_do(level: Level, action: str):
    for kind in (NoticeKind.ALERT_FIRED, NoticeKind.ALERT_REPEATED, NoticeKind.ALERT_TEST):
        assert words(notice(kind, level, **PERCENT), ACME).action == action
    assert words(notice(NoticeKind.ALERT_RECOVERED, level, **PERCENT), ACME).action == ""


def test_the_first_figure_is_the_one_it_is_about():
    labels = [label for label, _ in words(notice(NoticeKind.ALERT_FIRED, **PERCENT), ACME).figures]
    assert labels[:3] == ["Balance", "Threshold", "Average monthly usage"]
    (first, *_) = words(notice(NoticeKind.ALERT_FIRED, **MINUTES), ACME).figures
    assert plain(first[1]) == "1,205.75 min"


@pytest.mark.parametrize("name", TroubleName)
@pytest.mark.parametrize("kind", [NoticeKind.TROUBLE, NoticeKind.TROUBLE_OVER])
def test_every_trouble_has_words(name: TroubleName, kind: NoticeKind):
    facts = {"name": name.value, "subject": "acme", "account_id": "acme", "months": ["2026-11"]}
    said = words(Notice("n", "*", kind, Level.URGENT, facts, True, AT), None)
    assert said.title[0].isupper()
    assert "{" not in said.title + "".join(said.sentences) + said.action
    assert bool(said.action) is (kind is NoticeKind.TROUBLE)


def test_every_kind_has_words_without_facts_that_may_be_missing():
    for kind in NoticeKind:
        facts = {"name": "disk_nearly_full"} if kind.value.startswith("trouble") else FACTS
        assert words(Notice("n", "*", kind, Level.NOTICE, facts, True, AT), None).title


def test_a_name_without_end_stays_short():
    endless = "x" * 1_000_000 + "\r\nBcc: everybody@acme.example"
    found = notice(NoticeKind.ALERT_FIRED, **{**CAMPAIGN, "name": endless, "scope_id": endless})
    said = words(found, replace(ACME, name=endless))
    assert len(said.title) < 200
    assert all(len(each) < 400 and "\n" not in each for each in said.sentences)
