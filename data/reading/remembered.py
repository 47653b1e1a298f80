"""Sums that the analytics store gave lately, so that the same question needn't be asked again.

An answer comes with the positions it is complete to, and the ledger's rows after them are always
added. So an old answer is as exact as a new one; it only leaves more to add. It is forgotten when
this process changes the store, when another generation of it is in use, and after a few seconds.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from data.analytics.lake import Lake, Positions

KEPT_SECONDS = 10.0
MOST_ANSWERS = 256
MOST_ROWS = 2_000  # of one answer; longer ones are asked again

Answer = tuple[Positions, list[tuple[Any, ...]]]


class Remembered:
    """Answers of one store by question, for threads that share it."""

    def __init__(self, lake: Lake, clock: Callable[[], float] = time.monotonic) -> None:
        self.lake = lake
        self._clock = clock
        self._lock = threading.Lock()
        self._answers: OrderedDict[Hashable, tuple[float, Answer]] = OrderedDict()

    def ask(self, view: str, parameters: Mapping[str, Any], read: Callable[[], Answer]) -> Answer:
        """The answer to a question: one of before if it is still good, else what ``read`` gives.

        Callers must not change the rows. Errors: whatever ``read`` raises.
        """
        key = (self.lake.state, view, *((name, _frozen(parameters[name])) for name in parameters))
        with self._lock:
            known = self._answers.get(key)
        if known is not None and self._clock() - known[0] < KEPT_SECONDS:
            return known[1]
        asked_at = self._clock()
        answer = read()
        with self._lock:
            if len(answer[1]) <= MOST_ROWS:
                self._answers[key] = (asked_at, answer)
                self._answers.move_to_end(key)
            while len(self._answers) > MOST_ANSWERS:
                self._answers.popitem(last=False)
        return answer


def _frozen(value: Any) -> Hashable:
    return tuple(value) if isinstance(value, list) else value
