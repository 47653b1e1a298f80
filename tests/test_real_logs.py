"""The real logs through the product, compared with an oracle that reads the raw files alone."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import pytest

from data.importers.importing import ImportReport, ImportTarget
from tests import oracle
from tests.import_ledger import REAL, new_ledger, rows, run

pytestmark = [
    pytest.mark.skipif(not (REAL / "calls").is_dir(), reason=f"no real logs in {REAL}"),
    # The four logs are imported once; with xdist one worker must do it all.
    pytest.mark.xdist_group("real_logs"),
]

SMS_START = datetime(2026, 1, 5, tzinfo=UTC)
# map → (account, file, rows)
LOGS = {
    "bank-full": ("lisbon", "calls/uci-bank-full.csv.gz", 45_211),
    "bank-marketing": ("lisbon", "calls/uci-bank-additional.zip", 41_188),
    "anonymous-bank": ("jerusalem", "calls/technion-anonymousbank-1999-02.txt.gz", 33_344),
    "sms-text": ("acme", "sms/uci-sms-spam.csv", 5_574),
}
CALL_METRICS = {
    "bank-full": "human_connected_minutes",
    "bank-marketing": "human_connected_minutes",
    "anonymous-bank": "inbound_minutes",
}


@dataclass
class Imported:
    target: ImportTarget
    first: dict[str, ImportReport] = field(default_factory=dict)

    def run(self, name: str, **more) -> ImportReport:
        account, file, _ = LOGS[name]
        start = {"start": "2026-01-05"} if name == "sms-text" else {}
        return run(self.target, REAL / file, name, account_id=account, **start, **more)


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Imported]:
    folder = tmp_path_factory.mktemp("real")
    done = Imported(new_ledger(folder, REAL / "prices" / "plivo-pricing-US.json"))
    for name in LOGS:
        done.first[name] = done.run(name, is_funded=name == "anonymous-bank")
    yield done
    done.target.database.dispose()


def expected(name: str) -> dict[date, oracle.Sums]:
    price = oracle.prices(REAL)
    if name == "anonymous-bank":
        return oracle.calls_by_day(oracle.anonymous_bank(REAL), price.inbound)
    if name == "bank-full":
        return oracle.calls_by_day(oracle.bank_full(REAL), price.outbound)
    if name == "bank-marketing":
        return oracle.calls_by_day(oracle.bank_additional(REAL), price.outbound)
    return oracle.messages_by_day(oracle.sms_spam(REAL, SMS_START), price.message)


def booked(target: ImportTarget, source: str, metric: str) -> dict[date, oracle.Sums]:
    found = rows(
        target,
        "SELECT booked_on, COUNT(*), COUNT(*) FILTER (WHERE status = 'answered'), "
        "SUM(talk_seconds), SUM(base_units), SUM(cost_micros) FROM usage_lines "
        "WHERE source = :source AND metric = :metric GROUP BY booked_on",
        source=source,
        metric=metric,
    )
    return {date.fromisoformat(day): oracle.Sums(*sums) for day, *sums in found}


@pytest.mark.parametrize("name", LOGS)
def test_every_row_comes_in_once(imported: Imported, name: str):
    report, count = imported.first[name], LOGS[name][2]
    assert (report.rows_read, report.rows_accepted) == (count, count)
    assert (report.rows_duplicate, report.rows_rejected, report.first_rejections) == (0, 0, ())


@pytest.mark.parametrize("name", ["bank-full", "bank-marketing"])
def test_outbound_calls_equal_the_oracle_day_by_day(imported: Imported, name: str):
    wanted = expected(name)
    attempts = booked(imported.target, name, "human_dial_attempts")
    assert {day: sums.rows for day, sums in attempts.items()} == {
        day: sums.rows for day, sums in wanted.items()
    }
    assert {sums.cost for sums in attempts.values()} == {0}
    talks = booked(imported.target, name, "human_connected_minutes")
    for day, sums in wanted.items():
        if sums.answered:
            assert talks.pop(day) == sums._replace(rows=sums.answered)
    assert not talks


def test_inbound_calls_equal_the_oracle_day_by_day(imported: Imported):
    assert booked(imported.target, "anonymous-bank", "inbound_minutes") == expected(
        "anonymous-bank"
    )


def test_messages_equal_the_oracle_day_by_day(imported: Imported):
    assert booked(imported.target, "sms-text", "sms_credits") == expected("sms-text")


@pytest.mark.parametrize("name", LOGS)
def test_the_report_says_what_the_oracle_says(imported: Imported, name: str):
    wanted, report = expected(name), imported.first[name]
    assert report.cost_micros == sum(sums.cost for sums in wanted.values()) > 0
    assert (report.first_on, report.last_on) == (min(wanted), max(wanted))


def test_the_wallet_holds_what_the_lines_cost(imported: Imported):
    costs = Counter({account: 0 for account, _, _ in LOGS.values()})
    for name, (account, _, _) in LOGS.items():
        costs[account] -= sum(sums.cost for sums in expected(name).values())
    funded = imported.first["anonymous-bank"].funded_micros
    assert funded == -costs["jerusalem"]
    costs["jerusalem"] += funded
    found = dict(rows(imported.target, "SELECT account_id, posted_micros FROM balances"))
    assert found == dict(costs)
    summed = rows(
        imported.target, "SELECT account_id, SUM(amount_micros) FROM wallet_entries GROUP BY 1"
    )
    assert dict(summed) == dict(costs)
    unpaid = rows(
        imported.target,
        "SELECT COUNT(*) FROM usage_lines l LEFT JOIN wallet_entries w ON w.line_id = l.id "
        "WHERE COALESCE(-w.amount_micros, 0) <> l.cost_micros",
    )
    assert unpaid == [(0,)]


def test_the_top_up_is_booked_on_the_first_day(imported: Imported):
    found = rows(
        imported.target, "SELECT booked_on, amount_micros FROM wallet_entries WHERE kind = 'top_up'"
    )
    assert found == [("1999-02-01", imported.first["anonymous-bank"].funded_micros)]


@pytest.mark.parametrize(("name", "twins"), [("bank-marketing", 12), ("sms-text", 403)])
def test_true_twins_stay_two(imported: Imported, name: str, twins: int):
    found = rows(
        imported.target,
        "SELECT COUNT(*) FROM events WHERE source = :source AND id NOT LIKE '%#1'",
        source=name,
    )
    assert found == [(twins,)]


@pytest.mark.parametrize("name", LOGS)
def test_a_second_run_adds_nothing(imported: Imported, name: str):
    before = rows(imported.target, "SELECT COUNT(*), MAX(seq) FROM usage_lines")
    report = imported.run(name)
    assert (report.rows_accepted, report.rows_duplicate) == (0, LOGS[name][2])
    assert (report.line_count, report.cost_micros, report.funded_micros) == (0, 0, 0)
    assert rows(imported.target, "SELECT COUNT(*), MAX(seq) FROM usage_lines") == before


def test_unanswered_calls_say_why(imported: Imported):
    found = rows(
        imported.target,
        "SELECT reason, COUNT(*), SUM(base_units + cost_micros) FROM usage_lines "
        "WHERE source = 'anonymous-bank' AND status = 'unanswered' GROUP BY 1 ORDER BY 1",
    )
    assert found == [("HANG", 5_904, 0), ("PHANTOM", 278, 0), ("not answered", 85, 0)]


def test_agents_are_pseudonyms(imported: Imported):
    found = rows(
        imported.target,
        "SELECT DISTINCT consumer_id FROM usage_lines WHERE source = 'anonymous-bank'",
    )
    names = {name for (name,) in found}
    assert None in names
    assert all(re.fullmatch(r"agent-[0-9a-f]{8}", name) for name in names - {None})
    assert len(names - {None}) == 24


def test_invented_times_and_destinations_are_marked(imported: Imported):
    found = rows(imported.target, "SELECT DISTINCT source, flags FROM usage_lines ORDER BY 1")
    assert found == [
        ("anonymous-bank", "assumed_destination"),
        ("bank-full", "derived_time assumed_destination"),
        ("bank-marketing", "derived_time assumed_destination"),
        ("sms-text", "derived_time assumed_destination"),
    ]


def test_no_message_is_kept_anywhere(imported: Imported):
    lines = (REAL / "sms" / "uci-sms-spam.csv").read_bytes().split(b"\n")
    longest = sorted((line.split(b"\t")[1] for line in lines if line), key=len)[-10:]
    for file in imported.target.data_dir.rglob("*"):
        if file.is_file():
            kept = file.read_bytes()
            assert not any(message in kept for message in longest), file.name
