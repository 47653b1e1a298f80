"""Whether a store has more than its ledger, as when that was restored from an older backup."""

from __future__ import annotations

from sqlalchemy import Connection

from data.analytics.lake import Lake, LakeAheadError, Positions
from data.database import Database
from data.proof.seals import sealed_to
from data.reading.position import SeqOrder, ledger_order
from data.tables import receipts


def refuse_ahead(connection: Connection, order: SeqOrder, at: Positions) -> int:
    """Refuses positions past the last seal or receipt; gives the place of the last sealed line.

    Errors: ``LakeAheadError``.
    """
    sealed = sealed_to(connection)
    if sealed < at.lines or order.newest(connection, receipts) < at.receipts:
        raise LakeAheadError("it is ahead of the ledger, which may come from an older backup")
    return sealed


def refuse_lake_ahead(lake: Lake, database: Database) -> None:
    """The same of a whole store, which it closes. Errors: ``LakeAheadError``, ``LakeError``."""
    try:
        at = lake.positions()  # before the ledger's, which another process may move on meanwhile
        with database.read() as connection:
            refuse_ahead(connection, ledger_order(database.dialect), at)
    except BaseException:
        lake.close()
        raise
