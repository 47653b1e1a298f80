"""GET /usage by the hour: the account's own hours, in every zone, on both stores."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from billing.events import CallEvent, SmsEvent
from billing.plans import Plan
from data import tables as t
from data.accounts import NewAccount, add_account
from data.analytics.sync import sync_all
from tests.api_client import ApiClient
from tests.live import NOW, LiveServer, post
from tests.test_api_v1_usage import usage

ZONES = {
    "nepal": "Asia/Kathmandu",  # 5 h 45
    "lisbon": "Europe/Lisbon",  # clocks go back on 25 October 2026
    "howe": "Australia/Lord_Howe",  # clocks go by half an hour
    "york": "America/New_York",
}
EMPTY = "utica"  # nothing is ever booked here before the test that closes its October


@pytest.fixture(scope="module")
def server(server: LiveServer) -> LiveServer:
    installation = server.installation
    for account_id, zone in {**ZONES, EMPTY: "America/New_York"}.items():
        with installation.database.write() as connection:
            new = NewAccount(account_id, account_id, Plan.SCALE, "USD", zone)
            add_account(connection, new, NOW)
    return server


@pytest.mark.parametrize(
    ("account_id", "day", "hours"),
    [
        ("nepal", "2026-11-10", 24), ("lisbon", "2026-10-25", 25), ("lisbon", "2026-03-29", 23),
        ("york", "2026-11-01", 25), ("york", "2026-03-08", 23), ("lisbon", "2026-11-10", 24),
        ("howe", "2026-04-05", 25), ("howe", "2026-10-04", 24),
    ],
)  # fmt: skip
def test_a_day_has_as_many_hours_as_its_clocks_show(live, account_id, day, hours):
    client = ApiClient(live, account_id)
    following = date.fromisoformat(day) + timedelta(days=1)
    rows = usage(client, granularity="hour", from_=day, to=str(following))["rows"]
    client.close()
    assert len(rows) == hours
    starts = [datetime.fromisoformat(row["start"]) for row in rows]
    zone = ZoneInfo(ZONES[account_id])
    assert starts == sorted(set(starts))
    assert all(start.astimezone(zone).date().isoformat() == day for start in starts)
    assert all(row["start"].startswith(day) for row in rows)
    assert starts[0].astimezone(zone).strftime("%H:%M") == "00:00"
    if account_id != "howe":
        assert all(start.minute == 0 for start in starts)


@pytest.mark.parametrize("account_id", ZONES)
@pytest.mark.parametrize("is_synced", [False, True])
def test_usage_is_in_the_local_hour_in_which_it_happened(live, account_id, is_synced):
    zone = ZoneInfo(ZONES[account_id])
    day = date(2026, 10, 25) if is_synced else date(2026, 10, 4)
    source = f"hours-{is_synced}"
    moments = [
        datetime(day.year, day.month, day.day, hour, minute, fold=fold, tzinfo=zone).astimezone(UTC)
        for hour, minute, fold in ((0, 0, 0), (0, 59, 0), (1, 30, 0), (1, 30, 1), (9, 44, 0),
                                   (9, 45, 0), (23, 59, 0))
    ]  # fmt: skip
    events = [
        CallEvent(source=source, id=str(n), occurred_at=at, direction="outbound", agent="ai",
                  is_answered=True, duration_seconds=61, campaign=source)
        for n, at in enumerate(moments)
    ]  # fmt: skip
    post(live.installation, account_id, events)
    if is_synced:
        sync_all(live.installation.database, live.installation.lake)
    client = ApiClient(live, account_id)
    params = {"from_": str(day), "to": str(day + timedelta(days=1)), "campaign": source}
    found = usage(client, granularity="hour", metric="ai_connected_minutes", **params)
    expected: dict[str, int] = {}
    for at in moments:
        local = at.astimezone(zone)
        start = at - timedelta(minutes=local.minute)
        if local.fold and account_id == "howe":
            start = at.replace(minute=30 if local.minute >= 30 else 0)
        shown = start.astimezone(zone).isoformat().replace("+00:00", "Z")
        expected[shown] = expected.get(shown, 0) + 1
    assert {row["start"]: row["count"] for row in found["rows"] if row["count"]} == expected
    assert found["totals"] == usage(client, metric="ai_connected_minutes", **params)["totals"]
    client.close()


def test_what_is_booked_on_another_day_counts_in_that_days_first_hour(live):
    """A statement closes October; a call of October that arrives now is booked on today."""
    with live.installation.database.write() as connection:
        connection.execute(t.statements.insert().values(
            account_id=EMPTY, period_start=date(2026, 10, 1), period_end=date(2026, 11, 1),
            opening_micros=0, charges_micros=0, closing_micros=0, currency="USD", closed_at=NOW,
            **{name: 0 for name in ("last_entry_seq", "last_line_seq")
               if name in t.statements.c},
        ))  # fmt: skip
    late = SmsEvent(source="late", id="october", occurred_at=datetime(2026, 10, 9, 15, tzinfo=UTC),
                    direction="outbound", segments=7, campaign="late")  # fmt: skip
    post(live.installation, EMPTY, [late])
    client = ApiClient(live, EMPTY)
    params = {"from_": "2026-11-22", "to": "2026-11-23", "campaign": "late"}
    rows = usage(client, granularity="hour", **params)["rows"]
    assert [row["start"] for row in rows if row["count"]] == ["2026-11-22T00:00:00-05:00"]
    (line,) = client.get("/transactions", campaign="late").json()["transactions"]
    assert (line["booked_on"], line["corrects_period"]) == ("2026-11-22", "2026-10-01")
    assert line["occurred_at"] == "2026-10-09T15:00:00Z"
    client.close()
