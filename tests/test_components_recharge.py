"""Auto-recharge on the Balance page: each state in words, each try with what came of it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from billing.recharges import (
    PaymentMethod,
    Recharge,
    RechargeMode,
    RechargeSettings,
    RechargeStanding,
    RechargeState,
    Verdict,
    Wait,
)
from components import recharge
from tests.builders import NOON
from tests.components_reading import hrefs, rows, with_class, words

UNIT = 1_000_000
SETTINGS = RechargeSettings(
    True, 10 * UNIT, RechargeMode.FIXED, 20 * UNIT, 50 * UNIT, "card", 1
)  # fmt: skip
TRY = Recharge(
    "r1", "acme", 1, RechargeState.DONE, 20 * UNIT, "card", 9 * UNIT, 10 * UNIT, NOON
)  # fmt: skip
METHODS = (PaymentMethod("card", "A card"), PaymentMethod("test", "A test card", is_test=True))
LATER = NOON + timedelta(minutes=15)


def view(
    wait: Wait | None, *tries: Recharge, settings: RechargeSettings = SETTINGS, may: bool = True
) -> recharge.RechargeView:
    standing = RechargeStanding(
        settings, Verdict(0, wait, LATER if wait in {Wait.DECLINED, Wait.CEILING} else None),
        20 * UNIT, tries, METHODS, NOON,
    )  # fmt: skip
    return recharge.RechargeView(standing, "acme", "USD", "en_US", "Europe/Lisbon", may)


SENT = replace(
    TRY, state=RechargeState.SENT, next_at=LATER, reason="no answer in time", sent_at=NOON
)  # fmt: skip


@pytest.mark.parametrize(
    ("wait", "tries", "said"),
    [
        (Wait.ENOUGH, (TRY,), "Topped up today: $20.00."),
        (None, (), "A top-up is due and about to begin."),
        (Wait.IN_FLIGHT, (replace(SENT, state=RechargeState.WAITING),), "A top-up was begun."),
        (Wait.IN_FLIGHT, (replace(SENT, reason=None),), "the payment gateway is asked"),
        (Wait.IN_FLIGHT, (SENT,), "has no answer yet. It is asked again Sun 22 Nov, 12:15 WET"),
        (Wait.IMPORTING, (), "looked at again afterwards"),
        (Wait.DECLINED, (), "declined. The next try is Sun 22 Nov, 12:15 WET, or as soon as"),
        (Wait.CEILING, (), "As much as a day allows was topped up today, $20.00. It goes on Sun"),
    ],
)  # fmt: skip
def test_each_state_says_what_happens_next(wait, tries, said):
    assert said in words(recharge.recharge_card(view(wait, *tries)))


def test_the_card_says_what_is_set_and_leads_to_the_form():
    card = recharge.recharge_card(view(Wait.ENOUGH))
    said = "When the balance falls below $10.00, $20.00 is added; at most $50.00 a day."
    assert said in words(card)
    assert hrefs(card) == ["/billing/balance?do=auto-recharge"]
    assert hrefs(recharge.recharge_card(view(Wait.ENOUGH, may=False))) == []
    off = recharge.recharge_card(view(Wait.OFF, settings=RechargeSettings()))
    assert "Credit is added only by hand" in words(off)
    assert "Set up…" in words(off)


def test_a_test_card_is_labelled():
    assert "Test gateway" not in words(recharge.recharge_card(view(Wait.ENOUGH)))
    test = view(Wait.ENOUGH, settings=replace(SETTINGS, method="test"))
    assert "A test card. Test gateway: no money is moved." in words(recharge.recharge_card(test))


def test_each_try_shows_its_result_reason_and_amount():
    declined = replace(TRY, state=RechargeState.DECLINED, reason="no money on the card")
    card = recharge.recharge_card(view(Wait.DECLINED, declined, TRY))
    assert rows(card)[1:] == [
        ["Sun 22 Nov 2026 12:00:00", "Declined no money on the card", "$9.00", "$20.00"],
        ["Sun 22 Nov 2026 12:00:00", "Topped up", "$9.00", "$20.00"],
    ]
    assert len(with_class(card, "mark-soon")) == 2, "the state, and the try"


def test_the_form_is_filled_with_what_is_set():
    assert recharge.filled(SETTINGS, "en_US") == {
        "state": "on", "mode": "fixed_amount", "threshold": "10.00", "amount": "20.00",
        "ceiling": "50.00", "method": "card",
    }  # fmt: skip
    new = recharge.filled(RechargeSettings(), "en_US")
    assert new == {"state": "on", "mode": "fixed_amount", "method": ""}
    form = recharge.RechargeForm(new, {"": "All of it is wrong"}, "USD", "1,250.00")
    assert "All of it is wrong" in words(recharge.recharge_form(form))
    assert "Test gateway" not in words(recharge.recharge_form(form)), "only where one may try"
    shown = words(recharge.recharge_form(replace(form, methods=METHODS)))
    assert "Test gateway: what it does" in shown
