"""Live events into the ledger: cut into pieces, posted through the group-commit writer.

Pieces of one account that share a transaction share its opened wallet, and are written together.
Must not know how the events travelled.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from datetime import datetime

from sqlalchemy import Connection

from billing.clock import Clock
from billing.errors import NotAllowedError
from billing.events import AnyEvent
from data.accounts import read_account
from data.alerts.book import AlertBooks
from data.identity import Pseudonyms
from data.ledger.consequences import follow
from data.ledger.limit_book import LimitBooks
from data.ledger.pausing import Moment
from data.ledger.posting import Outcome, Poster
from data.ledger.price_books import RateBooks
from data.writer import SLICE_ROWS, Writer

Piece = tuple[Sequence[AnyEvent], datetime]  # events, and when they were received


class AccountClosedError(NotAllowedError):
    """The account takes no more usage."""

    code = "account_closed"


def pieces_of(events: Sequence[AnyEvent]) -> list[Sequence[AnyEvent]]:
    """The pieces in which events are queued, in order."""
    return [events[start : start + SLICE_ROWS] for start in range(0, len(events), SLICE_ROWS)]


class Intake:
    """Takes live events of many callers at once."""

    def __init__(self, writer: Writer, clock: Clock, pseudonyms: Pseudonyms) -> None:
        self._writer = writer
        self._clock = clock
        self._pseudonyms = pseudonyms
        self._books = RateBooks()
        self._limits = LimitBooks()
        self._alerts = AlertBooks()

    def submit(
        self, account_id: str, events: Sequence[AnyEvent], received_at: datetime
    ) -> list[Future[list[Outcome]]]:
        """Queues events of one account; each future gives the outcomes of some, in order.

        Pieces commit one after another: after a crash the first of them may be in the ledger,
        and sending all of them again adds nothing. Errors: ``BusyError`` when too many wait;
        in a future also ``AccountClosedError`` and ``NotFoundError``.
        """
        pieces = pieces_of(events)
        return self._writer.submit_bulk(
            account_id, [((piece, received_at), len(piece)) for piece in pieces], self._post
        )

    def _post(
        self, connection: Connection, account_id: str, pieces: Sequence[Piece]
    ) -> list[list[Outcome]]:
        account = read_account(connection, account_id)
        if account.is_closed:
            raise AccountClosedError(f"The account {account_id!r} is closed.")
        now = self._clock.now()
        poster = Poster(
            connection, account, self._pseudonyms, now, is_live=True, books=self._books,
            alert_books=self._alerts,
        )  # fmt: skip
        outcomes = [poster.post(events, received_at) for events, received_at in pieces]
        poster.flush()
        limits = self._limits.of(connection, account_id, now)
        moment = Moment(account, limits, poster.wallet.posted_micros, now)
        follow(connection, moment, counters=poster.counters, alerts=poster.alerts)
        return outcomes
