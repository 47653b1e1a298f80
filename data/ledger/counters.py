"""What each window of one account has, kept up within a write transaction.

Counters are sums of what is stored elsewhere: spent is the account's charges less reversals by
the day on which they count for caps, reserved its open holds. Changes are collected and written
once. A hold can't take a counter over its ceiling: the database refuses it, whatever decided.
Callers hold the lock on the account's balance.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from sqlalchemy import Connection, TextClause, text

from billing.caps import NOTHING, Counted, Counts, Window, windows_of
from data.ledger.bulk import StoredDays

# Any number of windows in one statement: an account may have a budget for each of many campaigns.
_READ = {
    "sqlite": text(
        "SELECT c.kind, c.start_on, c.campaign_id, c.spent_micros, c.reserved_micros, "
        "c.least_micros "
        "FROM json_each(:windows) w JOIN cap_counters c ON c.account_id = :account "
        "AND c.kind = w.value ->> 0 AND c.start_on = w.value ->> 1 "
        "AND c.campaign_id = w.value ->> 2"
    ),
    "postgresql": text(
        "SELECT c.kind, CAST(c.start_on AS VARCHAR), c.campaign_id, c.spent_micros, "
        "c.reserved_micros, c.least_micros FROM json_array_elements(CAST(:windows AS json)) w "
        "JOIN cap_counters c ON c.account_id = :account AND c.kind = w ->> 0 "
        "AND c.start_on = CAST(w ->> 1 AS date) AND c.campaign_id = w ->> 2"
    ),
}
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
_VAIN = text(
    "UPDATE cap_counters SET least_micros = :least WHERE account_id = :account AND kind = :kind "
    "AND start_on = :start_on AND campaign_id = :campaign"
)
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
        self._least: dict[Window, int] = {}
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

    def ask_in_vain(self, window: Window, least_micros: int) -> None:
        """The least of a request didn't fit into what is left of a window, open holds apart."""
        counted = self.counted(window)
        self._least[window] = least_micros
        self._known[window] = Counted(counted.spent_micros, counted.reserved_micros, least_micros)

    def counted(self, window: Window) -> Counted:
        """What a window has, with all that was changed here."""
        if window not in self._known:
            self.look_up((window,))
        return self._known[window]

    def look_up(self, windows: Iterable[Window]) -> None:
        """Reads windows for all that follows."""
        unknown = [window for window in windows if window not in self._known]
        if not unknown:
            return
        keys = [(each.kind.value, each.start_on.isoformat(), each.campaign) for each in unknown]
        given = {"account": self._account_id, "windows": json.dumps(keys)}
        rows = self._connection.execute(_READ[self._connection.dialect.name], given)
        stored = {(row[0], row[1], row[2]): Counted(*row[3:6]) for row in rows}
        changes = self._changes()
        for window, key in zip(unknown, keys, strict=True):
            found, change = stored.get(key), changes.get(window)
            if found is not None:
                self._present.add(window)
            known = found or NOTHING
            if change is not None:
                known = known.plus(change.spent, change.reserved)
            self._known[window] = known

    def flush(self) -> None:
        """Writes what changed. Errors: ``IntegrityError`` for a hold above a ceiling."""
        rows: dict[str, list[dict[str, Any]]] = {_CHANGE: [], _GRANT: []}
        changes = self._changes()
        for window, change in changes.items():
            total = change.spent + change.reserved
            row = self._key(window) | {
                "spent": change.spent, "reserved": change.reserved, "total": total,
                "grown": max(0, total - change.granted),  # by what never asked
            }  # fmt: skip
            if window in self._granted:
                rows[_GRANT].append(row | {"ceiling": change.ceiling})
            elif change.spent or change.reserved:
                rows[_CHANGE].append(row)
        new = [self._key(window) for window in changes if window not in self._present]
        if new:
            self._connection.execute(_MAKE, new)
        for statement, given in rows.items():
            if given:
                dialect = self._connection.dialect.name
                self._connection.execute(_statement(statement, dialect), given)
        if self._least:
            vain = [self._key(each) | {"least": least} for each, least in self._least.items()]
            self._connection.execute(_VAIN, vain)
        for pending in (self._least, self._spent, self._reserved, self._granted, self._ceilings):
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
                self._known[window] = known.plus(spent, reserved)

    def _key(self, window: Window) -> dict[str, Any]:
        return {
            "account": self._account_id, "kind": window.kind.value,
            "start_on": self._stored_days[window.start_on], "campaign": window.campaign,
        }  # fmt: skip


def read_counts(connection: Connection, account_id: str, windows: Iterable[Window]) -> Counts:
    """What windows of an account have, as it is stored."""
    counters, wanted = CapCounters(connection, account_id), list(windows)
    counters.look_up(wanted)
    return {window: counters.counted(window) for window in wanted}


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
