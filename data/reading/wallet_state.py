"""The wallet as people see it: what is paid, promotional and reserved at this moment."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from billing.lots import LotKind
from billing.usage import Balance, PromotionalLot
from data.tables import balances, credit_lots, lot_balances


def read_balance(
    connection: Connection, account_id: str, currency: str, as_of: datetime
) -> Balance:
    """The balance in the connection's snapshot; promotional lots soonest expiry first.

    A lot past its expiry counts until its remainder is taken out by an entry of its own.
    """
    reserved = connection.scalar(
        select(balances.c.reserved_micros).where(balances.c.account_id == account_id)
    )
    lots = credit_lots.c
    rows = connection.execute(
        select(lots.kind, lots.expires_at, lot_balances.c.remaining_micros)
        .join(lot_balances, lot_balances.c.lot_id == lots.id)
        .where(lots.account_id == account_id, lot_balances.c.remaining_micros != 0)
        .order_by(lots.expires_at.is_(None), lots.expires_at, lots.granted_at, lots.id)
    ).all()
    promotional = tuple(
        PromotionalLot(row.remaining_micros, row.expires_at)
        for row in rows
        if row.kind == LotKind.PROMOTIONAL
    )
    everything = sum(row.remaining_micros for row in rows)
    promotional_micros = sum(lot.remaining_micros for lot in promotional)
    return Balance(
        currency=currency,
        paid_micros=everything - promotional_micros,
        promotional_micros=promotional_micros,
        reserved_micros=reserved or 0,
        promotional=promotional,
        as_of=as_of,
    )
