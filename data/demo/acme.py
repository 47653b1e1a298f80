"""Acme Outreach, the showcase: Growth, INR, Asia/Kolkata."""

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

_CALLS = (("ai", 0.86), ("human", 0.06), ("sms", 0.08))
_TEXTS = (("sms", 0.55), ("whatsapp", 0.25), ("ai", 0.20))

ACME = Profile(
    account=NewAccount(
        "acme-outreach", "Acme Outreach", Plan.GROWTH, "INR", "Asia/Kolkata",
        anchor_day=1, locale="en_IN", is_demo=True,
    ),
    share=0.55,
    hours=hours(
        h8=0.2, h9=0.7, h10=1.2, h11=1.35, h12=1.1, h13=0.6, h14=0.9, h15=1.1, h16=1.25,
        h17=1.3, h18=1.0, h19=0.6, h20=0.25,
    ),
    weekdays=(1.08, 1.1, 1.05, 1.06, 1.0, 0.55, 0.16),
    numbers=(NumberRange("91900000", 4),),
    holidays=frozenset({(1, 26), (8, 15), (10, 2), (12, 25)}),
    moving_holidays=frozenset({
        date(2025, 3, 14), date(2025, 10, 20), date(2026, 3, 4), date(2026, 11, 8),
        date(2027, 3, 22), date(2027, 10, 29), date(2028, 3, 11), date(2028, 10, 17),
    }),
    streams=(
        Stream(slug="renewal-reminders", name="Renewal reminders", weight=0.42, mix=_CALLS,
               answer_rate=0.41, median_seconds=120),
        Stream(slug="onboarding-calls", name="Onboarding calls", weight=0.17,
               mix=(("ai", 0.45), ("human", 0.45), ("sms", 0.1)), answer_rate=0.45,
               median_seconds=210, premium_share=0.3),
        Stream(slug="payment-follow-up", name="Payment follow-up", weight=0.18, mix=_CALLS,
               answer_rate=0.27, median_seconds=85, category="utility"),
        Stream(slug="order-updates", name="Order updates", weight=0.16, mix=_TEXTS,
               category="utility", consumer="app:order-sync"),
        Stream(slug=None, weight=0.09, mix=(("inbound", 0.7), ("inbound_sms", 0.3))),
        Stream(slug="diwali-win-back", name="Diwali win-back", weight=0.5, mix=_CALLS,
               windows=(Window(10, 14, 42),), answer_rate=0.38, premium_share=0.35,
               median_seconds=150),
        Stream(slug="new-year-upgrade", name="New Year upgrade", weight=0.35, mix=_CALLS,
               windows=(Window(12, 27, 24),), premium_share=0.25),
        Stream(slug="republic-day-sale", name="Republic Day sale", weight=0.3, mix=_TEXTS,
               windows=(Window(1, 19, 9),)),
        Stream(slug="holi-festival-offers", name="Holi festival offers", weight=0.3, mix=_TEXTS,
               windows=(Window(2, 24, 16),)),
        Stream(slug="year-end-collections", name="Year-end collections", weight=0.4, mix=_CALLS,
               windows=(Window(3, 10, 25),), answer_rate=0.25),
        Stream(slug="summer-reactivation", name="Summer reactivation", weight=0.3, mix=_CALLS,
               windows=(Window(5, 4, 38),), premium_share=0.2),
        Stream(slug="feedback-survey", name="Feedback survey", weight=0.22, mix=_TEXTS,
               windows=(Window(7, 13, 26), Window(2, 2, 14)), category="service"),
        Stream(slug="independence-day-sale", name="Independence Day sale", weight=0.35,
               mix=_TEXTS, windows=(Window(8, 5, 13),)),
        Stream(slug="lapsed-plan-calls", name="Lapsed plan calls", weight=0.3, mix=_CALLS,
               windows=(Window(9, 7, 30),), premium_share=0.25),
    ),
    spikes=(
        Spike(Moment(share=0.31), Stream(
            slug="order-updates", weight=4.5, mix=(("sms", 1.0),), hours=(13, 18),
            segment_weights=(0.0, 0.2, 0.8), number_count=40, consumer="app:order-sync")),
        Spike(Moment(share=0.63), Stream(
            slug=None, weight=2.8, mix=(("inbound", 1.0),), hours=(10, 15), number_count=25,
            median_seconds=160)),
        Spike(Moment(days_before_end=3), weight=0.75),
    ),
    users=(
        Consumer("user:priya", "Priya R.", 1.4), Consumer("user:arjun", "Arjun M.", 1.1),
        Consumer("user:kavya", "Kavya S.", 1.0), Consumer("user:rohan", "Rohan T.", 0.8),
        Consumer("user:meera", "Meera J.", 0.6), Consumer("user:dev", "Dev P.", 0.4),
    ),
    apps=(
        Consumer("app:voice-agent", "Voice agent", 3.0),
        Consumer("app:campaign-studio", "Campaign studio", 1.6),
        Consumer("app:order-sync", "Order sync", 0.6),
    ),
    growth_per_year=0.2,
    rented_numbers=28,
    seats=6,
    micros_per_line=10_500_000,
    grants=(
        Grant(Moment(share=0.0), 9, "Welcome credit", 100, 90),
        Grant(Moment(share=0.42), 10, "Service credit", 300, 2, priority=50),
        Grant(Moment(days_before_end=40), 11, "Festival bonus", 70, 5, priority=200,
              is_valid_from_end=True),
        Grant(Moment(days_before_end=1), 9, "Referral credit", 160, 60),
    ),
)  # fmt: skip
