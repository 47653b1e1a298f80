"""Questions asked together: each is answered as if alone, all of one moment, from memory too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.errors import NotAllowedError
from billing.periods import Period
from billing.plans import Plan
from billing.queries import Filters
from billing.usage import Dimension, Question, Reading
from data.analytics.lake import Cursor
from data.analytics.sync import sync_all
from data.reading import rollups
from data.reading.parts import Parts
from data.reading.remembered import Answer, Asked
from data.reading.visibility import View
from tests.ledger_builder import Line, account, scope
from tests.reading import (
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


def test_memory_serves_what_it_has_and_only_the_rest_is_asked(shared: Store, monkeypatch):
    shared.builder.add_account("partly")
    shared.add(Line(account_id="partly", cost=5, day=date(2026, 11, 3)))
    sync_all(shared.database, shared.lake)
    who = scope(account("partly"))
    shared.reader.readings(who, [YEAR])
    asked: list[Sequence[Asked]] = []
    real = rollups._read

    def noting(cursor: Cursor, parts: Parts, view: View, missing: Sequence[Asked]) -> list[Answer]:
        asked.append(missing)
        return real(cursor, parts, view, missing)

    monkeypatch.setattr(rollups, "_read", noting)
    shared.reader.readings(who, [YEAR])
    assert not asked
    several = [YEAR, Question(AUTUMN, (Dimension.DAY, Dimension.METRIC))]
    for reading in shared.reader.readings(who, several):
        assert [cell.cost_micros for cell in reading.cells] == [5]
    assert [len(missing) for missing in asked] == [1]


def test_a_line_may_take_the_place_of_another_in_a_status(shared: Store):
    """As many lines leave a group as come to it: the count stays, the cost doesn't."""
    shared.builder.add_account("swap", funds=10**15)
    first = Line(account_id="swap", cost=5_000, day=date(2026, 11, 3), status="sent")
    shared.add(first)
    sync_all(shared.database, shared.lake)
    shared.builder.add_receipts((first, "delivered"))
    shared.add(Line(account_id="swap", cost=7_000, day=date(2026, 11, 3), status="sent"))
    who = scope(account("swap"))
    by_status = Question(AUTUMN, (Dimension.STATUS,))
    for questions in (
        [by_status],
        [by_status, Question(AUTUMN, (Dimension.DAY, Dimension.STATUS))],
    ):
        reading = shared.reader.readings(who, questions)[0]
        costs = {cell.keys[0]: (cell.count, cell.cost_micros) for cell in reading.cells}
        assert costs == {"delivered": (1, 5_000), "sent": (1, 7_000)}


def test_one_question_that_is_not_allowed_refuses_them_all(shared: Store):
    shared.builder.add_account("small")
    who = scope(account("small", plan=Plan.FREE))
    narrowed = Question(AUTUMN, (), Filters(campaigns=("spring",)))
    with pytest.raises(NotAllowedError):
        shared.reader.readings(who, [YEAR, narrowed])
    assert shared.reader.readings(who, []) == ()
