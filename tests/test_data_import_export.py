"""The product's own CSV export comes back as it was: every kind of event, to the micro."""

import csv
import io
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from billing.events import (
    MESSAGE_STATUSES,
    AnyEvent,
    CallEvent,
    MeteredEvent,
    SmsEvent,
    StatusEvent,
    UsageEvent,
    WhatsAppEvent,
)
from billing.metrics import METRICS
from billing.plans import Plan
from billing.usage import UsageLine
from data import tables as t
from data.accounts import NewAccount, add_account, read_account
from data.importers.importing import ImportTarget
from data.importers.price_lists import import_rates, read_price_list
from data.importers.usage_lines import unguarded
from data.ledger.posting import Poster
from data.migrate import migrate
from data.reading.lines import to_line, whole_lines
from exports.csv_files import TRANSACTION_COLUMNS, safe_text, transactions_csv
from tests.any_events import AT, NAMES, an_event, common, is_message, one_of_everything
from tests.databases import ON_POSTGRESQL
from tests.import_ledger import NOW, open_ledger, rows, run

ZONE = "Europe/Lisbon"
# What a ledger gives a line itself: its id and what it says about its own books.
OWN = {"line_id", "received_at", "booked_on", "corrects_period"}
# Prefixes of one digit to seven; attempts of some destinations cost, others don't.
PRICES = """\
metric,prefix,price,per,connect_fee,note
ai_dial_attempts,,0,,,not charged by this price list
ai_dial_attempts,351,0.0015,,,
human_dial_attempts,,0.001,,,
ai_connected_minutes,1,0.05,minute,0.01,
ai_connected_minutes,351,0.071,minute,,
ai_connected_minutes,3519112,0.093,minute,,
ai_premium_connected_minutes,,0.1,minute,,
human_connected_minutes,,0.012,minute,,
human_connected_minutes,1415,0.017,minute,,
inbound_minutes,,0.0085,minute,,
sms_credits,,0.0065,,,
sms_credits,44,0.04,,,
ai_sms_replies,,0.0065,,,
inbound_sms,,0,,,free
voicemail_drops,,0.01,,,
ringless_voicemail,,0.02,,,
whatsapp_messages,,0.02,,,
whatsapp_conversations,,0.03,,,
number_rental,,0.8,,,
seat_licences,,10,,,
agent_hours,,1,hour,,
"""


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with one Scale account and its prices, to be copied."""
    folder = tmp_path_factory.mktemp("empty")
    fill(folder)
    return folder / "ledger.db"


def fill(folder: Path) -> None:
    target = open_ledger(folder)
    migrate(target.database)
    prices = folder / "prices.csv"
    prices.write_text(PRICES)
    found = read_price_list(prices, currency="USD", valid_from="always", increment="30/6")
    with target.database.write() as connection:
        for currency in ("USD", "EUR"):
            account = NewAccount(f"acme-{currency.lower()}", "Acme", Plan.SCALE, currency, ZONE)
            add_account(connection, account, NOW)
        import_rates(connection, found, level="default", level_id=None, at=NOW)
    target.database.dispose()


@pytest.fixture
def new_target(empty: Path, tmp_path: Path) -> Callable[[], ImportTarget]:
    def make() -> ImportTarget:
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        if ON_POSTGRESQL:
            fill(folder)
        else:
            (folder / "ledger.db").write_bytes(empty.read_bytes())
        return open_ledger(folder)

    return make


def post(
    target: ImportTarget, events: list[AnyEvent], names: dict[tuple[str, str], str] | None = None
) -> None:
    """Posts events as they come live, one transaction for all."""
    with target.database.write() as connection:
        account = read_account(connection, "acme-usd")
        poster = Poster(connection, account, target.pseudonyms, NOW)
        outcomes = poster.post(events, NOW)
        for (table, item_id), name in (names or {}).items():
            poster.name(table, item_id, name)
        poster.flush()
    assert [outcome.error for outcome in outcomes if outcome.error] == []


def lines_of(target: ImportTarget) -> list[UsageLine]:
    """Every line as it stands, a sandbox's too, which no screen's export would show."""
    with target.database.read() as connection:
        found = connection.execute(
            whole_lines()
            .where(t.usage_lines.c.account_id == "acme-usd")
            .order_by(t.usage_lines.c.seq)
        )
        return [to_line(row) for row in found]


def export(target: ImportTarget) -> str:
    return "".join(transactions_csv(lines_of(target), ZONE))


def table(text: str) -> list[dict[str, str]]:
    """An export's rows, in an order that doesn't depend on the ledger."""
    found = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    return sorted(found, key=lambda row: (row["source"], row["id"], row["metric"]))


def usage_of(text: str) -> list[dict[str, str]]:
    return [{name: row[name] for name in row if name not in OWN} for row in table(text)]


def import_export(target: ImportTarget, text: str, **options):
    file = target.data_dir / "export.csv"
    file.write_text(text, encoding="utf-8", newline="")
    return run(target, file, "usage-csv", **{"account_id": "acme-usd", **options})


def assert_comes_back(new_target: Callable[[], ImportTarget], source: ImportTarget) -> ImportTarget:
    """Export, import into a fresh account, export again: the same usage, sum and second run."""
    exported = export(source)
    fresh = new_target()
    report = import_export(fresh, exported, batch_rows=7)
    assert report.first_rejections == ()
    again = export(fresh)
    assert usage_of(again) == usage_of(exported)
    total = "SELECT SUM(cost_micros) FROM usage_lines WHERE NOT is_sandbox"
    ((cost,),) = rows(source, total)
    assert rows(fresh, total) == [(cost,)]
    assert report.cost_micros == (cost or 0) == -report.balance_micros
    counts = "SELECT (SELECT COUNT(*) FROM events), (SELECT COUNT(*) FROM receipts)"
    before = rows(fresh, counts)
    for text in (exported, again):
        second = import_export(fresh, text)
        assert (second.rows_accepted, second.cost_micros) == (0, 0)
    assert rows(fresh, counts) == before
    assert import_export(source, exported).rows_accepted == 0
    assert export(source) == exported
    return fresh


def test_every_kind_of_event_comes_back(new_target):
    source = new_target()
    events = one_of_everything()
    post(source, events)
    fresh = assert_comes_back(new_target, source)
    found = {row["metric"] for row in table(export(fresh))}
    assert found == {metric.id for metric in METRICS}
    assert {line.is_sandbox for line in lines_of(fresh)} == {True, False}
    assert {line.kind for line in lines_of(fresh)} == {
        None, "campaign", "transactional", "ai_reply", "marketing", "utility", "authentication",
        "service",
    }  # fmt: skip
    assert len(rows(fresh, "SELECT id FROM events")) == len(events)
    assert rows(fresh, "SELECT type, COUNT(*) FROM events GROUP BY 1") == rows(
        source, "SELECT type, COUNT(*) FROM events GROUP BY 1"
    )


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(an_event(), NAMES, st.none() | st.sampled_from(MESSAGE_STATUSES)), max_size=12
    )
)
def test_any_ledger_comes_back(new_target, drawn: list[tuple[UsageEvent, str, str | None]]):
    source = new_target()
    events: list[AnyEvent] = [event for event, _, _ in drawn]
    names = {}
    for event, name, _ in drawn:
        for table_name, item in (("campaigns", event.campaign), ("consumers", event.consumer)):
            if item:
                names[table_name, item] = name
    sent = {(event.source, event.id): event for event in reversed(events)}
    receipts = [
        StatusEvent(
            source="carrier", id=f"r{number}", occurred_at=event.occurred_at + timedelta(hours=1),
            ref_source=event.source, ref_id=event.id, status=status,
        )
        for number, (event, _, status) in enumerate(drawn)
        if status and sent[event.source, event.id] is event and is_message(event)
    ]  # fmt: skip
    post(source, [*events, *receipts], names)
    assert_comes_back(new_target, source)


def test_a_receipt_moves_where_a_line_stands_and_no_money(new_target):
    source = new_target()
    whatsapp = WhatsAppEvent(**common(1), category="marketing", unit="message", status="sent")
    sms = SmsEvent(**common(2), direction="outbound", segments=2, status="sent")
    post(source, [whatsapp, sms])
    post(source, [
        StatusEvent(source="carrier", id=f"r{n}", occurred_at=AT + timedelta(hours=2),
                    ref_source="app", ref_id=f"e{n}", status=status)
        for n, status in ((1, "delivered"), (2, "failed"))
    ])  # fmt: skip
    fresh = assert_comes_back(new_target, source)
    found = [
        (row["status"], row["rated_status"], row["cost_micros"]) for row in table(export(fresh))
    ]
    assert found == [("delivered", "sent", "0"), ("failed", "sent", "13000")]


def test_a_late_line_is_priced_by_its_day_and_booked_by_its_ledger(new_target):
    source = new_target()
    month = date(2026, 10, 1)
    with source.database.write() as connection:
        sums = ("opening_micros", "charges_micros", "closing_micros", "last_entry_seq",
                "last_line_seq")  # fmt: skip
        connection.execute(
            t.statements.insert().values(
                account_id="acme-usd", period_start=month, period_end=date(2026, 11, 1),
                currency="USD", closed_at=NOW, **dict.fromkeys(sums, 0),
            )
        )  # fmt: skip
    post(source, [SmsEvent(**common(1), direction="outbound", segments=2)])
    (row,) = table(export(source))
    assert (row["booked_on"], row["corrects_period"]) == ("2026-11-20", "2026-10-01")
    fresh = new_target()
    report = import_export(fresh, export(source))
    assert usage_of(export(fresh)) == usage_of(export(source))
    (row,) = table(export(fresh))
    assert (row["booked_on"], row["corrects_period"]) == ("2026-10-14", "")
    assert report.cost_micros == 13_000


def test_reversals_are_refused_and_counted(new_target):
    source = new_target()
    post(source, [SmsEvent(**common(n), direction="outbound", segments=2) for n in range(3)])
    lines = lines_of(source)
    back = [
        replace(line, id=f"back-{line.id}", cost_micros=-line.cost_micros, base_units=-2,
                reverses_line_id=line.id)
        for line in lines[:2]
    ]  # fmt: skip
    report = import_export(new_target(), "".join(transactions_csv([*lines, *back], ZONE)))
    assert (report.rows_accepted, report.rows_rejected) == (3, 2)
    assert dict(report.reasons) == {
        ("reverses_line_id", "leave it out: a reversal is no usage, refund it again"): 2
    }


def test_an_attempt_without_its_talk_time_is_refused(new_target):
    source = new_target()
    call = CallEvent(
        **common(1, counterparty="14155550101"), direction="outbound", agent="ai",
        is_answered=True, duration_seconds=61,
    )  # fmt: skip
    post(source, [call, replace(call, id="e2", is_answered=False, duration_seconds=0)])
    lines = [line for line in lines_of(source) if line.metric == "ai_dial_attempts"]
    report = import_export(new_target(), "".join(transactions_csv(lines, ZONE)))
    assert (report.rows_accepted, report.rows_skipped, report.rows_rejected) == (1, 0, 1)
    assert "without a metric filter" in report.first_rejections[0].fix


def test_another_currency_is_refused(new_target):
    source = new_target()
    post(source, [MeteredEvent(**common(1), metric="sms_credits", units=1, cost_micros=5)])
    report = import_export(new_target(), export(source), account_id="acme-eur")
    assert (report.rows_accepted, report.rows_rejected) == (0, 1)
    assert "this is EUR" in report.first_rejections[0].fix


def test_an_export_of_an_older_version_is_taken(new_target):
    """It has no columns after received_at; what they say is taken as it was then."""
    source = new_target()
    post(source, [
        SmsEvent(**common(1), direction="outbound", segments=2, kind="campaign"),
        WhatsAppEvent(**common(2), category="marketing", unit="message"),
        MeteredEvent(**common(3), metric="agent_hours", units=60),
    ])  # fmt: skip
    old = TRANSACTION_COLUMNS[: TRANSACTION_COLUMNS.index("received_at") + 1]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, old, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(table(export(source)))
    fresh = new_target()
    assert import_export(fresh, buffer.getvalue()).rows_accepted == 3
    found = [(row["kind"], row["cost_micros"]) for row in table(export(fresh))]
    assert found == [("campaign", "13000"), ("", "20000"), ("", "16667")]


@given(NAMES)
def test_what_guards_against_formulas_comes_off_again(text: str):
    assert unguarded(safe_text(text)) == text


def test_names_that_people_gave_come_back_and_change_none_that_is_there(new_target):
    source = new_target()
    event = SmsEvent(
        **common(1, campaign="c1", consumer="user:1"), direction="outbound", segments=1
    )
    post(
        source, [event], {("campaigns", "c1"): "Renewal,\nautumn", ("consumers", "user:1"): "=Ana"}
    )
    fresh = assert_comes_back(new_target, source)
    with fresh.database.write() as connection:
        connection.execute(update(t.campaigns).values(name="Mine"))
    import_export(fresh, export(source))
    with fresh.database.read() as connection:
        assert connection.scalar(select(t.campaigns.c.name)) == "Mine"
        assert connection.scalar(select(t.consumers.c.name)) == "=Ana"
