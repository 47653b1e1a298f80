"""Reads limits, pauses and holds of one account, and tries a limit on the last 90 days.

Every read takes a scope and decides from it alone what is visible. Must not know who asks.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, or_, select, true

from billing.access import AccountScope
from billing.caps import Cap, CapKind, Counts, Limits, Window, check_caps
from billing.clock import Clock
from billing.errors import NotFoundError
from billing.holds import HoldKind, HoldState, Rule
from billing.limit_standing import (
    Backtest,
    HoldPage,
    HoldView,
    LimitStanding,
    PausePage,
    backtest_campaign,
    backtest_period,
    backtest_windows,
    gauge,
    window_of,
)
from billing.pauses import Pause
from billing.periods import FIRST_DAY, Period
from billing.queries import Filters
from billing.usage import Dimension, UsageReader
from data import tables as t
from data.database import Database
from data.ledger.counters import read_counts
from data.ledger.limit_book import read_limits
from data.ledger.pausing import open_pauses, pause_of
from data.reading.instant_cursor import check_limit, older_than, read_cursor, write_cursor

MOST_OPEN = 200  # holds on a screen
_LONGEST_ID = 36
_holds, _pauses, _lines, _counters = (
    t.holds.c, t.pauses.c, t.usage_lines.c, t.cap_counters.c,
)  # fmt: skip
_TALK = (
    "ai_connected_minutes", "ai_premium_connected_minutes", "human_connected_minutes",
    "inbound_minutes",
)  # fmt: skip
_DIALS = ("ai_dial_attempts", "human_dial_attempts")


class LimitsReader:
    """Limits as the ledger has them. ``usage``: gives what sums usage by day, when it is needed."""

    def __init__(self, database: Database, clock: Clock, usage: Callable[[], UsageReader]) -> None:
        self._database = database
        self._clock = clock
        self._usage = usage

    def standing(self, scope: AccountScope) -> LimitStanding:
        """What is set, what each present window has, and what is paused: of one moment."""
        now = self._clock.now()
        with self._database.read() as connection:
            limits = read_limits(connection, scope.account_id, now)
            counts = _counts(connection, scope, limits, scope.account.today(now))
            pauses = open_pauses(connection, scope.account_id)
        zones = scope.account.zones
        gauges = tuple(gauge(limits, cap, counts, now, zones) for cap in limits.caps)
        return LimitStanding(limits, gauges, pauses, now)

    def open_pauses(self, scope: AccountScope) -> tuple[Pause, ...]:
        """What stands still now, oldest first."""
        with self._database.read() as connection:
            return open_pauses(connection, scope.account_id)

    def pauses(
        self, scope: AccountScope, cursor: str | None = None, limit: int = 100, *,
        is_open: bool = False,
    ) -> PausePage:  # fmt: skip
        """One page of pauses, newest first.

        Errors: ``InputError`` for a cursor that isn't one or a limit outside 1 to 1,000.
        """
        shown = [_pauses.account_id == scope.account_id, _pauses.ended_at.is_(None)]
        if not is_open:
            shown[1] = self._since(scope, _pauses.started_at)
        rows, following = self._page(t.pauses, _pauses.started_at, shown, cursor, limit)
        return PausePage(tuple(pause_of(row) for row in rows), following)

    def pause(self, scope: AccountScope, pause_id: str) -> Pause:
        """One pause; ``NotFoundError`` outside the scope."""
        return pause_of(self._one(scope, t.pauses, _pauses.started_at, pause_id, "pause"))

    def open_holds(self, scope: AccountScope) -> tuple[HoldView, ...]:
        """What is reserved now, newest first, at most ``MOST_OPEN``."""
        return self.holds(scope, None, MOST_OPEN, is_open=True).holds

    def holds(
        self, scope: AccountScope, cursor: str | None = None, limit: int = 100, *,
        is_open: bool = False,
    ) -> HoldPage:  # fmt: skip
        """One page of decisions about holds, newest first: those that are open, or any.

        Errors: as ``pauses``.
        """
        shown = [_holds.account_id == scope.account_id, _holds.state == HoldState.OPEN.value]
        if not is_open:
            shown[1] = self._since(scope, _holds.decided_at)
        rows, following = self._page(t.holds, _holds.decided_at, shown, cursor, limit)
        return HoldPage(tuple(_hold_view(row) for row in rows), following)

    def hold(self, scope: AccountScope, hold_id: str) -> HoldView:
        """One decision about a hold; ``NotFoundError`` outside the scope."""
        return _hold_view(self._one(scope, t.holds, _holds.decided_at, hold_id, "hold"))

    def backtest(self, scope: AccountScope, cap: Cap) -> Backtest:
        """What a limit would have done in the last 90 days, as far as the scope may see them.

        Charges as they were; that a pause would have kept some of them from happening is left
        out. A campaign's days are those on which its lines are booked. Errors: ``InputError``
        for a limit that can't be set; of a campaign's also what reading usage meets.
        """
        (cap,) = check_caps([cap])
        period = backtest_period(self._today(scope), scope.visible_from)
        if cap.kind is CapKind.CAMPAIGN:
            return self._campaign(scope, cap, period)
        with self._database.read() as connection:
            if cap.kind is CapKind.PER_CALL:
                calls, over = _calls(connection, scope, cap, period)
                return Backtest(cap, period, (), calls, over)
            spent = spent_by_day(connection, scope, period)
        return Backtest(cap, period, backtest_windows(cap, period, spent))

    def _campaign(self, scope: AccountScope, cap: Cap, period: Period) -> Backtest:
        reading = self._usage().usage(
            scope, period, [Dimension.DAY], Filters(campaigns=(cap.campaign,))
        )
        spent = [
            (cell.keys[0], cell.cost_micros)
            for cell in reading.cells
            if isinstance(cell.keys[0], date)
        ]
        window = Window(CapKind.CAMPAIGN, FIRST_DAY, cap.campaign)
        with self._database.read() as connection:
            total = read_counts(connection, scope.account_id, [window])[window].spent_micros
        before = total - sum(micros for _, micros in spent)
        return Backtest(cap, period, backtest_campaign(cap, period, spent, before))

    def _today(self, scope: AccountScope) -> date:
        return scope.account.today(self._clock.now())

    def _since(self, scope: AccountScope, at: ColumnElement[Any]) -> ColumnElement[bool]:
        """Whether something happened after the day from which on the scope sees history."""
        if scope.visible_from is None:
            return true()
        return at >= scope.account.zones.start_of(scope.visible_from)

    def _page(
        self, table: Any, at: Any, shown: list[ColumnElement[bool]], cursor: str | None, most: int
    ) -> tuple[list[Row[Any]], str | None]:
        """A page's rows, newest first, and the cursor of the next page."""
        statement = select(table).where(*shown)
        if cursor:
            statement = statement.where(older_than(read_cursor(cursor), at, table.c.id))
        statement = statement.order_by(at.desc(), table.c.id.desc()).limit(check_limit(most) + 1)
        with self._database.read() as connection:
            rows = list(connection.execute(statement))
        if len(rows) <= most:
            return rows, None
        last = rows[most - 1]
        return rows[:most], write_cursor((getattr(last, at.key), last.id))

    def _one(self, scope: AccountScope, table: Any, at: Any, row_id: str, name: str) -> Row[Any]:
        row = None
        if len(row_id) <= _LONGEST_ID and row_id.isprintable():
            own = table.c.account_id == scope.account_id
            with self._database.read() as connection:
                row = connection.execute(
                    select(table).where(table.c.id == row_id, own, self._since(scope, at))
                ).first()
        if row is None:
            raise NotFoundError(f"There is no such {name} in this account.")
        return row


def _counts(connection: Connection, scope: AccountScope, limits: Limits, today: date) -> Counts:
    windows = {window_of(cap, today) for cap in limits.caps}
    return read_counts(connection, scope.account_id, [each for each in windows if each])


def _hold_view(row: Row[Any]) -> HoldView:
    return HoldView(
        row.id, row.request_id, HoldKind(row.kind), row.campaign_id, row.consumer_id,
        HoldState(row.state), row.held_micros, row.amount, row.decided_at, row.expires_at,
        row.closed_at, row.cost_micros, row.event_id, Rule(row.rule) if row.rule else None,
    )  # fmt: skip


def spent_by_day(connection: Connection, scope: AccountScope, period: Period) -> dict[date, int]:
    """What each local day's charges less refunds come to, of days that have any."""
    rows = connection.execute(
        select(_counters.start_on, _counters.spent_micros).where(
            _counters.account_id == scope.account_id,
            _counters.kind == CapKind.DAILY.value,
            _counters.start_on >= period.start,
            _counters.start_on < period.end,
        )
    )
    return {row.start_on: int(row.spent_micros) for row in rows}


def _calls(
    connection: Connection, scope: AccountScope, cap: Cap, period: Period
) -> tuple[int, int]:
    """How many answered calls there were, and how many of them were longer or dearer."""
    own = (
        _lines.account_id == scope.account_id, _lines.booked_on >= period.start,
        _lines.booked_on < period.end, _lines.is_sandbox.is_(False),
        _lines.reverses_line_id.is_(None),
    )  # fmt: skip
    answered = (*own, _lines.metric.in_(_TALK), _lines.talk_seconds > 0)
    over: list[ColumnElement[bool]] = []
    if cap.limit_seconds is not None:
        over.append(_lines.talk_seconds > cap.limit_seconds)
    if cap.limit_micros is not None:
        # What dialling cost comes on top: only calls near the limit are looked at whole.
        dial = connection.scalar(
            select(func.max(_lines.cost_micros)).where(*own, _lines.metric.in_(_DIALS))
        )
        line = t.usage_lines.alias("line")
        whole = (
            select(func.sum(line.c.cost_micros))
            .where(
                line.c.account_id == _lines.account_id, line.c.event_id == _lines.event_id,
                line.c.reverses_line_id.is_(None),
            )
            .correlate(t.usage_lines)
            .scalar_subquery()
        )  # fmt: skip
        is_near = _lines.cost_micros > cap.limit_micros - int(dial or 0)
        over.append(is_near & (whole > cap.limit_micros))
    calls = connection.scalar(select(func.count()).select_from(t.usage_lines).where(*answered))
    counted = connection.scalar(
        select(func.count()).select_from(t.usage_lines).where(*answered, or_(*over))
    )
    return int(calls or 0), int(counted or 0)
