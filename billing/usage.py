"""What a read of usage gives back, and the ports through which it is read.

``count``, ``base_units`` and ``cost_micros`` are three separate numbers on every summary. The
adapters in data/ answer exactly as of ``Reading.complete_to``: lake first, then the truth's tail.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

from billing.access import AccountScope
from billing.periods import Period
from billing.queries import Filters, TransactionSort
from billing.records import record


class Dimension(StrEnum):
    """What usage can be grouped by. ``DAY`` is the local booking day."""

    DAY = "booked_on"
    METRIC = "metric"
    SERVICE = "service"
    DIRECTION = "direction"
    STATUS = "status"
    CAMPAIGN = "campaign_id"
    CONSUMER = "consumer_id"


@record()
class UsageCell:
    """Sums of one group. ``keys`` follow the asked dimensions; a day is a ``date``.

    ``base_units``: seconds, segments, …; ``talk_seconds`` never billed seconds.
    """

    keys: tuple[str | date | None, ...]
    count: int
    base_units: int
    pulses: int
    talk_seconds: int
    cost_micros: int

    @property
    def day(self) -> date:
        """The booking day of a cell whose first dimension is ``DAY``."""
        day = self.keys[0]
        assert isinstance(day, date), "this cell is not grouped by day first"
        return day


@dataclass(frozen=True, slots=True)
class Reading:
    """The cells of one read, ordered by their keys, and the instant they are complete to."""

    cells: tuple[UsageCell, ...]
    complete_to: datetime


@dataclass(frozen=True, slots=True)
class Question:
    """Which sums are asked for: by which dimensions, over which booked days, narrowed by what."""

    period: Period
    by: tuple[Dimension, ...]
    filters: Filters = field(default_factory=Filters)


@dataclass(frozen=True, slots=True)
class UsageLine:
    """One line of the ledger as a list of transactions shows it.

    ``seq`` is its place in the ledger. ``corrects_period``: the first day of the closed billing
    period it belongs to when it came late. ``campaign`` and ``consumer`` are names for people.
    """

    seq: int
    id: str
    event_id: str
    source: str
    source_id: str
    metric: str
    service: str
    direction: str
    agent: str | None
    status: str
    reason: str | None
    campaign_id: str | None
    campaign: str | None
    consumer_id: str | None
    consumer: str | None
    occurred_at: datetime
    received_at: datetime
    stored_at: datetime
    booked_on: date
    corrects_period: date | None
    base_units: int
    pulses: int
    talk_seconds: int
    rate_id: str | None
    connect_fee_micros: int
    cost_micros: int
    currency: str
    reverses_line_id: str | None
    is_sandbox: bool
    flags: tuple[str, ...]
    destination: str | None = None  # the first digits of the other party's number
    kind: str | None = None  # an SMS's purpose, a WhatsApp category
    rated_status: str | None = None  # the status it was rated with, before any receipt


@dataclass(frozen=True, slots=True)
class LinePage:
    """One page of transactions; ``next_cursor`` and ``previous_cursor`` are opaque, or none."""

    lines: tuple[UsageLine, ...]
    next_cursor: str | None
    previous_cursor: str | None
    complete_to: datetime


@dataclass(frozen=True, slots=True)
class PromotionalLot:
    """What is left of one promotional credit, and when it expires (none: never)."""

    remaining_micros: int
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Balance:
    """The wallet now. ``available`` = paid + promotional − reserved; paid includes any debt.

    ``posted_micros`` = paid + promotional. Units: micros of ``currency``.
    """

    currency: str
    paid_micros: int
    promotional_micros: int
    reserved_micros: int
    promotional: tuple[PromotionalLot, ...]
    as_of: datetime

    @property
    def posted_micros(self) -> int:
        """Paid and promotional together."""
        return self.paid_micros + self.promotional_micros

    @property
    def available_micros(self) -> int:
        """What can be spent: posted less reserved."""
        return self.posted_micros - self.reserved_micros


@dataclass(frozen=True, slots=True)
class LotDraw:
    """What one credit lot paid of one charge."""

    lot_id: str
    lot_kind: str
    granted_at: datetime
    expires_at: datetime | None
    micros: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a line cost what it cost: event, units, rounding, rate version, lots, balance.

    ``rate_list`` is none for a line without a rate. ``entry_id`` and the balances are none for
    a line that moved no money.
    """

    line: UsageLine
    rate_list: str | None
    rate_valid_from: date | None
    rate_prefix: str | None
    price_micros: int | None
    price_size: int | None
    minimum: int | None
    increment: int | None
    counterparty: str | None
    entry_id: str | None
    draws: tuple[LotDraw, ...]
    balance_before_micros: int | None
    balance_after_micros: int | None
    siblings: tuple[UsageLine, ...]


@dataclass(frozen=True, slots=True)
class EventLines:
    """One call or message with all its lines, oldest first; at least one.

    ``counterparty``: the other party as it may be shown.
    """

    lines: tuple[UsageLine, ...]
    counterparty: str | None
    complete_to: datetime


class UsageReader(Protocol):
    """Reads usage of one account. Hides what the scope hides; refuses what its plan lacks."""

    def usage(
        self,
        scope: AccountScope,
        period: Period,
        by: Sequence[Dimension],
        filters: Filters,
    ) -> Reading:
        """Sums by the asked dimensions over booked days of a period."""
        ...

    def readings(self, scope: AccountScope, questions: Sequence[Question]) -> tuple[Reading, ...]:
        """What ``usage`` gives for each of some questions, all of one moment."""
        ...

    def usage_by_hour(
        self,
        scope: AccountScope,
        period: Period,
        by: Sequence[Dimension],
        filters: Filters,
    ) -> Reading:
        """Sums by local hour, the first key (an instant), and the asked dimensions.

        By when it happened; what is booked on another day counts in that day's first hour.
        """
        ...

    def event_lines(
        self, scope: AccountScope, event: str, source: str | None, services: Sequence[str]
    ) -> EventLines:
        """Every line of one event of some services, found by either of its ids.

        Errors: ``NotFoundError``; ``InputError`` for ``source`` where several have that id.
        """
        ...

    def transactions(
        self,
        scope: AccountScope,
        period: Period,
        filters: Filters,
        sort: TransactionSort,
        cursor: str | None,
        limit: int,
    ) -> LinePage:
        """One page of lines by keyset; ``InputError`` for a cursor that isn't one."""
        ...

    def stream_lines(
        self, scope: AccountScope, period: Period, filters: Filters
    ) -> Iterator[UsageLine]:
        """Every line of a period, oldest first, without holding them all."""
        ...

    def explain(self, scope: AccountScope, line_id: str) -> Explanation:
        """Why one line cost what it cost; ``NotFoundError`` outside the scope."""
        ...

    def balance(self, scope: AccountScope) -> Balance:
        """The wallet now."""
        ...

    def used_metrics(self, scope: AccountScope) -> frozenset[str]:
        """The ids of metrics the account has ever used, within what the scope may see."""
        ...

    def used_days(self, scope: AccountScope) -> tuple[date, date] | None:
        """The first and the last booked day with usage that the scope may see; none without."""
        ...

    def used(self, scope: AccountScope) -> Mapping[str, tuple[date, date]]:
        """The first and the last visible day with usage, by the id of each metric ever used."""
        ...

    def names(self, scope: AccountScope, dimension: Dimension) -> Mapping[str, str]:
        """Names of campaigns or consumers by id."""
        ...
