"""Callers in a process of its own that authorize and settle until it is killed.

Each answer is written to FOLDER/told before the next request is made, as a platform would note it:
``hold NUMBER HOLD`` and ``settled NUMBER``.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

from billing.holds import HoldKind, HoldRequest
from data.database import Database, open_database
from data.identity import Pseudonyms
from data.ledger.deciding import Decisions
from data.ledger.hold_answers import Settle
from data.writer import Writer
from tests.builders import sms
from tests.wallet_ledger import SetClock

CALLERS = 6


def decisions_of(database: Database) -> tuple[Writer, Decisions]:
    """What decides about a ledger, at one moment that stays."""
    writer = Writer(database)
    return writer, Decisions(writer, SetClock(), Pseudonyms("test-secret"))


def request_of(number: int) -> HoldRequest:
    return HoldRequest(f"request-{number}", HoldKind.SMS, "spring", amount=2)


def settle_of(number: int, hold_id: str) -> Settle:
    event = sms(f"event-{number}", SetClock().at, 1 + number % 2, hold_id=hold_id)
    return Settle(event, SetClock().at)


def main(url: str, folder: Path, first: int) -> None:
    _, decisions = decisions_of(open_database(url))
    told = os.open(folder / "told", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def call(number: int) -> None:
        while True:
            hold = decisions.submit("acme", request_of(number)).result(60)["hold_id"]
            os.write(told, f"hold {number} {hold}\n".encode())
            decisions.submit("acme", settle_of(number, hold)).result(60)
            os.write(told, f"settled {number} {hold}\n".encode())
            number += CALLERS

    threads = [
        threading.Thread(target=call, args=[first + caller], daemon=True)
        for caller in range(CALLERS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
