"""One run of the job that tops up, in a process of its own that a test may kill at a phase."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from data import phases
from data.database import open_database
from data.payments.carrying import Recharger
from data.payments.test_gateway import TestGateway
from data.writer import Writer
from tests.wallet_ledger import SetClock


def main(url: str, at: str, log: Path, kill_at: str | None) -> None:
    phases.hook = phases.killing_hook(kill_at, log)
    database, clock = open_database(url), SetClock()
    clock.at = datetime.fromisoformat(at)
    writer = Writer(database)
    Recharger(database, writer, clock, TestGateway(database, writer, clock)).run()
    writer.close()
    database.dispose()
