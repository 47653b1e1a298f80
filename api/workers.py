"""Several processes that serve one address: a parent that holds the sockets and minds the others.

The parent binds, starts each worker as a fresh program (nothing is forked after it connected) and
opens no ledger itself while they run. Workers take connections from the same sockets, so that
what arrives while one is being replaced waits in the kernel for another. Must not know what is
served.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import dash

from billing.errors import InputError

MOST_WORKERS = 64
STEADY_SECONDS = 30.0  # one that ran this long and ends is replaced at once
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
STOP_SECONDS = 8.0  # a worker takes 5 at most
LOOK_SECONDS = 0.1
REFUSED = 2  # the exit code of a command that says what is wrong: trying again won't help
_log = logging.getLogger(__name__)


def refuse_workers(count: int, truth_url: str) -> None:
    """``InputError`` where several processes can't serve one ledger well.

    On SQLite one process writes: a second one's writes starve behind it, and what it commits is
    only seen by looking. A process more would be slower, not faster.
    """
    if not 1 <= count <= MOST_WORKERS:
        raise InputError("workers", count, f"use 1 to {MOST_WORKERS}")
    if count > 1 and truth_url.startswith("sqlite"):
        raise InputError(
            "workers", count,
            "use 1, as SQLite has one writing process; for more set USAGE_DATABASE_URL to "
            "postgresql+psycopg://USER:PASSWORD@HOST/DATABASE",
        )  # fmt: skip
    if count > 1 and sys.platform == "win32":
        raise InputError("workers", count, "use 1: this system can't hand sockets to processes")


@dataclass
class _Worker:
    """One place among the workers, and the process that is in it."""

    number: int
    process: subprocess.Popen[bytes] | None = None
    began_at: float = 0.0
    pause_seconds: float = 0.0
    next_at: float = 0.0


class Workers:
    """Starts ``count`` processes of ``command`` and keeps that many running until told to stop.

    The command gets ``--sockets`` and ``--parent``: what ``inherited`` and ``stop_with_parent``
    take.
    """

    def __init__(
        self, command: Sequence[str], sockets: Sequence[socket.socket], count: int
    ) -> None:
        self._command = list(command)
        self._sockets = sockets
        self._workers = [_Worker(number) for number in range(1, count + 1)]
        self._told = threading.Event()
        self._has_been_steady = False
        self._exit_code = 0

    def run(self) -> int:
        """Until SIGTERM or SIGINT, then waits for all; gives the exit code of the whole."""
        for sig in (signal.SIGINT, signal.SIGTERM):
            signal.signal(sig, lambda *_: self._told.set())
        alive, self._held = os.pipe()  # closed with this process, however it ends
        self._passed = [alive, *(each.fileno() for each in self._sockets)]
        try:
            while not self._told.is_set():
                for worker in self._workers:
                    self._mind(worker)
                self._told.wait(LOOK_SECONDS)
        finally:
            self._stop()
            os.close(alive)
            os.close(self._held)
        return self._exit_code

    def _mind(self, worker: _Worker) -> None:
        now = time.monotonic()
        if worker.process is None:
            if now >= worker.next_at:
                self._start(worker)
            return
        code = worker.process.poll()
        lived_seconds = now - worker.began_at
        self._has_been_steady |= lived_seconds >= STEADY_SECONDS
        if code is None:
            return
        worker.process = None
        if code == REFUSED and not self._has_been_steady:
            self._exit_code = REFUSED
            self._told.set()
            return
        if lived_seconds >= STEADY_SECONDS:
            worker.pause_seconds = 0.0
        worker.next_at = now + worker.pause_seconds
        _log.error(
            "worker %s ended with %s after %.0f s: another begins in %.1f s",
            worker.number, code, lived_seconds, worker.pause_seconds,
        )  # fmt: skip
        worker.pause_seconds = min(
            max(FIRST_PAUSE_SECONDS, 2 * worker.pause_seconds), LONGEST_PAUSE_SECONDS
        )

    def _start(self, worker: _Worker) -> None:
        descriptors = ",".join(str(each.fileno()) for each in self._sockets)
        worker.began_at = time.monotonic()
        worker.process = subprocess.Popen(  # noqa: S603
            [*self._command, "--sockets", descriptors, "--parent", str(self._passed[0])],
            stdin=subprocess.DEVNULL, pass_fds=self._passed,
            start_new_session=True,  # a terminal's Ctrl-C reaches the parent, who tells them
        )  # fmt: skip
        _log.info("worker %s is process %s", worker.number, worker.process.pid)

    def _stop(self) -> None:
        """Tells all to stop, waits, and ends those that don't."""
        for each in self._sockets:
            each.close()  # new connections are refused once the workers have closed theirs
        running = [worker.process for worker in self._workers if worker.process is not None]
        for process in running:
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for process in running:
            try:
                code = process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                code = process.wait()
            if code not in (0, -signal.SIGTERM):  # killed by it: told before it had begun
                _log.error("process %s ended with %s when told to stop", process.pid, code)
                self._exit_code = self._exit_code or 1


def inherited(descriptors: str) -> list[socket.socket]:
    """The sockets of the parent, in a worker; given as numbers by commas."""
    return [socket.socket(fileno=int(each)) for each in descriptors.split(",")]


def stop_with_parent(descriptor: int) -> None:
    """In a worker: ends it as SIGTERM does once the parent is gone, however that came."""

    def watch() -> None:
        os.read(descriptor, 1)  # nothing is ever written: it returns at the end of the pipe
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="minds-parent", daemon=True).start()


def render_index(screens: dash.Dash) -> None:
    """Renders the page around all pages once: before that Dash doesn't know its own scripts.

    A browser that has the page from another worker asks this one for them.
    """
    with screens.server.test_request_context("/"):
        screens.index()  # type: ignore[no-untyped-call]
