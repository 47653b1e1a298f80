"""Alerts in words, on their page, on the backtest's chart: values in, components out."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from billing.alert_queries import Edit
from billing.alert_standing import (
    AlertStanding,
    AlertView,
)
from billing.alert_steps import Phase, Reading
from billing.alerts import (
    Alert,
    AlertKind,
    AlertRule,
    AlertScope,
    Channel,
    Frequency,
    Level,
    Measure,
    Repeat,
    ScopeKind,
    Span,
    Threshold,
    Unit,
    recommended,
)
from billing.periods import Period
from components import alerts_page
from components.alert_forms import ABSENT, PLACE, FormView, number_text, rule_form
from components.alert_words import Average, now_text, rule_name, sentence
from components.level_bar import level_bar
from components.limit_words import Telling
from components.review import ReviewView, review
from tests.components_reading import hrefs, of_kind, walk, with_class, words

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
INR = Telling("INR", "en_IN", "Asia/Kolkata", {"diwali": "Diwali 2026"})
MEAN = Average(41_600_000_000, Period(date(2026, 8, 1), date(2026, 11, 1)))
LOW = AlertRule(
    AlertKind.LOW_BALANCE, Threshold(Unit.PERCENT, 30_00), level=Level.WARNING,
    channels=(Channel.EMAIL, Channel.DASHBOARD), emails=("billing@acme.example",),
    has_recovery=True,
)  # fmt: skip
DAILY = AlertRule(AlertKind.USAGE, Threshold(Unit.MONEY, 5_000_000_000), span=Span.DAY)
BELOW = Reading(9_000_000_000, 12_480_000_000, None, date(2026, 11, 1))
ABOVE = replace(BELOW, value=83_214_600_000)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (LOW, "When the balance falls to 30 % of average monthly usage (₹12,480.00 of ₹41,600.00, "
         "mean of Aug – Oct 2026), tell billing@acme.example by e-mail and everybody on the "
         "dashboard, once, and again when it has recovered."),
        (DAILY, "When the cost of all usage in a day reaches ₹5,000.00, tell everybody on the "
         "dashboard, once."),
        (replace(DAILY, span=Span.WEEK, scope=AlertScope(ScopeKind.CAMPAIGN, "diwali"),
                 frequency=Frequency(Repeat.PERIOD)),
         "When the cost of campaign Diwali 2026 in a week, from Monday, reaches ₹5,000.00, tell "
         "everybody on the dashboard, at most once a week."),
        (replace(DAILY, span=Span.MONTH, scope=AlertScope(ScopeKind.SERVICE, "SMS"),
                 channels=(Channel.EMAIL, Channel.SMS, Channel.WEBHOOK),
                 emails=("a@b.example", "c@d.example", "e@f.example", "g@h.example"),
                 phones=("+919845012345",), frequency=Frequency(Repeat.HOURS, 24)),
         "When the cost of SMS in a calendar month reaches ₹5,000.00, tell a@b.example, "
         "c@d.example, e@f.example and 1 more by e-mail, +919845012345 by SMS and your programs "
         "by webhook, at once and every 24 hours while it lasts."),
        (replace(DAILY, span=Span.BILLING_PERIOD, measure=Measure.UNITS,
                 scope=AlertScope(ScopeKind.METRIC, "ai_connected_minutes"),
                 threshold=Threshold(Unit.UNITS, 600_000), frequency=Frequency(Repeat.HOURS, 1)),
         "When the AI Connected Minutes in a billing period reach 10,000 min, tell everybody on "
         "the dashboard, at once and every hour while it lasts."),
        (replace(DAILY, kind=AlertKind.DAYS_LEFT, span=None, threshold=Threshold(Unit.DAYS, 3)),
         "When the balance lasts only 3 days, at the rate of the last 7 days, tell everybody on "
         "the dashboard, once."),
    ],
)  # fmt: skip
def test_a_sentence_reads_a_rule_back(rule: AlertRule, text: str) -> None:
    assert words(sentence(rule, MEAN, BELOW, INR)) == text


def test_a_percentage_without_an_average_says_so() -> None:
    waiting = replace(BELOW, threshold=None)
    text = words(sentence(LOW, Average(), waiting, INR))
    assert "falls to 30 % of average monthly usage, once there is a complete month, tell" in text
    said = now_text(LOW, waiting, INR, is_beyond=False)
    assert said == "Balance now: ₹9,000.00. It waits for the average, and tells nobody until then."


def test_saving_an_alarm_that_goes_on_does_not_begin_it_anew() -> None:
    said = now_text(LOW, BELOW, INR, is_beyond=True, goes_on=True)
    assert said.endswith("This is so now, and the alarm goes on: saving doesn’t begin it anew.")


@pytest.mark.parametrize(
    ("rule", "reading", "is_beyond", "text"),
    [
        (LOW, BELOW, True, "Balance now: ₹9,000.00. This is so now: it will be told at once."),
        (LOW, ABOVE, False,
         "Balance now: ₹83,214.60. It isn’t so now: it tells on the next crossing."),
        (replace(LOW, is_on=False), BELOW, False,
         "It is paused: nobody is told until it is resumed."),
        (LOW, replace(BELOW, value=None), False,
         "The wallet has never held anything, so nothing can be wrong yet."),
    ],
)  # fmt: skip
def test_what_saving_does_at_once(
    rule: AlertRule, reading: Reading, is_beyond: bool, text: str
) -> None:
    assert now_text(rule, reading, INR, is_beyond=is_beyond) == text


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        (LOW, "Low balance, 30 %"),
        (replace(LOW, name="Top up!"), "Top up!"),
        (DAILY, "Cost of all usage, ₹5,000.00 a day"),
        (replace(DAILY, kind=AlertKind.DAYS_LEFT, span=None, threshold=Threshold(Unit.DAYS, 1)),
         "1 day of balance left"),
    ],
)  # fmt: skip
def test_a_rule_without_a_name_is_called_after_what_it_says(rule: AlertRule, name: str) -> None:
    assert words(rule_name(rule, INR)) == name


@pytest.mark.parametrize(
    ("first", "text"),
    [
        (date(2026, 10, 1), "usage of Oct 2026"), (date(2026, 9, 1), "mean of Sep – Oct 2026"),
    ],
)  # fmt: skip
def test_of_which_months_an_average_is(first: date, text: str) -> None:
    assert Average(1, Period(first, date(2026, 11, 1))).of_text() == text
    turn = Average(1, Period(date(2025, 11, 1), date(2026, 2, 1)))
    assert turn.of_text() == "mean of Nov 2025 – Jan 2026"


# --- the bar -------------------------------------------------------------------------------------
def parts(bar: Any) -> list[dict[str, str]]:
    return [part.style for part in of_kind(bar, "Span")]


def test_a_bar_shows_the_figure_beside_the_threshold() -> None:
    falling = level_bar(150, 100, "said", is_falling=True, is_alarm=False)
    assert parts(falling) == [
        {"left": "0", "width": "50.0%"}, {"width": "75.0%"}, {"left": "50.0%"},
    ]  # fmt: skip
    rising = level_bar(50, 100, "said", is_falling=False, is_alarm=False)
    assert parts(rising) == [
        {"left": "80.0%", "width": "20.0%"}, {"width": "40.0%"}, {"left": "80.0%"},
    ]  # fmt: skip
    assert getattr(rising, "aria-label") == "said"


@pytest.mark.parametrize("value", [-5, 0, 10**15])
@pytest.mark.parametrize("threshold", [0, 1, 10**15])
def test_a_bar_never_leaves_its_track(value: int, threshold: int) -> None:
    for is_falling in (True, False):
        for style in parts(level_bar(value, threshold, "", is_falling=is_falling, is_alarm=True)):
            assert all(0 <= float(size.rstrip("%")) <= 100 for size in style.values())


# --- the list ------------------------------------------------------------------------------------
def alert(rule: AlertRule, alert_id: str = "a1") -> Alert:
    return Alert(alert_id, "acme", 3, rule, NOW, NOW)


def view(*alerts: AlertView, may_change: bool = True, **more: Any) -> alerts_page.AlertsView:
    standing = AlertStanding(
        alerts, MEAN.micros, 3, frozenset({Channel.DASHBOARD, Channel.EMAIL}), 7, NOW
    )
    made = alerts_page.AlertsView(
        standing, INR, MEAN, "acme", 9_000_000_000, "", "owner@acme.example", may_change
    )
    return replace(made, **more)


ALARMED = AlertView(
    alert(replace(LOW, level=Level.CRITICAL)), Phase.ALARM, BELOW, NOW - timedelta(hours=2), "e1",
    NOW - timedelta(hours=1),
)  # fmt: skip
ARMED = AlertView(
    alert(DAILY, "a2"), Phase.ARMED, Reading(1, 5_000_000_000, NOW.date(), NOW.date())
)


def test_the_answer_of_the_page_is_what_is_in_alarm() -> None:
    text = words(alerts_page.status_cards(view(ARMED, ALARMED)))
    assert "In alarm 1 Critical Low balance, 30 %. Service disruption imminent." in text
    assert "21 % of average monthly usage" in text
    assert "₹41,600.00 Mean of Aug – Oct 2026" in text
    quiet = words(alerts_page.status_cards(view(ARMED)))
    assert "In alarm None 1 alert watches" in quiet
    waits = replace(ARMED, phase=Phase.WAITING)
    assert "2 wait for a complete month" in words(alerts_page.status_cards(view(waits, waits)))


def test_a_row_says_figure_threshold_phase_level_and_when_it_was_told() -> None:
    card = alerts_page.rules_card(view(ARMED, ALARMED))
    rows = with_class(card, "cap-row")
    first = words(rows[0])
    assert "Low balance, 30 % Critical Service disruption imminent." in first, "alarms come first"
    assert "In alarm since Sun 22 Nov, 16:00 IST" in first
    assert "Balance now ₹9,000.00 Threshold 30 % = ₹12,480.00 Last told 22 Nov, 17:00" in first
    second = words(rows[1])
    assert "Armed" in second
    assert "Last told Never" in second
    (bar, _) = [part for part in walk(card) if getattr(part, "role", None) == "img"]
    label = words(getattr(bar, "aria-label"))
    assert label == "Balance now ₹9,000.00, threshold 30 % = ₹12,480.00"


def test_what_can_be_done_with_a_row_depends_on_who_looks() -> None:
    owner = alerts_page.rules_card(view(ALARMED))
    assert "/billing/alerts?do=change&id=a1" in hrefs(owner)
    assert "/billing/alerts?do=remove&id=a1" in hrefs(owner)
    sent = [vars(button) for button in of_kind(owner, "Button")]
    assert [each["data-field-do"] for each in sent] == ["test", "pause"]
    assert {each["data-field-account"] for each in sent} == {"acme"}
    paused = replace(ALARMED, alert=alert(replace(LOW, is_on=False)), phase=Phase.OFF)
    buttons = of_kind(alerts_page.rules_card(view(paused)), "Button")
    assert "resume" in [vars(button)["data-field-do"] for button in buttons]
    manager = alerts_page.rules_card(view(ALARMED, may_change=False))
    assert hrefs(manager) == []
    assert of_kind(manager, "Button") == []


def test_a_channel_that_isnt_set_up_is_said_once() -> None:
    texted = replace(ARMED, alert=alert(replace(LOW, channels=(Channel.SMS,), phones=("+1",))))
    text = words(alerts_page.rules_card(view(texted, texted)))
    assert text.count("SMS isn’t set up on this installation: nobody is told that way.") == 1
    assert "set up" not in words(alerts_page.rules_card(view(ALARMED)))


def test_a_figure_that_isnt_there_says_why() -> None:
    empty = replace(ARMED, reading=replace(ARMED.reading, value=None), alert=alert(LOW))
    assert "The wallet has never held anything" in words(alerts_page.rules_card(view(empty)))
    waiting = replace(ALARMED, phase=Phase.WAITING, reading=replace(BELOW, threshold=None))
    text = words(alerts_page.rules_card(view(waiting, waits_text="It waits for Nov 2026.")))
    assert "Waiting for a complete month" in text
    assert "It waits for Nov 2026." in text


def test_one_click_installs_the_recommended_levels() -> None:
    card = alerts_page.offer_card(view(), is_empty=True)
    text = words(card)
    for line in (
        "No alerts yet", "Warning 30 % Plan to add credits soon", "Urgent 15 % Add credits",
        "Critical 5 % Service disruption imminent", "They tell owner@acme.example by e-mail",
    ):  # fmt: skip
        assert line in text
    (button,) = of_kind(card, "Button")
    assert vars(button)["data-field-do"] == "recommended"
    seen = alerts_page.offer_card(view(may_change=False), is_empty=True)
    assert of_kind(seen, "Button") == []
    assert alerts_page.lacks_recommended(view(ARMED).standing)
    assert not alerts_page.lacks_recommended(view(ALARMED).standing)
    assert len(recommended(())) == 3


# --- the form ------------------------------------------------------------------------------------
def form(fields: dict[str, str], errors: dict[str, str] | None = None, **more: Any) -> Any:
    made = FormView(
        Edit.ADD, fields, INR, "5,000.00", MEAN, frozenset({Channel.DASHBOARD}), errors or {}
    )
    return rule_form(replace(made, **more), "New alert")


def test_the_form_has_the_labels_of_the_seed() -> None:
    labels = {words(label) for label in of_kind(form({}), "Label")}
    assert {"Alert Type", "Threshold", "Recipients", "Frequency"} <= labels
    legends = [words(legend) for legend in of_kind(form({}), "Legend")]
    assert "Channels" in legends
    ticks = {tick.label for tick in of_kind(form({}), "Checkbox")}
    assert {"Email", "SMS", "Dashboard", "Webhook"} <= ticks


def test_what_was_typed_stays_and_the_error_stands_under_its_field() -> None:
    typed = {
        "threshold": "1.000", "recipients": "x", "by_email": "on", "frequency": "every_hours",
        "hours": "900", "watched": "campaign", "campaign": "diwali", "name": "<b>",
    }  # fmt: skip
    made = form(typed, {"recipients": "use an address", "channels": "choose at least one"})
    values = {
        part.name: part.value
        for kind in ("Input", "Select", "Textarea", "Checkbox") for part in of_kind(made, kind)
    }  # fmt: skip
    for name, value in typed.items():
        assert values[name] == (True if name == "by_email" else value)
    assert values["by_dashboard"] is False, "a box without its tick"
    said = with_class(made, "field-error")
    assert [words(each) for each in said] == ["Choose at least one", "Use an address"]
    assert vars(said[1])["data-error-of"] == "alert-recipients"


def test_channels_that_arent_set_up_are_named_beside_the_choice() -> None:
    text = words(form({}))
    assert words(ABSENT[Channel.EMAIL]) in text
    assert words(ABSENT[Channel.SMS]) in text
    ready = words(form({}, channels=frozenset(Channel)))
    assert "set up" not in ready


def test_an_average_is_told_beside_a_percentage() -> None:
    assert "Average monthly usage is ₹41,600.00, mean of Aug – Oct 2026." in words(form({}))
    assert "a percentage waits for one" in words(form({}, average=Average()))


@pytest.mark.parametrize(
    ("value", "locale", "text"),
    [
        ("30", "en_IN", "30"), ("7.25", "de_DE", "7,25"), ("1.125", "en_US", "1.1250"),
        ("123456.5", "en_IN", "1,23,456.5"), ("1.6666666667", "en_US", "1.666667"),
    ],
)  # fmt: skip
def test_numbers_are_written_in_one_way_to_read_them(value: str, locale: str, text: str) -> None:
    assert number_text(Decimal(value), locale) == text


def test_a_review_sends_what_was_typed_with_the_version_that_was_shown() -> None:
    made = review(
        ReviewView(Edit.CHANGE, "Edit", "When…", (("So now.", "soon"), ("Kept.", "plain")),
                   {"id": "a1", "threshold": "5"}, "acme", 3, "Save Alert", "/billing/alerts?x"),
        PLACE,
    )  # fmt: skip
    (button,) = of_kind(made, "Button")
    sent = {name: value for name, value in vars(button).items() if name.startswith("data-")}
    assert sent == {
        "data-post": "/alerts/changes", "data-field-do": "change", "data-field-id": "a1",
        "data-field-threshold": "5", "data-field-account": "acme", "data-field-version": "3",
    }  # fmt: skip
    assert button.children == "Save Alert"
    assert [words(each) for each in with_class(made, "confirm-note")] == ["So now."]
