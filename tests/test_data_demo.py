"""The demo is believable: plans, prices, sandbox and balances are as the rules want them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from billing.metrics import METRIC_BY_ID
from billing.plans import Plan
from data.accounts import read_account, read_accounts
from data.database import Database
from tests.demos import LINES, NOW, load, open_truth, rows


@pytest.fixture(scope="module")
def loaded(tmp_path_factory) -> Database:
    """One complete demo; tests that read share it."""
    database = open_truth(tmp_path_factory.mktemp("demo"))
    load(database)
    return database


def test_it_has_about_as_many_lines_as_asked_for(loaded: Database):
    [(count,)] = rows(loaded, "SELECT COUNT(*) FROM usage_lines")
    assert count == pytest.approx(LINES, rel=0.06)
    shares = dict(rows(loaded, "SELECT account_id, COUNT(*) FROM usage_lines GROUP BY 1"))
    assert shares["acme-outreach"] == pytest.approx(0.55 * LINES, rel=0.08)


def test_every_line_is_on_the_plan_of_its_day(loaded: Database):
    with loaded.read() as connection:
        accounts = {account.id: account for account in read_accounts(connection)}
    found = rows(
        loaded, "SELECT DISTINCT account_id, metric, booked_on, is_sandbox FROM usage_lines"
    )
    assert found
    for account_id, metric, day, is_sandbox in found:
        plan = accounts[account_id].plan_on(datetime.fromisoformat(day).date())
        assert is_sandbox == (plan is Plan.FREE)
        assert is_sandbox or plan in METRIC_BY_ID[metric].plans
    [(refused,)] = rows(loaded, "SELECT rows_rejected + rows_duplicate FROM imports")
    assert refused == 0


def test_scale_uses_what_only_scale_has(loaded: Database):
    used = {
        metric
        for (metric,) in rows(
            loaded, "SELECT DISTINCT metric FROM usage_lines WHERE account_id = 'nordwind-energie'"
        )
    }
    assert used == set(METRIC_BY_ID) - {"whatsapp_conversations"}


def test_whatsapp_was_billed_by_conversation_before_july_2025(tmp_path: Path):
    database = open_truth(tmp_path)
    load(database, datetime(2025, 7, 12, 12, tzinfo=UTC), days=30, lines=4_000)
    for metric, side in (("whatsapp_conversations", "<"), ("whatsapp_messages", ">=")):
        found = rows(
            database,
            f"SELECT COUNT(*), COUNT(*) FILTER (WHERE booked_on {side} '2025-07-01') "
            "FROM usage_lines WHERE metric = :metric",
            metric=metric,
        )
        assert found[0][0] == found[0][1] > 0


def test_the_wallet_equals_the_lines(loaded: Database):
    assert not rows(
        loaded,
        "SELECT l.id FROM usage_lines l LEFT JOIN wallet_entries e ON e.line_id = l.id "
        "WHERE COALESCE(-e.amount_micros, 0) <> "
        "CASE WHEN l.is_sandbox THEN 0 ELSE l.cost_micros END",
    )
    assert not rows(
        loaded,
        "SELECT b.account_id FROM balances b WHERE b.posted_micros <> (SELECT "
        "COALESCE(SUM(amount_micros), 0) FROM wallet_entries e WHERE e.account_id = b.account_id)",
    )
    assert not rows(
        loaded,
        "SELECT b.account_id FROM balances b WHERE b.posted_micros <> (SELECT "
        "SUM(remaining_micros) FROM lot_balances l WHERE l.account_id = b.account_id)",
    )


def test_sandbox_lines_are_labelled_and_never_charged(loaded: Database):
    sandbox = dict(
        rows(
            loaded,
            "SELECT account_id, COUNT(*) FILTER (WHERE is_sandbox) FROM usage_lines "
            "GROUP BY account_id",
        )
    )
    assert sandbox["tinker-lab"] > 0
    assert sandbox["bluebird-dental"] > 0
    assert sandbox["acme-outreach"] == sandbox["nordwind-energie"] == 0
    assert not rows(
        loaded,
        "SELECT 1 FROM wallet_entries e JOIN usage_lines l ON l.id = e.line_id WHERE l.is_sandbox",
    )
    assert rows(loaded, "SELECT DISTINCT flags, source FROM usage_lines") == [
        ("synthetic", "demo/synthetic")
    ]


def test_bluebird_pays_since_its_upgrade(loaded: Database):
    with loaded.read() as connection:
        bluebird = read_account(connection, "bluebird-dental")
    assert [plan for _, plan in bluebird.plans] == [Plan.FREE, Plan.LAUNCH]
    assert bluebird.paid_since == bluebird.plans[1][0]
    [(first,)] = rows(
        loaded,
        "SELECT MIN(booked_on) FROM usage_lines "
        "WHERE account_id = 'bluebird-dental' AND NOT is_sandbox",
    )
    assert first >= str(bluebird.paid_since)


def test_nothing_is_in_the_future(loaded: Database):
    now = int(NOW.timestamp()) * 1_000_000
    [(last_line, last_end)] = rows(
        loaded,
        "SELECT MAX(occurred_at), MAX(occurred_at + talk_seconds * 1000000) FROM usage_lines",
    )
    assert now - 12 * 3_600_000_000 < last_line <= last_end <= now
    [(last_entry,)] = rows(loaded, "SELECT MAX(occurred_at) FROM wallet_entries")
    assert last_entry <= now


def test_balances_are_sensible(loaded: Database):
    """Only bluebird's card fails, once and not for long; the showcase ends days from empty."""
    below = rows(
        loaded,
        "SELECT account_id, MAX(occurred_at) - MIN(occurred_at) FROM wallet_entries "
        "WHERE balance_after_micros < 0 GROUP BY account_id",
    )
    assert [account_id for account_id, _ in below] == ["bluebird-dental"]
    assert below[0][1] < 36 * 3_600_000_000
    [(posted, spent)] = rows(
        loaded,
        "SELECT b.posted_micros, -SUM(e.amount_micros) FROM balances b "
        "JOIN wallet_entries e ON e.account_id = b.account_id AND e.kind = 'charge' "
        "AND e.booked_on >= '2026-11-15' AND e.booked_on < '2026-11-22' "
        "WHERE b.account_id = 'acme-outreach' GROUP BY b.account_id",
    )
    assert 3 <= posted * 7 / spent <= 9


def test_promotional_credit_was_used_has_expired_and_will_expire(loaded: Database):
    lots = rows(
        loaded,
        "SELECT b.remaining_micros, l.expires_at FROM credit_lots l "
        "JOIN lot_balances b ON b.lot_id = l.id "
        "WHERE l.kind = 'promotional' AND l.account_id = 'acme-outreach'",
    )
    soon = int((NOW + timedelta(days=7)).timestamp()) * 1_000_000
    assert any(remaining and expires < soon for remaining, expires in lots)
    assert any(not remaining for remaining, _ in lots)
    assert rows(loaded, "SELECT 1 FROM wallet_entries WHERE kind = 'expiry'")


def test_prices_are_dated_and_one_account_has_its_own(loaded: Database):
    lists = rows(loaded, "SELECT currency, level, level_id, valid_from IS NULL FROM rate_lists")
    assert ("INR", "default", None, 0) in lists
    assert ("EUR", "account", "nordwind-energie", 0) in lists
    assert {currency for currency, *_, always in lists if always} == {"INR", "EUR", "USD", "AUD"}
    assert rows(loaded, "SELECT 1 FROM usage_lines WHERE connect_fee_micros > 0 LIMIT 1")
