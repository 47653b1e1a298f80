"""Who listens to which account, and when there is something to tell them.

Everything here happens on the event loop; whatever reads or computes runs on a few threads of the
hub's own, so that neither the loop nor the threads of the pages wait for it. Listeners of one
account share what is computed, and nothing is computed more often than it pays. Must not know
what is told.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from billing.access import ALL_ACCOUNTS
from billing.errors import ProductError
from billing.limits import limit
from data.announcing import Listener
from data.installation import Installation
from data.reading.news import Place, places_of

T = TypeVar("T")

POLL_SECONDS = 0.5  # how late another process' writes are noticed where they aren't heard
PACE_SECONDS = 0.25  # between two tellings of the same thing
PACE_OF_COST = 2.0  # times what computing it took, when that is longer
PACE_OF_STREAM = 0.002  # more for each open stream
KEPT_SECONDS = 1.0  # how old a figure may be that somebody new is told
RENDER_THREADS = 2
READ_THREADS = 4
_log = logging.getLogger(__name__)


class TooManyStreamsError(ProductError):
    """No more streams for this caller, or on this server."""

    code = "throttled"
    retry_after_seconds = 5


@dataclass(eq=False)
class Listening:
    """One open stream. ``wake`` is set when there may be something to tell, or it must end."""

    owner: str
    account_id: str
    wake: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class _Shared:
    """A figure that is being computed or was."""

    version: int
    begun_at: float
    result: asyncio.Future[Any]
    next_at: float = 0.0


@dataclass
class _Topic:
    """One account that somebody listens to. ``version`` grows with each change."""

    version: int = 0
    place: Place | None = None
    streams: set[Listening] = field(default_factory=set)
    shared: dict[Hashable, _Shared] = field(default_factory=dict)


class Hub:
    """Made before the loop runs; ``start`` within it, ``stop`` at its end."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._topics: dict[str, _Topic] = {}
        self._owners: Counter[str] = Counter()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._poller: asyncio.Task[None] | None = None
        self._listener: Listener | None = None  # on PostgreSQL
        self._is_unsure = True  # something may have been missed: look once more
        self._lock = threading.Lock()
        self._news: set[str] = set()  # accounts that changed, on their way to the loop
        self.is_closed = False
        self._closing = asyncio.Event()
        self._rendering = ThreadPoolExecutor(RENDER_THREADS, "live-render")
        self._reading = ThreadPoolExecutor(READ_THREADS, "live-read")

    # --- life ------------------------------------------------------------------------------
    async def start(self) -> None:
        """Begins to hear of changes."""
        self._loop = asyncio.get_running_loop()
        self._installation.writer.subscribe(self._committed)
        database = self._installation.database
        if database.dialect == "postgresql":
            name = self._installation.writer.name
            self._listener = Listener(database, name, self._committed, self._begin_hearing)
            self._listener.start()
        self._poller = asyncio.create_task(self._poll())

    def close(self) -> None:
        """Ends every stream with a word; from any thread, and from a signal's handler."""
        self.is_closed = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake_all)

    async def stop(self) -> None:
        """Ends, waiting for what is being computed."""
        self.close()
        if self._poller is not None:
            self._poller.cancel()
            await asyncio.gather(self._poller, return_exceptions=True)
        if self._listener is not None:
            await asyncio.to_thread(self._listener.stop)
        for pool in (self._rendering, self._reading):
            await asyncio.to_thread(pool.shutdown, wait=True, cancel_futures=True)
        self._loop = None

    # --- listeners -------------------------------------------------------------------------
    @property
    def stream_count(self) -> int:
        """How many streams are open."""
        return self._owners.total()

    def join(self, owner: str, account_id: str) -> Listening:
        """Counts a stream of a session or key in.

        Errors: ``TooManyStreamsError``; ``ProductError`` once the server is stopping.
        """
        self.refuse_if_closed()
        if self._owners[owner] >= limit("streams"):
            raise TooManyStreamsError(
                f"There are {limit('streams')} streams open already: close one first."
            )
        if self.stream_count >= limit("all_streams"):
            raise TooManyStreamsError("This server has too many streams open: try again later.")
        self._owners[owner] += 1
        listening = Listening(owner, account_id)
        self._topics.setdefault(account_id, _Topic()).streams.add(listening)
        return listening

    def refuse_if_closed(self) -> None:
        """``ProductError`` once the server is stopping."""
        if self.is_closed:
            raise ProductError("The server is stopping: try again soon.", code="unavailable")

    def leave(self, listening: Listening) -> None:
        """Counts a stream out."""
        self._owners[listening.owner] -= 1
        if self._owners[listening.owner] <= 0:
            del self._owners[listening.owner]
        topic = self._topics[listening.account_id]
        topic.streams.discard(listening)
        if not topic.streams:
            del self._topics[listening.account_id]

    def saw(self, listening: Listening, place: Place) -> None:
        """Says how far into the account's ledger a stream has read."""
        self._topics[listening.account_id].place = place

    @property
    def pace_seconds(self) -> float:
        """How long a stream rests at least between two tellings."""
        return PACE_SECONDS + PACE_OF_STREAM * self.stream_count

    async def rest(self, seconds: float) -> None:
        """Waits, but not once the hub closes."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()

    # --- computing ---------------------------------------------------------------------------
    async def read(self, work: Callable[[], T]) -> T:
        """Runs a quick read on a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._reading, work)

    async def shared(
        self, listening: Listening, key: Hashable, work: Callable[[], T]
    ) -> tuple[T, bool]:
        """What ``work`` gives, computed once for all who ask with the same key meanwhile.

        Also whether it is newer than every change so far; one that isn't is old by the pace at
        most, and whoever gets it should ask again.
        """
        topic = self._topics[listening.account_id]
        loop = asyncio.get_running_loop()
        entry = topic.shared.get(key)
        if entry is None or (entry.result.done() and self._is_due(entry, topic, loop.time())):
            result = loop.run_in_executor(self._rendering, work)
            entry = topic.shared[key] = _Shared(topic.version, loop.time(), result)
            result.add_done_callback(lambda _: self._computed(topic, key, entry, loop.time()))
        value = await asyncio.shield(entry.result)
        return value, entry.version == topic.version

    def _is_due(self, entry: _Shared, topic: _Topic, now: float) -> bool:
        is_old = now - entry.begun_at > KEPT_SECONDS or entry.version != topic.version
        return is_old and now >= entry.next_at

    def _computed(self, topic: _Topic, key: Hashable, entry: _Shared, now: float) -> None:
        cost = now - entry.begun_at
        entry.next_at = entry.begun_at + max(self.pace_seconds, PACE_OF_COST * cost)
        failed = entry.result.cancelled() or entry.result.exception() is not None
        if failed and topic.shared.get(key) is entry:
            del topic.shared[key]
        loop = self._loop
        if loop is not None and not failed:  # figures that nobody asks for again aren't kept
            loop.call_later(10 * KEPT_SECONDS, self._forget, topic, key, entry)

    def _forget(self, topic: _Topic, key: Hashable, entry: _Shared) -> None:
        if topic.shared.get(key) is entry:
            del topic.shared[key]

    # --- changes -------------------------------------------------------------------------------
    def _committed(self, account_ids: frozenset[str]) -> None:
        """On another thread: hands over what changed, once however many commits there are."""
        is_for_all = ALL_ACCOUNTS in account_ids  # those who run the product are told, anywhere
        heard = frozenset(self._topics) if is_for_all else account_ids & self._topics.keys()
        if not heard or self._loop is None:
            return
        with self._lock:
            is_on_its_way = bool(self._news)
            self._news |= heard
        if not is_on_its_way:
            self._loop.call_soon_threadsafe(self._take_news)

    def _take_news(self) -> None:
        with self._lock:
            changed, self._news = self._news, set()
        self._changed(changed)

    def _changed(self, account_ids: set[str]) -> None:
        for account_id in account_ids:
            topic = self._topics.get(account_id)
            if topic is not None:
                topic.version += 1
                for listening in topic.streams:
                    listening.wake.set()

    def _wake_all(self) -> None:
        self._closing.set()
        for topic in self._topics.values():
            for listening in topic.streams:
                listening.wake.set()

    def _begin_hearing(self) -> None:
        """On the listener's thread: from now on nothing is missed, but just before it may be."""
        self._is_unsure = True

    async def _poll(self) -> None:
        """Notices what other processes write: imports, commands, the demo's loader.

        Where their commits are heard it looks only once each time hearing has begun.
        """
        version = -1
        while True:
            await asyncio.sleep(POLL_SECONDS)
            is_hearing = self._listener is not None and self._listener.is_hearing
            if not self._topics or (is_hearing and not self._is_unsure):
                continue
            self._is_unsure = False
            try:
                version = await self._look(version)
            except Exception:  # a ledger that can't be read now may be readable in a moment
                _log.exception("changes of other processes could not be looked for")

    async def _look(self, version: int) -> int:
        newest = await self.read(self._installation.database.version)
        if newest == version:
            return newest
        asked = list(self._topics)
        places = await self.read(lambda: self._places(asked))
        for account_id, place in places.items():
            topic = self._topics.get(account_id)
            if topic is not None and topic.place not in {None, place}:
                topic.place = place
                self._changed({account_id})
        return newest

    def _places(self, account_ids: list[str]) -> dict[str, Place]:
        with self._installation.database.read() as connection:
            return places_of(connection, account_ids)
