"""What alerts would have done and did: the backtest's chart, episodes, deliveries and tries."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from billing.alert_standing import AlertBacktest, BacktestDay, Episode
from billing.alert_steps import EndCause
from billing.alerts import (
    AlertKind,
    AlertRule,
    AlertScope,
    Channel,
    Level,
    Measure,
    ScopeKind,
    Span,
    Target,
    Threshold,
    Unit,
)
from billing.notices import Notice, NoticeKind, NoticeWords, Send, SendAttempt, SendState
from billing.periods import Period
from components import alert_history
from components.alert_chart import backtest, backtest_text
from components.limit_words import Telling
from tests.components_reading import hrefs, of_kind, words

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
INR = Telling("INR", "en_IN", "Asia/Kolkata")
LOW = AlertRule(
    AlertKind.LOW_BALANCE, Threshold(Unit.PERCENT, 30_00), level=Level.WARNING,
    channels=(Channel.EMAIL,), emails=("billing@acme.example",),
)  # fmt: skip
DAILY = AlertRule(AlertKind.USAGE, Threshold(Unit.MONEY, 5_000_000_000), span=Span.DAY)


# --- the backtest --------------------------------------------------------------------------------
def tried(
    rule: AlertRule, *days: tuple[int | None, int | None], fired: tuple[int, ...] = ()
) -> Any:
    period = Period(date(2026, 11, 23) - timedelta(days=len(days)), date(2026, 11, 23))
    rows = tuple(
        BacktestDay(period.start + timedelta(days=place), *figures)
        for place, figures in enumerate(days)
    )
    return AlertBacktest(rule, period, rows, tuple(rows[place].day for place in fired))


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (tried(DAILY, (1, 2), (3, 2)), "it would never have fired."),
        (tried(DAILY, (3, 2), (1, 2), fired=(0,)), "it would have fired once: 21 Nov."),
        (tried(DAILY, (3, 2), (3, 2), fired=(0, 1)), "it would have fired twice: 21 Nov, 22 Nov."),
        (tried(DAILY, *[(3, 2)] * 8, fired=tuple(range(8))),
         "it would have fired 8 times: the latest 17 Nov, 18 Nov, 19 Nov, 20 Nov, 21 Nov, 22 Nov."),
        (tried(LOW, (3, None), (3, None)),
         "there was no average of monthly usage to compare with yet."),
        (tried(LOW, (None, 5)), "there was nothing to watch."),
    ],
)  # fmt: skip
def test_a_backtest_in_a_sentence(made: AlertBacktest, text: str) -> None:
    assert backtest_text(made, INR).endswith(text)


def test_a_backtest_is_drawn_with_its_threshold_and_its_table() -> None:
    days = [(5_000_000, 2_000_000), (1_000_000, 2_000_000), (None, 2_000_000)]
    made = backtest(tried(DAILY, *days, fired=(0,)), INR)
    (graph,) = of_kind(made, "Graph")
    bars, threshold, dots, speaker = graph.figure["data"]
    assert bars["y"] == [5, 1, None]
    assert bars["marker"]["color"][0] != bars["marker"]["color"][1], "a day that fired stands out"
    assert threshold["y"] == [2, 2, 2]
    assert dots["x"] == []
    assert speaker["text"][0] == ("<b>Fri 20 Nov: ₹5.00</b><br>Threshold ₹2.00<br>Would have fired")
    rows = [words(row) for row in of_kind(made, "Tr")]
    assert rows == [
        "When Cost Threshold Would have fired", "Sun 22 Nov – ₹2.00 –", "Sat 21 Nov ₹1.00 ₹2.00 –",
        "Fri 20 Nov ₹5.00 ₹2.00 Yes",
    ]  # fmt: skip


def test_a_balance_is_a_line_with_dots_where_it_fired() -> None:
    made = backtest(tried(LOW, (5_000_000, 2_000_000), (-1, 2_000_000), fired=(1,)), INR)
    line, _, dots, _ = of_kind(made, "Graph")[0].figure["data"]
    assert line["mode"] == "lines"
    assert dots["x"] == [1]
    axis = of_kind(made, "Graph")[0].figure["layout"]["yaxis"]
    assert axis["range"][0] < 0, "a debt is on the chart"
    assert of_kind(backtest(tried(LOW, (None, 5)), INR), "Graph") == []


def test_units_and_days_have_an_axis_of_their_own() -> None:
    minutes = replace(
        DAILY, measure=Measure.UNITS, scope=AlertScope(ScopeKind.METRIC, "ai_connected_minutes"),
        threshold=Threshold(Unit.UNITS, 600),
    )  # fmt: skip
    axis = of_kind(backtest(tried(minutes, (1_200, 600)), INR), "Graph")[0].figure["layout"]
    assert axis["yaxis"]["ticktext"] == ["0", "4", "8", "12", "16", "20"]
    days = replace(LOW, kind=AlertKind.DAYS_LEFT, threshold=Threshold(Unit.DAYS, 3))
    axis = of_kind(backtest(tried(days, (2, 3)), INR), "Graph")[0].figure["layout"]
    assert axis["yaxis"]["ticktext"] == ["0", "1", "2", "3"]
    decade = of_kind(backtest(tried(days, (3_650, 3), (2, 3)), INR), "Graph")[0].figure
    assert decade["data"][0]["y"] == [60, 2], "ten years would flatten all that matters"
    assert "over 10 years" in decade["data"][3]["text"][0]


# --- what alerts did -----------------------------------------------------------------------------
def test_episodes_say_from_when_to_when_and_why_they_ended() -> None:
    over = Episode("e1", "a1", NOW, 9_000_000_000, 12_480_000_000, NOW + timedelta(hours=3),
                   EndCause.RECOVERED.value, 1)  # fmt: skip
    still = replace(over, id="e2", alert_id="gone", ended_at=None, end_cause=None)
    card = alert_history.episodes_card([still, over], {"a1": LOW}, INR)
    rows = [words(row) for row in of_kind(card, "Tr")]
    assert rows[1] == "An alert that was removed 22 Nov 2026, 18:00 – – Still in alarm"
    assert rows[2] == (
        "Low balance, 30 % Warning 22 Nov 2026, 18:00 3 h 00 min ₹9,000.00, threshold ₹12,480.00 "
        "It recovered"
    )
    assert alert_history.episodes_card([], {}, INR) is None


def told(state: SendState, attempts: Any = None, **more: Any) -> alert_history.ToldView:
    notice = Notice("n1", "acme", NoticeKind.ALERT_FIRED, Level.WARNING, {}, True, NOW)
    send = Send("s1", "n1", Target(Channel.EMAIL, "a@b.example"), state, 1, NOW, **more)
    row = alert_history.NoticeRow(
        notice, NoticeWords("Balance low", ("It fell.",)), (send, replace(send, id="s2")), attempts
    )
    return alert_history.ToldView([row], "c1", "/older", "/newest", INR)


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (SendState.WAITING, "waiting"), (SendState.SENDING, "being sent"),
        (SendState.SENT, "sent"), (SendState.REFUSED, "refused for good"),
        (SendState.PARKED, "given up"), (SendState.UNKNOWN, "may have gone out"),
        (SendState.MUTED, "muted by the recipient"),
    ],
)  # fmt: skip
def test_each_delivery_says_how_far_it_came(state: SendState, text: str) -> None:
    card = alert_history.told_card(told(state))
    assert f"Dashboard: shown Email: 2 {text}" in words(card)
    assert hrefs(card) == [
        "/billing/alerts?cursor=c1&notice=n1#told", "/newest", "/older",
    ]  # fmt: skip


def test_an_opened_notice_shows_each_try_and_its_answer() -> None:
    tries = {
        "s1": [
            SendAttempt(1, NOW, False, "451 <try> later", 1204),
            SendAttempt(2, NOW, True, "250 OK", 8),
        ]
    }
    view_ = told(SendState.WAITING, tries, next_at=NOW, error="not yet")
    text = words(alert_history.told_card(view_))
    assert "Email to a@b.example : waiting, next try 18:00:00 IST" in text
    assert "22 Nov, 18:00:00 IST: not taken , “451 <try> later”, 1,204 ms" in text
    assert "taken , “250 OK”, 8 ms" in text
    assert "/billing/alerts?cursor=c1#told" in hrefs(alert_history.told_card(view_)), "to close it"


def test_nothing_told_says_what_will_be_here() -> None:
    empty = alert_history.ToldView([], None, None, None, INR)
    assert "Nobody was told of anything yet." in words(alert_history.told_card(empty))
