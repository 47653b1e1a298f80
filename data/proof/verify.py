"""Proves the ledger and its analytics: every invariant, each with its figures and broken rows.

Works by SQL of its own on the truth and never through the code that the product reads with, so
an error there can't hide itself. All checks run, whatever the others found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, text

from data.analytics.lake import Cursor, Lake, LakeError, Positions, positions
from data.analytics.views import view
from data.database import Database
from data.ledger.guards import guard_names
from data.proof.verify_lake import LakeProof
from data.proof.verify_ledger import Ledger
from data.proof.verify_seals import MOST_COUNTED, SealProof
from data.reading.position import ledger_order

MOST_NAMED = 20
LAST_ACCOUNT_ID = "z" * 65
# The name of a check, what it counts, and the files of data/views that find its broken rows.
LEDGER_CHECKS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("wallet: lots = entries = balance", "accounts", ("verify_balance",)),
    ("wallet: balance after each entry", "entries", ("verify_balance_after",)),
    ("wallet: reserved = open holds", "accounts", ("verify_reserved",)),
    ("limits: each window = its charges and open holds", "windows", ("verify_windows",)),
    ("alerts: each tally = its lines", "tallies", ("verify_tallies",)),
    ("wallet: each recharge = its entry", "recharges", ("verify_recharges",)),
    ("wallet: each lot = granted less drawn", "lots", ("verify_lots",)),
    ("wallet: draws sum to their entry", "entries", ("verify_draws", "verify_lost_draws")),
    (
        "charges: one entry a line, one line an entry",
        "lines",
        ("verify_entry_lines", "verify_line_entries"),
    ),
    ("lines: each has its account and event", "lines", ("verify_lines",)),
    (
        "receipts: each has its line, account and event",
        "receipts",
        ("verify_receipts", "verify_lost_receipts"),
    ),
    ("receipts: each moves its line from where it stood", "receipts", ("verify_receipt_moves",)),
    ("statements = wallet by booking date", "statements", ("verify_statements",)),
    (
        "closed periods: nothing booked afterwards",
        "statements",
        ("verify_closed_entries", "verify_closed_lines"),
    ),
)
_TRIGGERS = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger' AND sql LIKE '%RAISE%'",
    "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One invariant: what was looked at, and the first rows that break it, by name."""

    name: str
    passed: bool
    figures: Mapping[str, int]
    broken: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """Every check, in the order in which they ran."""

    checks: tuple[Check, ...] = field(default=())

    @property
    def passed(self) -> bool:
        """Whether nothing is broken."""
        return all(check.passed for check in self.checks)


def verify(database: Database, lake: Lake, account_id: str | None = None) -> Report:
    """Runs every check on one snapshot, over all accounts or one.

    The chain of seals is always proved as a whole; which lines are missing from a seal is only
    told when all accounts are looked at.
    """
    accounts = {"first": account_id or "", "last": account_id or LAST_ACCOUNT_ID}

    def prove(cursor: Cursor) -> list[Check]:
        with database.read() as connection:
            return _checks(connection, database.dialect, cursor, accounts, account_id)

    try:
        return Report(tuple(lake.snapshot(prove)))
    except LakeError as error:
        with database.read() as connection:
            checks = _ledger_checks(connection, database.dialect, accounts)
        return Report((*checks, _check("analytics can be read", {}, [error.message])))


def _checks(
    connection: Connection,
    dialect: str,
    cursor: Cursor,
    accounts: Mapping[str, str],
    account_id: str | None,
) -> list[Check]:
    """The truth is read after the lake's snapshot was taken, so it has all that the lake has."""
    synced = positions(cursor)
    synced_to = synced.lines
    checks = _ledger_checks(connection, dialect, accounts)
    ledger = Ledger(connection, ledger_order(dialect), account_id)
    seals = SealProof(connection, account_id)
    proof = LakeProof(cursor, ledger, synced_to)
    for lines in ledger.lines(max(synced_to, seals.sealed_to)):
        seals.take(lines)
        proof.take(lines)
    for moves in ledger.moves(synced.receipts):
        proof.take_moves(moves)
    checks.append(_check("seals: chain and every sealed line", seals.figures, seals.broken()))
    for name, figures, broken in proof.results():
        checks.append(_check(name, figures, broken))
    checks.append(_within(synced, seals.sealed_to, ledger.newest_receipt()))
    return checks


def _within(synced: Positions, sealed_to: int, newest_receipt: int) -> Check:
    """Analytics can't have more than the ledger has: a backup that is older than they are."""
    ahead = []
    if synced.lines > sealed_to:
        ahead.append(f"position {synced.lines} is past the last seal, {sealed_to}")
    if synced.receipts > newest_receipt:
        ahead.append(f"position {synced.receipts} is past the last receipt, {newest_receipt}")
    figures = {"position": synced.lines, "sealed_to": sealed_to, "receipts": synced.receipts}
    return _check("analytics: position within the sealed ledger", figures, ahead)


def _ledger_checks(
    connection: Connection, dialect: str, accounts: Mapping[str, str]
) -> list[Check]:
    counted = connection.execute(text(view("verify_figures")), dict(accounts)).mappings().one()
    checks = []
    for name, what, files in LEDGER_CHECKS:
        broken: list[str] = []
        for file in files:
            broken += connection.scalars(text(view(file)), dict(accounts)).fetchmany(MOST_COUNTED)
        checks.append(_check(name, {what: int(counted[what])}, broken))
    checks.append(_guards(connection, dialect))
    return checks


def _guards(connection: Connection, dialect: str) -> Check:
    present = set(connection.scalars(text(_TRIGGERS[dialect])))
    missing = [name for name in guard_names(dialect) if name not in present]
    figures = {"guards": len(guard_names(dialect))}
    return _check("guards: the ledger is append-only", figures, missing)


def _check(name: str, figures: Mapping[str, int], broken: Iterable[str]) -> Check:
    named = list(broken)
    if not named:
        return Check(name, passed=True, figures=dict(figures))
    shown = named[:MOST_NAMED]
    if len(named) > MOST_NAMED:
        shown.append(f"… and {len(named) - MOST_NAMED:,} more")
    return Check(name, False, {**figures, "broken": len(named)}, tuple(shown))
