"""Limits, pauses and holds as components: figures that add up, words for every state."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from billing.caps import Cap, CapKind, Limits, Override, Window
from billing.holds import HoldKind, HoldState
from billing.limit_standing import Backtest, Gauge, Hit, HoldView, LimitStanding
from billing.pauses import Pause, Reason, ResumeCause
from billing.periods import FIRST_DAY, Period
from components import backtest, budgets, holds, limits_page, pauses
from components.gauge import gauge_bar
from components.limit_forms import amount_text
from components.limit_words import Telling
from tests.components_reading import hrefs, rows, with_class, words

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
TELLING = Telling("INR", "en_IN", "Asia/Kolkata", {"diwali": "Diwali win-back"})
TODAY = date(2026, 11, 22)
RESET = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)


def gauge(kind: str = "daily", spent: int = 0, reserved: int = 0, **rest: Any) -> Gauge:
    cap = Cap(CapKind(kind), 10_000_000, campaign="diwali" if kind == "campaign" else "")
    window = Window(cap.kind, FIRST_DAY if cap.campaign else TODAY, cap.campaign)
    left = 10_000_000 - spent - reserved
    given = Gauge(
        cap, window, spent, reserved, 10_000_000, max(0, left), max(0, -left),
        None if cap.campaign else RESET,
    )  # fmt: skip
    return replace(given, **rest)


def pause(rule: str = "daily", campaign: str = "", **rest: Any) -> Pause:
    window = None if rule == "balance" else Window(
        CapKind(rule), FIRST_DAY if campaign else TODAY, campaign
    )  # fmt: skip
    until = RESET if rule == "daily" else None
    given = Pause("p1", "acme", Reason(rule, window), NOW, 11_400_000, 10_000_000, until)
    return replace(given, **rest)


def view(*gauges: Gauge, is_on: bool = True, **rest: Any) -> limits_page.LimitsView:
    limits = Limits(tuple(each.cap for each in gauges), is_on=is_on)
    standing = LimitStanding(limits, gauges, (), NOW)
    given = limits_page.LimitsView(standing, TELLING, "acme", 900_000_000, {}, {}, True)
    return replace(given, **rest)


@pytest.mark.parametrize(
    ("spent", "reserved", "ceiling", "widths", "tone"),
    [
        (0, 0, 100, ("0.0%", "0.0%"), "gauge"),
        (250, 125, 1_000, ("25.0%", "12.5%"), "gauge"),
        (1, 1, 1_000_000, ("0.1%", "0.1%"), "gauge"),
        (700, 100, 1_000, ("70.0%", "10.0%"), "gauge gauge-soon"),
        (900, 500, 1_000, ("90.0%", "10.0%"), "gauge gauge-soon"),
        (2_000, 10, 1_000, ("100.0%", "0.0%"), "gauge gauge-full"),
        (-50, 0, 1_000, ("0.0%", "0.0%"), "gauge"),
        (0, 0, 0, ("100.0%", "0.0%"), "gauge gauge-full"),
    ],
)
def test_a_gauge_never_leaves_its_track(spent, reserved, ceiling, widths, tone):
    bar = gauge_bar(spent, reserved, ceiling, "said")
    assert tuple(part.style["width"] for part in bar.children) == widths
    assert (bar.className, getattr(bar, "aria-label")) == (tone, "said")


def test_what_is_spent_reserved_and_left_adds_up_to_the_cap():
    card = limits_page.caps_card(view(gauge(spent=3_333_333, reserved=3_333_333)))
    (figures,) = with_class(card, "cap-figures")
    shown = [words(part.children[1]) for part in figures.children]
    assert sorted(shown[:3]) == ["₹3.33", "₹3.33", "₹3.34"]
    assert shown[3] == "₹10.00"
    assert "Resets Mon 23 Nov, 00:00 IST" in words(card)
    assert words(card).count("Not set") == 3
    assert "/billing/limits?do=cap&kind=weekly" in hrefs(card)


def test_what_is_over_is_said_with_its_reason_and_softness():
    hard = words(limits_page.caps_card(view(gauge(spent=11_400_000))))
    assert "₹1.40 over: by charges that came without asking first" in hard
    soft_cap = Cap(CapKind.DAILY, 10_000_000, is_hard=False, is_on=False)
    soft = words(limits_page.caps_card(view(gauge(spent=11_400_000, cap=soft_cap))))
    assert "₹1.40 over: a soft cap only warns" in soft
    assert "Daily spending cap Off Soft" in soft
    assert "Soft: warns, and pauses nothing" in soft


def test_an_override_is_told_and_taken_back_by_those_who_may():
    given = Override(
        "o1", CapKind.DAILY, "", "Launch", "person:1", NOW, RESET, limit_micros=20_000_000
    )
    over = gauge(spent=11_000_000, override=given, ceiling_micros=20_000_000,
                 left_micros=9_000_000, over_micros=0)  # fmt: skip
    shown = view(over, actors={"person:1": "Ada"}, take_back_ids={over.cap.key: "p1"})
    card = limits_page.caps_card(shown)
    assert "Overridden until Mon 23 Nov, 00:00 IST, up to ₹20.00, by Ada: Launch" in words(card)
    assert "Take back" in words(card)
    assert "Take back" not in words(limits_page.caps_card(replace(shown, may_change=False)))


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (view(), "Left to spend ₹900.00 No cap bounds it: only the balance does."),
        (view(gauge(), is_on=False), "Left to spend ₹900.00 Limits are off"),
        (view(gauge(spent=4_000_000)), "Left today ₹6.00 of ₹10.00: the daily spending cap"),
        (view(gauge(), available_micros=2_000_000),
         "Left to spend ₹2.00 of the balance; the daily spending cap leaves ₹10.00"),
        (view(gauge(), available_micros=None), "Left today ₹10.00"),
    ],
)  # fmt: skip
def test_the_first_card_says_what_is_left_and_of_what(shown, said):
    assert said in words(limits_page.status_cards(shown))


def test_the_first_card_says_when_outbound_is_paused():
    shown = view(gauge(spent=10_000_000))
    shown = replace(shown, standing=replace(shown.standing, pauses=(pause(),)))
    said = words(limits_page.status_cards(shown))
    assert "Outbound services Paused Until Mon 23 Nov, 00:00 IST" in said
    assert "Daily spending cap Paused" in words(limits_page.caps_card(shown))


def test_budgets_are_told_by_name_least_left_first():
    other = Cap(CapKind.CAMPAIGN, 10_000_000, campaign="x")
    card = budgets.budgets_card(
        view(gauge("campaign", spent=1_000_000), gauge("campaign", spent=9_000_000, cap=other))
    )
    assert [row[0] for row in rows(card)[1:]] == ["x", "Diwali win-back"]
    assert "/billing/limits?do=cap&kind=campaign&campaign=diwali" in hrefs(card)
    assert "No campaign has a budget" in words(budgets.budgets_card(view()))
    assert "Add a budget" not in words(budgets.budgets_card(view(may_change=False)))


def test_the_banner_says_what_why_until_when_and_what_to_do():
    def banner(*found: Pause, **rest: bool) -> str:
        return words(pauses.pause_banner(found, TELLING, **{"may_top_up": True, **rest}))

    assert pauses.pause_banner((), TELLING, may_top_up=True) is None
    daily = banner(pause())
    assert daily == (
        "Outbound services are paused until Mon 23 Nov, 00:00 IST. "
        "₹11.40 spent of the daily spending cap, ₹10.00. Spending limits"
    )
    empty = banner(pause("balance"))
    assert "are paused until credit is added. The balance is used up. " in empty
    assert empty.endswith("Top up")
    assert "Top up" not in banner(pause("balance"), may_top_up=False)
    assert "Spending limits" not in banner(pause(), is_here=True)
    campaign = pause("campaign", "diwali")
    assert "Campaign Diwali win-back is paused until its budget is raised" in banner(campaign)
    many = banner(campaign, *(pause("campaign", f"c{n}") for n in range(4)), pause())
    assert many.startswith("Outbound services are paused"), "all outbound first"
    assert "And 3 more campaigns are paused." in many


@pytest.mark.parametrize(
    ("cause", "rule", "said"),
    [
        (ResumeCause.BOUNDARY, "daily", "The next day began"),
        (ResumeCause.BOUNDARY, "monthly", "The next month began"),
        (ResumeCause.CREDIT, "balance", "Credit was added"),
        (ResumeCause.OVERRIDE, "daily", "An override was given"),
        (ResumeCause.LIMIT, "weekly", "The limit was changed"),
        (ResumeCause.REVERSAL, "daily", "A charge was given back"),
        (None, "daily", "Still paused"),
    ],
)
def test_the_history_says_how_long_and_why_each_pause_ended(cause, rule, said):
    ended_at = NOW + timedelta(hours=3, minutes=5) if cause else None
    shown = pauses.PausesView(
        (), (pause(rule, ended_at=ended_at, end_cause=cause),), None, None,
        TELLING, may_change=True, may_top_up=True,
    )  # fmt: skip
    row = rows(pauses.history_card(shown))[1]
    assert row[1:] == ["22 Nov 2026, 18:00", "3 h 05 min" if cause else "–", said]
    assert "Nothing was ever paused" in words(pauses.history_card(replace(shown, history=())))


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "it would never have paused outbound services."),
        (1, "paused outbound services once: 1 Oct."),
        (3, "paused outbound services 3 times: 1 Oct, 2 Oct, 3 Oct."),
        (8, "8 times: the latest 3 Oct, 4 Oct, 5 Oct, 6 Oct, 7 Oct, 8 Oct."),
    ],
)
def test_a_backtest_says_how_often_and_when(count, said):
    days = [date(2026, 10, 1) + timedelta(days=n) for n in range(count)]
    hits = tuple(
        Hit(Window(CapKind.DAILY, day), day, day + timedelta(days=1), 12_000_000) for day in days
    )
    period = Period(date(2026, 8, 25), date(2026, 11, 23))
    tried = Backtest(Cap(CapKind.DAILY, 10_000_000), period, hits)
    text = backtest.backtest_text(tried, TELLING)
    assert text.startswith("Over the last 90 days (25 Aug – 22 Nov 2026) it would")
    assert text.endswith(said)
    listed = words(backtest.backtest(tried, TELLING))
    assert ("and 2 earlier" in listed) == (count == 8)


def test_a_backtest_of_calls_counts_those_that_would_have_ended_early():
    period = Period(date(2026, 8, 25), date(2026, 11, 23))
    cap = Cap(CapKind.PER_CALL, None, 600)
    for calls, over, said in (
        (0, 0, "there was no answered call."), (1_204, 0, "none of 1,204 answered calls early."),
        (1_204, 37, "it would have ended 37 of 1,204 answered calls early."),
    ):  # fmt: skip
        assert backtest.backtest_text(Backtest(cap, period, (), calls, over), TELLING).endswith(
            said
        )


@pytest.mark.parametrize(
    ("micros", "locale", "text"),
    [
        (5_000_000_000, "en_IN", "5,000.00"), (1_500_000, "de_DE", "1,50"),
        (1_125_000, "en_US", "1.1250"), (6_500, "en_US", "0.0065"), (0, "en_US", "0.00"),
    ],
)  # fmt: skip
def test_an_amount_in_a_form_can_be_read_in_one_way(micros, locale, text):
    assert amount_text(micros, locale) == text


def test_open_holds_have_their_age_campaign_and_sum():
    held = HoldView(
        "h1", "r1", HoldKind.CALL_HUMAN, "diwali", None, HoldState.OPEN, 3_600_000, 300, NOW,
        NOW + timedelta(minutes=15), None, None, None, None,
    )  # fmt: skip
    shown = holds.HoldsView((held,), 3_600_000, NOW + timedelta(seconds=125), TELLING)
    card = holds.holds_card(shown)
    assert rows(card)[1] == [
        "Human call 5 min", "Diwali win-back", "18:00:00", "2 min 05 s", "18:15:00", "₹3.60",
    ]  # fmt: skip
    assert rows(card)[-1][-1] == "₹3.60"
    many = replace(shown, holds=(held,) * 60, is_cut=True)
    assert "The newest 50 of more than 60" in words(holds.holds_card(many))
    assert holds.holds_card(replace(shown, holds=())) is None
