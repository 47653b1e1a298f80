"""Whether the server can do its work: each part named with its state, and nothing else told.

Answers anybody, so it says no more than a word a part, and however often it is asked it looks
once a second.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from sqlalchemy import text

from data.analytics.lake import LakeError
from data.backlog import LEAST_BEHIND_SECONDS, MOST_MISSED_SYNCS, Standing
from data.disk import LEAST_DISK_BYTES, SMALL_DISK_BYTES, free_bytes
from data.installation import Installation
from data.nightly import ProofState
from data.outage import is_outage, say

LONGEST_COMMIT_SECONDS = 30
FRESH_SECONDS = 1.0
PATIENCE_SECONDS = 5.0
# Without these nothing can be taken or told. While another part fails, events are still taken,
# so requests should come; its own word says what is wrong.
ESSENTIAL = frozenset({"ledger_read", "ledger_write", "disk"})
_log = logging.getLogger(__name__)


class State(StrEnum):
    """How a part, or the whole, is; the later the worse."""

    OK = "ok"
    DEGRADED = "degraded"
    FAILED = "failed"
    STOPPING = "stopping"


class RunningJobs(Protocol):
    """What is asked of the background jobs."""

    @property
    def is_running(self) -> bool: ...  # noqa: D102
    @property
    def sync_age_seconds(self) -> float: ...  # noqa: D102
    def standing(self) -> Standing: ...  # noqa: D102
    def last_proof(self) -> ProofState | None: ...  # noqa: D102
    def is_clock_odd(self) -> bool: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Report:
    """The state of the whole and of each part."""

    state: State
    checks: dict[str, State]

    @property
    def is_ready(self) -> bool:
        """Whether requests should be sent here."""
        return self.state in {State.OK, State.DEGRADED}

    @property
    def body(self) -> dict[str, object]:
        """The document that is answered with."""
        return {"status": self.state.value, "checks": {k: v.value for k, v in self.checks.items()}}


@dataclass
class Readiness:
    """Looks at the parts of one installation."""

    installation: Installation
    jobs: RunningJobs
    is_stopping: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _last: tuple[float, Report] | None = None

    def report(self) -> Report:
        """How things are, at most ``FRESH_SECONDS`` old."""
        if self.is_stopping:
            return Report(State.STOPPING, {})
        if not self._lock.acquire(timeout=PATIENCE_SECONDS):
            return Report(State.FAILED, {"checks": State.FAILED})  # one of them doesn't come back
        try:
            if self._last is None or time.monotonic() - self._last[0] >= FRESH_SECONDS:
                report = self._look()
                self._last = (time.monotonic(), report)  # after it: looking may take long
            return self._last[1]
        finally:
            self._lock.release()

    def _look(self) -> Report:
        parts: dict[str, Callable[[], State]] = {
            "ledger_read": self._ledger_read,
            "ledger_write": self._ledger_write,
            "analytics": self._analytics,
            "disk": self._disk,
            "scheduler": self._scheduler,
            "sync": self._sync,
            "tail": self._tail,
            "transactions": self._transactions,
            "proof": self._proof,
            "clock": self._clock,
        }
        checks = {name: _state(name, check) for name, check in parts.items()}
        return Report(_whole(checks), checks)

    def _ledger_read(self) -> State:
        with self.installation.database.read() as connection:
            connection.execute(text("SELECT max(seq) FROM usage_lines")).scalar()
        return State.OK

    def _ledger_write(self) -> State:
        """The writer itself is asked: a write of our own would wait behind everybody's."""
        writer = self.installation.writer
        is_stuck = writer.busy_seconds > LONGEST_COMMIT_SECONDS
        if not writer.can_write or is_stuck:
            return State.FAILED
        return State.DEGRADED if writer.has_refused_lately else State.OK

    def _analytics(self) -> State:
        self.installation.lake.position()
        return State.OK

    def _disk(self) -> State:
        free = free_bytes(self.installation.settings.data_dir)
        if free < LEAST_DISK_BYTES:
            return State.FAILED
        return State.DEGRADED if free < SMALL_DISK_BYTES else State.OK

    def _scheduler(self) -> State:
        """Without it figures stay exact, but reading slows down and credit expires late."""
        return State.OK if self.jobs.is_running else State.DEGRADED

    def _sync(self) -> State:
        seconds = self.installation.settings.sync_seconds
        longest = max(LEAST_BEHIND_SECONDS, MOST_MISSED_SYNCS * seconds)
        return State.OK if self.jobs.sync_age_seconds <= longest else State.DEGRADED

    def _tail(self) -> State:
        """Lines that analytics lack are read from the ledger: exact, but slower the more."""
        return State.DEGRADED if self.jobs.standing().is_long else State.OK

    def _transactions(self) -> State:
        """One that stays open keeps analytics from everything that came after it."""
        return State.DEGRADED if self.jobs.standing().is_held_up else State.OK

    def _proof(self) -> State:
        """Until a night finds no difference: what was made again needs somebody to ask why."""
        proof = self.jobs.last_proof()
        return State.DEGRADED if proof is not None and proof.differing else State.OK

    def _clock(self) -> State:
        """Put far ahead or back: what is irreversible waits, and what comes now may be refused."""
        return State.DEGRADED if self.jobs.is_clock_odd() else State.OK


def _whole(checks: Mapping[str, State]) -> State:
    """The worst, but what isn't essential only degrades."""
    if any(checks[name] is State.FAILED for name in ESSENTIAL):
        return State.FAILED
    return State.OK if set(checks.values()) == {State.OK} else State.DEGRADED


def _state(name: str, check: Callable[[], State]) -> State:
    try:
        return check()
    except Exception as error:  # readiness reports what is down and goes on
        if is_outage(error) or isinstance(error, LakeError):
            # In a line: it is asked again every second while it lasts.
            say(f"readiness: {name} can't be used", error)
        else:
            _log.exception("readiness: %s can't be used", name)
        return State.FAILED
