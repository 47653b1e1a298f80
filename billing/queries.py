"""The one query object behind every figure: made from an address, the API or an export request.

A screen, a file and the API can't disagree because all three read through ``UsageQuery``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from urllib.parse import parse_qs, urlencode

from billing.accounts import Account
from billing.errors import InputError
from billing.events import MESSAGE_STATUSES
from billing.limits import limit
from billing.metrics import Service
from billing.periods import (
    DEFAULT_PRESET,
    LAST_DAY,
    PRESET_BY_ID,
    Period,
    check_range,
    like_for_like,
    step,
)
from billing.query_values import Values

LONGEST_NAME = limit("name")
LONGEST_ADDRESS = 8_000
DEFAULT_PAGE = 100


class Granularity(StrEnum):
    """How a timeline is cut."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Cut(StrEnum):
    """How the API's sums are cut by time."""

    TOTAL = "total"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class TransactionSort(StrEnum):
    """How transactions are ordered."""

    NEWEST = "newest"
    OLDEST = "oldest"
    COST = "cost"


GROUPS = ("metric", "service", "direction", "status", "campaign", "consumer")
STATUSES = ("answered", "unanswered", *MESSAGE_STATUSES, "active", "worked", "metered")


@dataclass(frozen=True, slots=True)
class Filters:
    """What narrows a read; an empty tuple narrows nothing."""

    services: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    campaigns: tuple[str, ...] = ()
    consumers: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether everything passes."""
        return not any((self.services, self.metrics, self.campaigns, self.consumers, self.statuses))


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """One question about usage: period, filters, cut, order, page.

    ``preset`` names the period it came from; ``custom`` for one with its own days. ``cursor``
    and ``line`` belong to the drill-down: the page and the transaction being explained. The API
    alone asks for a ``cut``, for ``group_by`` (of ``GROUPS``), for ``limit`` rows, and, by the
    hour, for the instants ``between`` which its hours begin (end excluded).
    """

    period: Period
    compared_with: Period
    preset: str = DEFAULT_PRESET
    filters: Filters = field(default_factory=Filters)
    granularity: Granularity = Granularity.DAY
    sort: TransactionSort = TransactionSort.NEWEST
    cursor: str | None = None
    line: str | None = None
    cut: Cut = Cut.TOTAL
    group_by: tuple[str, ...] = ()
    between: tuple[datetime, datetime] | None = None
    limit: int = DEFAULT_PAGE

    def params(self) -> list[tuple[str, str]]:
        """What the address says, defaults left out; parsing it gives this query again."""
        pairs: list[tuple[str, str]] = []
        if self.preset == "custom":
            pairs += [
                ("from", self.period.start.isoformat()),
                ("to", self.period.end.isoformat()),
            ]
        elif self.preset != DEFAULT_PRESET:
            pairs.append(("period", self.preset))
        for name, values in FILTER_FIELDS.items():
            pairs += [(name, value) for value in getattr(self.filters, values)]
        if self.granularity is not Granularity.DAY:
            pairs.append(("by", self.granularity))
        if self.sort is not TransactionSort.NEWEST:
            pairs.append(("sort", self.sort))
        pairs += [("cursor", self.cursor)] if self.cursor else []
        pairs += [("line", self.line)] if self.line else []
        return pairs

    def search(self) -> str:
        """The address's query string with its ``?``, or an empty string."""
        pairs = self.params()
        return f"?{urlencode(pairs)}" if pairs else ""

    def with_preset(self, preset: str, account: Account, today: date) -> UsageQuery:
        """The same question about another named period, from its first page."""
        period = PRESET_BY_ID[preset].find(today, account.billing)
        compared = like_for_like(period, today, account.billing)
        return replace(
            self, period=period, compared_with=compared, preset=preset, cursor=None, line=None
        )

    def with_period(self, period: Period, account: Account, today: date) -> UsageQuery:
        """The same question about given days, from its first page."""
        compared = like_for_like(period, today, account.billing)
        return replace(
            self, period=period, compared_with=compared, preset="custom", cursor=None, line=None
        )

    def stepped(self, direction: int, account: Account, today: date) -> UsageQuery:
        """The same question one period earlier (-1) or later (1)."""
        return self.with_period(step(self.period, direction, account.billing), account, today)

    def with_filter(self, name: str, values: Sequence[str]) -> UsageQuery:
        """The same question with one filter (``service``, ``campaign``, …) replaced."""
        filters = replace(self.filters, **{FILTER_FIELDS[name]: tuple(values)})
        return replace(self, filters=filters, cursor=None, line=None)

    def without_filters(self) -> UsageQuery:
        """The same question about everything."""
        return replace(self, filters=Filters(metrics=self.filters.metrics), cursor=None, line=None)

    def cut_by(self, granularity: Granularity) -> UsageQuery:
        """The same question with its timeline cut another way."""
        return replace(self, granularity=granularity)

    def sorted_by(self, sort: TransactionSort) -> UsageQuery:
        """The same question with its transactions ordered another way, from the first page."""
        return replace(self, sort=sort, cursor=None, line=None)

    def at_cursor(self, cursor: str | None) -> UsageQuery:
        """The same question at another page of its transactions."""
        return replace(self, cursor=cursor, line=None)

    def explaining(self, line: str | None) -> UsageQuery:
        """The same question with one transaction explained, or none."""
        return replace(self, line=line)

    def of_metric(self, metric: str) -> UsageQuery:
        """The same question about one metric alone."""
        return replace(self, filters=replace(self.filters, metrics=(metric,), services=()))


FILTER_FIELDS = {  # parameters by what they fill
    "service": "services",
    "campaign": "campaigns",
    "consumer": "consumers",
    "status": "statuses",
}
_KNOWN = frozenset({"period", "from", "to", "by", "sort", "cursor", "line", *FILTER_FIELDS})


def default_query(account: Account, today: date) -> UsageQuery:
    """The current billing period, unfiltered: what a first visit shows."""
    period = PRESET_BY_ID[DEFAULT_PRESET].find(today, account.billing)
    return UsageQuery(period, like_for_like(period, today, account.billing))


def parse_search(
    search: str | None, account: Account, today: date
) -> tuple[UsageQuery, tuple[str, ...]]:
    """The query of an address and what had to be ignored in it, as sentences to show.

    Never fails: whatever can't be read falls back to its default, with a notice.
    """
    text = (search or "").removeprefix("?")
    if len(text) > LONGEST_ADDRESS:
        return default_query(account, today), ("The address was too long and was ignored.",)
    try:
        given = parse_qs(text, keep_blank_values=True, max_num_fields=200)
    except ValueError:
        return default_query(account, today), ("The address could not be read.",)
    notices = [
        f"“{name[:40]}” in the address means nothing here and was ignored."
        for name in given
        if name not in _KNOWN
    ]

    def refuse(name: str, value: str, _: str) -> None:
        shown = value if len(value) <= 40 else f"{value[:39]}…"
        notices.append(f"“{name}={shown}” is not something to show; it was ignored.")

    values = Values(given, refuse)
    query = _with_period(default_query(account, today), values, notices, account, today)
    query = replace(
        query,
        filters=read_filters(values),
        granularity=Granularity(values.one_of("by", tuple(Granularity), "day")),
        sort=read_sort(values),
        cursor=values.text("cursor"),
        line=values.text("line"),
    )
    return query, tuple(notices)


def read_filters(values: Values, metrics: tuple[str, ...] = ()) -> Filters:
    """What narrows a read, out of parameters."""
    return Filters(
        services=values.all_of("service", tuple(Service)),
        metrics=metrics,
        campaigns=values.all_of("campaign"),
        consumers=values.all_of("consumer"),
        statuses=values.all_of("status", STATUSES),
    )


def read_sort(values: Values) -> TransactionSort:
    """The order asked for, out of parameters."""
    return TransactionSort(values.one_of("sort", tuple(TransactionSort), "newest"))


def _with_period(
    query: UsageQuery, values: Values, notices: list[str], account: Account, today: date
) -> UsageQuery:
    preset = values.one_of("period", tuple(PRESET_BY_ID), query.preset)
    start, end = values.day("from"), values.day("to")
    if start is None and end is None:
        return query.with_preset(preset, account, today)
    try:
        return query.with_period(read_range(start or today, end, today), account, today)
    except InputError as error:
        notices.append(f"{error.message}. Showing the current billing period.")
        return query


def read_range(start: date, end: date | None, today: date) -> Period:
    """From a day to another, or to the end of today, or of the first day if that is later.

    Errors: ``InputError`` for a range that ``check_range`` refuses.
    """
    return check_range(start, end or min(max(today, start), LAST_DAY) + timedelta(days=1))
