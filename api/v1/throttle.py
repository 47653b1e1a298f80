"""How often one API key may call: a bucket that fills steadily and may be emptied at once."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from billing.errors import ProductError
from billing.limits import limit

MOST_KEYS = 10_000


class TooOftenError(ProductError):
    """The key has called too often; ``retry_after_seconds`` says when to go on."""

    code = "throttled"

    def __init__(self, seconds: int) -> None:
        super().__init__(
            f"This key has made too many requests (at most {limit('requests')} a second): "
            f"try again in {seconds} s, and send events in batches."
        )
        self.retry_after_seconds = seconds


class KeyThrottle:
    """One bucket a key. ``clock`` gives seconds that never step back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}  # by key: tokens left, as of when

    def take(self, key_id: str) -> None:
        """Counts one request; ``TooOftenError`` when it is one too many."""
        rate, burst, now = limit("requests"), limit("burst"), self._clock()
        with self._lock:
            if len(self._buckets) >= MOST_KEYS and key_id not in self._buckets:
                self._buckets.clear()
            tokens, at = self._buckets.get(key_id, (float(burst), now))
            tokens = min(float(burst), tokens + (now - at) * rate)
            if tokens < 1:
                self._buckets[key_id] = (tokens, now)
                raise TooOftenError(max(1, math.ceil((1 - tokens) / rate)))
            self._buckets[key_id] = (tokens - 1, now)
