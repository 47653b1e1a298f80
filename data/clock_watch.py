"""Whether the clock of the day can be believed: it may be stepped, by hand or by a time service.

Nothing in the ledger is in order of a clock, so a step loses and doubles nothing. But what a
clock set far ahead would bring about can't be taken back: a period that is closed stays closed,
credit that expired is gone. So whoever does such things asks here first. Must not know who asks.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from billing.booking import CLOCK_SKEW
from billing.clock import Clock
from data.lease import steady_seconds

LEAP = timedelta(hours=6)  # a step ahead as long as this is taken for a mistake at first
SETTLE_SECONDS = 60 * 60.0  # for which whoever set the clock may notice
_log = logging.getLogger(__name__)


class ClockWatch:
    """Compares the clock of the day with one that never steps; any thread may ask.

    A step is what stands between the two: one back to where the clock was undoes it, and after
    ``SETTLE_SECONDS`` it was meant. A clock that stands still, as in a demo or test, isn't one.
    """

    def __init__(self, clock: Clock, steady: Callable[[], float] = steady_seconds) -> None:
        self._clock = clock
        self._steady = steady
        self._lock = threading.Lock()
        self._seen_at, self._seen_steady = clock.now(), steady()
        self._shift = timedelta(0)
        self._stepped_steady = 0.0

    def believable(self) -> datetime | None:
        """The time by which to do what can't be taken back; None if it was put far ahead of late.

        Do it by this very instant: the clock may be stepped between the question and a second look.
        """
        with self._lock:
            now = self._look()
            return None if self._shift >= LEAP else now

    def is_odd(self, newest: datetime | None = None) -> bool:
        """Whether the clock was stepped of late, or the ledger knows a later time.

        ``newest``: when the ledger's newest row was stored.
        """
        with self._lock:
            now = self._look()
            is_known = newest is not None and newest > now + CLOCK_SKEW
            return is_known or abs(self._shift) > CLOCK_SKEW

    def _look(self) -> datetime:
        now, steady = self._clock.now(), self._steady()
        step = now - self._seen_at - timedelta(seconds=steady - self._seen_steady)
        if step > CLOCK_SKEW or now < self._seen_at - CLOCK_SKEW:
            word = "ahead" if step > timedelta(0) else "back"
            _log.warning("the clock was put %s by %s", word, abs(step))
            self._shift += step
            self._stepped_steady = steady
        elif steady - self._stepped_steady > SETTLE_SECONDS:
            self._shift = timedelta(0)
        self._seen_at, self._seen_steady = now, steady
        return now
