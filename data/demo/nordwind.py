"""Nordwind Energie, which uses everything: Scale, EUR, Europe/Berlin."""

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

_SERVICE = (("human", 0.45), ("ai", 0.35), ("sms", 0.10), ("whatsapp", 0.10))
_OUTREACH = (("ai", 0.62), ("ringless", 0.12), ("sms", 0.14), ("whatsapp", 0.12))

NORDWIND = Profile(
    account=NewAccount(
        "nordwind-energie", "Nordwind Energie", Plan.SCALE, "EUR", "Europe/Berlin",
        anchor_day=15, locale="en_DE", is_demo=True,
    ),
    share=0.30,
    hours=hours(
        h7=0.2, h8=0.9, h9=1.3, h10=1.35, h11=1.2, h12=0.7, h13=0.9, h14=1.2, h15=1.2,
        h16=1.0, h17=0.6, h18=0.25,
    ),
    weekdays=(1.12, 1.1, 1.08, 1.05, 0.9, 0.22, 0.08),
    numbers=(
        NumberRange("493023125", 3), NumberRange("496990009", 3), NumberRange("494066969", 3),
        NumberRange("498999998", 3), NumberRange("4917139200", 2),
    ),
    holidays=frozenset({
        (1, 1), (5, 1), (10, 3), (12, 24), (12, 25), (12, 26), (12, 31),
    }),
    moving_holidays=frozenset({
        date(2025, 4, 18), date(2025, 4, 21), date(2025, 5, 29), date(2025, 6, 9),
        date(2026, 4, 3), date(2026, 4, 6), date(2026, 5, 14), date(2026, 5, 25),
        date(2027, 3, 26), date(2027, 3, 29), date(2027, 5, 6), date(2027, 5, 17),
        date(2028, 4, 14), date(2028, 4, 17), date(2028, 5, 25), date(2028, 6, 5),
    }),
    streams=(
        Stream(slug="customer-service", name="Customer service", weight=0.3, mix=_SERVICE,
               answer_rate=0.44, median_seconds=230, category="service"),
        Stream(slug="move-in-welcome", name="Move-in welcome", weight=0.14, mix=_SERVICE,
               answer_rate=0.42, median_seconds=170, category="utility"),
        Stream(slug="late-payment-notice", name="Late payment notice", weight=0.14,
               mix=_OUTREACH, answer_rate=0.26, median_seconds=80, category="utility"),
        Stream(slug=None, weight=0.22, mix=(("inbound", 0.85), ("inbound_sms", 0.15)),
               median_seconds=200),
        Stream(slug="winter-tariff", name="Winter tariff", weight=0.4, mix=_OUTREACH,
               windows=(Window(10, 20, 40),), premium_share=0.3),
        Stream(slug="annual-meter-reading", name="Annual meter reading", weight=0.5,
               mix=(("sms", 0.35), ("whatsapp", 0.35), ("ringless", 0.15), ("ai", 0.15)),
               windows=(Window(12, 1, 28),), category="utility"),
        Stream(slug="price-guarantee", name="Price guarantee", weight=0.35, mix=_OUTREACH,
               windows=(Window(1, 12, 30),), premium_share=0.25),
        Stream(slug="heat-pump-advice", name="Heat pump advice", weight=0.25, mix=_SERVICE,
               windows=(Window(2, 23, 45),), premium_share=0.4, median_seconds=260),
        Stream(slug="solar-roof-offer", name="Solar roof offer", weight=0.35, mix=_OUTREACH,
               windows=(Window(4, 13, 50),), premium_share=0.3),
        Stream(slug="wallbox-offer", name="Wallbox offer", weight=0.25, mix=_OUTREACH,
               windows=(Window(6, 15, 35),)),
        Stream(slug="satisfaction-survey", name="Satisfaction survey", weight=0.2,
               mix=(("whatsapp", 0.5), ("sms", 0.3), ("ai", 0.2)),
               windows=(Window(8, 3, 26),), category="service"),
        Stream(slug="contract-renewal", name="Contract renewal", weight=0.35, mix=_OUTREACH,
               windows=(Window(9, 1, 42),), premium_share=0.3),
    ),
    spikes=(
        Spike(Moment(share=0.36), Stream(
            slug=None, weight=1.8, mix=(("inbound", 0.9), ("inbound_sms", 0.1)), hours=(7, 14),
            number_count=900, median_seconds=130)),
        Spike(Moment(share=0.8), Stream(
            slug="late-payment-notice", weight=1.2, mix=(("whatsapp", 0.6), ("sms", 0.4)),
            hours=(9, 12), number_count=60, category="utility")),
    ),
    users=(
        Consumer("user:nora", "Nora W.", 1.2), Consumer("user:jonas", "Jonas K.", 1.2),
        Consumer("user:lena", "Lena H.", 1.0), Consumer("user:emil", "Emil B.", 0.9),
        Consumer("user:mia", "Mia F.", 0.8), Consumer("user:paul", "Paul S.", 0.6),
    ),
    apps=(
        Consumer("app:dialler", "Dialler", 2.2), Consumer("app:customer-portal", "Portal", 1.2),
        Consumer("app:meter-service", "Meter service", 0.8),
    ),
    rented_numbers=18,
    seats=6,
    has_agent_hours=True,
    growth_per_year=0.22,
    micros_per_line=200_000,
    grants=(
        Grant(Moment(share=0.0), 9, "Welcome credit", 100, 60),
        Grant(Moment(share=0.7), 12, "Goodwill after maintenance", 250, 3, priority=50),
        Grant(Moment(days_before_end=20), 10, "Anniversary credit", 100, 25, priority=200,
              is_valid_from_end=True),
    ),
)  # fmt: skip
