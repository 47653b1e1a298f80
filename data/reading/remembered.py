"""Sums that the analytics store gave lately, so that the same question needn't be asked again.

An answer comes with the positions it is complete to, and the ledger's rows after them are always
added. So an old answer is as exact as a new one; it only leaves more to add. It is forgotten when
this process changes the store, when another generation of it is in use, and after a few seconds.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from data.analytics.lake import Lake, Positions

KEPT_SECONDS = 10.0
MOST_ANSWERS = 256
MOST_ROWS = 12_000  # of one answer; longer ones are asked again
MOST_ROWS_TOGETHER = 90_000  # about 50 MB

Rows = list[tuple[Any, ...]]
Answer = tuple[Positions, Rows]


@dataclass(frozen=True, slots=True)
class Asked:
    """One question to the store: a file of ``data/views`` and its parameters."""

    view: str
    parameters: Mapping[str, Any]

    def key(self, state: Hashable) -> Hashable:
        """What tells it from other questions, and the store from what it was before."""
        return (state, self.view, *((name, _frozen(v)) for name, v in self.parameters.items()))


class Remembered:
    """Answers of one store by question, for threads that share it."""

    def __init__(self, lake: Lake, clock: Callable[[], float] = time.monotonic) -> None:
        self.lake = lake
        self._clock = clock
        self._lock = threading.Lock()
        self._answers: OrderedDict[Hashable, tuple[float, Answer]] = OrderedDict()
        self._row_count = 0

    def ask(self, view: str, parameters: Mapping[str, Any], read: Callable[[], Answer]) -> Answer:
        """The answer to a question: one of before if it is still good, else what ``read`` gives.

        Callers must not change the rows. Errors: whatever ``read`` raises.
        """
        return self.ask_all([Asked(view, parameters)], lambda _: [read()])[0]

    def ask_all(
        self, questions: Sequence[Asked], read: Callable[[Sequence[Asked]], Sequence[Answer]]
    ) -> list[Answer]:
        """The same for several questions; those not remembered are read at once, if there are any.

        Answers may be complete to different positions.
        """
        state = self.lake.state
        keys = [each.key(state) for each in questions]
        known = {key: answer for key in keys if (answer := self._known(key)) is not None}
        missing = {key: each for key, each in zip(keys, questions, strict=True) if key not in known}
        if missing:
            asked_at = self._clock()
            for key, answer in zip(missing, read(list(missing.values())), strict=True):
                known[key] = answer
                self._keep(key, asked_at, answer)
        return [known[key] for key in keys]

    def known(self, question: Asked) -> Answer | None:
        """A good answer of before, if there is one."""
        return self._known(question.key(self.lake.state))

    def forget(self) -> None:
        """Nothing is remembered any more."""
        with self._lock:
            self._answers.clear()
            self._row_count = 0

    def _known(self, key: Hashable) -> Answer | None:
        with self._lock:
            found = self._answers.get(key)
        if found is None or self._clock() - found[0] >= KEPT_SECONDS:
            return None
        return found[1]

    def _keep(self, key: Hashable, asked_at: float, answer: Answer) -> None:
        if len(answer[1]) > MOST_ROWS:
            return
        with self._lock:
            self._forget(key)
            self._answers[key] = (asked_at, answer)
            self._row_count += len(answer[1])
            while len(self._answers) > MOST_ANSWERS or self._row_count > MOST_ROWS_TOGETHER:
                self._forget(next(iter(self._answers)))

    def _forget(self, key: Hashable) -> None:
        before = self._answers.pop(key, None)
        if before is not None:
            self._row_count -= len(before[1][1])


def _frozen(value: Any) -> Hashable:
    return tuple(value) if isinstance(value, list) else value
