"""Parts of pages that were made lately, for all who are shown the same.

A part is given again only while nothing that it shows can have changed: either no connection of any
process has committed anything to the ledger since before the part was read, or what the part is
made of (its place, read anew) is what it was then. While one thread makes a part, others who
want the same wait for it. Must not know what a part is, who asks or what may be shown to them:
that is what a key is for.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from typing import Any

KEPT_SECONDS = 10.0  # a page says the instant its figures are complete to: never an old one
MOST_BYTES = 32_000_000
MOST_OF_ONE = MOST_BYTES // 8
BYTES_BESIDE = 4_000  # about what is kept beside a part's JSON: its key and its facts

Version = Callable[[], Hashable]
Place = Callable[[], Hashable]  # none where only the ledger as a whole tells


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a page as JSON, and what else came of making it.

    ``is_whole``: nothing in it failed; one that isn't is made anew for the next who asks.
    """

    json: bytes
    facts: Any
    is_whole: bool = True


@dataclass(eq=False, slots=True)
class _Entry:
    """A part that is being made or was. ``version``: the newest at which it was known to hold."""

    version: Hashable
    place: Hashable
    begun_at: float
    part: Future[Part] = field(default_factory=Future)
    size: int = 0


class SharedParts:
    """Parts by key, for threads that share them; the least lately wanted go first.

    ``version``: another one after each commit to the ledger, and the same only while there is
    none. It may be asked by several threads at once.
    """

    def __init__(
        self,
        version: Version,
        most_bytes: int = MOST_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.version = version
        self.byte_count = 0
        self._most_bytes = most_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()

    def get(self, key: Hashable, place: Place, make: Callable[[], Part]) -> Part:
        """The part of a key: one that still holds, else what ``make`` gives.

        ``key``: everything the part depends on beside what the ledger has. ``place``: reads
        everything it depends on there. Errors: whatever ``place`` or ``make`` raises, for whoever
        they were called for.
        """
        while True:
            version = self.version()  # before anything is read: what comes after is another one
            entry, now_at = self._known(key), None
            if entry is not None and entry.version != version:
                now_at = place()  # only for what is asked for again: it is a read of its own
                if now_at is None or now_at != entry.place:
                    entry = None
                else:
                    entry.version = version
            if entry is None:
                mine = _Entry(version, now_at, self._clock())
                entry = self._begin(key, mine)
                if entry is mine:
                    return self._made(key, mine, make)
            part = _awaited(entry)
            if part is not None:
                return part

    def forget(self) -> None:
        """Nothing is given again that was made before."""
        with self._lock:
            for key in list(self._entries):
                self._drop(key)

    def _known(self, key: Hashable) -> _Entry | None:
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or self._clock() - entry.begun_at >= KEPT_SECONDS:
                return None
            self._entries.move_to_end(key)
            return entry

    def _begin(self, key: Hashable, mine: _Entry) -> _Entry:
        """Puts an entry in, unless another thread has begun one that is as good meanwhile."""
        with self._lock:
            other = self._entries.get(key)
            is_same = other is not None and (other.version, other.place) == (
                mine.version, mine.place,
            )  # fmt: skip
            if other is not None and is_same and mine.begun_at - other.begun_at < KEPT_SECONDS:
                return other
            self._drop(key)
            self._entries[key] = mine
            return mine

    def _made(self, key: Hashable, mine: _Entry, make: Callable[[], Part]) -> Part:
        try:
            part = make()
        except BaseException:
            self._forget(key, mine)
            mine.part.cancel()  # those who wait try for themselves
            raise
        if part.is_whole and len(part.json) <= min(MOST_OF_ONE, self._most_bytes):
            self._keep(key, mine, len(part.json) + BYTES_BESIDE)
        else:
            self._forget(key, mine)
        mine.part.set_result(part)
        return part

    def _keep(self, key: Hashable, mine: _Entry, size: int) -> None:
        with self._lock:
            if self._entries.get(key) is not mine:
                return
            mine.size = size
            self.byte_count += size
            for each in list(self._entries):
                if self.byte_count <= self._most_bytes:
                    break
                if self._entries[each].size and each != key:
                    self._drop(each)

    def _forget(self, key: Hashable, mine: _Entry) -> None:
        with self._lock:
            if self._entries.get(key) is mine:
                self._drop(key)

    def _drop(self, key: Hashable) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.byte_count -= entry.size


def _awaited(entry: _Entry) -> Part | None:
    """The part once it is made; none when making it failed."""
    try:
        return entry.part.result()
    except CancelledError:
        return None
