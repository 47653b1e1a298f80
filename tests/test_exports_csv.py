"""CSV files: exact, streamed, and never a formula."""

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.money import parse_amount
from billing.usage import UsageCell, UsageLine
from exports.csv_files import (
    FORMULA_STARTS,
    ROWS_PER_CHUNK,
    TRANSACTION_COLUMNS,
    daily_csv,
    safe_text,
    transactions_csv,
    units_text,
)

AT = datetime(2026, 3, 29, 0, 30, 5, tzinfo=UTC)
LINE = UsageLine(
    seq=1, id="line", event_id="event", source="test", source_id="1",
    metric="human_connected_minutes", service="Voice", direction="outbound", agent="human",
    status="answered", reason=None, campaign_id="c1", campaign="Renewal", consumer_id="user:1",
    consumer="Ann", occurred_at=AT, received_at=AT, stored_at=AT, booked_on=date(2026, 3, 29),
    corrects_period=None, base_units=90, pulses=15, talk_seconds=85, rate_id="r",
    connect_fee_micros=0, cost_micros=18_001, currency="USD", reverses_line_id=None,
    is_sandbox=False, flags=("synthetic",), destination="1",
)  # fmt: skip


def rows(chunks: Iterator[str]) -> list[dict[str, str]]:
    """What a spreadsheet would read."""
    return list(csv.DictReader(io.StringIO("".join(chunks).removeprefix("\ufeff"))))


def test_a_transaction_is_exact_in_local_and_universal_time() -> None:
    (row,) = rows(transactions_csv([LINE], "Europe/Berlin"))
    assert (row["date"], row["local_time"], row["time"]) == (
        "2026-03-29", "01:30:05", "2026-03-29T00:30:05Z",
    )  # fmt: skip
    assert (row["units"], row["base_units"], row["cost"]) == ("1.5", "90", "0.018001")
    assert tuple(row) == TRANSACTION_COLUMNS


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_text_never_becomes_a_formula(text: str) -> None:
    (row,) = rows(transactions_csv([replace(LINE, campaign=text)], "UTC"))
    assert row["campaign_name"] == f"'{text}"


@given(st.text())
def test_safe_text_only_ever_adds_one_apostrophe(text: str) -> None:
    safe = safe_text(text)
    assert safe.endswith(text)
    assert not safe.startswith(FORMULA_STARTS)


@given(st.integers(-(10**12), 10**12))
def test_amounts_survive_being_written(micros: int) -> None:
    (row,) = rows(transactions_csv([replace(LINE, cost_micros=micros)], "UTC"))
    assert parse_amount(row["cost"]) == micros == int(row["cost_micros"])


def test_many_lines_come_in_chunks_and_none_is_lost() -> None:
    count = 3 * ROWS_PER_CHUNK + 1
    chunks = list(transactions_csv((replace(LINE, seq=n) for n in range(count)), "UTC"))
    assert len(chunks) == 4
    assert len(rows(iter(chunks))) == count


def test_no_lines_are_a_file_with_its_heading() -> None:
    assert "".join(transactions_csv([], "UTC")).strip("\ufeff\r\n") == ",".join(TRANSACTION_COLUMNS)


def test_days_carry_metric_units_and_cost() -> None:
    cell = UsageCell((date(2026, 3, 29), "sms_credits"), 2, 3, 0, 0, 19_500)
    (row,) = rows(daily_csv([cell], "USD"))
    assert (row["metric_name"], row["count"], row["units"], row["cost"]) == (
        "SMS Credits", "2", "3", "0.0195",
    )  # fmt: skip
    assert units_text("agent_hours", 5_400) == "1.5"
