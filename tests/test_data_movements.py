"""Refunds, adjustments, and that a key moves money once, on a real ledger that proves itself."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from billing.errors import InputError, NotFoundError, ProductError
from billing.events import MeteredEvent
from billing.movements import Action, Movement
from data import tables as t
from data.ledger.movements import Moved
from tests.builders import NOON, UNIT_PRICE_MICROS, at, call, sms
from tests.wallet_ledger import REFUND, Wallet, at_once, proved_wallet


@pytest.fixture
def wallet(tmp_path: Path) -> Iterator[Wallet]:
    yield from proved_wallet(tmp_path)


# --- refunds ---------------------------------------------------------------------------------
def test_a_refund_is_a_line_and_an_entry_that_cancel_the_charge(wallet: Wallet):
    wallet.post(call("c", seconds=95, consumer="user:1"))
    charged = next(line for line in wallet.lines() if line.talk_seconds)
    before = wallet.posted()
    moved = wallet.move(replace(REFUND, line_id=charged.id))
    reversal = wallet.lines()[-1]
    assert moved.entry is not None
    assert moved.entry.amount_micros == charged.cost_micros == wallet.posted() - before
    assert (moved.entry.kind, moved.entry.cause, moved.entry.actor) == (
        "refund", "wrong number", "person:ada",
    )  # fmt: skip
    assert moved.entry.line_id == reversal.id
    for name in ("base_units", "pulses", "talk_seconds", "connect_fee_micros", "cost_micros"):
        assert getattr(reversal, name) == -getattr(charged, name), name
    same = (
        "account_id", "event_id", "source", "metric", "service", "direction", "agent", "status",
        "campaign_id", "consumer_id", "rate_id", "currency", "kind", "cap_on", "is_sandbox",
    )  # fmt: skip
    for name in same:
        assert getattr(reversal, name) == getattr(charged, name), name
    assert (reversal.reverses_line_id, reversal.reason) == (charged.id, "wrong number")
    assert wallet.draws(moved.entry.id) == {
        lot: -micros for lot, micros in wallet.charge_of(charged.id).items()
    }


def test_a_refund_is_booked_on_the_accounts_day_of_the_refund(wallet: Wallet):
    wallet.add("east", timezone="Pacific/Auckland")
    wallet.credit(100 * UNIT_PRICE_MICROS, account_id="east")
    wallet.post(sms("a", "2026-11-22 09:00"), account_id="east")
    (line,) = wallet.lines("east")
    wallet.clock.at = at("2026-11-23 11:30")  # past midnight in Auckland
    wallet.move(replace(REFUND, line_id=line.id), account_id="east")
    reversal = wallet.lines("east")[-1]
    assert str(reversal.booked_on) == "2026-11-24"
    assert str(reversal.cap_on) == "2026-11-22", "it makes no room under today's cap"
    assert reversal.occurred_at == wallet.clock.at


def test_only_a_charge_can_be_refunded_and_only_once(wallet: Wallet):
    free = MeteredEvent(
        source="meter", id="f", occurred_at=NOON, metric="sms_credits", units=3, cost_micros=0
    )
    wallet.post(sms("a"), free, sms("s", is_sandbox=True))
    paid, nothing, sandbox = wallet.lines()
    wallet.move(replace(REFUND, line_id=paid.id))
    reversal = wallet.lines()[-1]
    entries = len(wallet.rows(t.wallet_entries))
    for line_id, code in (
        (paid.id, "already_refunded"), (reversal.id, "not_refundable"),
        (nothing.id, "not_refundable"), (sandbox.id, "not_refundable"),
        ("nobody", "not_found"), ("x" * 200, "not_found"),
    ):  # fmt: skip
        with pytest.raises(ProductError) as refused:
            wallet.move(replace(REFUND, line_id=line_id))
        assert refused.value.code == code
    assert len(wallet.rows(t.wallet_entries)) == entries


def test_a_line_of_another_account_does_not_exist(wallet: Wallet):
    wallet.add("globex")
    wallet.post(sms("a"))
    (line,) = wallet.lines()
    with pytest.raises(NotFoundError):
        wallet.move(replace(REFUND, line_id=line.id), account_id="globex")


def test_an_expired_lot_comes_back_as_promotional_credit_for_thirty_days(wallet: Wallet):
    wallet.move(
        Movement(Action.GRANT, 3 * UNIT_PRICE_MICROS, "welcome", expires_at=at("2026-11-25"))
    )
    wallet.post(sms("a", segments=5))
    (line,) = wallet.lines()
    wallet.clock.at = at("2026-11-26 08:00")
    moved = wallet.move(replace(REFUND, line_id=line.id))
    assert moved.entry is not None
    (lot,) = [r for r in wallet.rows(t.credit_lots) if r.entry_id == moved.entry.id]
    assert (lot.kind, lot.amount_micros) == ("promotional", 3 * UNIT_PRICE_MICROS)
    assert lot.expires_at == at("2026-12-26 08:00")
    assert list(wallet.draws(moved.entry.id).values()) == [-2 * UNIT_PRICE_MICROS]


def test_debt_is_struck_off_before_anything_comes_back(wallet: Wallet):
    wallet.post(sms("a", segments=130))
    (line,) = wallet.lines()
    moved = wallet.move(replace(REFUND, line_id=line.id))
    assert moved.entry is not None
    assert sorted(wallet.draws(moved.entry.id).values()) == [
        -100 * UNIT_PRICE_MICROS, -30 * UNIT_PRICE_MICROS,
    ]  # fmt: skip
    assert sorted(wallet.left().values()) == [0, 100 * UNIT_PRICE_MICROS]


def test_debt_that_a_grant_repaid_goes_back_to_the_grant(wallet: Wallet):
    wallet.post(sms("a", segments=130))
    wallet.move(Movement(Action.GRANT, 50 * UNIT_PRICE_MICROS, "sorry"))
    (line,) = wallet.lines()
    wallet.move(replace(REFUND, line_id=line.id))
    lots = {lot.id: lot.kind for lot in wallet.rows(t.credit_lots)}
    left = {lots[lot]: micros for lot, micros in wallet.left().items()}
    assert left == {
        "paid": 100 * UNIT_PRICE_MICROS, "promotional": 50 * UNIT_PRICE_MICROS, "overdraft": 0,
    }  # fmt: skip


def test_a_lot_gets_no_more_debt_back_than_it_repaid(wallet: Wallet):
    wallet.post(sms("a", segments=130))
    wallet.post(sms("b", segments=20))
    first = wallet.move(Movement(Action.GRANT, 30 * UNIT_PRICE_MICROS, "sorry"))
    second = wallet.move(Movement(Action.GRANT, 20 * UNIT_PRICE_MICROS, "sorry"))
    for line in wallet.lines():
        wallet.move(replace(REFUND, line_id=line.id))
    left = {lot.entry_id: wallet.left()[lot.id] for lot in wallet.rows(t.credit_lots)}
    assert first.entry is not None
    assert second.entry is not None
    assert left[first.entry.id] == 30 * UNIT_PRICE_MICROS
    assert left[second.entry.id] == 20 * UNIT_PRICE_MICROS


# --- adjustments -----------------------------------------------------------------------------
def test_an_adjustment_has_either_sign(wallet: Wallet):
    wallet.move(Movement(Action.ADJUSTMENT, 7, "goodwill"))
    lots = {lot.id: lot for lot in wallet.rows(t.credit_lots)}
    new = next(lot for lot in lots.values() if lot.amount_micros == 7)
    assert (new.kind, new.expires_at) == ("promotional", None)
    taken = wallet.move(Movement(Action.ADJUSTMENT, -100 * UNIT_PRICE_MICROS - 9, "chargeback"))
    assert taken.entry is not None
    assert taken.entry.balance_after_micros == -2 == wallet.posted()
    drawn = [(lots[lot].kind, micros) for lot, micros in wallet.draws(taken.entry.id).items()]
    assert sorted(drawn) == [
        ("overdraft", 2), ("paid", 100 * UNIT_PRICE_MICROS), ("promotional", 7),
    ]  # fmt: skip
    assert [row.line_id for row in wallet.rows(t.wallet_entries) if row.kind == "adjustment"] == [
        None, None,
    ]  # fmt: skip


# --- once a key ------------------------------------------------------------------------------
def test_a_key_gives_the_first_answer_again(wallet: Wallet):
    grant = Movement(Action.GRANT, 5, "why", expires_at=at("2027-01-01"))
    first = wallet.move(grant, "k")
    wallet.move(Movement(Action.GRANT, 6, "why"), "other")
    wallet.clock.at = at("2028-01-01")  # kept for ever, even where it could not be asked any more
    again = wallet.move(grant, "k")
    assert again == replace(first, is_replay=True)
    with pytest.raises(ProductError) as refused:
        wallet.move(replace(grant, amount_micros=6), "k")
    assert refused.value.code == "idempotency_mismatch"
    assert [e.amount_micros for e in wallet.rows(t.wallet_entries) if e.kind == "grant"] == [5, 6]


def test_a_key_belongs_to_one_account_and_one_route(wallet: Wallet):
    wallet.add("globex")
    wallet.move(Movement(Action.GRANT, 5, "why"), "k")
    assert not wallet.move(Movement(Action.ADJUSTMENT, 5, "why"), "k").is_replay
    assert not wallet.move(Movement(Action.GRANT, 9, "why"), "k", account_id="globex").is_replay
    assert wallet.posted("globex") == 9


@pytest.mark.parametrize("key", ["", "x" * 256, "a\nb", "\x00", "\ud800"])
def test_a_key_that_is_none_is_refused_by_name(wallet: Wallet, key: str):
    with pytest.raises(InputError) as refused:
        wallet.movements.move(wallet.scope(), "key:1", Movement(Action.GRANT, 5, "why"), key)
    assert refused.value.field == "Idempotency-Key"


def test_a_refusal_keeps_no_answer(wallet: Wallet):
    with pytest.raises(InputError):
        wallet.move(Movement(Action.GRANT, 5, "\x00"), "k")
    assert not wallet.move(Movement(Action.GRANT, 5, "why"), "k").is_replay


def test_sixteen_calls_with_one_key_move_money_once(wallet: Wallet):
    before = wallet.posted()
    grant = Movement(Action.GRANT, 5, "why")
    found = at_once([lambda: wallet.move(grant, "the-key")] * 16)
    moved = [each for each in found if isinstance(each, Moved)]
    refused = {each.code for each in found if isinstance(each, ProductError)}
    assert refused <= {"in_progress"}
    assert len({each.entry.id for each in moved if each.entry}) == 1
    assert sum(not each.is_replay for each in moved) == 1
    assert wallet.posted() == before + 5
    assert wallet.move(grant, "the-key").is_replay


def test_sixteen_refunds_of_one_line_give_back_once(wallet: Wallet):
    wallet.post(sms("a"))
    (line,) = wallet.lines()
    refund = replace(REFUND, line_id=line.id)
    found = at_once([lambda: wallet.move(refund)] * 16)
    assert sum(isinstance(each, Moved) for each in found) == 1
    assert [each.code for each in found if isinstance(each, ProductError)] == [
        "already_refunded"
    ] * 15
    assert wallet.posted() == 100 * UNIT_PRICE_MICROS
