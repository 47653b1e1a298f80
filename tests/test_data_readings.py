"""Questions asked together: each is answered as if alone, all of one moment, from memory too."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.errors import NotAllowedError
from billing.periods import Period
from billing.plans import Plan
from billing.queries import Filters
from billing.usage import Dimension, Question, Reading
from data.analytics.sync import sync_all
from tests.ledger_builder import Line, account, scope
from tests.reading import (
    ALL,
    AUTUMN,
    Store,
    ledgers,
    passes,
    some_filters,
    some_lines,
    some_periods,
    write,
)
from tests.test_data_reader import plain_sums

YEAR = Question(Period(date(2025, 11, 1), date(2026, 12, 1)), (Dimension.DAY,))
some_dimensions = st.lists(st.sampled_from(list(Dimension)), unique=True, max_size=3).map(tuple)
some_questions = st.lists(
    st.builds(Question, some_periods, some_dimensions, st.one_of(st.just(Filters()), some_filters)),
    min_size=1,
    max_size=5,
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Iterator[Store]:
    store = Store(tmp_path_factory.mktemp("readings"))
    yield store
    store.close()


def sums(reading: Reading) -> dict:
    return {
        cell.keys: (
            cell.count, cell.base_units, cell.pulses, cell.talk_seconds, cell.cost_micros
        )
        for cell in reading.cells
    }  # fmt: skip


@settings(max_examples=25)
@given(ledgers, some_questions, st.booleans(), st.lists(some_lines, max_size=4))
def test_each_question_is_answered_as_if_alone(shared: Store, ledger, questions, is_wide, more):
    """Also out of memory, beside lines that came since, with and without the year's days."""
    account_id, written = write(shared, ledger)
    asked = [*questions, YEAR] if is_wide else questions
    several: list[list[Line]] = [[], more]
    for lines in several:
        for line in lines:
            line.account_id = account_id
        shared.add(*lines)
        written += lines
        readings = shared.reader.readings(scope(account(account_id)), asked)
        assert len({reading.complete_to for reading in readings}) == 1
        for question, reading in zip(asked, readings, strict=True):
            shown = [each for each in written if passes(each, question.period, question.filters)]
            assert sums(reading) == plain_sums(shown, list(question.by))


def test_memory_serves_narrower_questions_than_it_was_asked(shared: Store):
    """The year's days are read once; what they can answer isn't asked of analytics again."""
    shared.builder.add_account("narrow")
    shared.add(Line(account_id="narrow", cost=5, day=date(2026, 11, 3)))
    sync_all(shared.database, shared.lake)
    who = scope(account("narrow"))
    shared.reader.readings(who, [YEAR])
    asked: list[object] = []
    real = shared.lake.snapshot

    def noting(read: Any) -> Any:
        asked.append(read)
        return real(read)

    shared.lake.snapshot = noting  # type: ignore[method-assign]
    try:
        by = (Dimension.DAY, Dimension.METRIC)
        (reading,) = shared.reader.readings(who, [Question(AUTUMN, by)])
        assert [cell.cost_micros for cell in reading.cells] == [5]
        assert not asked
        shared.reader.usage(who, AUTUMN, (Dimension.CAMPAIGN,), ALL)
        assert len(asked) == 1
    finally:
        shared.lake.snapshot = real  # type: ignore[method-assign]


def test_one_question_that_is_not_allowed_refuses_them_all(shared: Store):
    shared.builder.add_account("small")
    who = scope(account("small", plan=Plan.FREE))
    narrowed = Question(AUTUMN, (), Filters(campaigns=("spring",)))
    with pytest.raises(NotAllowedError):
        shared.reader.readings(who, [YEAR, narrowed])
    assert shared.reader.readings(who, []) == ()
