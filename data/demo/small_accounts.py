"""Bluebird Dental (Launch, USD, once Free) and Tinker Lab (Free, AUD, sandbox only)."""

from __future__ import annotations

from datetime import date

from billing.plans import Plan
from data.accounts import NewAccount
from data.demo.profiles import (
    Consumer,
    Grant,
    Moment,
    NumberRange,
    Profile,
    Spike,
    Stream,
    Window,
    hours,
)

_REMINDERS = (("sms", 0.55), ("ai", 0.45))
_CALLS = (("ai", 0.8), ("sms", 0.2))

BLUEBIRD = Profile(
    account=NewAccount(
        "bluebird-dental", "Bluebird Dental", Plan.FREE, "USD", "America/New_York",
        anchor_day=31, locale="en_US", is_demo=True,
    ),
    share=0.12,
    hours=hours(
        h8=0.6, h9=1.2, h10=1.3, h11=1.2, h12=0.6, h13=0.9, h14=1.1, h15=1.1, h16=1.0, h17=0.6,
    ),
    weekdays=(1.15, 1.1, 1.1, 1.05, 0.85, 0.3, 0.05),
    numbers=tuple(NumberRange(f"1{area}55501", 2) for area in (212, 646, 718, 917, 347)),
    holidays=frozenset({(1, 1), (7, 4), (12, 24), (12, 25)}),
    moving_holidays=frozenset({
        date(2025, 5, 26), date(2025, 9, 1), date(2025, 11, 27), date(2026, 5, 25),
        date(2026, 9, 7), date(2026, 11, 26), date(2027, 5, 31), date(2027, 9, 6),
        date(2027, 11, 25),
    }),
    streams=(
        Stream(slug="appointment-reminders", name="Appointment reminders", weight=0.4,
               mix=_REMINDERS, answer_rate=0.45, median_seconds=48, category="utility"),
        Stream(slug="recall-six-months", name="Six-month recall", weight=0.2, mix=_CALLS,
               answer_rate=0.36, median_seconds=95),
        Stream(slug="missed-visit-follow-up", name="Missed visit follow-up", weight=0.1,
               mix=_CALLS, answer_rate=0.33, median_seconds=80),
        Stream(slug=None, weight=0.24, mix=(("inbound", 0.8), ("inbound_sms", 0.2)),
               median_seconds=110),
        Stream(slug="use-your-benefits", name="Use your benefits", weight=0.4, mix=_CALLS,
               windows=(Window(11, 2, 50),), premium_share=0.3),
        Stream(slug="new-year-checkup", name="New Year check-up", weight=0.3, mix=_REMINDERS,
               windows=(Window(1, 5, 26),)),
        Stream(slug="whitening-offer", name="Whitening offer", weight=0.25, mix=_REMINDERS,
               windows=(Window(4, 20, 25),)),
        Stream(slug="summer-children-days", name="Summer children's days", weight=0.25,
               mix=_CALLS, windows=(Window(6, 22, 40),)),
        Stream(slug="back-to-school", name="Back-to-school check-up", weight=0.3,
               mix=_REMINDERS, windows=(Window(8, 10, 30),)),
        Stream(slug="patient-survey", name="Patient survey", weight=0.2,
               mix=(("sms", 0.9), ("ai", 0.1)), windows=(Window(10, 1, 21),)),
    ),
    spikes=(
        Spike(Moment(share=0.57), Stream(
            slug="appointment-reminders", weight=1.6, mix=(("sms", 1.0),), hours=(9, 12),
            number_count=60, consumer="app:practice-calendar")),
        Spike(Moment(share=0.9), Stream(
            slug=None, weight=2.2, mix=(("inbound", 1.0),), hours=(9, 13), median_seconds=140)),
    ),
    users=(
        Consumer("user:blair", "Blair F.", 1.2), Consumer("user:casey", "Casey L.", 1.0),
        Consumer("user:drew", "Drew N.", 0.6),
    ),
    apps=(
        Consumer("app:practice-calendar", "Practice calendar", 2.0),
        Consumer("app:front-desk", "Front desk agent", 1.4),
        Consumer("app:recall-list", "Recall list", 0.7),
    ),
    rented_numbers=5,
    has_ai_replies=False,
    micros_per_line=110_000,
    grants=(
        Grant(Moment(share=0.55), 10, "Upgrade credit", 150, 30),
        Grant(Moment(days_before_end=9), 10, "Referral credit", 100, 12, priority=200,
              is_valid_from_end=True),
    ),
    upgrade=Moment(share=0.47),
    card_fails=Moment(share=0.65),
)  # fmt: skip

TINKER = Profile(
    account=NewAccount(
        "tinker-lab", "Tinker Lab", Plan.FREE, "AUD", "Australia/Sydney",
        locale="en_AU", environment="development", is_demo=True,
    ),
    share=0.03,
    hours=hours(
        h9=0.6, h10=1.0, h11=1.1, h13=0.8, h14=1.0, h15=1.2, h16=1.0, h19=0.5, h20=0.8,
        h21=0.8, h22=0.4,
    ),
    weekdays=(0.9, 1.0, 1.0, 0.9, 0.8, 0.9, 0.7),
    numbers=(NumberRange("6125550", 4),),
    holidays=frozenset({(1, 1), (1, 26), (4, 25), (12, 25), (12, 26)}),
    streams=(
        Stream(slug="hello-world", name="Hello world", weight=0.3, mix=_CALLS,
               median_seconds=30),
        Stream(slug="voice-prototype", name="Voice prototype", weight=0.25,
               mix=(("ai", 1.0),), median_seconds=60, premium_share=0.4),
        Stream(slug="sms-bot", name="SMS bot", weight=0.25,
               mix=(("sms", 0.6), ("inbound_sms", 0.4))),
        Stream(slug=None, weight=0.12, mix=(("inbound", 1.0),), median_seconds=40),
        Stream(slug="summer-hack-days", name="Summer hack days", weight=0.5, mix=_REMINDERS,
               windows=(Window(1, 9, 10),)),
        Stream(slug="load-test", name="Load test", weight=0.6, mix=(("sms", 1.0),),
               windows=(Window(3, 16, 5), Window(10, 6, 5))),
        Stream(slug="beta-feedback", name="Beta feedback", weight=0.3, mix=_REMINDERS,
               windows=(Window(6, 1, 30),)),
        Stream(slug="demo-day", name="Demo day", weight=0.6, mix=_CALLS,
               windows=(Window(11, 16, 12),)),
    ),
    spikes=(
        Spike(Moment(share=0.52), Stream(
            slug="sms-bot", weight=2.0, mix=(("sms", 1.0),), hours=(19, 23), number_count=3)),
    ),
    users=(
        Consumer("user:tess", "Tess K.", 1.0), Consumer("user:oli", "Oli D.", 0.5),
        Consumer("user:wren", "Wren A.", 0.4),
    ),
    apps=(
        Consumer("app:prototype", "Prototype", 2.0), Consumer("app:sms-bot", "SMS bot", 1.0),
        Consumer("app:notebook", "Notebook", 0.5),
    ),
)  # fmt: skip
