"""What is new in an account's ledger since a place in it: for those who listen to it.

A place is the last line and the last wallet entry of the account that were seen. Must not know
who listens, or how they are told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from billing.access import AccountScope
from billing.errors import InputError
from billing.usage import UsageLine
from data.ledger.bulk import listed
from data.reading.lines import lines_by_seq
from data.reading.visibility import view_of
from data.tables import usage_lines, wallet_entries

_PLACE = re.compile(r"(\d{1,18})-(\d{1,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Place:
    """How far into one account's ledger somebody has seen: its last line, its last entry."""

    line: int = 0
    entry: int = 0

    def __str__(self) -> str:
        return f"{self.line}-{self.entry}"


@dataclass(frozen=True, slots=True)
class NewLines:
    """Visible lines after a place, oldest first, and the place they lead to.

    ``has_more``: there are further lines after it.
    """

    lines: tuple[UsageLine, ...]
    place: Place
    has_more: bool


def parse_place(text: str, field: str) -> Place:
    """A place as it was handed out; ``InputError`` for anything else."""
    match = _PLACE.fullmatch(text)
    if match is None:
        raise InputError(field, text, "use the id of an event of this stream")
    return Place(int(match[1]), int(match[2]))


def place_of(connection: Connection, account_id: str) -> Place:
    """The newest place in the connection's snapshot. Two index steps."""
    return places_of(connection, [account_id])[account_id]


def places_of(connection: Connection, account_ids: Iterable[str]) -> dict[str, Place]:
    """The newest place of each account in one snapshot."""
    asked = listed(connection, list(account_ids))
    newest = [
        select(func.max(table.c.seq)).where(table.c.account_id == asked.c.value).scalar_subquery()
        for table in (usage_lines, wallet_entries)
    ]
    rows = connection.execute(select(asked.c.value, *newest))
    return {account_id: Place(line or 0, entry or 0) for account_id, line, entry in rows}


def lines_after(
    connection: Connection, scope: AccountScope, now: datetime, seen: Place, limit: int
) -> NewLines:
    """The next at most ``limit`` lines after a place, those the scope may see of them.

    None on a plan without drill-down; the place then leads to the end at once. A place ahead of
    the ledger, as one from before a restored backup, is taken as its end.
    """
    newest = place_of(connection, scope.account_id)
    if not scope.account.gates_on(scope.account.today(now)).has_drill_down:
        return NewLines((), newest, has_more=False)
    found = list(
        connection.scalars(
            select(usage_lines.c.seq)
            .where(usage_lines.c.account_id == scope.account_id, usage_lines.c.seq > seen.line)
            .order_by(usage_lines.c.seq)
            .limit(limit + 1)
        )
    )
    has_more, seqs = len(found) > limit, found[:limit]
    lines = lines_by_seq(connection, view_of(scope, now), seqs)
    # Until the last line is told, the entries beside it aren't either.
    place = Place(seqs[-1], min(seen.entry, newest.entry)) if has_more else newest
    return NewLines(tuple(lines), place, has_more)
