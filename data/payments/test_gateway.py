"""The built-in test gateway: it answers as a real one does, and moves no money.

What it does follows from the way to pay that an account has chosen. It remembers its answers by
reference in a table of its own, so that it survives a restart as a real one does; it knows nothing
of wallets or tries, and they nothing of its table.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, bindparam, insert, select

from billing.clock import Clock
from billing.recharges import Charge, Charged, Declined, PaymentMethod, UnansweredError
from data import tables as t
from data.database import Database
from data.identity import new_id
from data.lease import Writes

SUCCEEDS, DECLINES = "test_succeeds", "test_declines"
TIMES_OUT, LOSES_ANSWER = "test_times_out", "test_loses_answer"
METHODS = (
    PaymentMethod(SUCCEEDS, "Test card that pays", is_test=True),
    PaymentMethod(DECLINES, "Test card that is declined", is_test=True),
    PaymentMethod(TIMES_OUT, "Test card whose payments never arrive", is_test=True),
    PaymentMethod(LOSES_ANSWER, "Test card that pays, but whose answer is lost", is_test=True),
)
DECLINED = "The card was declined (test)"
SILENCE = "The payment gateway didn’t answer in time (test)"
_known = t.test_gateway_charges.c
_FIND = select(_known.payment_id, _known.reason).where(_known.reference == bindparam("reference"))


class TestGateway:
    """Implements ``billing.recharges.Gateway``."""

    __test__ = False  # no test, whatever its name looks like

    def __init__(self, database: Database, writer: Writes, clock: Clock) -> None:
        self._database = database
        self._writer = writer
        self._clock = clock

    @property
    def methods(self) -> tuple[PaymentMethod, ...]:
        """Four ways to pay, one for each way in which a payment may go."""
        return METHODS

    def charge(self, charge: Charge) -> Charged | Declined:
        """Answers as the way to pay says; a known reference as the first time.

        Errors: ``UnansweredError`` where nothing arrives, or the answer is lost.
        """
        if charge.method == TIMES_OUT:
            raise UnansweredError(SILENCE)
        answer = self._writer.write(lambda connection: self._take(connection, charge))
        if charge.method == LOSES_ANSWER:
            raise UnansweredError(SILENCE)
        return answer

    def find(self, reference: str) -> Charged | Declined | None:
        """What was answered for a reference; none for one that never arrived."""
        with self._database.read() as connection:
            return _find(connection, reference)

    def _take(self, connection: Connection, charge: Charge) -> Charged | Declined:
        known = _find(connection, charge.reference)
        if known is not None:
            return known
        row: dict[str, Any] = {"payment_id": f"test_{new_id()}", "reason": None}
        if charge.method == DECLINES:
            row = {"payment_id": None, "reason": DECLINED}
        connection.execute(
            insert(t.test_gateway_charges).values(
                reference=charge.reference, account_id=charge.account_id,
                amount_micros=charge.amount_micros, currency=charge.currency,
                charged_at=self._clock.now(), **row,
            )
        )  # fmt: skip
        return _answer(row["payment_id"], row["reason"])


def _find(connection: Connection, reference: str) -> Charged | Declined | None:
    row = connection.execute(_FIND, {"reference": reference}).first()
    return None if row is None else _answer(row.payment_id, row.reason)


def _answer(payment_id: str | None, reason: str | None) -> Charged | Declined:
    return Declined(reason or DECLINED) if payment_id is None else Charged(payment_id)
