"""Wallet entries and credit lots of one account, as people read them.

Entries are paged by their place in the ledger, newest first: page 10,000 costs what page 1 costs.
Owner and manager see entries booked from the day their paid plan began, as they see usage.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, select, text

from billing.errors import InputError, NotFoundError
from billing.limits import limit as limit_of
from billing.lots import LotKind
from billing.wallet import ENTRY_KINDS, CreditLot, EntryPage, EntryQuery, WalletEntry
from data import tables as t
from data.access.audit import AUTO_RECHARGE, COMMAND

MOST_LOTS = 500
_LONGEST_ID = 36
_LONGEST_CURSOR = 60
_LARGEST_SEQ = 2**62
_entries, _lines, _lots = t.wallet_entries.c, t.usage_lines.c, t.credit_lots.c
_COLUMNS = (
    _entries.id, _entries.kind, _entries.amount_micros, _entries.balance_after_micros,
    _entries.currency, _entries.cause, _entries.occurred_at, _entries.received_at,
    _entries.stored_at, _entries.booked_on, _entries.corrects_period, _entries.line_id,
    _entries.actor, _lines.metric, _lines.reverses_line_id,
)  # fmt: skip
# Said in so many words, so that the partial index of rare entries answers for them.
_NO_CHARGE: ColumnElement[bool] = text("wallet_entries.kind <> 'charge'")  # type: ignore[assignment]


def read_entry(
    connection: Connection, account_id: str, entry_id: str, visible_from: date | None = None
) -> WalletEntry:
    """One entry of an account; ``NotFoundError`` for none, another's, or one that is hidden."""
    row = None
    if len(entry_id) <= _LONGEST_ID:
        row = connection.execute(
            _visible(account_id, visible_from).where(_entries.id == entry_id)
        ).first()
    if row is None:
        raise NotFoundError("There is no such wallet entry that you may see.")
    return WalletEntry(*row[1:])


def read_entries(
    connection: Connection,
    account_id: str,
    visible_from: date | None,
    query: EntryQuery,
    cursor: str | None,
    most: int,
) -> EntryPage:
    """One page of entries, newest first.

    Errors: ``InputError`` for an unknown kind, a cursor that isn't one or a limit outside 1 to
    1,000.
    """
    if not 1 <= most <= limit_of("page"):
        raise InputError("limit", most, f"use a number from 1 to {limit_of('page'):,}")
    is_newer, place = _decode(cursor) if cursor else (False, None)
    statement = _visible(account_id, visible_from).where(*_asked(query))
    if place is not None:
        statement = statement.where(_entries.seq > place if is_newer else _entries.seq < place)
    order = _entries.seq if is_newer else _entries.seq.desc()
    rows = connection.execute(statement.order_by(order).limit(most + 1)).all()
    has_more, shown = len(rows) > most, list(rows[:most])
    if is_newer:
        if not has_more and len(shown) < most:
            # The beginning is near: give the whole first page rather than a short one.
            return read_entries(connection, account_id, visible_from, query, None, most)
        shown.reverse()
    if not shown:
        return EntryPage((), None, None)
    has_older = has_more or is_newer
    has_newer = has_more if is_newer else place is not None
    return EntryPage(
        tuple(WalletEntry(*row[1:]) for row in shown),
        _encode(False, shown[-1].seq) if has_older else None,
        _encode(True, shown[0].seq) if has_newer else None,
    )


def read_lots(connection: Connection, account_id: str) -> list[CreditLot]:
    """Debt first, then every lot with something left, in the order in which they are used."""
    rows = connection.execute(
        select(
            _lots.id, _lots.kind, _lots.granted_at, _lots.expires_at, _lots.amount_micros,
            t.lot_balances.c.remaining_micros, _entries.cause, _lots.priority,
        )
        .join(t.lot_balances, t.lot_balances.c.lot_id == _lots.id)
        .outerjoin(t.wallet_entries, _entries.id == _lots.entry_id)
        .where(_lots.account_id == account_id, t.lot_balances.c.remaining_micros != 0)
        .order_by(
            _lots.kind != LotKind.OVERDRAFT.value, _lots.priority, _lots.expires_at.is_(None),
            _lots.expires_at, _lots.kind == LotKind.PAID.value, _lots.granted_at, _lots.id,
        )
        .limit(MOST_LOTS)
    )  # fmt: skip
    return [
        CreditLot(
            row.id, LotKind(row.kind), row.granted_at, row.expires_at, row.amount_micros,
            row.remaining_micros, row.cause or "", row.priority,
        )
        for row in rows
    ]  # fmt: skip


def _visible(account_id: str, visible_from: date | None) -> Select[Any]:
    statement = (
        select(_entries.seq, *_COLUMNS)
        .outerjoin(
            t.usage_lines,
            and_(_lines.id == _entries.line_id, _lines.account_id == _entries.account_id),
        )
        .where(_entries.account_id == account_id)
    )
    return statement.where(_entries.booked_on >= visible_from) if visible_from else statement


def _asked(query: EntryQuery) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if query.kinds:
        for kind in query.kinds:
            if kind not in ENTRY_KINDS:
                raise InputError("kind", kind, f"use one of {', '.join(ENTRY_KINDS)}")
        conditions.append(_entries.kind.in_(sorted(set(query.kinds))))
        if "charge" not in query.kinds:
            conditions.append(_NO_CHARGE)
    if query.period:
        conditions += [
            _entries.booked_on >= query.period.start, _entries.booked_on < query.period.end,
        ]  # fmt: skip
    return conditions


def _encode(is_newer: bool, seq: int) -> str:
    packed = json.dumps([int(is_newer), seq], separators=(",", ":"))
    return base64.urlsafe_b64encode(packed.encode("ascii")).decode("ascii").rstrip("=")


def _decode(cursor: str) -> tuple[bool, int]:
    try:
        if len(cursor) > _LONGEST_CURSOR or not cursor.isascii():
            raise ValueError
        padded = cursor + "=" * (-len(cursor) % 4)
        is_newer, seq = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if type(is_newer) is not int or type(seq) is not int or is_newer not in {0, 1}:
            raise ValueError
        if not 0 <= seq <= _LARGEST_SEQ:
            raise ValueError
    except (binascii.Error, ValueError, TypeError, RecursionError):
        fix = "leave it out to start again from the first page"
        raise InputError("cursor", cursor, fix) from None
    return bool(is_newer), seq


def actor_names(
    connection: Connection, actors: Sequence[str], account_id: str, *, is_staff: bool
) -> dict[str, str]:
    """Names of those who moved money, for people who look at an account.

    The account's own people see support and administrators as what they are, not by name.
    """
    ids = {actor: actor.partition(":")[2] for actor in actors}
    people = _people(connection, [i for a, i in ids.items() if a.startswith("person:")])
    keys = _keys(connection, [i for a, i in ids.items() if a.startswith("key:")])
    found = {COMMAND: "Command line", AUTO_RECHARGE: "Automatic"}
    for actor, identity in ids.items():
        if actor.startswith("person:"):
            person = people.get(identity)
            is_own = person is not None and person.role is None
            found[actor] = person.name if person and (is_staff or is_own) else "Support"
        elif actor.startswith("key:"):
            key = keys.get(identity)
            is_own = key is not None and key.account_id == account_id
            found[actor] = f"Key {key.shown_prefix}…" if key and (is_staff or is_own) else "Support"
    return found


def _people(connection: Connection, ids: Sequence[str]) -> dict[str, Row[*tuple[Any, ...]]]:
    """Name and, of those who work across accounts, role."""
    over_all = and_(t.memberships.c.person_id == t.people.c.id, t.memberships.c.account_id == "*")
    rows = connection.execute(
        select(t.people.c.id, t.people.c.name, t.memberships.c.role)
        .outerjoin(t.memberships, over_all)
        .where(t.people.c.id.in_(ids))
    )
    return {row.id: row for row in rows}


def _keys(connection: Connection, ids: Sequence[str]) -> dict[str, Row[*tuple[Any, ...]]]:
    columns = t.api_keys.c
    rows = connection.execute(
        select(columns.id, columns.shown_prefix, columns.account_id).where(columns.id.in_(ids))
    )
    return {row.id: row for row in rows}
