"""Readable accounts, events and ledgers for tests: everything has a default, tests say the rest.

``Ledger`` is a real SQLite file with the real schema, made by copying one that was migrated once.
"""

import tempfile
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any, Self

from sqlalchemy import insert, select
from sqlalchemy.event import listen

from billing.accounts import Account
from billing.events import AnyEvent, CallEvent, SmsEvent
from billing.lots import LotKind
from billing.metrics import METRICS
from billing.periods import BillingCalendar, ZoneHistory
from billing.plans import Plan
from billing.rates import Rate
from data import tables as t
from data.accounts import ALWAYS, NewAccount, add_account
from data.database import Database, open_database, sqlite_url
from data.identity import Pseudonyms, new_id
from data.ledger.posting import Outcome, Poster
from data.ledger.price_books import add_rate_list, new_rate_list
from data.ledger.wallet import Credit, Posting
from data.migrate import migrate
from tests import databases

UNIT_PRICE_MICROS = 10_000
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def at(text: str) -> datetime:
    """A UTC instant: ``at("2026-11-22 14:30")``."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def day(text: str) -> date:
    """A local day: ``day("2026-11-22")``."""
    return date.fromisoformat(text)


def dated(text: str) -> tuple[tuple[date, str], ...]:
    """Dated values: ``"launch, growth 2026-03-01"``; the first holds from the beginning."""
    rows = []
    for part in text.split(","):
        value, *start = part.split()
        rows.append((day(start[0]) if start else ALWAYS, value))
    return tuple(rows)


def account(
    plan: str = "growth",
    zone: str = "Europe/Lisbon",
    anchor: str | int = 1,
    paid_since: str | None = None,
    account_id: str = "acme",
) -> Account:
    """An account; plan, zone and anchor may be dated: ``anchor="15, 1 2026-03-15"``."""
    return Account(
        id=account_id,
        name=account_id.capitalize(),
        currency="USD",
        locale="en_US",
        environment="production",
        plans=tuple((start, Plan(name)) for start, name in dated(plan)),
        zones=ZoneHistory(dated(zone)),
        billing=calendar(anchor),
        paid_since=day(paid_since) if paid_since else None,
    )


def calendar(anchor: str | int) -> BillingCalendar:
    """Billing anchors: ``calendar(31)`` or ``calendar("31, 15 2026-03-31")``."""
    return BillingCalendar(tuple((start, int(text)) for start, text in dated(str(anchor))))


def call(event_id: str, when: str | datetime = NOON, seconds: int = 60, **rest: Any) -> CallEvent:
    """An outbound AI call; ``seconds=0`` was not answered."""
    given: dict[str, Any] = {
        "source": "dialer", "direction": "outbound", "agent": "ai", "campaign": "spring",
        "is_answered": seconds > 0,
    }  # fmt: skip
    return CallEvent(
        id=event_id, occurred_at=_instant(when), duration_seconds=seconds, **{**given, **rest}
    )


def sms(event_id: str, when: str | datetime = NOON, segments: int = 1, **rest: Any) -> SmsEvent:
    """An outbound message: ``segments`` units of ``UNIT_PRICE_MICROS``, one line."""
    given: dict[str, Any] = {"source": "messenger", "direction": "outbound"}
    return SmsEvent(id=event_id, occurred_at=_instant(when), segments=segments, **{**given, **rest})


def _instant(when: str | datetime) -> datetime:
    return at(when) if isinstance(when, str) else when


@cache
def empty_truth() -> bytes:
    """A migrated SQLite file without rows, as bytes."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "truth.db"
        database = open_database(sqlite_url(file))
        migrate(database)
        with database.writer_engine.connect() as connection:
            connection.rollback()
            connection.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.dispose()
        return file.read_bytes()


def open_truth(folder: Path) -> Database:
    """A migrated truth of its own in a folder."""
    if databases.ON_POSTGRESQL:
        database = open_database(databases.truth_url(folder))
        migrate(database)
        return database
    file = folder / "truth.db"
    file.write_bytes(empty_truth())
    database = open_database(sqlite_url(file))
    listen(database.writer_engine, "connect", _skip_fsync)
    return database


def _skip_fsync(connection: Any, _record: Any) -> None:
    """No test pulls the plug, and waiting for the disk is most of what they take."""
    connection.execute("PRAGMA synchronous=OFF")


@dataclass
class Ledger:
    """One truth with accounts, a price list of one price for everything, and readable reads."""

    folder: Path
    opened: Database | None = None  # none: one of its own
    database: Database = field(init=False)
    accounts: dict[str, Account] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.database = self.opened or open_truth(self.folder)
        prices = [Rate(new_id(), metric.id, UNIT_PRICE_MICROS) for metric in METRICS]
        with self.database.write() as connection:
            add_rate_list(
                connection, new_rate_list("standard", "USD", None, prices, "default"), None, NOON
            )

    def close(self) -> None:
        self.database.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, account_id: str = "acme", plan: str = "growth", **rest: Any) -> Account:
        """A stored account; it is the one used where a test names none."""
        given: dict[str, Any] = {"currency": "USD", "timezone": "Europe/Lisbon", **rest}
        new = NewAccount(account_id, account_id.capitalize(), Plan(plan), **given)
        with self.database.write() as connection:
            self.accounts[account_id] = add_account(connection, new, NOON)
        return self.accounts[account_id]

    def poster(self, connection: Any, account_id: str = "acme", **rest: Any) -> Poster:
        """A poster in the caller's transaction."""
        return Poster(connection, self.accounts[account_id], Pseudonyms("secret"), NOON, **rest)

    def post(
        self,
        *events: AnyEvent,
        received_at: datetime | None = NOON,
        account_id: str = "acme",
        **rest: Any,
    ) -> list[Outcome]:
        """Posts one batch in a transaction of its own."""
        with self.database.write() as connection:
            poster = self.poster(connection, account_id, **rest)
            outcomes = poster.post(events, received_at)
            poster.flush()
        return outcomes

    def credit(
        self,
        micros: int,
        when: str | datetime = NOON,
        expires_at: str | None = None,
        kind: LotKind = LotKind.PAID,
        account_id: str = "acme",
    ) -> str:
        """A top-up, or a promotional grant."""
        instant = _instant(when)
        expiry = at(expires_at) if expires_at else None
        with self.database.write() as connection:
            wallet = self.poster(connection, account_id).wallet
            booked_on = self.accounts[account_id].zones.local_day(instant)
            posting = Posting(instant, instant, NOON, booked_on)
            entry = wallet.credit(Credit(kind, micros, "test", expires_at=expiry), posting)
            wallet.flush(NOON)
        return entry

    def close_period(self, start: str, end: str, account_id: str = "acme") -> None:
        """Writes a statement, which closes its billing period."""
        with self.database.write() as connection:
            connection.execute(
                insert(t.statements).values(
                    account_id=account_id, period_start=day(start), period_end=day(end),
                    opening_micros=0, charges_micros=0, closing_micros=0, currency="USD",
                    closed_at=NOON, last_entry_seq=0, last_line_seq=0,
                )
            )  # fmt: skip

    def rows(self, table: Any, account_id: str | None = "acme") -> list[Any]:
        """Every row of a table, by account unless told otherwise, in its key's order."""
        query = select(table).order_by(*table.primary_key.columns)
        if account_id is not None:
            query = query.where(table.c.account_id == account_id)
        with self.database.read() as connection:
            return list(connection.execute(query).all())

    def posted(self, account_id: str = "acme") -> int:
        """The balance's projection, in micros."""
        (row,) = self.rows(t.balances, account_id)
        return int(row.posted_micros)
