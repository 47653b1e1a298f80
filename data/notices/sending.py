"""E-mail and SMS: what waits is sent, tried again, and given up after a day.

A mail is sent at least once: a process that dies between the server's answer and writing it down
leaves it to be sent again under the same Message-ID. An SMS is sent at most once. Neither way
waits for the other, and on each several go at once, so that a slow answer holds up little. Must
not know what is told, nor who leads.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from billing.accounts import Account
from billing.alerts import Channel
from billing.clock import Clock
from billing.notices import SendState
from data.accounts import read_account
from data.database import Database
from data.lease import LeaseLostError, Writes
from data.notices.claims import Claimed, Due, claim, doubt, note, postpone, read_due
from data.notices.mailing import Handed, Outcome
from data.notices.outbox import EVERYBODY
from data.notices.ways import NOT_SET_UP, HandOver, Way
from data.phases import phase

AT_ONCE = 8  # of each way
QUICK_SECONDS = 1.0  # what takes longer is taken one by one
# Claimed in one transaction: of mails several, for one that isn't begun after all is only late.
MOST_TAKEN = {Channel.EMAIL: 16, Channel.SMS: 1}
KNOWN_SECONDS, MOST_KNOWN = 10.0, 1_000  # of accounts: their names and how they write figures
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Lane:
    """One way: what is to go over it, and how many threads are at it."""

    channel: Channel
    way: Way
    pool: ThreadPoolExecutor
    waiting: deque[str] = field(default_factory=deque)
    running: int = 0


class NoticeDeliverer:
    """Sends what waits; ``deliver`` is called again and again by whoever leads.

    ``ways``: what is set up. Deliveries by another way wait, with the reason.
    """

    def __init__(
        self, database: Database, writer: Writes, clock: Clock, ways: Mapping[Channel, Way]
    ) -> None:
        self._database = database
        self._writer = writer
        self._clock = clock
        self._lock = threading.Lock()
        self._busy: set[str] = set()
        self._accounts: dict[str, tuple[float, Account]] = {}  # as of when
        self._is_closing = threading.Event()
        self._lanes = {
            channel: _Lane(channel, way, ThreadPoolExecutor(AT_ONCE, f"notices-{channel.value}"))
            for channel, way in ways.items()
        }

    def deliver(self, may_go_on: Callable[[], bool] = lambda: True) -> int:
        """Begins with what is due; gives how many. ``may_go_on`` is asked before each."""
        now = self._clock.now()
        with self._database.read() as connection:
            due = read_due(connection, now)
        begun = self._queue([each for each in due if not each.is_in_doubt])
        self._mark_doubtful([each for each in due if each.is_in_doubt])
        for channel, ids in self._without_way(due).items():
            self._postpone(ids, NOT_SET_UP[channel])
        for lane in self._lanes.values():
            self._start(lane, may_go_on)
        return begun

    def close(self) -> None:
        """Begins nothing more; what is under way ends by itself, within its bounds."""
        self._is_closing.set()
        for lane in self._lanes.values():
            lane.pool.shutdown(wait=False, cancel_futures=True)

    def _queue(self, due: Sequence[Due]) -> int:
        count = 0
        with self._lock:
            for each in due:
                lane = self._lanes.get(each.channel)
                if lane is not None and each.id not in self._busy:
                    self._busy.add(each.id)
                    lane.waiting.append(each.id)
                    count += 1
        return count

    def _mark_doubtful(self, due: Sequence[Due]) -> None:
        """Those that no thread of this process has: whoever began them is gone."""
        now = self._clock.now()
        with self._lock:
            ids = [each.id for each in due if each.id not in self._busy]
        if ids and any(self._writer.write(lambda c: [doubt(c, each, now) for each in ids])):
            _log.warning("an SMS may or may not have gone out: its process ended")

    def _without_way(self, due: Sequence[Due]) -> Mapping[Channel, list[str]]:
        found: dict[Channel, list[str]] = {}
        for each in due:
            if each.channel not in self._lanes and not each.is_in_doubt:
                found.setdefault(each.channel, []).append(each.id)
        return found

    def _postpone(self, ids: Sequence[str], reason: str) -> None:
        now = self._clock.now()
        parked: int = self._writer.write(lambda c: postpone(c, ids, reason, now))
        if parked:
            _log.warning("%s notices were given up after a day: %s", parked, reason)

    def _start(self, lane: _Lane, may_go_on: Callable[[], bool]) -> None:
        with self._lock:
            if self._is_closing.is_set():
                return
            count = min(len(lane.waiting), AT_ONCE - lane.running)
            lane.running += count
        for _ in range(count):
            lane.pool.submit(self._run, lane, may_go_on)

    def _run(self, lane: _Lane, may_go_on: Callable[[], bool]) -> None:
        """One after another over one connection, until nothing waits.

        As long as they go quickly more and more are taken and noted at once, which takes less time
        than each by itself.
        """
        size = 1
        try:
            with lane.way.open() as hand_over:
                while ids := self._next(lane, size):
                    begun = time.monotonic()
                    try:
                        self._send(ids, hand_over, may_go_on)
                    finally:
                        with self._lock:
                            self._busy.difference_update(ids)
                    is_quick = time.monotonic() - begun < QUICK_SECONDS
                    size = min(2 * size, MOST_TAKEN[lane.channel]) if is_quick else 1
        except LeaseLostError:  # whoever leads now goes on
            _log.info("a notice was sent by a process that leads no more")
            self._leave(lane)
        except Exception:  # on a thread of its own: nobody else would say so
            _log.exception("notices couldn't be delivered by %s", lane.channel.value)
            self._leave(lane)

    def _next(self, lane: _Lane, most: int) -> list[str]:
        """The next to send, a fair share of what waits; none: the calling thread has ended."""
        with self._lock:
            count = min(most, -(-len(lane.waiting) // AT_ONCE))
            if not count:
                lane.running -= 1
            return [lane.waiting.popleft() for _ in range(count)]

    def _leave(self, lane: _Lane) -> None:
        with self._lock:
            lane.running -= 1

    def _send(self, ids: Sequence[str], hand_over: HandOver, may_go_on: Callable[[], bool]) -> None:
        """Sends what of these is still to be sent. What isn't begun is due again in a minute."""
        if self._is_closing.is_set() or not may_go_on():
            return
        begun, begun_at = time.monotonic(), self._clock.now()
        claimed = self._writer.write(lambda c: [claim(c, each, begun_at) for each in ids])
        done: list[tuple[Claimed, Handed]] = []
        try:
            for each in claimed:
                if each is None:
                    continue
                if time.monotonic() - begun > QUICK_SECONDS or not may_go_on():
                    break
                phase("notice.before_send")
                done.append((each, self._handed(each, hand_over)))
                if done[-1][1].outcome is Outcome.TAKEN:
                    phase("notice.sent")
        finally:
            self._note(done)

    def _note(self, done: Sequence[tuple[Claimed, Handed]]) -> None:
        """Writes down what came of some that were handed over."""
        if not done:
            return
        now = self._clock.now()
        states = self._writer.write(lambda c: [note(c, *each, now) for each in done])
        for (claimed, _), state in zip(done, states, strict=True):
            if state in {SendState.PARKED, SendState.REFUSED, SendState.UNKNOWN}:
                _log.warning(
                    "a notice of %s by %s: %s", claimed.notice.account_id,
                    claimed.send.target.channel.value, state,
                )  # fmt: skip

    def _handed(self, claimed: Claimed, hand_over: HandOver) -> Handed:
        try:
            return hand_over(claimed, self._account(claimed.notice.account_id))
        except Exception as error:  # of the words or the message: the next one may be sound
            _log.exception("a notice couldn't be written")
            return Handed(Outcome.LATER, f"it couldn't be written: {type(error).__name__}")

    def _account(self, account_id: str) -> Account | None:
        if account_id == EVERYBODY:
            return None
        at, known = self._accounts.get(account_id, (0.0, None))
        if known is None or time.monotonic() - at > KNOWN_SECONDS:
            at = time.monotonic()
            with self._database.read() as connection:
                known = read_account(connection, account_id)
            if len(self._accounts) >= MOST_KNOWN:
                self._accounts.clear()
            self._accounts[account_id] = (at, known)
        return known
