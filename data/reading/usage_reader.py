"""Reads usage of one account, exact and live: the port ``billing.usage.UsageReader``.

Every read takes a scope and decides from it alone what is visible. Must not know who asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime

from sqlalchemy import Connection, FromClause, Table, select

from billing.access import AccountScope, require_drill_down
from billing.clock import Clock
from billing.errors import InputError
from billing.periods import Period
from billing.queries import Filters, TransactionSort
from billing.usage import (
    Balance,
    Dimension,
    EventLines,
    Explanation,
    LinePage,
    Question,
    Reading,
    UsageCell,
    UsageLine,
)
from data.analytics.lake import Cursor, Lake, Positions, positions
from data.database import Database
from data.ledger.standing import standing
from data.reading.by_event import lines_of_event
from data.reading.explaining import counterparty_of, explain_line
from data.reading.hours import Hours, lake_slots, ledger_slots
from data.reading.lines import lines_by_seq, stream, used_metrics
from data.reading.newer import remembered_sums
from data.reading.page_keys import decode_cursor
from data.reading.pages import (
    Found,
    PageQuery,
    lake_keys,
    ledger_keys,
    merged,
    moved_seqs,
    page_cursors,
    tail_keys,
)
from data.reading.parts import KnownParts
from data.reading.position import ledger_order
from data.reading.remembered import Remembered
from data.reading.rollups import lake_sums
from data.reading.sums import add, is_by_status, ledger_sums, newer_sums
from data.reading.tail import newer_lines
from data.reading.visibility import View, view_of
from data.reading.wallet_state import read_balance
from data.tables import campaigns, consumers, usage_lines

MOST_LINES = 1_000
_NAMED: dict[Dimension, Table] = {
    Dimension.CAMPAIGN: campaigns,
    Dimension.CONSUMER: consumers,
}


class LedgerReader:
    """The lake up to its position and the ledger after it, as one."""

    def __init__(self, database: Database, lake: Lake, clock: Clock) -> None:
        self._database = database
        self._lake = lake
        self._lately = Remembered(lake)
        self._parts = KnownParts(lake)
        self._clock = clock
        self._order = ledger_order(database.dialect)

    def usage(
        self, scope: AccountScope, period: Period, by: Sequence[Dimension], filters: Filters
    ) -> Reading:
        """Sums by the asked dimensions over booked days of a period; no cell for no lines.

        Errors: ``NotAllowedError`` for a filter on a plan without drill-down.
        """
        return self.readings(scope, [Question(period, tuple(by), filters)])[0]

    def readings(self, scope: AccountScope, questions: Sequence[Question]) -> tuple[Reading, ...]:
        """What ``usage`` gives for each question, from one snapshot of either store.

        Errors: as ``usage``, for all of them.
        """
        view = self._view(scope)
        if any(not each.filters.is_empty for each in questions):
            self._require_drill_down(scope)
        clipped = [(each, view.clip(each.period)) for each in questions]
        visible = [replace(each, period=period) for each, period in clipped if period]
        complete_to, sums = self._sums(view, visible)
        found = iter(sums)
        return tuple(Reading(next(found) if period else (), complete_to) for _, period in clipped)

    def _sums(
        self, view: View, questions: Sequence[Question]
    ) -> tuple[datetime, list[tuple[UsageCell, ...]]]:
        """For each question its cells, and the instant they are complete to."""
        if not questions:
            return self._clock.now(), []
        if view.is_sandbox:  # never in the lake
            complete_to = self._clock.now()
            with self._database.read() as connection:
                return complete_to, [
                    add([], ledger_sums(
                        connection, usage_lines, view, each.period, each.by, each.filters,
                        standing(),
                    ))
                    for each in questions
                ]  # fmt: skip
        known = lake_sums(self._lately, self._parts, view, questions)
        complete_to = self._clock.now()
        asked = [(synced, each) for (synced, _), each in zip(known, questions, strict=True)]

        def newer(synced: Positions, is_by_status: bool, names: frozenset[str]) -> FromClause:
            return newer_lines(
                view.account_id, self._order, synced, is_by_status=is_by_status, names=names
            )

        with self._database.read() as connection:
            fresh = remembered_sums(
                self._lately, connection, view, asked,
                lambda: newer_sums(connection, newer, view, asked),
            )  # fmt: skip
        return complete_to, [add(old, new) for (_, old), new in zip(known, fresh, strict=True)]

    def usage_by_hour(
        self, scope: AccountScope, period: Period, by: Sequence[Dimension], filters: Filters
    ) -> Reading:
        """Sums by local hour and the asked dimensions; no cell for no lines.

        Errors: ``NotAllowedError`` on a plan without drill-down.
        """
        self._require_drill_down(scope)
        view = self._view(scope)
        visible = view.clip(period)
        if visible is None:
            return Reading((), self._clock.now())
        hours = Hours(scope.account.zones, visible)
        synced, known = lake_slots(self._lake, view, visible, by, filters, hours)
        complete_to = self._clock.now()
        newer = newer_lines(
            view.account_id, self._order, synced, is_by_status=is_by_status(by, filters)
        )
        with self._database.read() as connection:
            fresh = ledger_slots(connection, newer, view, visible, by, filters, hours)
        return Reading(add([], hours.cells([*known, *fresh])), complete_to)

    def transactions(
        self,
        scope: AccountScope,
        period: Period,
        filters: Filters,
        sort: TransactionSort,
        cursor: str | None,
        limit: int,
    ) -> LinePage:
        """One page of lines.

        By time means by booked day, instant and seq; by cost, the dearest first, then by seq.

        Errors: ``InputError`` for a cursor that isn't one or a limit outside 1 to 1,000;
        ``NotAllowedError`` on a plan without drill-down.
        """
        self._require_drill_down(scope)
        if not 1 <= limit <= MOST_LINES:
            raise InputError("limit", limit, f"use a number from 1 to {MOST_LINES:,}")
        place = decode_cursor(cursor, sort) if cursor else None
        view = self._view(scope)
        visible = view.clip(period)
        if visible is None:
            return LinePage((), None, None, self._clock.now())
        page = PageQuery(view, visible, filters, sort, limit + 1)
        if place:
            page = PageQuery(view, visible, filters, sort, limit + 1, place.key, place.is_backward)
        result = self._page(page)
        if page.is_backward and len(result.lines) < limit:
            # The beginning is near: give the whole first page rather than a short one.
            return self._page(PageQuery(view, visible, filters, sort, limit + 1))
        return result

    def _page(self, page: PageQuery) -> LinePage:
        if page.needs_lake:
            return self._lake.snapshot(lambda cursor: self._lake_page(cursor, page))
        complete_to = self._clock.now()
        with self._database.read() as connection:
            return _line_page(connection, page, ledger_keys(connection, page), complete_to)

    def _lake_page(self, cursor: Cursor, page: PageQuery) -> LinePage:
        """A page of both stores: first the lake's snapshot, then the ledger's, which is newer.

        What receipts have moved since is left out of the lake's part and comes from the ledger's.
        """
        synced = positions(cursor)
        complete_to = self._clock.now()
        with self._database.read() as connection:
            moved = moved_seqs(connection, self._order, synced, page)
            known = lake_keys(cursor, page, moved)
            fresh = tail_keys(connection, self._order, synced, page)
            return _line_page(connection, page, merged(page, known, fresh), complete_to)

    def stream_lines(
        self, scope: AccountScope, period: Period, filters: Filters
    ) -> Iterator[UsageLine]:
        """Every line of a period, oldest first, without holding them all.

        Errors: ``NotAllowedError`` on a plan without drill-down, before the first line.
        """
        self._require_drill_down(scope)
        view = self._view(scope)
        visible = view.clip(period)
        if visible is None:
            return iter(())
        return stream(self._database, view, visible, filters)

    def explain(self, scope: AccountScope, line_id: str) -> Explanation:
        """Why one line cost what it cost.

        Errors: ``NotFoundError`` outside the scope; ``NotAllowedError`` without drill-down.
        """
        self._require_drill_down(scope)
        with self._database.read() as connection:
            return explain_line(connection, self._view(scope), line_id)

    def event_lines(
        self, scope: AccountScope, event: str, source: str | None, services: Sequence[str]
    ) -> EventLines:
        """Every line of one event of some services, found by either of its ids.

        Errors: ``NotFoundError``; ``InputError`` for ``source`` where several have that id;
        ``NotAllowedError`` without drill-down.
        """
        self._require_drill_down(scope)
        complete_to, view = self._clock.now(), self._view(scope)
        with self._database.read() as connection:
            lines = lines_of_event(connection, view, event, source, services)
            counterparty = counterparty_of(connection, view, lines[0].event_id)
        return EventLines(tuple(lines), counterparty, complete_to)

    def balance(self, scope: AccountScope) -> Balance:
        """The wallet now."""
        as_of = self._clock.now()
        with self._database.read() as connection:
            return read_balance(connection, scope.account_id, scope.account.currency, as_of)

    def used_metrics(self, scope: AccountScope) -> frozenset[str]:
        """The ids of metrics the account has ever used, within what the scope may see."""
        return frozenset(self.used(scope))

    def used_days(self, scope: AccountScope) -> tuple[date, date] | None:
        """The first and the last booked day with usage that the scope may see; none without."""
        days = list(self.used(scope).values())
        if not days:
            return None
        return min(first for first, _ in days), max(last for _, last in days)

    def used(self, scope: AccountScope) -> Mapping[str, tuple[date, date]]:
        """The first and the last booked day by metric ever used, as far as the scope may see."""
        with self._database.read() as connection:
            found = used_metrics(connection, self._view(scope))
        return {metric: (first, last) for metric, first, last in found}

    def names(self, scope: AccountScope, dimension: Dimension) -> Mapping[str, str]:
        """Names of campaigns or consumers by id; ``InputError`` for another dimension."""
        table = _NAMED.get(dimension)
        if table is None:
            raise InputError("dimension", dimension, "use campaign_id or consumer_id")
        statement = (
            select(table.c.id, table.c.name)
            .where(table.c.account_id == scope.account_id)
            .order_by(table.c.id)
        )
        with self._database.read() as connection:
            return {row.id: row.name for row in connection.execute(statement)}

    def forget(self, *, is_synced: bool = False) -> None:
        """Asks analytics anew from now on, for whoever wants to know how long that takes.

        ``is_synced``: as after a sync, which also changes what they are made of.
        """
        self._lately.forget()
        if is_synced:
            self._parts.forget()

    def _view(self, scope: AccountScope) -> View:
        return view_of(scope, self._clock.now())

    def _require_drill_down(self, scope: AccountScope) -> None:
        require_drill_down(scope, scope.account.today(self._clock.now()))


def _line_page(
    connection: Connection, page: PageQuery, found: Found, complete_to: datetime
) -> LinePage:
    shown, has_more = _shown(page, found)
    lines = lines_by_seq(connection, page.view, [seq for _, seq in shown])
    following, previous = page_cursors(page, [key for key, _ in shown], has_more)
    return LinePage(tuple(lines), following, previous, complete_to)


def _shown(page: PageQuery, found: Found) -> tuple[Found, bool]:
    """What of one line more than a page is shown, in page order, and whether there is more."""
    shown = found[: page.limit - 1]
    return shown[::-1] if page.is_backward else shown, len(found) == page.limit
