"""The use cases behind the usage screens: reads of the ledger turned into what a region shows.

Each takes a reader, a scope and a question and makes as few reads as it can. Figures that stand
side by side come from one read, so that a total always equals the sum of its table.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from billing.access import AccountScope
from billing.metrics import METRIC_BY_ID, Metric, Service, metrics_on_plans
from billing.one_moment import Figures
from billing.periods import Period, look_back_period, month_of
from billing.queries import Filters, UsageQuery
from billing.runway import Runway, look_back, runway
from billing.usage import Balance, Dimension, Question, Reading, UsageCell

TREND_MONTHS = 13
TOP_COUNT = 5


@dataclass(frozen=True, slots=True)
class WalletNow:
    """The wallet beside what was used today and in the running billing period. Micros."""

    balance: Balance
    today_micros: int
    period_micros: int
    billing_period: Period
    runway: Runway
    complete_to: datetime


@dataclass(frozen=True, slots=True)
class MetricUsage:
    """One metric in the shown period and its cost in the one it is compared with.

    ``daily_micros``: one figure per day of the period that has begun, gaps zero, oldest first.
    """

    metric: Metric
    count: int
    base_units: int
    cost_micros: int
    before_micros: int
    daily_micros: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PeriodUsage:
    """All usage of a period: one item per metric of the plan, and cost per day and service.

    ``daily``: (day, service, micros), only where there is any, oldest first.
    """

    metrics: tuple[MetricUsage, ...]
    daily: tuple[tuple[date, str, int], ...]
    cost_micros: int
    before_micros: int
    complete_to: datetime


@dataclass(frozen=True, slots=True)
class Consumption:
    """What one campaign or consumer cost."""

    item_id: str
    name: str
    count: int
    cost_micros: int


@dataclass(frozen=True, slots=True)
class MonthCost:
    """What a calendar month cost. ``is_running``: it isn't over, so it compares with nothing."""

    month: Period
    cost_micros: int
    is_running: bool


def wallet_question(scope: AccountScope, today: date) -> Question:
    """What ``wallet_now`` asks for."""
    start, end = look_back(today)
    period = scope.account.billing.period_of(today).span(Period(start, end))
    return Question(period, (Dimension.DAY,))


def page_questions(
    query: UsageQuery, today: date, week: UsageQuery | None = None
) -> tuple[Question, ...]:
    """What the usage page asks for: ``period_usage``, ``top_consumers`` of both, ``months``.

    ``week``: the days that are drawn around a single one.
    """
    return (
        *(_period_question(each) for each in (query, week) if each),
        *(_top_question(query, each) for each in (Dimension.CONSUMER, Dimension.CAMPAIGN)),
        _months_question(query.filters, today),
    )


def metric_question(query: UsageQuery) -> Question:
    """What ``metric_days`` asks for."""
    return Question(query.period.span(query.compared_with), (Dimension.DAY,), query.filters)


def _period_question(query: UsageQuery) -> Question:
    span = query.period.span(query.compared_with)
    return Question(span, (Dimension.DAY, Dimension.METRIC), query.filters)


def _top_question(query: UsageQuery, dimension: Dimension) -> Question:
    return Question(query.period, (dimension,), query.filters)


def _months_question(filters: Filters, today: date) -> Question:
    return Question(look_back_period(today, TREND_MONTHS), (Dimension.DAY,), filters)


def _ask(reader: Figures, scope: AccountScope, question: Question) -> Reading:
    return reader.usage(scope, question.period, question.by, question.filters)


def wallet_now(reader: Figures, scope: AccountScope, now: datetime) -> WalletNow:
    """The balance, today's and this billing period's usage, and how long the balance lasts.

    A sandbox costs nothing: what it would have cost is on its own page, not beside the balance.
    """
    today = scope.account.today(now)
    is_charged = not scope.account.gates_on(today).is_sandbox_only
    billing_period = scope.account.billing.period_of(today)
    reading = _ask(reader, scope, wallet_question(scope, today))
    by_day = {cell.day: cell.cost_micros for cell in reading.cells if is_charged}
    balance = reader.balance(scope)
    return WalletNow(
        balance=balance,
        today_micros=by_day.get(today, 0),
        period_micros=sum(by_day.get(day, 0) for day in billing_period.days()),
        billing_period=billing_period,
        runway=runway(balance.posted_micros, by_day, today),
        complete_to=reading.complete_to,
    )


def period_usage(
    reader: Figures,
    scope: AccountScope,
    query: UsageQuery,
    today: date,
    used: frozenset[str] | None = None,
) -> PeriodUsage:
    """The shown period by metric and day, beside the period it is compared with. One read.

    ``used``: the metrics ever used, when the caller knows them already.
    """
    reading = _ask(reader, scope, _period_question(query))
    known = reader.used_metrics(scope) if used is None else used
    shown = metrics_on_plans(scope.account.plans_in(query.period), known)
    return _period_usage(reading, query, _matching(shown, query.filters), today)


def session_usage(reader: Figures, scope: AccountScope, today: date) -> PeriodUsage:
    """What a Free account's sandbox recorded since this sign-in (seed: current session)."""
    period = Period(today, today + timedelta(days=1))
    reading = reader.usage(scope, period, (Dimension.DAY, Dimension.METRIC), Filters())
    recorded = {cell.keys[1] for cell in reading.cells}
    shown = tuple(metric for metric in METRIC_BY_ID.values() if metric.id in recorded)
    days = [cell.day for cell in reading.cells]
    whole = Period(min([*days, today]), max([*days, today]) + timedelta(days=1))
    return _period_usage(reading, UsageQuery(whole, whole), shown, today)


def top_consumers(
    reader: Figures, scope: AccountScope, query: UsageQuery, dimension: Dimension
) -> tuple[tuple[Consumption, ...], int, datetime]:
    """The dearest campaigns or consumers, the total of all, and what it is complete to."""
    reading = _ask(reader, scope, _top_question(query, dimension))
    names = reader.names(scope, dimension)
    cells = sorted(reading.cells, key=lambda cell: (-cell.cost_micros, str(cell.keys[0] or "~")))
    named = [cell for cell in cells if cell.keys[0] is not None]
    top = tuple(
        Consumption(
            str(cell.keys[0]), names.get(str(cell.keys[0]), str(cell.keys[0])), cell.count,
            cell.cost_micros,
        )
        for cell in named[:TOP_COUNT]
    )  # fmt: skip
    return top, sum(cell.cost_micros for cell in cells), reading.complete_to


def months(
    reader: Figures, scope: AccountScope, filters: Filters, today: date
) -> tuple[tuple[MonthCost, ...], datetime]:
    """Thirteen calendar months up to this one, oldest first; months before any usage left out."""
    question = _months_question(filters, today)
    reading, whole = _ask(reader, scope, question), question.period
    by_day = {cell.day: cell.cost_micros for cell in reading.cells}

    def cost(period: Period) -> int:
        return sum(by_day.get(day, 0) for day in period.days())

    whole_months = [month_of(whole.start)]
    while whole_months[-1].end < whole.end:
        whole_months.append(month_of(whole_months[-1].end))
    while len(whole_months) > 1 and cost(whole_months[0]) == 0:
        del whole_months[0]
    found = tuple(MonthCost(month, cost(month), today in month) for month in whole_months)
    return found, reading.complete_to


def metric_days(
    reader: Figures, scope: AccountScope, query: UsageQuery
) -> tuple[tuple[UsageCell, ...], datetime]:
    """One metric by day over the period and the one it is compared with, oldest first."""
    reading = _ask(reader, scope, metric_question(query))
    return reading.cells, reading.complete_to


def _matching(metrics: Iterable[Metric], filters: Filters) -> tuple[Metric, ...]:
    return tuple(
        metric
        for metric in metrics
        if (not filters.services or metric.service in filters.services)
        and (not filters.metrics or metric.id in filters.metrics)
    )


def begun_days(period: Period, today: date) -> tuple[date, ...]:
    """The days of a period up to today, or all of them when it is over or ahead."""
    begun = period.clip(None, today + timedelta(days=1))
    return tuple((begun or period).days())


@dataclass(slots=True)
class _Sums:
    """What the cells of one metric come to."""

    count: int = 0
    base_units: int = 0
    cost_micros: int = 0
    before_micros: int = 0
    by_day: dict[date, int] = field(default_factory=dict)


def _period_usage(
    reading: Reading, query: UsageQuery, shown: tuple[Metric, ...], today: date
) -> PeriodUsage:
    by_metric, daily = _added_up(reading, query, shown)
    days = begun_days(query.period, today)
    listed = {metric.id for metric in shown}
    kept = tuple(
        MetricUsage(
            METRIC_BY_ID[metric_id], sums.count, sums.base_units, sums.cost_micros,
            sums.before_micros, tuple([sums.by_day.get(day, 0) for day in days]),
        )
        for metric_id, sums in by_metric.items()
        if metric_id in METRIC_BY_ID and (metric_id in listed or sums.count)
    )  # fmt: skip
    return PeriodUsage(
        metrics=kept,
        daily=tuple([(day, service.value, micros) for (day, service), micros in daily.items()]),
        cost_micros=sum(row.cost_micros for row in kept),
        before_micros=sum(row.before_micros for row in kept),
        complete_to=reading.complete_to,
    )


def _added_up(
    reading: Reading, query: UsageQuery, shown: tuple[Metric, ...]
) -> tuple[dict[str, _Sums], dict[tuple[date, Service], int]]:
    """Each metric's sums, those of ``shown`` first, and the micros of each day and service.

    One walk over the cells, by plain comparisons: a year has thousands of them.
    """
    by_metric = {metric.id: _Sums() for metric in shown}
    daily: dict[tuple[date, Service], int] = {}
    start, end = query.period.start, query.period.end
    before_start, before_end = query.compared_with.start, query.compared_with.end
    for cell in reading.cells:  # usage of a metric outside the plan still counts in the money
        day, metric_id = cell.day, str(cell.keys[1])
        sums = by_metric.get(metric_id)
        if sums is None:
            sums = by_metric[metric_id] = _Sums()
        if start <= day < end:
            sums.count += cell.count
            sums.base_units += cell.base_units
            sums.cost_micros += cell.cost_micros
            sums.by_day[day] = cell.cost_micros
            metric = METRIC_BY_ID.get(metric_id)
            if metric:
                key = (day, metric.service)
                daily[key] = daily.get(key, 0) + cell.cost_micros
        if before_start <= day < before_end:
            sums.before_micros += cell.cost_micros
    return by_metric, daily


def is_comparable(query: UsageQuery, first_used_on: date | None, today: date) -> bool:
    """Whether a change against ``compared_with`` says anything.

    A running single day can't be set against a whole one, nor a period against days before the
    first usage there was.
    """
    is_running_day = query.period.day_count == 1 and today in query.period
    return (
        not is_running_day
        and first_used_on is not None
        and query.compared_with.start >= first_used_on
    )
