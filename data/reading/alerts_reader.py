"""Reads alerts of one account, what they would have done, and what people were told.

Every read takes a scope and decides from it alone what is visible: nothing from before the day on
which history begins for it, and notices to those who run the product for administrators alone.
Must not know who asks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, func, select, true

from billing.access import AccountScope, Role
from billing.alert_standing import (
    AlertBacktest,
    AlertStanding,
    AlertView,
    Episode,
    require_alert_plan,
)
from billing.alert_steps import NEW, Reading, step
from billing.alerts import WHOLE, AlertRule, Channel, Level, Measure, Target, check_rule
from billing.clock import Clock
from billing.errors import NotFoundError
from billing.limit_standing import backtest_period
from billing.notices import Notice, NoticeKind, NoticePage, Send, SendAttempt, SendState
from billing.recharges import may_see as may_see_recharges
from billing.usage import UsageReader
from data import tables as t
from data.alerts.book import read_alerts
from data.alerts.looking import read_states
from data.alerts.values import AlertValues
from data.database import Database
from data.notices.outbox import EVERYBODY
from data.reading.alert_backtest import SCOPE_FILTERS, AlertHistory
from data.reading.instant_cursor import check_limit, older_than, read_cursor, write_cursor

MOST_UNREAD = 100
BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)
MOST_EPISODES = 1_000
_LONGEST_ID = 36
_episodes, _notices, _sends, _attempts, _marks = (
    t.alert_episodes.c, t.notices.c, t.notice_sends.c, t.notice_attempts.c, t.notice_marks.c,
)  # fmt: skip
# Asked for each page and with each change that a stream tells: made once.
_UNREAD = (
    select(t.notices)
    .where(
        _notices.account_id == bindparam("account"), _notices.is_shown.is_(True),
        _notices.created_at > bindparam("seen"),
    )
    .order_by(_notices.created_at.desc(), _notices.id.desc())
    .limit(MOST_UNREAD)
)  # fmt: skip
_SEEN = select(_marks.seen_at).where(
    _marks.account_id == bindparam("account"), _marks.person_id == bindparam("person")
)
_NO_RECHARGE = _notices.kind.not_in(
    (NoticeKind.RECHARGE_DECLINED.value, NoticeKind.RECHARGE_STOPPED.value)
)
_TELLINGS = (NoticeKind.ALERT_FIRED.value, NoticeKind.ALERT_REPEATED.value)


class AlertsReader:
    """Alerts and notices as the ledger has them.

    ``usage``: gives what sums usage by day, when it is needed. ``channels``: by which this
    installation can send.
    """

    def __init__(
        self, database: Database, clock: Clock, usage: Callable[[], UsageReader],
        channels: frozenset[Channel],
    ) -> None:  # fmt: skip
        self._database = database
        self._clock = clock
        self._usage = usage
        self._channels = channels

    def standing(self, scope: AccountScope) -> AlertStanding:
        """Every rule with its figure now: of one moment."""
        now = self._clock.now()
        with self._database.read() as connection:
            book = read_alerts(connection, scope.account_id)
            values = AlertValues(connection, scope.account, now)
            states = read_states(connection, scope.account_id)
            opened = {
                row.alert_id: row
                for row in connection.execute(
                    select(t.alert_episodes).where(  # the few that are open have an index
                        _episodes.alert_id.in_([each.id for each in book.alerts]),
                        _episodes.ended_at.is_(None),
                    )
                )
            }
            average = values.average
            views = []
            for alert in book.alerts:
                reading, state = values.reading(alert.rule), states.get(alert.id)
                # One that was never looked at (an import runs) stands where a look would put it.
                phase = (state or step(alert, NEW, reading, now).after).phase
                episode = opened.get(alert.id)
                views.append(
                    AlertView(
                        alert, phase, reading, episode.started_at if episode else None,
                        episode.id if episode else None, state.told_at if state else None,
                    )
                )  # fmt: skip
        return AlertStanding(
            tuple(views), average.micros, average.month_count, self._channels, book.version, now
        )

    def view(self, scope: AccountScope, alert_id: str) -> AlertView:
        """One rule with its figure now; ``NotFoundError`` outside the scope."""
        for each in self.standing(scope).alerts:
            if each.alert.id == alert_id:
                return each
        raise NotFoundError("There is no such alert in this account.")

    def backtest(self, scope: AccountScope, rule: AlertRule) -> AlertBacktest:
        """What a rule would have done in the last 90 days, as far as the scope sees them.

        Charges as they were. A balance is followed through each day, by booking day; usage is
        looked at as it stood at each day's end, so that a day on which a refund took it back
        counts as not reached. A percentage is of the average as it was in that month. How often
        people are told is left out. Errors: ``InputError`` for a rule that can't be;
        ``NotAllowedError`` on a plan without alerts; of a part of usage what reading usage meets.
        """
        checked, today = check_rule(rule), self._today(scope)
        require_alert_plan(scope.account, today)
        period = backtest_period(today, scope.visible_from)
        with self._database.read() as connection:
            return AlertHistory(connection, scope, self._usage).backtest(checked, period)

    def preview(self, scope: AccountScope, rule: AlertRule) -> Reading:
        """The figure that a rule would look at now, and its threshold in the same unit.

        Errors: as ``backtest``.
        """
        checked = check_rule(rule)
        require_alert_plan(scope.account, self._today(scope))
        with self._database.read() as connection:
            values = AlertValues(connection, scope.account, self._clock.now())
            reading = values.reading(checked)
        if checked.scope == WHOLE or checked.span is None:
            return reading
        # A part of usage that no alert looks at yet isn't counted: it is summed as screens do.
        window = checked.span.of(scope.account, self._today(scope))
        filters = SCOPE_FILTERS[checked.scope.kind](checked.scope.id)
        cells = self._usage().usage(scope, window, (), filters).cells
        is_units = checked.measure is Measure.UNITS
        value = sum(each.base_units if is_units else each.cost_micros for each in cells)
        return replace(reading, value=value)

    def episodes(self, scope: AccountScope, alert_id: str | None, most: int) -> Sequence[Episode]:
        """The newest episodes, of one rule or of all; of rules that were removed, too."""
        shown = [_episodes.account_id == scope.account_id, self._since(scope, _episodes.started_at)]
        if alert_id is not None:
            if not _is_id(alert_id):
                return ()
            shown.append(_episodes.alert_id == alert_id)
        statement = (
            select(t.alert_episodes)
            .where(*shown)
            .order_by(_episodes.started_at.desc(), _episodes.id.desc())
            .limit(min(most, MOST_EPISODES))
        )
        with self._database.read() as connection:
            rows = list(connection.execute(statement))
            told = _told_counts(connection, rows)
        return tuple(
            Episode(
                row.id, row.alert_id, row.started_at, row.value, row.threshold, row.ended_at,
                row.end_cause, told.get(row.id, 0),
            )
            for row in rows
        )  # fmt: skip

    def notices(
        self, scope: AccountScope, person_id: str | None, cursor: str | None = None,
        limit: int = 100, *, on_dashboard: bool = False,
    ) -> NoticePage:  # fmt: skip
        """What people were told, newest first; read or unread for a person.

        ``on_dashboard``: only what is told there too. To an administrator in person also what
        those who run the product were told. Errors: ``InputError`` for a cursor that isn't one or
        a limit outside 1 to 1,000.
        """
        statement = select(t.notices).where(
            self._since(scope, _notices.created_at), _is_for(scope.role)
        )
        if on_dashboard:
            statement = statement.where(_notices.is_shown.is_(True))
        if cursor:
            place = read_cursor(cursor)
            statement = statement.where(older_than(place, _notices.created_at, _notices.id))
        statement = statement.order_by(_notices.created_at.desc(), _notices.id.desc())
        statement = statement.limit(check_limit(limit) + 1)
        rows: list[Row[Any]] = []
        with self._database.read() as connection:
            # One account after the other: the index has each in order, not both together.
            for owner in (scope.account_id,) if person_id is None else seen_accounts(scope):
                rows += connection.execute(statement.where(_notices.account_id == owner))
            marks = _seen_until(connection, scope, person_id)
        rows.sort(key=lambda row: (row.created_at, row.id), reverse=True)
        shown = rows[:limit]
        last = shown[-1] if len(rows) > limit else None
        return NoticePage(
            tuple(_notice(row, person_id, marks) for row in shown),
            write_cursor((last.created_at, last.id)) if last is not None else None,
        )

    def notice(self, scope: AccountScope, notice_id: str) -> Notice:
        """One notice of the account; ``NotFoundError`` outside the scope."""
        row = None
        if _is_id(notice_id):
            with self._database.read() as connection:
                row = connection.execute(
                    select(t.notices).where(
                        _notices.id == notice_id, _notices.account_id.in_(seen_accounts(scope)),
                        self._since(scope, _notices.created_at), _is_for(scope.role),
                    )
                ).first()  # fmt: skip
        if row is None:
            raise NotFoundError("There is no such notification in this account.")
        return _notice(row, None, {})

    def unread(self, scope: AccountScope, person_id: str) -> Sequence[Notice]:
        """What is on the dashboard and a person hasn't seen yet, newest first, up to a hundred."""
        found: list[Notice] = []
        since = self._first_instant(scope)
        unread = _UNREAD if may_see_recharges(scope.role) else _UNREAD.where(_NO_RECHARGE)
        with self._database.read() as connection:
            marks = _seen_until(connection, scope, person_id)
            for account_id in seen_accounts(scope):
                seen_at = max(marks.get(account_id, BEFORE_ALL), since)
                asked = {"account": account_id, "seen": seen_at}
                rows = connection.execute(unread, asked)
                found += [_notice(row, person_id, marks) for row in rows]
        found.sort(key=lambda each: (each.created_at, each.id), reverse=True)
        return found[:MOST_UNREAD]

    def sends(self, scope: AccountScope, notice_ids: Sequence[str]) -> Mapping[str, Sequence[Send]]:
        """Deliveries by e-mail and SMS of some notices, in the order of their addresses."""
        wanted = [each for each in notice_ids if _is_id(each)]
        found: dict[str, list[Send]] = {each: [] for each in wanted}
        if not wanted:
            return found
        statement = (
            select(t.notice_sends)
            .where(
                _sends.notice_id.in_(wanted), _sends.account_id.in_(seen_accounts(scope)),
                self._since(scope, _sends.created_at),
            )
            .order_by(_sends.channel, _sends.address)
        )  # fmt: skip
        with self._database.read() as connection:
            for row in connection.execute(statement):
                found[row.notice_id].append(_send(row))
        return found

    def attempts(self, scope: AccountScope, send_id: str) -> Sequence[SendAttempt]:
        """Every try of a delivery, oldest first; ``NotFoundError`` outside the scope."""
        tries = self.tries(scope, [send_id])
        if send_id not in tries:
            raise NotFoundError("There is no such delivery in this account.")
        return tries[send_id]

    def tries(
        self, scope: AccountScope, send_ids: Sequence[str]
    ) -> Mapping[str, Sequence[SendAttempt]]:
        """Every try of several deliveries, oldest first; those outside the scope are left out."""
        wanted = [each for each in send_ids if _is_id(each)]
        if not wanted:
            return {}
        with self._database.read() as connection:
            own = connection.scalars(
                select(_sends.id).where(
                    _sends.id.in_(wanted), _sends.account_id.in_(seen_accounts(scope)),
                    self._since(scope, _sends.created_at),
                )
            ).all()  # fmt: skip
            found: dict[str, list[SendAttempt]] = {each: [] for each in own}
            for row in connection.execute(
                select(t.notice_attempts)
                .where(_attempts.send_id.in_(own))
                .order_by(_attempts.send_id, _attempts.number)
            ):
                found[row.send_id].append(
                    SendAttempt(row.number, row.at, row.is_taken, row.answer, row.milliseconds)
                )
        return found

    def _today(self, scope: AccountScope) -> date:
        return scope.account.today(self._clock.now())

    def _first_instant(self, scope: AccountScope) -> datetime:
        """Just before the first instant of which the scope sees anything."""
        if scope.visible_from is None:
            return BEFORE_ALL
        return scope.account.zones.start_of(scope.visible_from) - timedelta(microseconds=1)

    def _since(self, scope: AccountScope, at: ColumnElement[Any]) -> ColumnElement[bool]:
        """Whether something happened after the day from which on the scope sees history."""
        if scope.visible_from is None:
            return true()
        return at >= scope.account.zones.start_of(scope.visible_from)


def seen_accounts(scope: AccountScope) -> tuple[str, ...]:
    """Whose notices a scope may see: the account's, and of an administrator the product's own."""
    if scope.role is Role.ADMIN:
        return scope.account_id, EVERYBODY
    return (scope.account_id,)


def _is_for(role: Role) -> ColumnElement[bool]:
    """Which notices a role may see: of auto-recharge who may see its settings."""
    return true() if may_see_recharges(role) else _NO_RECHARGE


def _is_id(text: str) -> bool:
    """Whether a text could be an id: a database takes no zero byte."""
    return 0 < len(text) <= _LONGEST_ID and text.isprintable()


def _told_counts(connection: Connection, episodes: Sequence[Row[Any]]) -> Mapping[str, int]:
    """How often people were told of each episode."""
    if not episodes:
        return {}
    rows = connection.execute(
        select(_notices.episode_id, func.count())
        .where(
            _notices.alert_id.in_({row.alert_id for row in episodes}),
            _notices.episode_id.in_([row.id for row in episodes]), _notices.kind.in_(_TELLINGS),
        )
        .group_by(_notices.episode_id)
    )  # fmt: skip
    return {row[0]: row[1] for row in rows}


def _seen_until(
    connection: Connection, scope: AccountScope, person_id: str | None
) -> Mapping[str, datetime]:
    """Up to when a person has seen notices that a scope may see, by account; of nobody nothing."""
    if person_id is None:
        return {}
    found = {
        account_id: connection.scalar(_SEEN, {"account": account_id, "person": person_id})
        for account_id in seen_accounts(scope)
    }
    return {account_id: seen_at for account_id, seen_at in found.items() if seen_at is not None}


def _notice(row: Row[Any], person_id: str | None, marks: Mapping[str, datetime]) -> Notice:
    seen_at = marks.get(row.account_id)
    is_new = seen_at is None or row.created_at > seen_at
    return Notice(
        row.id, row.account_id, NoticeKind(row.kind), Level(row.level), json.loads(row.facts),
        row.is_shown, row.created_at, row.alert_id, row.episode_id,
        person_id is not None and row.is_shown and is_new,
    )  # fmt: skip


def _send(row: Row[Any]) -> Send:
    return Send(
        row.id, row.notice_id, Target(Channel(row.channel), row.address), SendState(row.state),
        row.attempt_count, row.created_at, row.next_at, row.done_at, row.error,
    )  # fmt: skip
