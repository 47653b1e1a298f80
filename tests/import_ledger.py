"""A fresh ledger for tests of imports, and what is in it as plain values."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import text

from billing.clock import FixedClock
from billing.plans import Plan
from data.accounts import NewAccount, add_account
from data.database import open_database
from data.identity import Pseudonyms
from data.importers.importing import ImportOptions, ImportReport, ImportTarget, import_file
from data.importers.price_lists import import_rates, read_price_list
from data.migrate import migrate
from tests.databases import plain, truth_url

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
REAL = Path(
    os.environ.get("USAGE_REAL_DATA") or Path(__file__).resolve().parents[2] / "shared" / "real"
)
ZONES = {"acme": "UTC", "lisbon": "Europe/Lisbon", "jerusalem": "Asia/Jerusalem"}

# Every metric of a Growth account, so that any map can be imported without the real list.
PRICES = """\
metric,prefix,price,per,note
human_dial_attempts,,0,,not charged by this price list
ai_dial_attempts,,0.001,,
human_connected_minutes,1,0.012,minute,
human_connected_minutes,44,0.02,minute,
ai_connected_minutes,1,0.05,minute,
inbound_minutes,,0.0085,minute,
sms_credits,,0.0065,,
ai_sms_replies,,0.0065,,
inbound_sms,,0,,free
voicemail_drops,,0.01,,
whatsapp_messages,,0.02,,
whatsapp_conversations,,0.03,,
number_rental,,0.8,,
seat_licences,,10,,
agent_hours,,1,hour,
"""


def new_ledger(folder: Path, prices: Path | None = None) -> ImportTarget:
    """A migrated ledger with Growth accounts in USD and one default price list, 60/60."""
    folder.mkdir(parents=True, exist_ok=True)
    if prices is None:
        prices = folder / "prices.csv"
        prices.write_text(PRICES)
    target = open_ledger(folder)
    migrate(target.database)
    found = read_price_list(prices, currency="USD", valid_from="always", increment="60/60")
    with target.database.write() as connection:
        for account_id, zone in ZONES.items():
            add_account(
                connection, NewAccount(account_id, account_id, Plan.GROWTH, "USD", zone), NOW
            )
        import_rates(connection, found, level="default", level_id=None, at=NOW)
    return target


def open_ledger(folder: Path) -> ImportTarget:
    """The same ledger again, as another process would open it."""
    database = open_database(truth_url(folder, "ledger.db"))
    return ImportTarget(database, FixedClock(NOW), Pseudonyms("a secret for tests"), folder)


def run(target: ImportTarget, file: Path, map_name: str, **options) -> ImportReport:
    """Imports into the account ``acme`` unless told otherwise."""
    options.setdefault("account_id", "acme")
    return import_file(target, ImportOptions(file=file, map=map_name, **options))


def rows(target: ImportTarget, sql: str, **values) -> list[tuple]:
    """What a query finds."""
    with target.database.read() as connection:
        return [plain(row) for row in connection.execute(text(sql), values)]


def contents(target: ImportTarget) -> dict[str, list[tuple]]:
    """What the ledger says, without the ids and instants that differ from run to run."""
    return {
        "events": rows(
            target,
            "SELECT account_id, source, id, type, counterparty_hash FROM events "
            "ORDER BY account_id, source, id",
        ),
        "lines": rows(
            target,
            "SELECT l.account_id, l.source, e.id, metric, status, reason, campaign_id, "
            "consumer_id, occurred_at, booked_on, base_units, pulses, talk_seconds, cost_micros, "
            "flags FROM usage_lines l JOIN events e ON e.event_id = l.event_id "
            "ORDER BY l.account_id, l.source, e.id, metric",
        ),
        "entries": rows(
            target,
            "SELECT account_id, kind, cause, booked_on, COUNT(*), SUM(amount_micros) "
            "FROM wallet_entries GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
        ),
        "balances": rows(target, "SELECT account_id, posted_micros FROM balances ORDER BY 1"),
        "lots": rows(
            target,
            "SELECT c.account_id, kind, SUM(amount_micros), SUM(remaining_micros) "
            "FROM credit_lots c JOIN lot_balances b ON b.lot_id = c.id GROUP BY 1, 2 ORDER BY 1, 2",
        ),
    }
