"""What tests of analytics with a catalog in PostgreSQL share: a small ledger, looks at a lake."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import text

from billing.lots import LotKind
from data.analytics.lake import Lake
from data.analytics.pointer import current_generation
from data.analytics.sync import sync_all
from data.database import Database
from data.proof.verify import verify
from tests.builders import Ledger, sms

SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'lake%' ORDER BY 1"
CONNECTED = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
    "AND application_name = 'usage-dashboard lake'"
)


def filled(folder: Path, database: Database) -> Ledger:
    ledger = Ledger(folder, database)
    ledger.add("acme")
    ledger.credit(10**9, account_id="acme", kind=LotKind.PAID)
    ledger.post(*(sms(f"first-{n}") for n in range(10)))
    return ledger


def held(lake: Lake) -> int:
    count = "SELECT count(*) FROM lake.lines"
    return lake.snapshot(lambda cursor: cursor.execute(count).fetchone())[0]  # type: ignore[index]


def move(cursor) -> None:
    cursor.execute("UPDATE lake.sync_state SET pos = pos + 1").fetchall()


def generation(folder: Path) -> Path:
    name = current_generation(folder / "lake")
    assert name
    return folder / "lake" / name


def schemas(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.scalars(text(SCHEMAS)))


def assert_exact(database: Database, lake: Lake, count: int) -> None:
    sync_all(database, lake)
    assert held(lake) == count
    assert verify(database, lake).passed
