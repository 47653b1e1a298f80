"""What is drawn around a single day, whose one bar alone would say nothing."""

from __future__ import annotations

from datetime import timedelta

from billing.periods import Period
from billing.queries import UsageQuery
from pages._frame import Visit

DAYS = 7


def week_to(visit: Visit, query: UsageQuery) -> UsageQuery | None:
    """The same question for the seven days that end on its one day; none for longer periods."""
    if query.period.day_count > 1:
        return None
    start = query.period.end - timedelta(days=DAYS)
    if visit.scope.visible_from:
        start = min(max(start, visit.scope.visible_from), query.period.start)
    return query.with_period(Period(start, query.period.end), visit.account, visit.today)
