"""The figures of one page, read at once: every question it will ask, as of one moment.

Knows nothing of stores: it asks a reader for several things together and hands them out one by
one. What the page didn't say it would ask, and everything after a failure, is asked alone, so that
one question that can't be answered takes no other figure with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from billing.access import AccountScope
from billing.periods import Period
from billing.queries import Filters
from billing.usage import Balance, Dimension, Question, Reading, UsageReader


class Figures(Protocol):
    """What the use cases of a page read; a ``UsageReader`` is one."""

    def usage(
        self, scope: AccountScope, period: Period, by: Sequence[Dimension], filters: Filters
    ) -> Reading:
        """Sums by the asked dimensions over booked days of a period."""
        ...

    def balance(self, scope: AccountScope) -> Balance:
        """The wallet now."""
        ...

    def used_metrics(self, scope: AccountScope) -> frozenset[str]:
        """The ids of metrics the account has ever used, within what the scope may see."""
        ...

    def names(self, scope: AccountScope, dimension: Dimension) -> Mapping[str, str]:
        """Names of campaigns or consumers by id."""
        ...


class OneMoment:
    """``Figures`` of one scope, for one page and one thread."""

    def __init__(
        self,
        reader: UsageReader,
        scope: AccountScope,
        expected: Callable[[], Sequence[Question]],
    ) -> None:
        """``expected``: what the page is going to ask; called when it asks for the first time."""
        self._reader = reader
        self._scope = scope
        self._expected = expected
        self._readings: dict[Question, Reading] | None = None
        self._names: dict[Dimension, Mapping[str, str]] = {}

    def usage(
        self, scope: AccountScope, period: Period, by: Sequence[Dimension], filters: Filters
    ) -> Reading:
        """Sums by the asked dimensions over booked days of a period. Errors: the reader's."""
        question = Question(period, tuple(by), filters)
        if scope == self._scope:
            if self._readings is None:
                self._readings = self._read()
            if question in self._readings:
                return self._readings[question]
        return self._reader.usage(scope, period, by, filters)

    def _read(self) -> dict[Question, Reading]:
        try:
            questions = list(dict.fromkeys(self._expected()))
            return dict(zip(questions, self._reader.readings(self._scope, questions), strict=True))
        except Exception:  # each region asks again, and says what is wrong with it
            return {}

    def balance(self, scope: AccountScope) -> Balance:
        """The wallet now."""
        return self._reader.balance(scope)

    def used_metrics(self, scope: AccountScope) -> frozenset[str]:
        """The ids of metrics the account has ever used, within what the scope may see."""
        return self._reader.used_metrics(scope)

    def names(self, scope: AccountScope, dimension: Dimension) -> Mapping[str, str]:
        """Names of campaigns or consumers by id."""
        if dimension not in self._names:
            self._names[dimension] = self._reader.names(scope, dimension)
        return self._names[dimension]
