"""A holder of a lease in a process of its own, which acts as often as it may, for tests.

``python -m tests.lease_holders URL FILE``: takes part in the lease, and while it holds it writes
rows under its fence into the table ``acts``, and a line for each of its own acts into FILE:
fence, number, and when it began and ended on the machine's common clock.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from data.database import Database, open_database
from data.lease import DirectWrites, Fenced, Lease, LeaseLostError, Writes
from data.savepoints import BusyError
from data.writer import Writer

ROOT = Path(__file__).resolve().parent.parent
NAME = "test"
TTL_SECONDS = 1.5  # a quarter of the product's, so that tests needn't wait
STEP_SECONDS = 0.005


def prepare(database: Database) -> None:
    """Makes the table of acts."""
    with database.write() as connection:
        connection.execute(
            text("CREATE TABLE acts (at BIGINT, fence BIGINT, n BIGINT, holder VARCHAR(40))")
        )


def writes_of(database: Database) -> Writes:
    return DirectWrites(database) if database.dialect == "postgresql" else Writer(database)


def act(connection: Connection, lease: Lease, number: int) -> None:
    """One effect that must not happen under two holders at once; it takes a moment."""
    time.sleep(STEP_SECONDS)
    connection.execute(
        text("INSERT INTO acts (at, fence, n, holder) VALUES (:at, :fence, :n, :holder)"),
        {
            "at": time.monotonic_ns(), "fence": lease.require(connection), "n": number,
            "holder": lease.holder,
        },
    )  # fmt: skip


def acts(database: Database) -> list[tuple[int, int, int, str]]:
    """All acts in the order of the machine's clock: at (ns), fence, number, holder."""
    with database.read() as connection:
        rows = connection.execute(text("SELECT at, fence, n, holder FROM acts ORDER BY at"))
        return [(row[0], row[1], row[2], row[3]) for row in rows]


def acting(lease: Lease, writes: Writes, ending: threading.Event) -> None:
    """Acts whenever it may, until it is told to end."""
    fenced, number = Fenced(lease, writes), 0
    while not ending.wait(STEP_SECONDS):
        if not lease.is_held:
            continue
        try:
            fenced.write(lambda connection, n=number: act(connection, lease, n))  # type: ignore[misc]
        except (LeaseLostError, BusyError, DBAPIError):
            continue  # over, or asleep for so long that the server gave its transaction up
        number += 1


@dataclass
class Holder:
    """A process that takes part; ``pid`` to be killed or stopped."""

    process: subprocess.Popen[str]

    @property
    def pid(self) -> int:
        return self.process.pid

    def end(self) -> None:
        """A clean stop."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
        self.process.wait(20)
        assert self.process.stdout is not None
        self.process.stdout.close()


def start_holder(url: str) -> Holder:
    """Starts one."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.lease_holders", url],
        cwd=ROOT, text=True, stdout=subprocess.PIPE,
    )  # fmt: skip
    return Holder(process)


def named(holders: list[Holder]) -> dict[str, int]:
    """Process by holder's id, once all have said it."""
    return {
        str(each.process.stdout and each.process.stdout.readline()).strip(): each.pid
        for each in holders
    }


def main(url: str) -> None:
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    database = open_database(url)
    writes = writes_of(database)
    lease = Lease(database, writes, NAME, ttl_seconds=TTL_SECONDS)
    lease.start()
    print(lease.holder, flush=True)
    acting(lease, writes, ending)
    lease.stop()
    if isinstance(writes, Writer):
        writes.close()
    database.dispose()


if __name__ == "__main__":
    main(sys.argv[1])
