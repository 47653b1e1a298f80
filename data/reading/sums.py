"""Sums of usage: the lake's up to its position, then the ledger's own after it, added.

The order matters. The lake is asked first, with its position; the ledger afterwards, so that
every line is counted by exactly one of the two, whatever a sync does meanwhile. Questions asked
together get one snapshot of each store.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    cast,
    func,
    literal,
    null,
    select,
    union_all,
)

from billing.periods import Period, add_months
from billing.queries import Filters
from billing.usage import Dimension, Question, UsageCell
from data.analytics.lake import Cursor, Positions, positions
from data.analytics.views import run_view
from data.reading.remembered import Answer, Asked, Remembered, Rows
from data.reading.visibility import (
    View,
    filter_parameters,
    filtered_columns,
    passes,
    period_parameters,
)
from data.tables import usage_lines

# The narrowest source that has every column asked for comes first.
SOURCES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("cells_day", ("booked_on", "metric", "service", "direction", "status")),
    ("cells_campaign", ("booked_on", "campaign_id")),
    ("cells_consumer", ("booked_on", "consumer_id")),
    ("cells_lines", tuple(dimension.value for dimension in Dimension)),
)
SUMMED = ("base_units", "pulses", "talk_seconds", "cost_micros")
_DAYS = SOURCES[0]
_DAY_FILTERS = (("metrics", 1), ("services", 2), ("statuses", 4))  # places in its rows
WHOLE_MONTHS_BACK, WHOLE_MONTHS_AHEAD = 13, 2
MOST_DERIVED = 32

Key = tuple[str | date | None, ...]
Sums = tuple[int, ...]
Groups = list[tuple[Key, Sums]]


def source_of(by: Sequence[Dimension], filters: Filters) -> tuple[str, tuple[str, ...]]:
    """The narrowest source that can group and filter as asked: view name and its dimensions."""
    needed = {dimension.value for dimension in by} | filtered_columns(filters)
    return next(source for source in SOURCES if needed <= set(source[1]))


def is_by_status(by: Sequence[Dimension], filters: Filters) -> bool:
    """Whether it matters where lines stand: only then do receipts have to be read."""
    return Dimension.STATUS in by or bool(filters.statuses)


def line_count(lines: FromClause) -> ColumnElement[int]:
    """How many lines there are; in a tail that receipts move lines in and out of, the balance."""
    if "line_count" in lines.c:
        return func.sum(lines.c.line_count)
    return func.count(lines.c.seq)


def lake_sums(
    lately: Remembered, view: View, questions: Sequence[Question], today: date
) -> list[tuple[Positions, Groups]]:
    """For each question the lake's positions and what it has up to there: one item per group.

    What isn't remembered is read in one snapshot. Where the account's months are asked for, or
    known already, they are read by day and by all dimensions of a day once, and every question
    about days is answered from them.
    """
    whole = _whole_days(today)
    inside = [each for each in questions if _is_inside(each, whole.period)]
    months = _asked(view, whole)
    has_whole = lately.known(months) is not None
    is_wide = any(2 * each.period.day_count >= whole.period.day_count for each in inside)
    wholes = set(inside) if inside and (has_whole or is_wide) else set()

    def read(cursor: Cursor, asked: Sequence[Asked]) -> list[Answer]:
        synced = positions(cursor)
        found = [(each, run_view(cursor, each.view, each.parameters)) for each in asked]
        return [(synced, DayRows(rows) if each == months else rows) for each, rows in found]

    answers = lately.ask_all(
        [months if each in wholes else _asked(view, each) for each in questions],
        lambda asked: lately.lake.snapshot(lambda cursor: read(cursor, asked)),
    )
    return [
        (synced, _remembered_of_days(rows, each) if each in wholes else _groups(rows, each))
        for each, (synced, rows) in zip(questions, answers, strict=True)
    ]


def _asked(view: View, question: Question) -> Asked:
    """A question as the files of data/views take it."""
    name, columns = source_of(question.by, question.filters)
    asked = {dimension.value for dimension in question.by}
    parameters = {
        "account_id": view.account_id,
        **period_parameters(question.period),
        **filter_parameters(question.filters),
        **{f"by_{column}": column in asked for column in columns},
        "is_by_status": is_by_status(question.by, question.filters),
    }
    return Asked(name, parameters)


def _whole_days(today: date) -> Question:
    """The account's days of about a year, by everything that is known of a day."""
    first = date(*add_months(today.year, today.month, -WHOLE_MONTHS_BACK), 1)
    end = date(*add_months(today.year, today.month, WHOLE_MONTHS_AHEAD), 1)
    return Question(Period(first, end), tuple(Dimension(column) for column in _DAYS[1]))


def _is_inside(question: Question, whole: Period) -> bool:
    period = question.period
    is_of_days = source_of(question.by, question.filters) == _DAYS
    return is_of_days and whole.start <= period.start and period.end <= whole.end


def _groups(rows: Rows, question: Question) -> Groups:
    """The rows of a view as groups."""
    _, columns = source_of(question.by, question.filters)
    places = [columns.index(dimension.value) for dimension in question.by]
    first_sum = len(columns)
    return [(tuple(row[place] for place in places), tuple(row[first_sum:])) for row in rows]


def _remembered_of_days(rows: Rows, question: Question) -> Groups:
    """The same groups each time while the rows are remembered; callers must not change them."""
    derived = rows.derived if isinstance(rows, DayRows) else {}
    if question not in derived:
        if len(derived) >= MOST_DERIVED:
            derived.clear()
        derived[question] = _of_days(rows, question)
    return derived[question]


def _of_days(rows: Rows, question: Question) -> Groups:
    """A question's groups, added up from rows by day and all dimensions of a day, oldest first."""
    day_of = itemgetter(0)
    chosen: Iterable[tuple[Any, ...]] = rows[
        bisect_left(rows, question.period.start, key=day_of) : bisect_left(
            rows, question.period.end, key=day_of
        )
    ]
    for field, place in _DAY_FILTERS:
        allowed = getattr(question.filters, field)
        if allowed:
            chosen = [row for row in chosen if row[place] in allowed]
    places = [_DAYS[1].index(dimension.value) for dimension in question.by]
    key_of = itemgetter(*places) if places else lambda _: ()
    found: dict[Any, list[int]] = {}
    for row in chosen:
        _, _, _, _, _, count, units, pulses, seconds, micros = row
        key = key_of(row)
        sums = found.get(key)
        if sums is None:
            found[key] = [count, units, pulses, seconds, micros]
        else:
            sums[0] += count
            sums[1] += units
            sums[2] += pulses
            sums[3] += seconds
            sums[4] += micros
    is_single = len(places) == 1  # then a key is the value itself
    return [((key,) if is_single else key, tuple(sums)) for key, sums in found.items()]


class DayRows(list[tuple[Any, ...]]):
    """Rows of ``cells_day``, with each distinct day and word held once: half the memory.

    ``derived``: what has been added up from them, by question.
    """

    def __init__(self, rows: Rows) -> None:
        one: dict[Any, Any] = {}
        same = one.setdefault
        super().__init__(
            [
                (
                    same(day, day), same(metric, metric), same(service, service),
                    same(direction, direction), same(status, status), *sums,
                )
                for day, metric, service, direction, status, *sums in rows
            ]
        )  # fmt: skip
        self.derived: dict[Question, Groups] = {}


def newer_sums(
    connection: Connection,
    newer: Callable[[Positions, bool], FromClause],
    view: View,
    asked: Sequence[tuple[Positions, Question]],
) -> list[Groups]:
    """For each question what the ledger has after its positions: one item per group.

    ``newer``: the account's lines after some positions, and whether it matters where lines stand.
    Questions complete to the same positions walk these lines once.
    """
    found: list[Groups] = [[] for _ in asked]
    together: dict[tuple[Positions, bool], list[int]] = {}
    for number, (synced, question) in enumerate(asked):
        matters = is_by_status(question.by, question.filters)
        together.setdefault((synced, matters), []).append(number)
    for (synced, matters), numbers in together.items():
        lines = newer(synced, matters)
        several = [asked[number][1] for number in numbers]
        for number, groups in zip(
            numbers, _several_sums(connection, lines, view, several), strict=True
        ):
            found[number] = groups
    return found


def _several_sums(
    connection: Connection, lines: FromClause, view: View, questions: Sequence[Question]
) -> list[Groups]:
    """What a part of the ledger has for each question, in one statement."""
    if len(questions) == 1:
        only = questions[0]
        return [ledger_sums(connection, lines, view, only.period, only.by, only.filters)]
    used = [each for each in Dimension if any(each in question.by for question in questions)]
    parts = [
        _part(number, lines, view, question, used) for number, question in enumerate(questions)
    ]
    found: list[Groups] = [[] for _ in questions]
    places = [[1 + used.index(each) for each in question.by] for question in questions]
    first_sum = 1 + len(used)
    for row in connection.execute(union_all(*parts)):
        if row[first_sum]:
            key = tuple([row[place] for place in places[row[0]]])
            found[row[0]].append((key, tuple([int(value) for value in row[first_sum:]])))
    return found


def _part(
    number: int, lines: FromClause, view: View, question: Question, used: Sequence[Dimension]
) -> Select[Any]:
    columns = {each: lines.c[each.value] if each in question.by else None for each in used}
    keys = [
        column if column is not None else cast(null(), usage_lines.c[each.value].type)
        for each, column in columns.items()
    ]
    return (
        select(
            literal(number).label("number"),
            *(key.label(each.value) for key, each in zip(keys, used, strict=True)),
            line_count(lines).label("line_count"),
            *(func.sum(lines.c[name]).label(name) for name in SUMMED),
        )
        .where(view.shows_in(lines, question.period), passes(lines, question.filters))
        .group_by(*(column for column in columns.values() if column is not None))
    )


def ledger_sums(
    connection: Connection,
    lines: FromClause,
    view: View,
    period: Period,
    by: Sequence[Dimension],
    filters: Filters,
    status: ColumnElement[str] | None = None,
) -> Groups:
    """What the ledger's table, or a part of it such as its tail, has: one item per group.

    ``status``: what stands for the column of that name; none: the column.
    """
    keys = [
        status if status is not None and dimension is Dimension.STATUS else lines.c[dimension.value]
        for dimension in by
    ]
    sums = [func.sum(lines.c[name]) for name in SUMMED]
    rows = connection.execute(
        select(*keys, line_count(lines), *sums)
        .where(view.shows_in(lines, period), passes(lines, filters, status))
        .group_by(*keys)
    )
    width = len(keys)
    return [
        (tuple(row[:width]), tuple(int(value) for value in row[width:]))
        for row in rows
        if row[width]
    ]


def add(parts: Iterable[tuple[Key, Sums]]) -> tuple[UsageCell, ...]:
    """One cell per key, ordered by keys with nothing last; none where all lines moved away."""
    cells: dict[Key, Sums] = {}
    for key, sums in parts:
        known = cells.get(key)
        cells[key] = tuple(map(sum, zip(known, sums, strict=True))) if known else sums
    held = (key for key, sums in cells.items() if sums[0])
    ordered = sorted(held, key=lambda key: [(value is None, value or "") for value in key])
    return tuple(UsageCell(key, *cells[key]) for key in ordered)
