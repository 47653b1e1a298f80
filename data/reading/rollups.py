"""Sums of usage that the analytics store has: one statement for all questions to one of its tables.

Knows which table answers which question, and how a question is put; must not know the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from operator import itemgetter
from typing import Any

from billing.queries import Filters
from billing.usage import Dimension, Question
from data.analytics.lake import Cursor, Positions, positions
from data.analytics.views import run_view
from data.reading.parts import KnownParts, Parts
from data.reading.remembered import Answer, Asked, Remembered, Rows
from data.reading.visibility import View, filter_parameters, filtered_columns

# The narrowest source that has every column asked for comes first.
SOURCES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("cells_day", ("booked_on", "metric", "service", "direction", "status")),
    ("cells_campaign", ("booked_on", "campaign_id")),
    ("cells_consumer", ("booked_on", "consumer_id")),
    ("cells_campaign_consumer", ("booked_on", "campaign_id", "consumer_id")),
    ("cells_campaign_metric", ("booked_on", "metric", "service", "direction", "campaign_id")),
    ("cells_consumer_metric", ("booked_on", "metric", "service", "direction", "consumer_id")),
    (
        "cells_lines",
        ("booked_on", "metric", "service", "direction", "campaign_id", "consumer_id"),
    ),
    ("cells_standing", tuple(dimension.value for dimension in Dimension)),
)
_COLUMNS = dict(SOURCES)

Key = tuple[str | date | None, ...]
Sums = tuple[int, ...]
Groups = list[tuple[Key, Sums]]


def source_of(by: Sequence[Dimension], filters: Filters) -> tuple[str, tuple[str, ...]]:
    """The narrowest source that can group and filter as asked: view name and its dimensions."""
    needed = {dimension.value for dimension in by} | filtered_columns(filters)
    return next(source for source in SOURCES if needed <= set(source[1]))


def lake_sums(
    lately: Remembered, known: KnownParts, view: View, questions: Sequence[Question]
) -> list[tuple[Positions, Groups]]:
    """For each question the lake's positions and what it has up to there: one item per group.

    What isn't remembered is read in one snapshot. Callers must not change the groups.
    """
    answers = lately.ask_all(
        [_asked(view, each) for each in questions],
        lambda asked: known.read(
            lambda cursor, parts: _read(cursor, parts, view, asked), {each.view for each in asked}
        ),
    )
    return [
        (synced, _groups(rows, each))
        for each, (synced, rows) in zip(questions, answers, strict=True)
    ]


def _asked(view: View, question: Question) -> Asked:
    """A question as the files of data/views take it."""
    name, columns = source_of(question.by, question.filters)
    asked = {dimension.value for dimension in question.by}
    return Asked(
        name,
        {
            "account_id": view.account_id,
            "start_on": question.period.start,
            "end_on": question.period.end,
            **{f"by_{column}": column in asked for column in columns},
            **filter_parameters(question.filters),
        },
    )


def _read(cursor: Cursor, parts: Parts, view: View, asked: Sequence[Asked]) -> list[Answer]:
    """The answers to questions of one account, all of them up to the same positions."""
    by_source: dict[str, list[int]] = {}
    for number, each in enumerate(asked):
        by_source.setdefault(each.view, []).append(number)
    given = {
        name: _together(view, {number: asked[number].parameters for number in numbers})
        for name, numbers in by_source.items()
    }
    found = {name: parts.rows(cursor, name, parameters) for name, parameters in given.items()}
    synced = parts.positions
    if any(rows is None for rows in found.values()):
        synced = positions(cursor)
        found = {name: run_view(cursor, name, parameters) for name, parameters in given.items()}
    answers: list[Rows] = [[] for _ in asked]
    for rows in found.values():
        for row in rows or ():
            answers[row[0]].append(row)
    return [(synced, rows) for rows in answers]


def _together(view: View, several: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """Questions to one source, by number, as its parameters."""
    start = min(each["start_on"] for each in several.values())
    end = max(each["end_on"] for each in several.values())
    first = next(iter(several.values()))
    shared = {
        name: value
        for name, value in first.items()
        if isinstance(value, list) and all(each[name] == value for each in several.values())
    }
    return {
        **{name: [] for name, value in first.items() if isinstance(value, list)},
        **shared,
        "account_id": view.account_id,
        "start": start,
        "end": end,
        "first_month": f"{start:%Y-%m}",
        "last_month": f"{end - timedelta(days=1):%Y-%m}",
        "questions": [
            {"number": number, **{k: v for k, v in each.items() if k != "account_id"}}
            for number, each in several.items()
        ],
    }


def _groups(rows: Rows, question: Question) -> Groups:
    """The rows of a view as groups."""
    _, columns = source_of(question.by, question.filters)
    key_of = _key([1 + columns.index(dimension.value) for dimension in question.by])
    first_sum = 1 + len(columns)
    return [(key_of(row), row[first_sum:]) for row in rows]


def _key(places: Sequence[int]) -> Callable[[tuple[Any, ...]], Key]:
    """What takes the values at some places out of a row."""
    if not places:
        return lambda _: ()
    if len(places) == 1:
        only = places[0]
        return lambda row: (row[only],)
    return itemgetter(*places)
