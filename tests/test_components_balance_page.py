"""The Balance page's parts: what is shown adds up, debt reads as debt, controls lead somewhere."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from billing.lots import LotKind
from billing.movements import Action, Approval, Movement
from billing.wallet import CreditLot, Preview, WalletEntry
from components import balance_page, wallet_forms
from components.links import Choice
from tests.builders import NOON, at
from tests.components_reading import hrefs, of_kind, with_class, words

ENTRY = WalletEntry(
    "e1", "charge", -600_000, 1_400_000, "INR", "usage", NOON, NOON, NOON, date(2026, 11, 22),
    line_id="l1", metric="sms_credits",
)  # fmt: skip
VIEW = balance_page.HistoryView(
    (ENTRY,), {"person:1": "Sue"}, {}, (Choice("All", "/billing/balance", True),), None, None,
    "en_IN", "Asia/Kolkata", may_explain=True,
)  # fmt: skip


def lot(kind: LotKind, left: int, ends: str | None = None) -> CreditLot:
    return CreditLot(
        f"{kind}{left}", kind, NOON, at(ends) if ends else None, 9_000_000, left, "why"
    )


def lots_view(*lots: CreditLot) -> balance_page.LotsView:
    days = tuple((one.expires_at - NOON).days if one.expires_at else None for one in lots)
    return balance_page.LotsView(lots, days, "INR", "en_IN", "Asia/Kolkata")


def test_what_is_left_is_rounded_so_that_it_adds_up():
    shown = words(
        balance_page.lots_card(lots_view(*(lot(LotKind.PAID, 3_333_333 + n) for n in range(3))))
    )
    assert "₹10.00" in shown
    assert sorted(shown.count(part) for part in ("₹3.33", "₹3.34")) == [1, 2]


def test_debt_reads_as_debt_and_an_expiry_as_its_last_day():
    shown = words(balance_page.lots_card(lots_view(
        lot(LotKind.OVERDRAFT, -2_500_000), lot(LotKind.PROMOTIONAL, 1_000_000, "2026-11-30 18:30"),
    )))  # fmt: skip
    assert "Debt" in shown
    assert "−₹2.50" in shown
    assert "30 Nov 2026" in shown, "it ends at the midnight after"
    assert "8 days left" in shown
    assert "−₹1.50" in shown, "the total"


def test_a_lot_with_another_priority_says_why_it_comes_earlier_or_later():
    usual = lot(LotKind.PROMOTIONAL, 1_000_000)
    early, late = replace(usual, priority=50), replace(usual, priority=300)
    assert "priority" not in words(balance_page.lots_card(lots_view(usual)))
    for one, said in (
        (early, "Used earlier than its expiry says: priority 50, usually 100"),
        (late, "Used later than its expiry says: priority 300, usually 100"),
    ):
        assert said in words(balance_page.lots_card(lots_view(one)))


def test_what_is_wrong_with_a_field_stands_below_it_and_names_it():
    view = wallet_forms.FormView(
        Action.TOP_UP, {"amount": "1.000"}, {"amount": "write 1,000"}, "key", "INR", "1,250.00"
    )
    form = wallet_forms.movement_form(view)
    (labelled,) = [each for each in with_class(form, "labelled") if "Amount" in words(each)]
    label, field, said = labelled.children
    assert (words(label), field.value, field.placeholder) == ("Amount in INR", "1.000", "1,250.00")
    assert (words(said), said.id) == ("Write 1,000", "move-amount-error")
    assert getattr(said, "data-error-of") == field.id == label.htmlFor


def test_an_empty_wallet_and_history_say_what_comes():
    assert "no credit left, and no debt" in words(balance_page.lots_card(lots_view()))
    assert "Nothing here yet" in words(balance_page.history_card(replace(VIEW, entries=())))


def test_a_charge_opens_its_explanation_where_the_plan_has_one():
    card = balance_page.history_card(VIEW)
    assert "/billing/usage/sms_credits?from=2026-11-22&to=2026-11-23&line=l1" in hrefs(card)
    assert "Charge" in words(card)
    assert "−₹0.60" in words(card)
    free = balance_page.history_card(replace(VIEW, may_explain=False))
    assert not [href for href in hrefs(free) if "line=" in href]
    may_refund = balance_page.history_card(replace(VIEW, refund_hrefs={"l1": "/x?do=refund"}))
    assert "/x?do=refund" in hrefs(may_refund)


def test_who_moved_money_has_a_name_and_usage_has_itself():
    moved = replace(ENTRY, kind="grant", amount_micros=5, line_id=None, metric=None,
                    actor="person:1", cause="an outage")  # fmt: skip
    card = words(balance_page.history_card(replace(VIEW, entries=(moved, ENTRY))))
    for part in ("Sue", "an outage", "Usage", "+₹0.000005"):
        assert part in card


def test_an_entry_booked_on_another_day_says_when_it_happened():
    late = replace(ENTRY, occurred_at=NOON - timedelta(days=40))
    assert "happened 13 Oct" in words(balance_page.history_card(replace(VIEW, entries=(late,))))


@pytest.mark.parametrize(
    ("movement", "micros", "sentence"),
    [
        (Movement(Action.TOP_UP, 5_000_000), 5_000_000, "Adds ₹5.00 paid credit"),
        (Movement(Action.ADJUSTMENT, 5_000_000), 5_000_000, "never expires"),
        (Movement(Action.ADJUSTMENT, -5_000_000), -5_000_000, "Takes ₹5.00 of credit"),
        (Movement(Action.GRANT, 1, expires_at=at("2026-12-31 18:30")), 1, "Thu 31 Dec 2026"),
        (Movement(Action.REFUND, line_id="l"), 600_000, "Gives ₹0.60 of SMS Credits back"),
    ],
)
def test_a_confirmation_says_what_will_happen(movement: Movement, micros: int, sentence: str):
    preview = Preview(movement, micros, 2_000_000, 2_000_000 + micros, needs_approval=False,
                      moved_today_micros=0, limit_micros=5, metric="sms_credits")  # fmt: skip
    view = wallet_forms.ConfirmView(
        preview, {"amount": "5"}, "key", "acme", "Acme", "INR", "en_IN", "Asia/Kolkata", "/edit"
    )
    card = wallet_forms.confirmation(view)
    assert sentence in words(card)
    assert ("leaves a debt" in words(card)) is (micros < -2_000_000)
    (button,) = of_kind(card, "Button")
    sent = {name: value for name, value in vars(button).items()
            if name.startswith("data-")}  # fmt: skip
    assert sent == {
        "data-post": "/wallet/movements", "data-field-do": movement.action.value,
        "data-field-key": "key", "data-field-account": "acme", "data-field-amount": "5",
    }  # fmt: skip
    asks = wallet_forms.confirmation(replace(view, preview=replace(preview, needs_approval=True)))
    assert "Ask for approval" in words(asks)


def test_only_another_administrator_gets_buttons():
    approval = Approval("a1", "acme", Movement(Action.GRANT, 5, "why"), 5_000_000, "person:1",
                        NOON, NOON + timedelta(days=7))  # fmt: skip
    view = wallet_forms.WaitingView(
        (approval, replace(approval, id="a2")), (True, False), {"person:1": "Sue"}, "acme", "INR",
        "en_IN", "Asia/Kolkata",
    )  # fmt: skip
    card = wallet_forms.waiting_card(view)
    assert [words(button) for button in of_kind(card, "Button")] == ["Approve", "Reject"]
    assert "Asked by Sue" in words(card)
    assert wallet_forms.waiting_card(replace(view, approvals=(), may_decide=())) is None
