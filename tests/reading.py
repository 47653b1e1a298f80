"""What tests of reading share: a store with a reader, any ledger, and what a filter lets pass."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from hypothesis import strategies as st

from billing.clock import FixedClock
from billing.periods import Period
from billing.queries import Filters
from billing.usage import Dimension, UsageReader
from data.analytics.lake import Lake
from data.analytics.sync import sync
from data.database import Database
from data.reading.usage_reader import LedgerReader
from tests.ledger_builder import (
    NOW,
    SERVICES,
    LedgerBuilder,
    Line,
    account,
    open_store,
    scope,
)

AUTUMN = Period(date(2026, 9, 1), date(2026, 12, 1))
ALL = Filters()
FIELDS = {
    "metrics": "metric",
    "statuses": "status",
    "campaigns": "campaign",
    "consumers": "consumer",
}


class Store:
    """A ledger, its lake and a reader over both."""

    def __init__(self, directory: Path) -> None:
        self.database: Database = open_store(directory)
        self.lake = Lake(directory, self.database)
        self.builder = LedgerBuilder(self.database)
        self.clock = FixedClock(NOW)
        self.reader: UsageReader = LedgerReader(self.database, self.lake, self.clock)

    def add(self, *lines: Line) -> list[int]:
        return self.builder.add_lines(*lines)

    def close(self) -> None:
        self.lake.close()
        self.database.dispose()


some_lines = st.builds(
    Line,
    metric=st.sampled_from(sorted(SERVICES)),
    status=st.sampled_from(["sent", "failed", "answered"]),
    direction=st.sampled_from(["outbound", "inbound"]),
    campaign=st.sampled_from([None, "spring", "autumn"]),
    consumer=st.sampled_from([None, "ana", "app:crm"]),
    day=st.dates(date(2026, 8, 30), date(2026, 12, 2)),
    second=st.sampled_from([0, 0, 43_200, 86_399]),
    units=st.integers(0, 600),
    pulses=st.integers(0, 10),
    talk=st.integers(0, 600),
    cost=st.integers(-5_000, 10**12),
    is_sandbox=st.sampled_from([False, False, False, True]),
)
some_filters = st.builds(
    Filters,
    services=st.sampled_from([(), (), ("Voice",), ("SMS", "Voice")]),
    metrics=st.sampled_from([(), (), ("sms_credits",), ("inbound_sms", "number_rental")]),
    statuses=st.sampled_from([(), ("delivered",), ("sent",), ("sent", "failed")]),
    campaigns=st.sampled_from([(), (), ("spring",), ("spring", "autumn")]),
    consumers=st.sampled_from([(), (), ("ana",), ("app:crm", "nobody")]),
)
some_periods = st.tuples(st.dates(date(2026, 8, 29), date(2026, 12, 3)), st.integers(1, 100)).map(
    lambda pair: Period(pair[0], pair[0] + timedelta(days=pair[1]))
)
# A receipt: which of the lines so far, and where it moves it; nowhere when it came too late.
some_receipts = st.tuples(
    st.integers(0, 40), st.sampled_from(["sent", "failed", "delivered", "delivered", None])
)
Step = tuple[list[Line], list[tuple[int, str | None]], int]
ledgers = st.lists(
    st.tuples(
        st.lists(some_lines, max_size=8),
        st.lists(some_receipts, max_size=6),
        st.sampled_from([0, 0, 3, 1_000]),
    ),
    max_size=4,
)


def write(store: Store, ledger: list[Step]) -> tuple[str, list[Line]]:
    """Writes a ledger into an account of its own, syncing in between as it says.

    The lines given back say where they stand at the end.
    """
    account_id = f"a{len(store.builder.posted)}"
    store.builder.add_account(account_id, funds=10**15)
    written: list[Line] = []
    for lines, receipts, sync_rows in ledger:
        for line in lines:
            line.account_id = account_id
        store.add(*lines)
        written += lines
        if written:
            store.builder.add_receipts(
                *((written[place % len(written)], status) for place, status in receipts)
            )
        if sync_rows:
            sync(store.database, store.lake, sync_rows)
    return account_id, written


def passes(line: Line, period: Period, filters: Filters) -> bool:
    return (
        not line.is_sandbox
        and line.day in period
        and (not filters.services or SERVICES[line.metric] in filters.services)
        and all(
            not getattr(filters, field) or getattr(line, name) in getattr(filters, field)
            for field, name in FIELDS.items()
        )
    )


def by_status(database: Database, lake: Lake, account_id: str = "acme") -> dict[str, int]:
    """How many lines stand at each status, as the reader says."""
    reader = LedgerReader(database, lake, FixedClock(NOW))
    cells = reader.usage(scope(account(account_id)), AUTUMN, [Dimension.STATUS], ALL).cells
    return {str(cell.keys[0]): cell.count for cell in cells}
