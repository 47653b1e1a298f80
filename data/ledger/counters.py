"""What each window of one account has, kept up within a write transaction.

Counters are sums of what is stored elsewhere: spent is the account's charges less reversals by
the day on which they count for caps, reserved its open holds. Changes are collected and written
once. A hold can't take a counter over its ceiling: the database refuses it, whatever decided.
Callers hold the lock on the account's balance.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from sqlalchemy import Connection, TextClause, bindparam, select, text

from billing.caps import Counted, Counts, Window, windows_of
from data import tables as t
from data.ledger.bulk import StoredDays

_counters = t.cap_counters.c
_READ = select(_counters.spent_micros, _counters.reserved_micros).where(
    _counters.account_id == bindparam("account"),
    _counters.kind == bindparam("kind"),
    _counters.start_on == bindparam("start_on"),
    _counters.campaign_id == bindparam("campaign"),
)
# Made empty first: SQLite checks what an upsert would insert even where it then updates.
_MAKE = text(
    "INSERT INTO cap_counters (account_id, kind, start_on, campaign_id, spent_micros, "
    "reserved_micros, over_micros) VALUES (:account, :kind, :start_on, :campaign, 0, 0, 0) "
    "ON CONFLICT DO NOTHING"
)
# Charges may go over a limit, and then it is said by how much; what holds were granted may not.
_CHANGE = """
UPDATE cap_counters SET
    spent_micros = spent_micros + :spent,
    reserved_micros = reserved_micros + :reserved,
    over_micros = CASE WHEN limit_micros IS NULL THEN 0 ELSE {least}(
        {most}(0, spent_micros + reserved_micros - limit_micros) + :grown,
        {most}(0, spent_micros + reserved_micros + :total - limit_micros)
    ) END
WHERE account_id = :account AND kind = :kind AND start_on = :start_on AND campaign_id = :campaign
"""
_GRANT = """
UPDATE cap_counters SET
    spent_micros = spent_micros + :spent,
    reserved_micros = reserved_micros + :reserved,
    limit_micros = :ceiling,
    over_micros = CASE WHEN CAST(:ceiling AS BIGINT) IS NULL THEN 0 ELSE {least}(
        {most}(0, spent_micros + reserved_micros - CAST(:ceiling AS BIGINT)) + :grown,
        {most}(0, spent_micros + reserved_micros + :total - CAST(:ceiling AS BIGINT))
    ) END
WHERE account_id = :account AND kind = :kind AND start_on = :start_on AND campaign_id = :campaign
"""
_CEILING = text(
    "UPDATE cap_counters SET limit_micros = :ceiling, over_micros = CASE "
    "WHEN CAST(:ceiling AS BIGINT) IS NULL OR spent_micros + reserved_micros <= :ceiling THEN 0 "
    "ELSE spent_micros + reserved_micros - :ceiling END "
    "WHERE account_id = :account AND kind = :kind AND start_on = :start_on "
    "AND campaign_id = :campaign"
)


@dataclass(slots=True)
class _Change:
    """What a window's counter changes by; ``granted``: what of it new holds took."""

    spent: int = 0
    reserved: int = 0
    granted: int = 0
    ceiling: int | None = None


class CapCounters:
    """The counters of one account; ``flush`` writes what changed."""

    def __init__(self, connection: Connection, account_id: str) -> None:
        self._connection = connection
        self._account_id = account_id
        self._stored_days = StoredDays(connection)
        self._spent: dict[tuple[date, str | None], int] = defaultdict(int)
        self._reserved: dict[tuple[date, str | None], int] = defaultdict(int)
        self._granted: dict[Window, int] = defaultdict(int)
        self._ceilings: dict[Window, int | None] = {}
        self._known: dict[Window, Counted] = {}  # as of now, for windows that were asked for
        self._present: set[Window] = set()  # that have a row

    def charge(self, day: date, campaign: str | None, micros: int) -> None:
        """Something was spent on a day for caps; below zero: given back."""
        self._spent[day, campaign] += micros
        self._follow(day, campaign, micros, 0)

    def grant(
        self,
        day: date,
        campaign: str | None,
        micros: int,
        ceilings: Mapping[Window, int | None] | None,
    ) -> None:
        """A hold takes so much of every window of a day.

        ``ceilings``: each window's; none at all for work that no cap binds.
        """
        self._reserved[day, campaign] += micros
        if ceilings is not None:
            for window in windows_of(day, campaign):
                self._granted[window] += micros
                self._ceilings[window] = ceilings.get(window)
        self._follow(day, campaign, 0, micros)

    def release(self, day: date, campaign: str | None, micros: int) -> None:
        """A hold gives back what it took."""
        self._reserved[day, campaign] -= micros
        self._follow(day, campaign, 0, -micros)

    def counted(self, window: Window) -> Counted:
        """What a window has, with all that was changed here."""
        known = self._known.get(window)
        if known is None:
            known = self._known[window] = self._read(window)
        return known

    def flush(self) -> None:
        """Writes what changed. Errors: ``IntegrityError`` for a hold above a ceiling."""
        rows: dict[str, list[dict[str, Any]]] = {_CHANGE: [], _GRANT: []}
        for window, change in self._changes().items():
            total = change.spent + change.reserved
            row = self._key(window) | {
                "spent": change.spent, "reserved": change.reserved, "total": total,
                "grown": max(0, total - change.granted),  # by what never asked
            }  # fmt: skip
            if window in self._granted:
                rows[_GRANT].append(row | {"ceiling": change.ceiling})
            elif change.spent or change.reserved:
                rows[_CHANGE].append(row)
        changed = [self._key(window) for window in self._changes() if window not in self._present]
        if changed:
            self._connection.execute(_MAKE, changed)
        for statement, given in rows.items():
            if given:
                dialect = self._connection.dialect.name
                self._connection.execute(_statement(statement, dialect), given)
        for pending in (self._spent, self._reserved, self._granted, self._ceilings):
            pending.clear()

    def _changes(self) -> dict[Window, _Change]:
        changes: dict[Window, _Change] = defaultdict(_Change)
        for (day, campaign), micros in self._spent.items():
            for window in windows_of(day, campaign):
                changes[window].spent += micros
        for (day, campaign), micros in self._reserved.items():
            for window in windows_of(day, campaign):
                changes[window].reserved += micros
        for window, micros in self._granted.items():
            changes[window].granted = micros
            changes[window].ceiling = self._ceilings[window]
        return changes

    def _follow(self, day: date, campaign: str | None, spent: int, reserved: int) -> None:
        if not self._known:
            return
        for window in windows_of(day, campaign):
            known = self._known.get(window)
            if known is not None:
                self._known[window] = Counted(
                    known.spent_micros + spent, known.reserved_micros + reserved
                )

    def _read(self, window: Window) -> Counted:
        """A window as it is stored, and what is waiting to be written to it."""
        row = self._connection.execute(_READ, self._key(window, is_raw=False)).first()
        if row is not None:
            self._present.add(window)
        change = self._changes().get(window, _Change())
        stored = Counted(row.spent_micros, row.reserved_micros) if row else Counted()
        return Counted(stored.spent_micros + change.spent, stored.reserved_micros + change.reserved)

    def _key(self, window: Window, *, is_raw: bool = True) -> dict[str, Any]:
        start_on = self._stored_days[window.start_on] if is_raw else window.start_on
        return {
            "account": self._account_id, "kind": window.kind.value, "start_on": start_on,
            "campaign": window.campaign,
        }  # fmt: skip


def read_counts(connection: Connection, account_id: str, windows: Iterable[Window]) -> Counts:
    """What windows of an account have, as it is stored."""
    counters = CapCounters(connection, account_id)
    return {window: counters.counted(window) for window in windows}


def set_ceilings(
    connection: Connection, account_id: str, ceilings: Mapping[Window, int | None]
) -> None:
    """Writes the ceilings of windows after limits have changed; what is over stays allowed."""
    days = StoredDays(connection)
    rows = [
        {
            "account": account_id, "kind": window.kind.value, "start_on": days[window.start_on],
            "campaign": window.campaign, "ceiling": ceiling,
        }
        for window, ceiling in ceilings.items()
    ]  # fmt: skip
    if rows:
        connection.execute(_CEILING, rows)


@cache
def _statement(sql: str, dialect: str) -> TextClause:
    least, most = ("min", "max") if dialect == "sqlite" else ("LEAST", "GREATEST")
    return text(sql.format(least=least, most=most))
