"""A ledger of millions of lines whose history lies in the analytics store alone.

Lines are made by DuckDB out of their own numbers, month by month, and go through the product's
own statements for lines and sums. The ledger gets what pages need beside them: accounts, names,
prices, money, a person, and the newest lines, which the product posts itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, text

from billing.access import Role
from billing.accounts import Account
from billing.clock import FixedClock
from billing.events import CallEvent, SmsEvent, UsageEvent, VoicemailEvent, WhatsAppEvent
from billing.lots import LotKind
from billing.metrics import METRICS, Metric
from billing.plans import Plan
from billing.rates import Rate
from data import tables as t
from data.access.people import add_membership, add_person
from data.accounts import NewAccount, add_account, read_account
from data.analytics.lake import ROLLUPS, Cursor
from data.analytics.upkeep import merge
from data.analytics.views import view
from data.identity import new_id
from data.installation import Installation, open_installation
from data.ledger.posting import Poster
from data.ledger.price_books import add_rate_list, new_rate_list
from data.ledger.wallet import Credit, Posting
from data.settings import load_settings

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
FIRST_MONTH, MONTHS = date(2025, 11, 1), 13
ACCOUNTS, BIG_SHARE_PERCENT = 200, 40
METRIC_COUNT, CAMPAIGNS, CONSUMERS = 12, 50, 20
TAIL_EVENTS = 2_000  # about what is new between two syncs of a busy ledger
BIG = "account-000"
EMAIL, PASSWORD = "owner@benchmark.example", "a password for benchmarks"
TOP_UP_MICROS = 10**14
BATCH_LINES = 2_000_000

# One row for each number from $first to $end (excluded), the same in every run.
_LINES = """
CREATE OR REPLACE TEMP VIEW batch AS
SELECT
    seq, md5(seq::VARCHAR)::UUID::VARCHAR AS id,
    CASE WHEN hash(seq, 1) % 100 < {big_share} THEN '{big}'
        ELSE printf('account-%03d', 1 + (hash(seq, 2) % {others})::INTEGER) END AS account_id,
    md5((-seq)::VARCHAR)::UUID::VARCHAR AS event_id,
    m.metric, m.service, m.direction,
    CASE WHEN m.service = 'Voice' THEN 'ai' END AS agent,
    CASE WHEN m.service <> 'Voice' THEN 'delivered'
        WHEN hash(seq, 4) % 3 = 0 THEN 'unanswered' ELSE 'answered' END AS status,
    CASE WHEN hash(seq, 5) % 20 > 0
        THEN printf('campaign-%02d', (hash(seq, 6) % {campaigns})::INTEGER) END AS campaign_id,
    printf('user:%02d', (hash(seq, 7) % {consumers})::INTEGER) AS consumer_id,
    day::TIMESTAMP + to_microseconds((hash(seq, 8) % 86400000000)::BIGINT) AS occurred_at,
    strftime(day, '%Y-%m-%d') AS booked_on,
    (1 + hash(seq, 9) % 300)::BIGINT AS base_units, 1::BIGINT AS pulses,
    (hash(seq, 10) % 300)::BIGINT AS talk_seconds, 0::BIGINT AS connect_fee_micros,
    (1000 + hash(seq, 11) % 90000)::BIGINT AS cost_micros, 'USD' AS currency
FROM (
    SELECT range AS seq, DATE '{month}' + (hash(range, 12) % {days})::INTEGER AS day,
        (hash(range, 3) % {metrics})::INTEGER AS metric_number
    FROM range({first}, {end})
)
JOIN (VALUES {metric_rows}) m(number, metric, service, direction) ON m.number = metric_number
"""


@dataclass(frozen=True, slots=True)
class BigLedger:
    """An opened installation: ``line_count`` lines in the analytics, a few more in the ledger."""

    installation: Installation
    line_count: int


def fill(folder: Path, line_count: int, secret_key: str | None = None) -> BigLedger:
    """Makes the installation; takes about a minute for ten million lines on a quiet machine.

    Memory stays bounded whatever the count: DuckDB makes at most ``BATCH_LINES`` at a time.
    """
    given = {"secret_key": secret_key} if secret_key else {}
    opened = open_installation(load_settings(data_dir=folder, _env_file=None, **given))
    opened.clock = FixedClock(NOW)
    with opened.database.write() as connection:
        for number in range(ACCOUNTS):
            _add_account(connection, number)
        person = add_person(connection, EMAIL, "Owner", PASSWORD, NOW).person
        add_membership(connection, person.id, BIG, Role.OWNER)
        rates = [_rate(metric) for metric in METRICS]
        add_rate_list(connection, new_rate_list("All", "USD", None, rates, "default"), None, NOW)
    _fill_lake(opened, line_count)
    _post_tail(opened, line_count)
    return BigLedger(opened, line_count)


def _add_account(connection: Connection, number: int) -> None:
    account_id = f"account-{number:03d}"
    new = NewAccount(account_id, f"Account {number}", Plan.SCALE, "USD", "UTC")
    add_account(connection, new, NOW)
    connection.execute(
        insert(t.campaigns),
        [
            {"account_id": account_id, "id": f"campaign-{n:02d}", "name": f"Campaign {n}"}
            for n in range(CAMPAIGNS)
        ],
    )
    connection.execute(
        insert(t.consumers),
        [
            {"account_id": account_id, "id": f"user:{n:02d}", "kind": "user", "name": f"User {n}"}
            for n in range(CONSUMERS)
        ],
    )


def _rate(metric: Metric) -> Rate:
    is_timed = metric.unit.base == "second"
    size, step = (60, 60) if is_timed else (1, 1)
    return Rate(new_id(), metric.id, 20_000, size, "", step, step)


def _fill_lake(opened: Installation, line_count: int) -> None:
    """Month by month in a few large transactions, then merged as the product's upkeep does it."""
    lake, first = opened.lake, 1
    for number in range(MONTHS):
        month = _month(number)
        last = line_count + 1 if number == MONTHS - 1 else first + line_count // MONTHS
        while first < last:
            end = min(last, first + BATCH_LINES)
            lake.change(partial(_add_lines, month=month, first=first, end=end))
            first = end
    merge(lake)


def _add_lines(cursor: Cursor, month: date, first: int, end: int) -> None:
    following = _month_after(month)
    # The running month is full up to the day before yesterday: the newest lines are the ledger's.
    days = (min(following, NOW.date() - timedelta(days=1)) - month).days
    rows = [
        f"({number}, '{metric.id}', '{metric.service.value}', '{metric.direction}')"
        for number, metric in enumerate(METRICS[:METRIC_COUNT])
    ]
    cursor.execute(
        _LINES.format(
            big=BIG, big_share=BIG_SHARE_PERCENT, others=ACCOUNTS - 1, campaigns=CAMPAIGNS,
            consumers=CONSUMERS, month=month, days=days, metrics=METRIC_COUNT, first=first,
            end=end, metric_rows=", ".join(rows),
        )
    )  # fmt: skip
    cursor.execute(view("append_lines"))
    for name in ROLLUPS:
        cursor.execute(view(f"append_{name}"))
    cursor.execute("UPDATE lake.sync_state SET pos = $end", {"end": end - 1})


def _month(number: int) -> date:
    month = FIRST_MONTH
    for _ in range(number):
        month = _month_after(month)
    return month


def _month_after(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)


def _post_tail(opened: Installation, line_count: int) -> None:
    """The newest lines, numbered after those of the analytics, and money to pay for them."""
    with opened.database.write() as connection:
        # As if everything in the analytics had been sealed, or they would be taken for those of
        # a ledger that was restored from a backup. Nothing here is proved by it.
        connection.execute(
            insert(t.seals).values(
                first_seq=1, last_seq=line_count, row_count=line_count, row_digests=b"",
                hash="0" * 64, previous_hash="", sealed_at=NOW,
            )
        )  # fmt: skip
        connection.execute(
            text("INSERT INTO sqlite_sequence (name, seq) VALUES ('usage_lines', :last)"),
            {"last": line_count},
        )
        account = read_account(connection, BIG)
        poster = Poster(connection, account, opened.pseudonyms, NOW)
        posting = Posting(NOW, NOW, NOW, account.today(NOW))
        poster.wallet.credit(Credit(LotKind.PAID, TOP_UP_MICROS, "top-up"), posting)
        outcomes = poster.post(_newest(account), NOW)
        assert {outcome.status for outcome in outcomes} == {"accepted"}
        poster.flush()


def _newest(account: Account) -> Sequence[UsageEvent]:
    """Events of yesterday and today that touch every metric."""
    begins = account.zones.start_of(NOW.date() - timedelta(days=1))
    step = (NOW - begins) / TAIL_EVENTS
    return [_event(number, begins + number * step) for number in range(TAIL_EVENTS)]


def _event(number: int, at: datetime) -> UsageEvent:
    given: dict[str, Any] = {
        "source": "benchmark", "id": f"event-{number}", "occurred_at": at,
        "campaign": f"campaign-{number % CAMPAIGNS:02d}",
        "consumer": f"user:{number % CONSUMERS:02d}", "counterparty": f"1415555{number:04d}",
    }  # fmt: skip
    seconds = number % 240
    call = {"is_answered": seconds > 0, "duration_seconds": seconds, **given}
    kinds: tuple[UsageEvent, ...] = (
        CallEvent(direction="outbound", agent="ai", **call),
        CallEvent(direction="outbound", agent="ai", is_premium=True, **call),
        CallEvent(direction="outbound", agent="human", **call),
        CallEvent(direction="inbound", agent="human", **call),
        SmsEvent(direction="outbound", segments=1 + number % 3, **given),
        SmsEvent(direction="outbound", kind="ai_reply", segments=1, **given),
        SmsEvent(direction="inbound", segments=1, **given),
        VoicemailEvent(kind="drop", **given),
        VoicemailEvent(kind="ringless", **given),
        WhatsAppEvent(category="marketing", unit="message", **given),
    )
    return kinds[number % len(kinds)]
