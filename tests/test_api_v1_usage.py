"""GET /usage: the figures are the screens' own, and rows add up."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from billing.access import AccountScope, Role
from billing.events import SmsEvent, StatusEvent
from billing.metrics import METRIC_BY_ID
from billing.overview import period_usage, session_usage, top_consumers
from billing.queries import GROUPS, parse_search
from billing.usage import Dimension
from data import tables as t
from data.accounts import read_account
from tests.api_client import ApiClient
from tests.live import NOW, Live, LiveServer, post


@pytest.fixture(scope="module")
def server(server: LiveServer) -> LiveServer:
    installation = server.installation
    fresh = [
        SmsEvent(source="late", id=f"tail-{n}", occurred_at=NOW - timedelta(minutes=n),
                 direction="outbound", segments=2, campaign="diwali")
        for n in range(5)
    ]  # fmt: skip
    post(installation, "acme", fresh)  # after the sync: the ledger's tail
    receipts: list[Any] = [
        StatusEvent(source="receipts", id=f"r-{n}", occurred_at=NOW, ref_source="test",
                    ref_id=f"acme-{n}", status="failed" if n % 8 == 3 else "delivered")
        for n in range(3, 160, 4)
    ]  # fmt: skip
    post(installation, "acme", receipts)  # move lines that the lake has
    return server


def usage(client: ApiClient, **params: Any) -> dict[str, Any]:
    """The answer; ``from_`` is ``from``."""
    if "from_" in params:
        params["from"] = params.pop("from_")
    answer = client.get("/usage", **params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def scope_of(live: Live, account_id: str) -> AccountScope:
    with live.installation.database.read() as connection:
        account = read_account(connection, account_id)
    return AccountScope(account, Role.OWNER, NOW, account.paid_since)


# --- equal to the screens --------------------------------------------------------------------
ADDRESSES = [
    "", "period=last_month", "period=today", "period=last_7_days",
    "from=2026-09-20&to=2026-11-10", "service=Voice", "service=SMS&campaign=diwali",
    "campaign=diwali&campaign=renewal", "consumer=user%3A1&period=last_month",
    "status=unanswered&from=2026-09-01&to=2026-11-23", "status=delivered", "status=failed",
]  # fmt: skip


@pytest.mark.parametrize("search", ADDRESSES)
def test_figures_are_those_of_the_usage_page(live, acme, search):
    scope = scope_of(live, "acme")
    today = scope.account.today(NOW)
    query, notices = parse_search(search, scope.account, today)
    assert not notices
    page = period_usage(live.installation.reader, scope, query, today)
    params: dict[str, Any] = {
        "service": query.filters.services, "campaign": query.filters.campaigns,
        "consumer": query.filters.consumers, "status": query.filters.statuses,
        "from": str(query.period.start), "to": str(query.period.end),
    }  # fmt: skip
    params = {name: value for name, value in params.items() if value}
    found = usage(acme, group_by="metric", **params)
    shown = {
        row.metric.id: (row.count, row.base_units, row.cost_micros)
        for row in page.metrics
        if row.count
    }
    assert shown, "a figure that is nothing proves nothing"
    assert {
        row["metric"]: (row["count"], row["base_units"], row["cost_micros"])
        for row in found["rows"]
    } == shown
    assert found["totals"]["cost_micros"] == page.cost_micros
    daily = usage(acme, group_by="service", granularity="day", **params)
    assert {
        (date.fromisoformat(row["start"][:10]), row["service"], row["cost_micros"])
        for row in daily["rows"]
    } == set(page.daily)


def test_consumers_are_those_of_the_usage_page(live, acme):
    scope = scope_of(live, "acme")
    query, _ = parse_search("", scope.account, scope.account.today(NOW))
    for name, dimension in (("consumer", Dimension.CONSUMER), ("campaign", Dimension.CAMPAIGN)):
        top, total, _ = top_consumers(live.installation.reader, scope, query, dimension)
        found = usage(acme, group_by=name)
        by_id = {row[name]: (row["count"], row["cost_micros"]) for row in found["rows"]}
        assert top
        assert all(by_id[each.item_id] == (each.count, each.cost_micros) for each in top)
        assert found["totals"]["cost_micros"] == total


def test_a_support_key_sees_what_support_sees(live, acme):
    support = ApiClient(live, "*", "support")
    assert usage(support, account="acme") == usage(acme)
    support.close()


# --- shape -----------------------------------------------------------------------------------
def test_the_shape_is_the_contracts(acme):
    found = usage(acme, granularity="month", group_by="metric,campaign")
    assert set(found) == {"rows", "totals", "currency", "watermark"}
    assert set(found["rows"][0]) == {
        "start", "metric", "campaign", "count", "units", "base_units", "cost_micros",
    }  # fmt: skip
    assert set(found["totals"]) == {"count", "units", "base_units", "cost_micros"}
    assert (found["currency"], found["watermark"]) == ("INR", "2026-11-22T12:30:00Z")
    repeated = usage(acme, granularity="month", group_by=["metric", "campaign"])
    assert repeated == found
    assert list(usage(acme)["rows"][0]) == ["start", "count", "units", "base_units", "cost_micros"]


def test_units_are_shown_where_they_can_be_added(acme):
    by_service = {row["service"]: row for row in usage(acme, group_by="service")["rows"]}
    voice, sms = by_service["Voice"], by_service["SMS"]
    assert (voice["units"], voice["base_units"]) == (None, None), "attempts and seconds"
    assert sms["units"] == str(sms["base_units"])
    minutes = usage(acme, metric="human_connected_minutes")["totals"]
    assert minutes["units"] == str(minutes["base_units"] // 60)
    assert usage(acme)["totals"]["base_units"] is None
    nothing = usage(acme, campaign="none-such")["totals"]
    assert nothing == {"count": 0, "units": "0", "base_units": 0, "cost_micros": 0}


@pytest.mark.parametrize(
    ("granularity", "from_", "to", "starts"),
    [
        ("total", "2026-10-05", "2026-11-04", ["2026-10-05"]),
        ("day", "2026-10-30", "2026-11-02", ["2026-10-30", "2026-10-31", "2026-11-01"]),
        ("week", "2026-10-28", "2026-11-10", ["2026-10-28", "2026-11-02", "2026-11-09"]),
        ("month", "2026-09-15", "2026-11-04", ["2026-09-15", "2026-10-01", "2026-11-01"]),
    ],
)
def test_every_stretch_of_the_range_has_a_row(acme, granularity, from_, to, starts):
    found = usage(acme, granularity=granularity, from_=from_, to=to)
    assert [row["start"] for row in found["rows"]] == [
        f"{start}T00:00:00+05:30" for start in starts
    ]
    same = usage(
        acme, granularity=granularity, from_=f"{from_}T00:00:00+05:30",
        to=(datetime.fromisoformat(f"{to}T00:00+05:30").astimezone(UTC)).isoformat(),
    )  # fmt: skip
    assert same == found


def test_without_a_range_it_is_the_billing_period(acme):
    assert usage(acme) == usage(acme, from_="2026-11-01", to="2026-12-01")
    assert usage(acme, from_="2026-11-20") == usage(acme, from_="2026-11-20", to="2026-11-23")


ranges = st.tuples(
    st.dates(date(2026, 8, 28), date(2026, 11, 24)), st.integers(1, 60)
).map(lambda pair: (pair[0], pair[0] + timedelta(days=pair[1])))  # fmt: skip


@settings(max_examples=30)
@given(
    bounds=ranges,
    granularity=st.sampled_from(["total", "hour", "day", "week", "month"]),
    groups=st.lists(st.sampled_from(GROUPS), unique=True, max_size=3),
    filters=st.fixed_dictionaries(
        {},
        optional={
            "metric": st.sampled_from([["sms_credits"], ["human_connected_minutes"]]),
            "service": st.sampled_from([["Voice"], ["SMS", "Voice"]]),
            "campaign": st.sampled_from([["diwali"], ["renewal", "winback"]]),
            "consumer": st.sampled_from([["user:1"], ["user:2", "nobody"]]),
            "status": st.sampled_from([["answered"], ["sent", "delivered"], ["failed"]]),
        },
    ),
)
def test_rows_add_up_to_the_totals_however_they_are_cut(acme, bounds, granularity, groups, filters):
    start, end = bounds
    if granularity == "hour":
        end = min(end, start + timedelta(days=5))
    params = {"from_": str(start), "to": str(end), **filters}
    found = usage(
        acme, granularity=granularity, **({"group_by": groups} if groups else {}), **params
    )
    rows, totals = found["rows"], found["totals"]
    for name in ("count", "cost_micros"):
        assert sum(row[name] for row in rows) == totals[name]
    if totals["base_units"] is not None:
        assert sum(row["base_units"] for row in rows) == totals["base_units"]
    keys = [(row["start"], *(row[name] for name in groups)) for row in rows]
    assert len(set(keys)) == len(keys)
    assert totals == usage(acme, **params)["totals"]
    for row in rows:
        if "metric" in groups:
            size = METRIC_BY_ID[row["metric"]].unit.size
            assert abs(float(row["units"]) * size - row["base_units"]) < 0.001 * size


def test_hours_within_a_day_can_be_asked_for(acme):
    day = usage(acme, granularity="hour", from_="2026-11-20", to="2026-11-21")["rows"]
    some = usage(acme, granularity="hour", from_="2026-11-20T05:00:00+05:30",
                 to="2026-11-20T02:30:00Z")  # fmt: skip
    assert some["rows"] == day[5:8]
    assert some["totals"]["count"] == sum(row["count"] for row in day[5:8])


# --- gates -----------------------------------------------------------------------------------
def test_history_before_the_paid_plan_is_hidden_from_the_accounts_keys(live):
    account = t.accounts.c.id == "acme"
    own, support = ApiClient(live, "acme"), ApiClient(live, "*", "support")
    params = {"from_": "2026-09-01", "to": "2026-11-23", "granularity": "month"}
    whole = usage(own, **params)
    try:
        with live.installation.database.write() as connection:
            connection.execute(
                update(t.accounts).where(account).values(paid_since=date(2026, 11, 1))
            )
        own.close()
        own = ApiClient(live, "acme")  # not known from a moment ago
        hidden = usage(own, **params)
        assert [row["count"] for row in hidden["rows"]] == [0, 0, whole["rows"][2]["count"]]
        assert usage(support, account="acme", **params) == whole
        old = own.get("/transactions", **{"from": "2026-09-01", "to": "2026-11-01"})
        assert old.json()["transactions"] == []
    finally:
        with live.installation.database.write() as connection:
            connection.execute(update(t.accounts).where(account).values(paid_since=None))
        own.close()
        support.close()


def test_a_free_account_has_its_sandbox_of_today(live):
    events = [
        SmsEvent(source="box", id=str(n), occurred_at=NOW, direction="outbound", segments=2,
                 is_sandbox=True)
        for n in range(3)
    ]  # fmt: skip
    post(live.installation, "tinker", events)
    client = ApiClient(live, "tinker")
    found = usage(client, group_by="metric")
    (row,) = found["rows"]
    assert (row["metric"], row["count"], row["base_units"]) == ("sms_credits", 3, 6)
    scope = scope_of(live, "tinker")
    started = AccountScope(scope.account, Role.OWNER, NOW - timedelta(hours=12))
    page = session_usage(live.installation.reader, started, scope.account.today(NOW))
    assert (page.cost_micros, page.metrics[0].count) == (row["cost_micros"], 3)
    for params in ({"from": "2026-11-01"}, {"group_by": "campaign"}, {"granularity": "hour"},
                   {"metric": "sms_credits"}, {"status": "sent"}):  # fmt: skip
        answer = client.get("/usage", **params)
        assert (answer.status_code, answer.json()["code"]) == (403, "plan_lacks"), params
    client.close()


def test_a_metric_that_the_plan_lacks_is_refused(live):
    client = ApiClient(live, "globex")  # on Launch
    for path in ("/usage", "/transactions", "/rates"):
        answer = client.get(path, metric="ringless_voicemail")
        assert (answer.status_code, answer.json()["code"]) == (403, "plan_lacks"), path
    client.close()


# --- refusals --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"from": "yesterday"}, "from"), ({"from": "2026-02-30"}, "from"), ({"from": ""}, "from"),
        ({"from": "20261101"}, "from"), ({"from": "2026-11-01T00:00:00"}, "from"),
        ({"from": "2026-11-01T00:00:00 05:30"}, "from"), ({"to": "2026-11-02"}, "from"),
        ({"from": "2026-11-01T00:00:00Z"}, "from"), ({"from": "9999-12-31"}, "from"),
        ({"from": "9999-12-31T23:59:59-23:59"}, "from"), ({"from": "0001-01-01T00:00:00Z"}, "from"),
        ({"from": "2026-11-02", "to": "2026-11-02"}, "to"),
        ({"from": "2026-11-02", "to": "2026-11-01T12:00:00Z"}, "to"),
        ({"from": "2020-01-01", "to": "2026-01-01"}, "to"),
        ({"from": ["2026-11-01", "2026-11-02"]}, "from"),
        ({"granularity": "minute"}, "granularity"), ({"granularity": ""}, "granularity"),
        ({"granularity": "hour", "from": "2026-10-01", "to": "2026-11-02"}, "to"),
        ({"granularity": "hour", "from": "2026-11-01T00:00:00Z"}, "from"),
        ({"granularity": "hour", "from": "2026-11-01T00:30:00Z", "to": "2026-11-01T00:30:00Z"},
         "to"),
        ({"group_by": "day"}, "group_by"), ({"group_by": "metric,"}, "group_by"),
        ({"metric": "fax"}, "metric"), ({"service": "Fax"}, "service"),
        ({"status": "lost"}, "status"), ({"campaign": ""}, "campaign"),
        ({"campaign": "x" * 256}, "campaign"), ({"campaign": "a\nb"}, "campaign"),
        ({"consumer": [str(n) for n in range(51)]}, "consumer"),
        ({"sort": "newest"}, "sort"), ({"period": "today"}, "period"), ({"From": "x"}, "From"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_is_named(acme, params, field):
    answer = acme.get("/usage", **params)
    problem = answer.json()
    assert answer.status_code == 422, problem
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (problem["code"], problem["field"]) == ("invalid", field)
    assert problem["fix"]
    assert problem["request_id"] == answer.headers["X-Request-ID"]


def test_too_many_rows_are_refused(acme, monkeypatch):
    from billing import limits

    monkeypatch.setitem(limits.LIMITS, "rows", limits.Limit(5, "rows", "one answer"))
    answer = acme.get("/usage", granularity="day")
    assert (answer.status_code, answer.json()["field"]) == (422, "group_by")
    assert "30 rows, at most 5" in answer.json()["fix"]
