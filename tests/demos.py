"""A demo for tests: small, at a fixed instant, and what of it must be the same every time."""

from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import text

from billing.clock import FixedClock
from data import demo
from data.database import Database, open_database
from data.identity import Pseudonyms
from data.migrate import migrate
from tests.databases import plain, truth_url

NOW = datetime(2026, 11, 22, 8, 20, tzinfo=UTC)
DAYS, LINES = 45, 6_000
PSEUDONYMS = Pseudonyms("a secret of the tests")


def open_truth(folder: object) -> Database:
    database = open_database(truth_url(Path(str(folder)), "usage.sqlite"))
    migrate(database)
    return database


def load(database: Database, at: datetime = NOW, **options) -> demo.DemoReport:
    people = options.pop("people", [])
    asked = {"days": DAYS, "lines": LINES, **options}

    def add_person(_connection, email, name, password, role, account_id):
        people.append((email, name, password, role, account_id))

    return demo.load_demo(database, FixedClock(at), PSEUDONYMS, add_person, **asked)


def rows(database: Database, sql: str, **values) -> list[tuple]:
    with database.read() as connection:
        return [plain(row) for row in connection.execute(text(sql), values)]


def fingerprint(database: Database) -> list[list[tuple]]:
    """Everything that must be the same in two demos: no made-up ids, no time of storing."""
    return [
        rows(database, sql)
        for sql in (
            "SELECT l.account_id, e.id, e.source, l.metric, l.status, l.reason, l.campaign_id, "
            "l.consumer_id, l.occurred_at, l.booked_on, l.base_units, l.talk_seconds, "
            "l.cost_micros, l.is_sandbox, l.flags, e.counterparty_hash "
            "FROM usage_lines l JOIN events e ON e.event_id = l.event_id ORDER BY l.seq",
            "SELECT account_id, kind, amount_micros, balance_after_micros, cause, occurred_at, "
            "booked_on FROM wallet_entries ORDER BY seq",
            "SELECT l.account_id, l.kind, l.amount_micros, l.granted_at, l.expires_at, "
            "b.remaining_micros FROM credit_lots l JOIN lot_balances b ON b.lot_id = l.id "
            "ORDER BY 1, 2, 4, 3",
            "SELECT account_id, id, name FROM campaigns ORDER BY 1, 2",
            "SELECT account_id, id, kind, name FROM consumers ORDER BY 1, 2",
            "SELECT rows_read, rows_accepted, rows_total, status FROM imports",
        )
    ]
