"""Credit that people add by a command."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from billing.accounts import Account
from billing.errors import InputError
from billing.lots import LotKind
from data.access.audit import COMMAND
from data.ledger.wallet import Credit, OpenWallet, Posting

LONGEST_NOTE = 255


def top_up(
    connection: Connection, account: Account, amount_micros: int, note: str, at: datetime
) -> int:
    """Adds paid credit and gives the posted balance after it, in micros.

    Errors: ``InputError`` for an amount that isn't above zero, or a note too long or unprintable.
    """
    if not 1 <= len(note) <= LONGEST_NOTE or not note.isprintable():
        raise InputError("note", note, f"use 1 to {LONGEST_NOTE} printable characters")
    wallet = OpenWallet.open(connection, account)
    posting = wallet.booked(Posting(at, at, at, account.today(at), actor=COMMAND))
    wallet.credit(Credit(LotKind.PAID, amount_micros, note), posting)
    wallet.flush(at)
    return wallet.posted_micros
