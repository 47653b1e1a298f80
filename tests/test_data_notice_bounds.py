"""Whom an alert's e-mails and SMS reach at most: nobody floods a stranger through an account."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from billing.alerts import (
    AlertKind,
    AlertRule,
    Channel,
    Level,
    Target,
    Threshold,
    Unit,
    check_rule,
)
from billing.notices import Notice, NoticeKind
from components.notice_words import words
from data import tables as t
from data.notices import outbox
from data.notices.outbox import EVERYBODY, MOST_A_DAY
from tests.live import NOW
from tests.notice_ledger import FACTS, OTHER, OWNER, Noticed, mails, texts

ALERT = "a" * 36
EMAIL, SMS = Channel.EMAIL, Channel.SMS


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Noticed]:
    """At most three e-mails and two SMS of an account's alerts a day."""
    monkeypatch.setattr(outbox, "MOST_A_DAY", {EMAIL: 3, SMS: 2})
    with Noticed(tmp_path) as opened:
        opened.add()
        opened.add("globex")
        yield opened


def left(ledger: Noticed, account_id: str = "acme") -> Counter[str]:
    return Counter(row.channel for row in ledger.rows(t.notice_sends, account_id))


def noted(ledger: Noticed, account_id: str = "acme") -> list[Any]:
    rows = ledger.rows(t.notices, account_id)
    return [each.facts for each in sorted(rows, key=lambda row: str(row.id))]


def test_a_days_most_lets_every_alert_tell_everybody_once():
    assert MOST_A_DAY == {EMAIL: 2_000, SMS: 500}


def test_what_a_day_does_not_allow_is_left_out_and_said(
    ledger: Noticed, caplog: pytest.LogCaptureFixture
):
    for _ in range(3):
        ledger.leave(*mails(OWNER, OTHER), *texts("+14155550100"), alert_id=ALERT)
    assert left(ledger) == {"email": 3, "sms": 2}
    told = noted(ledger)
    assert "unsent_count" not in told[0]
    assert '"unsent_count":1' in told[1], "the first of two addresses fits"
    assert '"unsent_count":3' in told[2]
    assert "left out" in caplog.text
    assert OWNER not in caplog.text
    assert OTHER not in caplog.text


def test_one_accounts_flood_keeps_nobody_elses_back(ledger: Noticed):
    for _ in range(3):
        ledger.leave(*mails(OWNER, OTHER), alert_id=ALERT)
    ledger.leave(*mails(OTHER), alert_id=ALERT, account_id="globex")
    assert left(ledger, "globex") == {"email": 1}


def test_after_a_day_they_are_sent_again(ledger: Noticed):
    ledger.leave(*mails(OWNER, OTHER), alert_id=ALERT)
    ledger.clock.at += timedelta(hours=23, minutes=59)
    ledger.leave(*mails(OWNER, OTHER), alert_id=ALERT)
    assert left(ledger) == {"email": 3}
    ledger.clock.at += timedelta(minutes=1)
    ledger.leave(*mails(OWNER, OTHER), alert_id=ALERT)
    assert left(ledger) == {"email": 5}


def test_what_goes_to_known_people_is_not_held_back(ledger: Noticed):
    for _ in range(3):
        ledger.leave(*mails(OWNER, OTHER), alert_id=ALERT)
    ledger.leave(*mails(OWNER), kind=NoticeKind.RECHARGE_DECLINED)
    assert left(ledger) == {"email": 4}
    for _ in range(2):
        ledger.leave(*mails(OWNER, OTHER), alert_id=ALERT, account_id=EVERYBODY)
    assert left(ledger, EVERYBODY) == {"email": 4}


def test_the_words_say_that_some_were_not_sent():
    def sentences(**facts: Any) -> tuple[str, ...]:
        told = Notice(
            "n", "acme", NoticeKind.ALERT_FIRED, Level.URGENT, {**FACTS, **facts}, True, NOW, ALERT
        )
        return tuple(words(told, None).sentences)

    assert "3 e-mails or SMS of this weren’t sent" in sentences(unsent_count=3)[-1]
    assert "1 e-mail or SMS of this wasn’t sent" in sentences(unsent_count=1)[-1]
    assert sentences() == sentences(unsent_count=1)[:-1]


def test_an_address_in_large_letters_is_the_one_in_small_letters():
    """Who asked to hear no more isn't written to as Owner@ACME.example."""
    rule = AlertRule(
        AlertKind.LOW_BALANCE, Threshold(Unit.MONEY, 1), channels=(EMAIL,),
        emails=("Owner@ACME.example", OWNER, "OWNER@acme.example", " other@acme.example"),
    )  # fmt: skip
    assert check_rule(rule).emails == (OWNER, "other@acme.example")
    assert check_rule(rule).targets[0] == Target(EMAIL, OWNER)
