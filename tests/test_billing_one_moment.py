"""A page's questions are read at once, and apart when that fails."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from billing.one_moment import OneMoment
from billing.periods import Period
from billing.queries import Filters
from billing.usage import Dimension, Question, Reading
from tests.ledger_builder import account, scope

WHO = scope(account())
NOVEMBER = Period(date(2026, 11, 1), date(2026, 12, 1))
DAYS = Question(NOVEMBER, (Dimension.DAY,))
CAMPAIGNS = Question(NOVEMBER, (Dimension.CAMPAIGN,))
READING = Reading((), datetime(2026, 11, 22, tzinfo=UTC))


class Reader:
    """Notes what it is asked; fails for the dimensions of ``failing``."""

    def __init__(self, *failing: Dimension) -> None:
        self.failing = failing
        self.asked: list[tuple[Question, ...]] = []

    def readings(self, _: Any, questions: Any) -> tuple[Reading, ...]:
        self.asked.append(tuple(questions))
        if any(set(each.by) & set(self.failing) for each in questions):
            raise OSError("out of reach")
        return (READING,) * len(questions)

    def usage(self, who: Any, period: Period, by: Any, filters: Filters) -> Reading:
        return self.readings(who, [Question(period, tuple(by), filters)])[0]


def ask(figures: OneMoment, question: Question, who: Any = WHO) -> Reading:
    return figures.usage(who, question.period, question.by, question.filters)


def test_what_a_page_will_ask_is_read_once():
    reader = Reader()
    figures = OneMoment(reader, WHO, lambda: [DAYS, CAMPAIGNS, DAYS])  # type: ignore[arg-type]
    assert reader.asked == []
    assert ask(figures, CAMPAIGNS) is ask(figures, DAYS) is READING
    assert reader.asked == [(DAYS, CAMPAIGNS)]


def test_a_question_nobody_expected_and_another_scope_are_asked_alone():
    reader = Reader()
    figures = OneMoment(reader, WHO, lambda: [DAYS])  # type: ignore[arg-type]
    ask(figures, CAMPAIGNS)
    ask(figures, DAYS, scope(account("other")))
    assert reader.asked == [(DAYS,), (CAMPAIGNS,), (DAYS,)]


def test_one_that_fails_takes_no_other_with_it():
    reader = Reader(Dimension.CAMPAIGN)
    figures = OneMoment(reader, WHO, lambda: [DAYS, CAMPAIGNS])  # type: ignore[arg-type]
    assert ask(figures, DAYS) is READING
    with pytest.raises(OSError, match="out of reach"):
        ask(figures, CAMPAIGNS)
    assert reader.asked == [(DAYS, CAMPAIGNS), (DAYS,), (CAMPAIGNS,)]
