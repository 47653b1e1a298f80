"""Small ledgers for tests, written straight into the tables: balanced by construction.

It knows the tables and nothing of how the product posts, so it can be compared with.
"""

from __future__ import annotations

import shutil
import uuid
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import delete, insert, select, update

from billing.access import AccountScope, Role
from billing.accounts import Account
from billing.periods import BillingCalendar, ZoneHistory
from billing.plans import Plan
from data import tables as t
from data.analytics.lake import Lake
from data.database import Database, open_database
from data.migrate import migrate
from tests import databases

TRUTH = "truth.sqlite"
START = datetime(2026, 9, 28, 12, tzinfo=UTC)
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SERVICES = {
    "ai_dial_attempts": "Voice",
    "ai_connected_minutes": "Voice",
    "sms_credits": "SMS",
    "inbound_sms": "SMS",
    "number_rental": "ExoPhone",
}


@cache
def _empty_store() -> Path:
    """A truth and a lake without a line, made once a run: making them takes most of a second."""
    directory = databases.kept_folder("store")
    database = open_truth(directory)
    migrate(database)
    Lake(directory, database).close()
    database.dispose()
    return directory


def open_store(directory: Path) -> Database:
    """A real truth in a folder; on SQLite with a real and empty lake beside it to open."""
    if databases.ON_POSTGRESQL:  # the lake's catalog is in the database, where ``Lake`` makes it
        database = open_truth(directory)
        migrate(database)
        return database
    shutil.copytree(_empty_store(), directory, dirs_exist_ok=True)
    return open_truth(directory)


def open_truth(directory: Path) -> Database:
    """A folder's truth, wherever it is."""
    return open_database(databases.truth_url(directory, TRUTH))


def new_id() -> str:
    return str(uuid.uuid4())


def account(account_id: str = "acme", plan: Plan = Plan.GROWTH, **changes: Any) -> Account:
    values: dict[str, Any] = {
        "name": account_id.title(),
        "currency": "USD",
        "locale": "en_US",
        "environment": "production",
        "plans": ((date(2026, 1, 1), plan),),
        "zones": ZoneHistory(((date(2026, 1, 1), "UTC"),)),
        "billing": BillingCalendar(((date(2026, 1, 1), 1),)),
    }
    return Account(id=account_id, **(values | changes))


def scope(of: Account, role: Role = Role.OWNER, **changes: Any) -> AccountScope:
    values = {"session_started_at": START, "visible_from": None} | changes
    return AccountScope(of, role, **values)


@dataclass
class Line:
    """One line as a test says it; what it leaves out doesn't matter to it."""

    metric: str = "sms_credits"
    status: str = "sent"
    direction: str = "outbound"
    campaign: str | None = None
    consumer: str | None = None
    day: date = date(2026, 10, 5)
    second: int = 43_200
    units: int = 1
    pulses: int = 0
    talk: int = 0
    cost: int = 1_000
    is_sandbox: bool = False
    stored_at: datetime = NOW
    event_id: str = field(default_factory=new_id)
    account_id: str = "acme"
    id: str = field(default_factory=new_id)

    @property
    def occurred_at(self) -> datetime:
        start = datetime(self.day.year, self.day.month, self.day.day, tzinfo=UTC)
        return start + timedelta(seconds=self.second)

    def row(self) -> dict[str, Any]:
        return {
            "id": self.id, "account_id": self.account_id, "event_id": self.event_id,
            "source": "test", "metric": self.metric, "service": SERVICES[self.metric],
            "direction": self.direction, "agent": None, "status": self.status, "reason": None,
            "campaign_id": self.campaign, "consumer_id": self.consumer,
            "occurred_at": self.occurred_at, "received_at": self.occurred_at,
            "stored_at": self.stored_at, "booked_on": self.day, "cap_on": self.day,
            "base_units": self.units, "pulses": self.pulses, "talk_seconds": self.talk,
            "rate_id": None, "connect_fee_micros": 0, "cost_micros": self.cost,
            "currency": "USD", "is_sandbox": self.is_sandbox, "flags": None,
        }  # fmt: skip


class LedgerBuilder:
    """Writes accounts, credits and lines with their entries, draws and projections."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.paid_lot: dict[str, str] = {}
        self.posted: dict[str, int] = {}
        self.spent: dict[tuple[Any, ...], int] = {}  # by window of a spending cap
        self.receipts: dict[str, int] = {}  # how many each line has had

    def add_account(self, account_id: str = "acme", funds: int = 1_000_000_000) -> None:
        """An account with one paid lot from one top-up, and an empty overdraft lot."""
        entry, lot, overdraft = new_id(), new_id(), new_id()
        lots = ((lot, "paid", funds, entry), (overdraft, "overdraft", 0, None))
        self.paid_lot[account_id], self.posted[account_id] = lot, funds
        with self.database.write() as connection:
            run = connection.execute
            run(insert(t.accounts).values(
                id=account_id, name=account_id, currency="USD", locale="en_US",
                environment="production", is_demo=False, created_at=START,
            ))  # fmt: skip
            run(insert(t.wallet_entries).values(**_entry(
                account_id, "top_up", funds, funds, entry, None, START.date()
            )))  # fmt: skip
            for lot_id, kind, amount, entry_id in lots:
                run(insert(t.credit_lots).values(
                    id=lot_id, account_id=account_id, kind=kind, amount_micros=amount,
                    priority=100, granted_at=START, entry_id=entry_id,
                ))  # fmt: skip
                run(insert(t.lot_balances).values(
                    lot_id=lot_id, account_id=account_id, remaining_micros=amount
                ))  # fmt: skip
            run(insert(t.balances).values(
                account_id=account_id, posted_micros=funds, reserved_micros=0, updated_at=START
            ))  # fmt: skip

    def add_lines(self, *lines: Line) -> list[int]:
        """Writes lines in order, in one transaction; gives their places in the ledger."""
        if not lines:
            return []
        with self.database.write() as connection:
            run = connection.execute
            events = {
                line.event_id: {
                    "account_id": line.account_id, "source": "test", "id": line.event_id,
                    "event_id": line.event_id, "type": "usage.sms", "stored_at": line.stored_at,
                    "counterparty_prefix": "1", "counterparty_suffix": "07",
                }
                for line in lines
            }  # fmt: skip
            sent = select(t.events.c.id).where(t.events.c.id.in_(list(events)[:500]))
            known = set(run(sent).scalars())
            fresh = [row for key, row in events.items() if key not in known]
            if fresh:
                run(insert(t.events), fresh)
            run(insert(t.usage_lines), [line.row() for line in lines])
            self._charge(run, lines)
            ids = [line.id for line in lines]
            places = run(
                select(t.usage_lines.c.id, t.usage_lines.c.seq).where(
                    t.usage_lines.c.id.in_(ids[:500])
                )
            )
            seq_by_id = {row.id: row.seq for row in places}
        return [seq_by_id[line.id] for line in lines[:500]]

    def add_receipts(self, *receipts: tuple[Line, str | None]) -> None:
        """Writes receipts in order, in one transaction; each line's ``status`` follows.

        A receipt of no status came too late: it changes nothing. A line's first never does, so
        it says again where the line stands.
        """
        if not receipts:
            return
        rows = []
        for line, status in receipts:
            count = self.receipts[line.id] = self.receipts.get(line.id, 0) + 1
            if count == 1:
                status = status or line.status  # noqa: PLW2901
            at = line.occurred_at + (timedelta(seconds=count) if status else -timedelta(days=1))
            rows.append({
                "account_id": line.account_id, "line_id": line.id, "event_id": new_id(),
                "previous_status": line.status if status else None, "status": status or "queued",
                "occurred_at": at, "stored_at": line.stored_at,
            })  # fmt: skip
            line.status = status or line.status
        with self.database.write() as connection:
            connection.execute(insert(t.events), [
                {
                    "account_id": row["account_id"], "source": "carrier", "id": row["event_id"],
                    "event_id": row["event_id"], "type": "usage.status", "stored_at": NOW,
                }
                for row in rows
            ])  # fmt: skip
            connection.execute(insert(t.receipts), rows)

    def _charge(self, run: Any, lines: tuple[Line, ...]) -> None:
        entries, draws = [], []
        for line in lines:
            if line.cost == 0 or line.is_sandbox:
                continue
            entry_id = new_id()
            self.posted[line.account_id] -= line.cost
            entries.append(_entry(
                line.account_id, "charge", -line.cost, self.posted[line.account_id], entry_id,
                line.id, line.day,
            ))  # fmt: skip
            draws.append({
                "entry_id": entry_id, "lot_id": self.paid_lot[line.account_id],
                "account_id": line.account_id, "micros": line.cost,
            })  # fmt: skip
        if entries:
            run(insert(t.wallet_entries), entries)
            run(insert(t.lot_draws), draws)
            self._count(run, [line for line in lines if line.cost and not line.is_sandbox])
        for account_id in {line.account_id for line in lines}:
            posted = self.posted[account_id]
            lot = t.lot_balances.c.lot_id == self.paid_lot[account_id]
            run(update(t.lot_balances).where(lot).values(remaining_micros=posted))
            own = t.balances.c.account_id == account_id
            run(update(t.balances).where(own).values(posted_micros=posted))

    def _count(self, run: Any, lines: list[Line]) -> None:
        """Counts what lines cost in the windows of spending caps, which it keeps whole."""
        for line in lines:
            monday = line.day - timedelta(days=line.day.weekday())
            windows = [("daily", line.day, ""), ("weekly", monday, ""),
                       ("monthly", line.day.replace(day=1), "")]  # fmt: skip
            if line.campaign:
                windows.append(("campaign", date(1990, 1, 1), line.campaign))
            for window in windows:
                key = (line.account_id, *window)
                self.spent[key] = self.spent.get(key, 0) + line.cost
        names = ("account_id", "kind", "start_on", "campaign_id")
        accounts = {line.account_id for line in lines}
        for account_id in accounts:
            run(delete(t.cap_counters).where(t.cap_counters.c.account_id == account_id))
        run(insert(t.cap_counters), [
            dict(zip(names, key, strict=True))
            | {"spent_micros": micros, "reserved_micros": 0, "over_micros": 0}
            for key, micros in self.spent.items() if key[0] in accounts
        ])  # fmt: skip


def _entry(
    account_id: str, kind: str, amount: int, after: int, entry_id: str, line_id: str | None,
    day: date,
) -> dict[str, Any]:  # fmt: skip
    return {
        "id": entry_id, "account_id": account_id, "kind": kind, "amount_micros": amount,
        "balance_after_micros": after, "currency": "USD", "line_id": line_id, "cause": "test",
        "occurred_at": START, "received_at": START, "stored_at": START, "booked_on": day,
    }  # fmt: skip
