"""Live events land on the right day whatever the clock does, and closed periods never change.

Through the real intake, writer, closing, reader and proof. What is expected is worked out here
from zoneinfo and the anchor alone.
"""

from __future__ import annotations

import calendar
import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import Phase, event, given, settings
from hypothesis import strategies as st
from sqlalchemy import text, update
from sqlalchemy.event import listen

from billing.clock import FixedClock
from billing.lots import LotKind
from billing.metrics import METRICS
from billing.periods import Period
from billing.plans import Plan
from billing.queries import Filters
from billing.rates import Rate
from billing.usage import Dimension
from data import tables as t
from data.accounts import NewAccount, add_account, read_account
from data.analytics.sync import sync_all
from data.identity import new_id
from data.installation import Installation, open_installation
from data.ledger.closing import close_due
from data.ledger.price_books import add_rate_list, new_rate_list
from data.ledger.wallet import Credit, OpenWallet, Posting
from data.proof.verify import verify
from data.settings import load_settings
from tests.builders import UNIT_PRICE_MICROS as PRICE
from tests.builders import sms
from tests.databases import ON_POSTGRESQL, plain, settings_url
from tests.ledger_builder import scope

ONE = timedelta(microseconds=1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OLDEST, EARLIEST = timedelta(days=35), timedelta(minutes=5)
# Zones, each with a day on which something happens to its clocks.
TURNS = [
    ("America/New_York", "2026-03-08"), ("America/New_York", "2026-11-01"),
    ("Australia/Lord_Howe", "2026-04-05"), ("Australia/Lord_Howe", "2026-10-04"),
    ("Africa/Casablanca", "2026-02-15"), ("Africa/Casablanca", "2026-03-22"),
    ("Europe/Lisbon", "2026-10-25"), ("America/Havana", "2026-03-08"),
    ("Pacific/Apia", "2011-12-30"), ("Asia/Kolkata", "2026-06-01"),
    ("Pacific/Kiritimati", "2026-01-01"), ("Pacific/Pago_Pago", "2028-03-01"),
]  # fmt: skip
names = itertools.count(1)


@pytest.fixture(scope="module")
def installation(tmp_path_factory) -> Iterator[Installation]:
    """One real installation; each example has an account of its own in it."""
    folder = tmp_path_factory.mktemp("live")
    given = {"data_dir": folder, "database_url": settings_url(folder), "secret_key": "s" * 40}
    installation = open_installation(load_settings(**given, _env_file=None), is_demo=True)
    installation.clock = FixedClock(datetime(2026, 1, 1, tzinfo=UTC))
    engine = installation.database.writer_engine
    if not ON_POSTGRESQL:
        listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous=OFF"))
    engine.dispose()
    prices = [Rate(new_id(), metric.id, PRICE) for metric in METRICS]
    rates = new_rate_list("standard", "USD", None, prices, "default")
    installation.writer.write(
        lambda connection: add_rate_list(connection, rates, None, installation.clock.now())
    )
    yield installation
    installation.close()


def period_start(day: date, anchor: int) -> date:
    """The last anchor day that isn't after a day, found by walking back."""
    while day.day != min(anchor, calendar.monthrange(day.year, day.month)[1]):
        day -= DAY
    return day


@dataclass
class Tenant:
    """One account, driven through the product and followed beside it."""

    installation: Installation
    zone: str
    anchor: int
    made_at: datetime
    plan: Plan = Plan.GROWTH
    id: str = field(default_factory=lambda: f"tenant-{next(names)}")
    expected: Counter[date] = field(default_factory=Counter)  # lines by booked day
    frozen: dict[date, tuple[tuple[object, ...], ...]] = field(default_factory=dict)
    statements: list[tuple[object, ...]] = field(default_factory=list)
    sent: int = 0

    def __post_init__(self) -> None:
        clock = self.installation.clock
        assert isinstance(clock, FixedClock)
        self.clock = clock
        self.clock.at = self.made_at
        new = NewAccount(self.id, self.id, self.plan, "USD", self.zone, self.anchor)
        self.installation.writer.write(lambda c: add_account(c, new, self.made_at))

    def day(self, at: datetime) -> date:
        return at.astimezone(ZoneInfo(self.zone)).date()

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.installation.database.read() as connection:
            return [plain(row) for row in connection.execute(text(sql), {"id": self.id})]

    @property
    def closed(self) -> tuple[date, date] | None:
        found = self.rows("SELECT min(period_start), max(period_end) FROM statements "
                          "WHERE account_id = :id")  # fmt: skip
        start, end = found[0]
        return (date.fromisoformat(str(start)), date.fromisoformat(str(end))) if start else None

    def send(self, occurred_at: datetime) -> str:
        """One live message received now; checks where it is booked, or why it is refused."""
        now = self.clock.now()
        self.sent += 1
        closed = self.closed
        (future,) = self.installation.intake.submit(
            self.id, [sms(f"event-{self.sent}", occurred_at)], now
        )
        (outcome,) = future.result(30)
        if occurred_at > now + EARLIEST or occurred_at < now - OLDEST:
            assert outcome.error is not None
            wanted = "in_future" if occurred_at > now else "too_late"
            assert (outcome.status, outcome.error.code) == ("refused", wanted)
            return wanted
        assert outcome.status == "accepted", outcome
        happened_on = self.day(occurred_at)
        booked_on, corrects = happened_on, None
        if closed and closed[0] <= happened_on < closed[1]:
            booked_on = max(self.day(now), closed[1])
            corrects = period_start(happened_on, self.anchor)
        (line,) = self.rows(
            "SELECT l.booked_on, l.corrects_period, w.booked_on, w.corrects_period "
            "FROM usage_lines l JOIN wallet_entries w ON w.line_id = l.id "
            "WHERE l.account_id = :id ORDER BY l.seq DESC LIMIT 1"
        )
        assert line == (f"{booked_on}", corrects and f"{corrects}") * 2
        self.expected[booked_on] += 1
        return "correction" if corrects else "on its day"

    def credit(self, amount: int, valid_for: timedelta | None) -> None:
        now = self.clock.now()
        kind = LotKind.PROMOTIONAL if valid_for else LotKind.PAID
        expires_at = now + valid_for if valid_for else None

        def give(connection) -> None:
            wallet = OpenWallet.open(connection, read_account(connection, self.id))
            posting = wallet.booked(Posting(now, now, now, wallet.account.today(now)))
            wallet.credit(Credit(kind, amount, "test", expires_at), posting)
            wallet.flush(now)

        self.installation.writer.write(give)

    def wait_for_closing(self, beyond: timedelta) -> None:
        """Until the oldest open period may be closed, to the microsecond."""
        start = self.closed[1] if self.closed else period_start(self.day(self.made_at), self.anchor)
        end = period_start(start + 31 * DAY, self.anchor)
        begins = datetime(end.year, end.month, end.day, tzinfo=ZoneInfo(self.zone))
        due = begins.astimezone(UTC) + timedelta(hours=72) + beyond
        self.clock.at = max(self.clock.at, due)

    def close(self) -> None:
        close_due(self.installation.database, self.installation.writer, self.clock)
        self.check_frozen()
        if closed := self.closed:
            self.frozen = self.booked(closed[1])
            self.statements = self.stated()
            last = closed[1]
            begins = datetime(last.year, last.month, last.day, tzinfo=ZoneInfo(self.zone))
            assert self.clock.now() >= begins.astimezone(UTC) + timedelta(hours=72)

    def booked(self, before: date) -> dict[date, tuple[tuple[object, ...], ...]]:
        """Everything that is booked on each day of closed periods: lines and money."""
        start = self.closed[0] if self.closed else before
        sums: dict[date, tuple[tuple[object, ...], ...]] = {}
        for table, columns in (
            ("usage_lines", "count(*), sum(base_units), sum(cost_micros)"),
            ("wallet_entries", "count(*), sum(amount_micros), count(line_id)"),
        ):
            for on, *rest in self.rows(
                f"SELECT booked_on, {columns} FROM {table} WHERE account_id = :id "
                f"AND booked_on >= '{start}' AND booked_on < '{before}' GROUP BY booked_on"
            ):
                day = date.fromisoformat(str(on))
                sums[day] = (*sums.get(day, ()), (table, *rest))
        return sums

    def stated(self) -> list[tuple[object, ...]]:
        return self.rows("SELECT * FROM statements WHERE account_id = :id ORDER BY period_start")

    def check_frozen(self) -> None:
        """What was closed when it was last looked at is still exactly that."""
        if not self.statements:
            return
        count = len(self.statements)
        assert self.stated()[:count] == self.statements
        end = date.fromisoformat(str(self.statements[-1][2]))
        assert self.booked(end) == self.frozen

    def check(self) -> None:
        """Balance, statements, screens and proof agree."""
        self.check_frozen()
        [(posted,)] = self.rows("SELECT posted_micros FROM balances WHERE account_id = :id")
        closed = self.closed
        start, end = closed or (date.max, date.min)
        [(open_sum,)] = self.rows(
            "SELECT coalesce(sum(amount_micros), 0) FROM wallet_entries w WHERE account_id = :id "
            f"AND NOT (booked_on >= '{start}' AND booked_on < '{end}')"
        )
        within = self.rows(
            "SELECT coalesce(sum(closing_micros - opening_micros), 0), "
            "coalesce(sum(charges_micros), 0) FROM statements WHERE account_id = :id"
        )
        assert within[0][0] + open_sum == posted
        charged = sum(n for on, n in self.expected.items() if start <= on < end) * PRICE
        assert within[0][1] == charged
        self.check_reader()
        report = verify(self.installation.database, self.installation.lake, self.id)
        assert [check for check in report.checks if not check.passed] == []

    def check_reader(self) -> None:
        """The screens' figures by day, from analytics and ledger together."""
        with self.installation.database.read() as connection:
            account = read_account(connection, self.id)
        whole = Period(self.made_at.date() - 90 * DAY, self.made_at.date() + 400 * DAY)
        reading = self.installation.reader.usage(scope(account), whole, [Dimension.DAY], Filters())
        found = {cell.keys[0]: (cell.count, cell.cost_micros) for cell in reading.cells}
        assert found == {on: (n, n * PRICE) for on, n in self.expected.items()}


def instants(tenant: Tenant, choice: str, number: int) -> datetime:
    """An instant worth trying, seen from the tenant's clock."""
    now, here = tenant.clock.now(), ZoneInfo(tenant.zone)
    if choice == "any age":
        return now - OLDEST * number / 10_000
    if choice == "edges of age":
        return now + [-OLDEST, -OLDEST - ONE, EARLIEST, EARLIEST + ONE, timedelta(0)][number % 5]
    start = period_start(tenant.day(now), tenant.anchor)
    if choice == "the period before":
        start = period_start(start - DAY, tenant.anchor)
    if choice == "midnight":
        start = tenant.day(now - DAY * (number % 36))
    begins = datetime(start.year, start.month, start.day, tzinfo=here).astimezone(UTC)
    return begins + [-ONE, timedelta(0), ONE, -HOUR, HOUR][number % 5]


SENDING = st.tuples(
    st.sampled_from(
        ["any age", "any age", "edges of age", "this period", "the period before", "midnight"]
    ),
    st.integers(0, 10_000),
)
STEPS = st.lists(
    st.one_of(
        SENDING,
        SENDING,
        st.tuples(st.just("wait"), st.integers(1, 25 * 24)),
        st.tuples(st.just("closing"), st.integers(0, 2)),
        st.tuples(st.sampled_from(["credit", "sync"]), st.integers(0, 60)),
    ),
    min_size=6,
    max_size=16,
)


@settings(max_examples=10, phases=[Phase.explicit, Phase.generate])
@given(
    st.sampled_from(TURNS), st.sampled_from([1, 2, 5, 15, 28, 29, 30, 31]), st.integers(0, 40 * 24),
    st.sampled_from([Plan.LAUNCH, Plan.GROWTH, Plan.SCALE]), STEPS,
)  # fmt: skip
def test_closed_periods_never_change(installation, turn, anchor, hours_before, plan, steps):
    zone, day = turn
    turning = datetime.fromisoformat(day).replace(tzinfo=UTC)
    tenant = Tenant(installation, zone, anchor, turning - hours_before * HOUR, plan)
    tenant.credit(20 * PRICE, None)
    for kind, number in steps:
        if kind == "wait":
            tenant.clock.at += timedelta(hours=number, microseconds=number)
        elif kind == "closing":
            tenant.wait_for_closing([-ONE, timedelta(0), ONE][number])
            tenant.close()
            event(tenant.send(instants(tenant, "this period", number)))
        elif kind == "credit":
            tenant.credit((number + 1) * PRICE, DAY * number if number % 2 else None)
        elif kind == "sync":
            if number < 10:
                sync_all(installation.database, installation.lake, clock=tenant.clock)
        else:
            event(tenant.send(instants(tenant, kind, number)))
    tenant.clock.at += 100 * DAY
    tenant.close()
    tenant.check()


@pytest.mark.parametrize(("zone", "day"), TURNS)
def test_every_half_hour_around_a_turn_of_the_clock(installation, zone: str, day: str):
    """Two days of live events, some early; then the same once the period is closed."""
    turning = datetime.fromisoformat(day).replace(tzinfo=UTC)
    tenant = Tenant(installation, zone, turning.day, turning - 2 * DAY)
    moments = [turning - 24 * HOUR + n * HOUR / 2 for n in range(2 * 48)]
    for moment in moments:
        tenant.clock.at = moment - [timedelta(0), EARLIEST][moment.hour % 2]
        assert tenant.send(moment) == "on its day"
    tenant.clock.at = turning + 33 * DAY
    tenant.close()
    assert tenant.closed
    kinds = Counter(tenant.send(moment) for moment in moments)
    assert kinds["correction"] >= 20
    tenant.check()


@pytest.mark.parametrize(
    ("zone", "day", "begin", "end", "hours"),
    [
        ("America/New_York", "2026-03-08", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z", 23),
        ("America/New_York", "2026-11-01", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z", 25),
        ("Africa/Casablanca", "2026-02-15", "2026-02-14T23:00:00Z", "2026-02-16T00:00:00Z", 25),
        ("Africa/Casablanca", "2026-03-22", "2026-03-22T00:00:00Z", "2026-03-22T23:00:00Z", 23),
        ("Australia/Lord_Howe", "2026-04-05", "2026-04-04T13:00:00Z", "2026-04-05T13:30:00Z", 24.5),
        ("Asia/Kolkata", "2026-03-29", "2026-03-28T18:30:00Z", "2026-03-29T18:30:00Z", 24),
    ],
)
def test_a_long_or_short_day_has_exactly_its_own_usage(
    installation, zone: str, day: str, begin: str, end: str, hours: float
):
    first, after = datetime.fromisoformat(begin), datetime.fromisoformat(end)
    assert (after - first) / HOUR == hours
    tenant = Tenant(installation, zone, 1, first - 3 * DAY)
    tenant.clock.at = after + HOUR
    halves = int(hours * 2)
    for n in range(-1, halves + 1):
        tenant.send(first + n * HOUR / 2)
    tenant.send(first - ONE)
    tenant.send(after - ONE)
    assert tenant.expected[date.fromisoformat(day)] == halves + 1
    tenant.check()


def test_a_period_that_closes_between_receiving_and_storing_stays_closed(installation):
    """Received in the last moment, stored after the statement: a correction, never lost."""
    made = datetime(2026, 9, 10, tzinfo=UTC)
    tenant = Tenant(installation, "UTC", 1, made)
    tenant.credit(PRICE, None)
    received_at = datetime(2026, 10, 3, 23, 59, 59, 999_999, tzinfo=UTC)
    tenant.clock.at = received_at + ONE
    tenant.close()
    (future,) = installation.intake.submit(
        tenant.id, [sms("slow", datetime(2026, 9, 30, 23, tzinfo=UTC))], received_at
    )
    assert future.result(30)[0].status == "accepted"
    assert tenant.rows(
        "SELECT booked_on, corrects_period FROM usage_lines WHERE account_id = :id"
    ) == [("2026-10-03", "2026-09-01")]


def test_closing_and_events_queued_at_once_share_no_stale_view(installation):
    """Events that wait in the same transaction as the closing see what it closed."""
    tenant = Tenant(installation, "UTC", 1, datetime(2026, 9, 10, tzinfo=UTC))
    tenant.credit(100 * PRICE, None)
    tenant.clock.at = datetime(2026, 10, 4, tzinfo=UTC)
    writer = installation.writer
    waiting = []
    late = datetime(2026, 9, 30, 12, tzinfo=UTC)

    def hold(connection) -> None:  # what is queued meanwhile shares the next transaction
        for n in range(20):
            waiting.extend(
                installation.intake.submit(tenant.id, [sms(f"w{n}", late)], tenant.clock.now())
            )
        connection.execute(
            update(t.accounts).where(t.accounts.c.id == tenant.id).values(name="Held")
        )

    writer.write(hold)
    tenant.close()
    assert [future.result(30)[0].status for future in waiting] == ["accepted"] * 20
    lines = tenant.rows(
        "SELECT booked_on, corrects_period, count(*) FROM usage_lines WHERE account_id = :id "
        "GROUP BY 1, 2"
    )
    for booked_on, _, n in lines:
        tenant.expected[date.fromisoformat(str(booked_on))] += int(str(n))
    assert {line[:2] for line in lines} <= {("2026-09-30", None), ("2026-10-04", "2026-09-01")}
    tenant.check()
