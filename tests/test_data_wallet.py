"""The stored wallet: credits, expiry, debt, and projections that survive reopening."""

from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from billing.errors import InputError
from billing.lots import LotKind
from data import tables as t
from data.ledger.wallet import Credit, OpenWallet, Posting
from tests.builders import NOON, UNIT_PRICE_MICROS, Ledger, at, sms
from tests.wallet_checks import check_wallet

PRICE = UNIT_PRICE_MICROS
TODAY = date(2026, 11, 22)
NOW = Posting(NOON, NOON, NOON, TODAY)


@pytest.fixture
def ledger(tmp_path: Path):
    with Ledger(tmp_path) as opened:
        opened.add()
        yield opened


def use(ledger: Ledger, units: int, event_id: str = "1", **rest) -> None:
    """Charges so many units."""
    (outcome,) = ledger.post(sms(event_id, segments=units), **rest)
    assert outcome.status == "accepted"


def left(ledger: Ledger) -> list[tuple[str, int]]:
    """Kind and rest of every lot, oldest id first, in units."""
    lots = {row.id: row.kind for row in ledger.rows(t.credit_lots)}
    return [
        (lots[row.lot_id], row.remaining_micros // PRICE) for row in ledger.rows(t.lot_balances)
    ]


def kinds(ledger: Ledger) -> list[tuple[str, int]]:
    return [(row.kind, row.amount_micros // PRICE) for row in ledger.rows(t.wallet_entries)]


def test_a_new_account_has_an_empty_wallet_and_one_debt_lot(ledger: Ledger):
    assert left(ledger) == [("overdraft", 0)]
    assert ledger.posted() == 0
    check_wallet(ledger)


@pytest.mark.parametrize("kind", [LotKind.PAID, LotKind.PROMOTIONAL])
def test_a_credit_is_an_entry_and_a_lot(ledger: Ledger, kind: LotKind):
    entry_id = ledger.credit(7 * PRICE, kind=kind, expires_at="2026-12-01")
    (entry,) = ledger.rows(t.wallet_entries)
    assert (entry.id, entry.kind) == (entry_id, "top_up" if kind is LotKind.PAID else "grant")
    (lot,) = [row for row in ledger.rows(t.credit_lots) if row.kind == kind.value]
    assert (lot.entry_id, lot.amount_micros) == (entry_id, 7 * PRICE)
    assert (lot.granted_at, lot.expires_at) == (NOON, at("2026-12-01"))
    check_wallet(ledger)


@pytest.mark.parametrize("micros", [0, -1])
def test_a_credit_is_above_zero(ledger: Ledger, micros: int):
    with pytest.raises(InputError):
        ledger.credit(micros)
    assert ledger.rows(t.wallet_entries) == []


def test_promotional_credit_pays_before_paid_credit(ledger: Ledger):
    ledger.credit(5 * PRICE)
    ledger.credit(3 * PRICE, kind=LotKind.PROMOTIONAL, expires_at="2026-12-01")
    use(ledger, 4)
    assert sorted(left(ledger)) == [("overdraft", 0), ("paid", 4), ("promotional", 0)]
    check_wallet(ledger)


def test_usage_is_never_refused_for_lack_of_money_and_debt_is_repaid_first(ledger: Ledger):
    ledger.credit(2 * PRICE)
    use(ledger, 5)
    assert ledger.posted() == -3 * PRICE
    assert sorted(left(ledger)) == [("overdraft", -3), ("paid", 0)]
    ledger.credit(1 * PRICE)
    assert sorted(left(ledger)) == [("overdraft", -2), ("paid", 0), ("paid", 0)]
    ledger.credit(4 * PRICE)
    assert sorted(left(ledger)) == [("overdraft", 0), ("paid", 0), ("paid", 0), ("paid", 2)]
    assert ledger.posted() == 2 * PRICE
    check_wallet(ledger)


def test_an_expired_credit_leaves_before_the_next_charge(ledger: Ledger):
    ledger.credit(5 * PRICE, "2026-11-01", "2026-11-20", LotKind.PROMOTIONAL)
    ledger.credit(9 * PRICE)
    use(ledger, 2)
    assert kinds(ledger) == [("grant", 5), ("top_up", 9), ("expiry", -5), ("charge", -2)]
    assert sorted(left(ledger)) == [("overdraft", 0), ("paid", 7), ("promotional", 0)]
    check_wallet(ledger)


@pytest.mark.parametrize(
    ("received", "is_expired"),
    [("2026-11-19 23:59:59", False), ("2026-11-20 00:00", True), ("2026-11-20 00:01", True)],
)
def test_a_credit_is_valid_up_to_the_instant_it_expires(
    ledger: Ledger, received: str, is_expired: bool
):
    ledger.credit(5 * PRICE, "2026-11-01", "2026-11-20", LotKind.PROMOTIONAL)
    ledger.post(sms("1", received), received_at=at(received))
    assert (("expiry", -5) in kinds(ledger)) == is_expired
    assert ledger.posted() == (-PRICE if is_expired else 4 * PRICE)
    check_wallet(ledger)


def test_a_used_up_credit_expires_without_an_entry(ledger: Ledger):
    ledger.credit(5 * PRICE, "2026-11-01", "2026-11-20", LotKind.PROMOTIONAL)
    ledger.post(sms("1", "2026-11-10", 5), received_at=at("2026-11-10"))
    use(ledger, 1, "2")
    assert kinds(ledger) == [("grant", 5), ("charge", -5), ("charge", -1)]
    check_wallet(ledger)


def test_a_credit_expires_once(ledger: Ledger):
    ledger.credit(5 * PRICE, "2026-11-01", "2026-11-20", LotKind.PROMOTIONAL)
    with ledger.database.write() as connection:
        wallet = OpenWallet.open(connection, ledger.accounts["acme"])
        assert [wallet.expire(NOW), wallet.expire(NOW)] == [1, 0]
        wallet.flush(NOON)
    with ledger.database.write() as connection:
        assert OpenWallet.open(connection, ledger.accounts["acme"]).expire(NOW) == 0
    assert kinds(ledger) == [("grant", 5), ("expiry", -5)]
    check_wallet(ledger)


def test_a_credit_added_and_expired_in_one_transaction(ledger: Ledger):
    with ledger.database.write() as connection:
        wallet = OpenWallet.open(connection, ledger.accounts["acme"])
        grant = Credit(LotKind.PROMOTIONAL, 5 * PRICE, "welcome", at("2026-11-22 11:00"))
        wallet.credit(grant, NOW)
        assert wallet.expire(NOW) == 1
        wallet.flush(NOON)
    assert ledger.posted() == 0
    check_wallet(ledger)


def test_several_flushes_write_each_thing_once(ledger: Ledger):
    with ledger.database.write() as connection:
        wallet = OpenWallet.open(connection, ledger.accounts["acme"])
        for n in range(1, 4):
            wallet.credit(Credit(LotKind.PAID, n * PRICE, "top-up"), NOW)
            wallet.flush(NOON)
            wallet.flush(NOON)
    assert kinds(ledger) == [("top_up", 1), ("top_up", 2), ("top_up", 3)]
    check_wallet(ledger)


def test_a_charge_has_one_reference(ledger: Ledger):
    use(ledger, 1)
    (line,) = ledger.rows(t.usage_lines)

    def charge_again() -> None:
        with ledger.database.write() as connection:
            wallet = OpenWallet.open(connection, ledger.accounts["acme"])
            wallet.charge(line.id, PRICE, NOW)
            wallet.flush(NOON)

    with pytest.raises(IntegrityError):
        charge_again()
    check_wallet(ledger)


def test_wallets_of_two_accounts_are_apart(ledger: Ledger):
    ledger.add("globex")
    ledger.credit(5 * PRICE, account_id="globex")
    use(ledger, 2)
    assert (ledger.posted("acme"), ledger.posted("globex")) == (-2 * PRICE, 5 * PRICE)
    for account_id in ("acme", "globex"):
        check_wallet(ledger, account_id)


def test_large_amounts_stay_exact(ledger: Ledger):
    ledger.credit(10**15 - 1)
    use(ledger, 1)
    with ledger.database.read() as connection:
        found = connection.scalar(select(t.balances.c.posted_micros))
    assert found == 10**15 - 1 - PRICE
    check_wallet(ledger)


@pytest.mark.parametrize(
    ("expired", "is_closed", "booked", "corrects"),
    [
        ("2026-11-10", False, date(2026, 11, 10), None),
        ("2026-10-20", False, date(2026, 10, 20), None),
        ("2026-10-20", True, TODAY, date(2026, 10, 1)),
        ("2026-11-10", True, date(2026, 11, 10), None),
    ],
)
def test_an_expiry_counts_on_the_day_the_credit_expired(
    ledger: Ledger, expired: str, is_closed: bool, booked: date, corrects: date | None
):
    """Not on the day of the charge that noticed it."""
    ledger.credit(5 * PRICE, "2026-10-01", expired, LotKind.PROMOTIONAL)
    if is_closed:
        ledger.close_period("2026-10-01", "2026-11-01")
    ledger.post(sms("1", "2026-11-03 12:00"))
    (expiry,) = [row for row in ledger.rows(t.wallet_entries) if row.kind == "expiry"]
    assert (expiry.occurred_at, expiry.received_at) == (at(expired), NOON)
    assert (expiry.booked_on, expiry.corrects_period) == (booked, corrects)
    check_wallet(ledger)
