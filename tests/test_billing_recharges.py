"""When a wallet tops itself up, by how much, and what it waits for: the rules alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.access import Role
from billing.errors import InputError, NotAllowedError
from billing.recharges import (
    ASK_AGAIN_DELAYS,
    DECLINE_DELAYS,
    Now,
    PaymentMethod,
    Recharge,
    RechargeMode,
    RechargeSettings,
    RechargeState,
    Tries,
    Wait,
    ask_again_at,
    check_settings,
    due,
    has_arrived_or_never,
    keeps_from,
    may_change,
    may_see,
    require_change,
    require_sight,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 24, tzinfo=UTC)
UNIT = 1_000_000
CARDS = (PaymentMethod("card", "A card"), PaymentMethod("other", "Another"))
FIXED = RechargeSettings(
    True, 10 * UNIT, RechargeMode.FIXED, 20 * UNIT, 50 * UNIT, "card", version=3
)
TARGET = replace(FIXED, mode=RechargeMode.TARGET, amount_micros=30 * UNIT)


def now(posted: float, **given: object) -> Now:
    return Now(round(posted * UNIT), NOW, MIDNIGHT, **given)  # type: ignore[arg-type]


NEVER, FLYING = Tries(), Tries(20 * UNIT, 20 * UNIT)


@pytest.mark.parametrize(
    ("settings", "moment", "tries", "amount", "wait"),
    [
        (FIXED, now(9.999999), NEVER, 20 * UNIT, None),
        (FIXED, now(10), NEVER, 0, Wait.ENOUGH),  # at the threshold isn't below it
        (FIXED, now(-100), NEVER, 20 * UNIT, None),
        (replace(FIXED, is_on=False), now(0), NEVER, 0, Wait.OFF),
        (FIXED, now(0), FLYING, 0, Wait.IN_FLIGHT),
        (FIXED, now(0, is_importing=True), NEVER, 0, Wait.IMPORTING),
        (FIXED, now(0), Tries(0, 30 * UNIT), 20 * UNIT, None),  # just fits
        (FIXED, now(0), Tries(0, 30 * UNIT + 1), 0, Wait.CEILING),  # never a part of it
        (TARGET, now(9), NEVER, 21 * UNIT, None),
        (TARGET, now(9.000001), NEVER, 21 * UNIT, None),  # whole cents, rounded up
        (TARGET, now(9.994), NEVER, 20_010_000, None),
        (TARGET, now(-100), NEVER, 50 * UNIT, None),  # as much as the day allows
        (TARGET, now(0), Tries(0, 45 * UNIT + 5_000), 4_990_000, None),
        (TARGET, now(0), Tries(0, 50 * UNIT), 0, Wait.CEILING),
        (TARGET, now(0), Tries(0, 50 * UNIT - 9_999), 0, Wait.CEILING),  # less than a cent
    ],
)
def test_when_and_how_much(settings, moment, tries, amount, wait):
    verdict = due(settings, moment, tries, "USD")
    assert (verdict.amount_micros, verdict.wait) == (amount, wait)
    assert verdict.next_at == (MIDNIGHT if wait is Wait.CEILING else None)


def test_currencies_without_decimals_are_topped_up_by_whole_units():
    assert due(TARGET, now(9.5), NEVER, "JPY").amount_micros == 21 * UNIT


@pytest.mark.parametrize(
    ("count", "delay"),
    [(1, 15), (2, 60), (3, 240), (4, 1440), (5, 1440), (20, 1440)],
)
def test_back_off_grows_and_then_stays(count, delay):
    tries = Tries(decline_count=count, declined_at=NOW)
    until = NOW + timedelta(minutes=delay)
    early = replace(now(0), at=until - timedelta(microseconds=1))
    verdict = due(FIXED, early, tries, "USD")
    assert (verdict.wait, verdict.next_at) == (Wait.DECLINED, until)
    assert due(FIXED, replace(early, at=until), tries, "USD").wait is None


def test_silence_is_asked_about_ever_more_seldom():
    asked = [ask_again_at(count, NOW) - NOW for count in range(9)]
    assert asked == [ASK_AGAIN_DELAYS[0], *ASK_AGAIN_DELAYS, *[ASK_AGAIN_DELAYS[-1]] * 3]
    assert sorted(DECLINE_DELAYS) == list(DECLINE_DELAYS)


WAITING = Recharge(
    "r", "acme", 3, RechargeState.WAITING, 20 * UNIT, "card", 0, 10 * UNIT, NOW
)  # fmt: skip


@pytest.mark.parametrize(
    ("recharge", "settings", "moment", "others", "keeps"),
    [
        (WAITING, FIXED, now(0), NEVER, None),
        (WAITING, replace(FIXED, version=4), now(0), NEVER, Wait.OFF),
        (WAITING, replace(FIXED, is_on=False), now(0), NEVER, Wait.OFF),
        (WAITING, FIXED, now(10), NEVER, Wait.ENOUGH),
        (WAITING, FIXED, now(0), Tries(0, 31 * UNIT), Wait.CEILING),
        (WAITING, FIXED, now(0, is_importing=True), NEVER, Wait.IMPORTING),
        # What was left of the day when it was asked for isn't any more.
        (replace(WAITING, amount_micros=30 * UNIT), TARGET, now(9), Tries(0, 25 * UNIT),
         Wait.CEILING),
    ],
)  # fmt: skip
def test_what_keeps_one_in_flight_from_being_charged(recharge, settings, moment, others, keeps):
    assert keeps_from(recharge, settings, moment, others, "USD") is keeps


def test_a_charge_can_be_on_its_way_for_ten_minutes():
    sent = replace(WAITING, state=RechargeState.SENT, sent_at=NOW)
    assert not has_arrived_or_never(sent, NOW + timedelta(minutes=9, seconds=59))
    assert has_arrived_or_never(sent, NOW + timedelta(minutes=10))


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"threshold_micros": 0}, "threshold_micros"),
        ({"threshold_micros": -1}, "threshold_micros"),
        ({"amount_micros": 0}, "amount_micros"),
        ({"amount_micros": 20 * UNIT + 1}, "amount_micros"),
        ({"amount_micros": 10**15 + 10_000}, "amount_micros"),
        ({"daily_ceiling_micros": 19_990_000}, "daily_ceiling_micros"),
        ({"daily_ceiling_micros": 50 * UNIT + 1}, "daily_ceiling_micros"),
        ({"mode": RechargeMode.TARGET, "amount_micros": 10 * UNIT}, "amount_micros"),
        ({"mode": RechargeMode.TARGET, "daily_ceiling_micros": 9_990_000}, "daily_ceiling_micros"),
        ({"method": "cash"}, "method"),
        ({"is_on": False, "amount_micros": -1}, "amount_micros"),
        ({"is_on": False, "amount_micros": 1}, "amount_micros"),
    ],
)
def test_settings_that_can_not_be_name_their_field(changed, field):
    with pytest.raises(InputError) as refused:
        check_settings(replace(FIXED, **changed), "USD", CARDS)
    assert refused.value.field == field


def test_settings_that_can_be():
    assert check_settings(FIXED, "USD", CARDS) == FIXED
    assert check_settings(replace(FIXED, method=""), "USD", CARDS).method == "card"
    assert check_settings(RechargeSettings(), "USD", CARDS).method == "card", "off may be empty"
    exact = replace(TARGET, daily_ceiling_micros=20 * UNIT)
    assert check_settings(exact, "USD", CARDS) == exact
    yen = replace(FIXED, amount_micros=20_500_000)
    with pytest.raises(InputError, match="whole JPY"):
        check_settings(yen, "JPY", CARDS)


def test_who_may():
    assert [may_change(role) for role in Role] == [True, False, False, True]
    assert [may_see(role) for role in Role] == [True, False, True, True]
    require_change(Role.OWNER)
    require_sight(Role.SUPPORT)
    with pytest.raises(NotAllowedError, match="support"):
        require_change(Role.SUPPORT)
    with pytest.raises(NotAllowedError, match="manager"):
        require_sight(Role.MANAGER)


@given(
    posted=st.integers(-(10**12), 10**12), counted=st.integers(0, 10**9),
    threshold=st.integers(1, 10**9), amount=st.integers(1, 10**5), ceiling=st.integers(1, 10**5),
    mode=st.sampled_from(list(RechargeMode)), currency=st.sampled_from(["USD", "JPY", "KWD"]),
)  # fmt: skip
def test_what_is_due_never_passes_the_ceiling_and_can_be_paid(
    posted, counted, threshold, amount, ceiling, mode, currency
):
    step = {"USD": 10_000, "JPY": 1_000_000, "KWD": 1_000}[currency]
    settings = RechargeSettings(True, threshold, mode, amount * step, ceiling * step, "card", 1)
    verdict = due(settings, Now(posted, NOW, MIDNIGHT), Tries(0, counted), currency)
    if verdict.wait is None:
        assert posted < threshold
        assert 0 < verdict.amount_micros <= ceiling * step - counted
        assert verdict.amount_micros % step == 0
        if mode is RechargeMode.TARGET:
            assert posted + verdict.amount_micros < amount * step + step
    else:
        assert verdict.amount_micros == 0
