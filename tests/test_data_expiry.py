"""Credit expires on time without any charge, once, and the wallet still adds up."""

from datetime import timedelta

from sqlalchemy import select

from billing.lots import LotKind
from data import tables as t
from data.ledger.expiry import expire_due
from data.ledger.wallet import Credit, OpenWallet, Posting
from tests.builders import NOON, Ledger


def test_what_is_left_of_an_expired_lot_is_taken_out_once(tmp_path) -> None:
    ledger = Ledger(tmp_path)
    account = ledger.add()
    posting = Posting(NOON, NOON, NOON, NOON.date())
    with ledger.database.write() as connection:
        wallet = OpenWallet.open(connection, account)
        wallet.credit(Credit(LotKind.PAID, 5_000_000, "card"), posting)
        soon = Credit(LotKind.PROMOTIONAL, 2_000_000, "gift", NOON + timedelta(days=1))
        wallet.credit(soon, posting)
        wallet.flush(NOON)
    with ledger.database.write() as connection:
        assert expire_due(connection, NOON + timedelta(hours=23)) == 0
        assert expire_due(connection, NOON + timedelta(hours=25)) == 1
        assert expire_due(connection, NOON + timedelta(hours=26)) == 0
    with ledger.database.read() as connection:
        entries = connection.execute(
            select(t.wallet_entries.c.kind, t.wallet_entries.c.amount_micros)
            .order_by(t.wallet_entries.c.seq)
        ).all()  # fmt: skip
        posted = connection.scalar(select(t.balances.c.posted_micros))
    assert [tuple(row) for row in entries][-1] == ("expiry", -2_000_000)
    assert posted == 5_000_000
