"""Holds of many callers at once: everything that waits for one account is decided together.

A decision is answered after its commit; a refusal is its caller's alone. Must not know how a
request travelled.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future

from sqlalchemy import Connection

from billing.clock import Clock
from billing.errors import ProductError
from data.accounts import read_account
from data.alerts.book import AlertBooks
from data.identity import Pseudonyms
from data.ledger.hold_answers import Answer, Item
from data.ledger.hold_desk import Books, HoldDesk
from data.ledger.intake import AccountClosedError
from data.ledger.limit_book import LimitBooks
from data.ledger.price_books import RateBooks
from data.writer import Writer


class Decisions:
    """Decides about holds, in the writer."""

    def __init__(self, writer: Writer, clock: Clock, pseudonyms: Pseudonyms) -> None:
        self._writer = writer
        self._clock = clock
        self._pseudonyms = pseudonyms
        self._books = Books(LimitBooks(), RateBooks(), AlertBooks())

    def submit(self, account_id: str, item: Item) -> Future[Answer]:
        """Queues one request about a hold of an account.

        Errors: ``BusyError``; in the future also ``InputError``, ``NotFoundError``,
        ``AccountClosedError``, ``MismatchError``, ``HoldClosedError``, ``NoRateError`` and, of a
        settlement, what refuses an event.
        """
        return self._writer.submit_decision(account_id, item, self._decide)

    def _decide(
        self, connection: Connection, account_id: str, items: Sequence[Item]
    ) -> list[Answer | ProductError]:
        account = read_account(connection, account_id)
        if account.is_closed:
            raise AccountClosedError(f"The account {account_id!r} is closed.")
        desk = HoldDesk(connection, account, self._pseudonyms, self._clock.now(), self._books)
        desk.look_up(items)
        answers: list[Answer | ProductError] = []
        for item in items:
            try:
                answers.append(desk.take(item))
            except ProductError as error:  # this caller's alone
                answers.append(error)
        desk.flush()
        return answers
