"""Sums of usage that the ledger has, and how they join those of the analytics store.

The order matters. The lake is asked first, with its position; the ledger afterwards, so that
every line is counted by exactly one of the two, whatever a sync does meanwhile. Questions asked
together get one snapshot of each store.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import add as plus
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

from billing.periods import Period
from billing.queries import Filters
from billing.usage import Dimension, Question, UsageCell
from data.analytics.lake import Positions
from data.reading.rollups import Groups, Key, Sums
from data.reading.visibility import View, filtered_columns, passes
from data.tables import usage_lines

SUMMED = ("base_units", "pulses", "talk_seconds", "cost_micros")


def is_by_status(by: Sequence[Dimension], filters: Filters) -> bool:
    """Whether it matters where lines stand: only then do receipts have to be read."""
    return Dimension.STATUS in by or bool(filters.statuses)


def line_count(lines: FromClause) -> ColumnElement[int]:
    """How many lines there are; in a tail that receipts move lines in and out of, the balance."""
    if "line_count" in lines.c:
        return func.sum(lines.c.line_count)
    return func.count(lines.c.seq)


Newer = Callable[[Positions, bool, frozenset[str]], FromClause]


def newer_sums(
    connection: Connection, newer: Newer, view: View, asked: Sequence[tuple[Positions, Question]]
) -> list[Groups]:
    """For each question what the ledger has after its positions: one item per group.

    ``newer``: the account's lines after some positions, whether it matters where lines stand, and
    the columns of them that are needed. Questions complete to the same positions walk these lines
    once.
    """
    found: list[Groups] = [[] for _ in asked]
    together: dict[tuple[Positions, bool], list[int]] = {}
    for number, (synced, question) in enumerate(asked):
        matters = is_by_status(question.by, question.filters)
        together.setdefault((synced, matters), []).append(number)
    for (synced, matters), numbers in together.items():
        several = [asked[number][1] for number in numbers]
        wide, places = covering(several)
        lines = newer(synced, matters, _needed(view, wide))
        sums = _several_sums(connection, lines, view, wide)
        for number, question, place in zip(numbers, several, places, strict=True):
            found[number] = narrowed(sums[place], wide[place], question)
    return found


def _needed(view: View, questions: Sequence[Question]) -> frozenset[str]:
    """The columns of lines that questions look at."""
    names = {"seq", "account_id", "booked_on", "is_sandbox", *SUMMED}
    if view.stored_from:
        names.add("stored_at")
    for each in questions:
        names |= {dimension.value for dimension in each.by} | filtered_columns(each.filters)
    return frozenset(names)


def covering(questions: Sequence[Question]) -> tuple[list[Question], list[int]]:
    """Fewer questions whose answers hold the answers to all of them, and which holds which.

    Sums by day and something else hold those by day alone, of any of their days.
    """
    wide: list[Question] = []
    places: dict[Question, int] = {}
    for each in sorted(set(questions), key=lambda one: (-len(one.by), one.by, one.period)):
        place = next((n for n, known in enumerate(wide) if _may_hold(known, each)), len(wide))
        if place == len(wide):
            wide.append(each)
        else:
            wide[place] = replace(wide[place], period=wide[place].period.span(each.period))
        places[each] = place
    return wide, [places[each] for each in questions]


def _may_hold(wide: Question, question: Question) -> bool:
    return (
        wide.filters == question.filters
        and set(question.by) <= set(wide.by)
        and (Dimension.DAY in wide.by or wide.period == question.period)
    )


def narrowed(groups: Groups, wide: Question, question: Question) -> Groups:
    """The groups of a question out of those of one that holds it."""
    if wide == question:
        return groups
    if Dimension.DAY in wide.by:
        day = wide.by.index(Dimension.DAY)
        first, end = question.period.start, question.period.end
        groups = [each for each in groups if first <= each[0][day] < end]  # type: ignore[operator]
    places = [wide.by.index(dimension) for dimension in question.by]
    found: dict[Key, Sums] = {}
    for key, sums in groups:
        narrow = tuple([key[place] for place in places])
        known = found.get(narrow)
        found[narrow] = tuple(map(plus, known, sums)) if known else sums
    return list(found.items())


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
        if row[first_sum + 1] is not None:
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

    A group that as many lines left as came to is among them: its amounts need not be zero.
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
        if row[width + 1] is not None
    ]


def add(known: Groups, newer: Groups) -> tuple[UsageCell, ...]:
    """One cell per key, ordered by keys with nothing last; none where all lines moved away.

    No key may be twice in ``known``.
    """
    cells = dict(known)
    for key, sums in newer:
        before = cells.get(key)
        cells[key] = tuple(map(plus, before, sums)) if before else sums
    held = [key for key, sums in cells.items() if sums[0]]
    if any(None in key for key in held):
        held.sort(key=lambda key: [(value is None, value or "") for value in key])
    else:
        held.sort()  # values of one place are of one kind
    return tuple([UsageCell(key, *cells[key]) for key in held])
