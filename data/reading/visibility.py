"""What a scope may see of an account's lines, decided in one place for every read.

A paid plan sees booked days from ``visible_from`` on and never a sandbox line. A sandbox-only
plan sees only sandbox lines stored since the sign-in, and none of the drill-down.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, true, tuple_

from billing.access import AccountScope
from billing.periods import Period
from billing.queries import Filters

_FILTERED = (
    ("metrics", "metric"),
    ("services", "service"),
    ("statuses", "status"),
    ("campaigns", "campaign_id"),
    ("consumers", "consumer_id"),
)


# A place in the order of time: booked day, instant, seq.
Key = tuple[date, datetime, int]


@dataclass(frozen=True, slots=True)
class View:
    """What may be read of one account at one moment, as conditions on its lines."""

    account_id: str
    is_sandbox: bool
    visible_from: date | None
    stored_from: datetime | None

    def clip(self, period: Period) -> Period | None:
        """The visible part of a period, if any."""
        return period.clip(self.visible_from, None)

    def shows(self, lines: FromClause) -> ColumnElement[bool]:
        """Whether a line is visible; ``lines`` is the ledger's table or a part of it."""
        return and_(
            self._is_own(lines),
            lines.c.booked_on >= self.visible_from if self.visible_from else true(),
        )

    def shows_in(
        self, lines: FromClause, period: Period, after: Key | None = None, before: Key | None = None
    ) -> ColumnElement[bool]:
        """Whether a line of a clipped period is visible, and lies between two places in it.

        A place takes the part of the period's bound: given both, a planner may walk from the bound.
        """
        is_after = after is not None and after[0] >= period.start
        is_before = before is not None and before[0] < period.end
        return and_(
            self._is_own(lines),
            _sort(lines) > after if is_after else lines.c.booked_on >= period.start,
            _sort(lines) < before if is_before else lines.c.booked_on < period.end,
        )

    def _is_own(self, lines: FromClause) -> ColumnElement[bool]:
        return and_(
            lines.c.account_id == self.account_id,
            lines.c.is_sandbox.is_(self.is_sandbox),
            lines.c.stored_at >= self.stored_from if self.stored_from else true(),
        )


def _sort(lines: FromClause) -> ColumnElement[Any]:
    return tuple_(lines.c.booked_on, lines.c.occurred_at, lines.c.seq)


def view_of(scope: AccountScope, now: datetime) -> View:
    """What a scope may see now."""
    account = scope.account
    is_sandbox = account.gates_on(account.today(now)).is_sandbox_only
    return View(
        account.id,
        is_sandbox,
        None if is_sandbox else scope.visible_from,
        scope.session_started_at if is_sandbox else None,
    )


def passes(
    lines: FromClause, filters: Filters, status: ColumnElement[str] | None = None
) -> ColumnElement[bool]:
    """Whether a filter lets a line pass; ``lines`` is the ledger's table or a part of it.

    ``status``: what stands for the column of that name; none: the column.
    """
    given = {} if status is None else {"status": status}
    return and_(
        true(),
        *(
            given.get(column, lines.c[column]).in_(getattr(filters, field))
            for field, column in _FILTERED
            if getattr(filters, field)
        ),
    )


def filter_parameters(filters: Filters) -> dict[str, list[str]]:
    """The lists that the files of data/views call ``$metrics``, ``$services`` and so on."""
    return {field: list(getattr(filters, field)) for field, _ in _FILTERED}


def filtered_columns(filters: Filters) -> frozenset[str]:
    """The columns that a filter looks at."""
    return frozenset(column for field, column in _FILTERED if getattr(filters, field))


def period_parameters(period: Period) -> dict[str, object]:
    """A period as the files of data/views take it: days, and months to read at all."""
    return {
        "start": period.start,
        "end": period.end,
        "first_month": f"{period.start:%Y-%m}",
        "last_month": f"{period.last_day:%Y-%m}",
    }
