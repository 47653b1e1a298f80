"""Importing logs: what is refused, what is said about it, and that a second run adds nothing."""

import csv
import gzip
import io
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from billing.errors import InputError, NotAllowedError, NotFoundError, ProductError
from billing.usage import UsageLine
from data import tables as t
from data.importers.importing import (
    FileRefusedError,
    ImportOptions,
    ImportTarget,
    Progress,
    import_file,
)
from tests.import_ledger import NOW, contents, new_ledger, rows, run

CALLS = """\
name = "calls"
type = "call"
[file]
columns = ["id", "at", "seconds", "to", "queue"]
[constants]
direction = "outbound"
agent = "human"
[fields]
duration = "seconds"
to = "to"
campaign = "queue"
[time]
zone = "Europe/Lisbon"
columns = ["at"]
patterns = ["iso"]
[identity]
columns = ["id"]
[destination]
region = "US"
default = "+1"
"""
HEADER = "id,at,seconds,to,queue\n"
GOOD = "a1,2026-11-02T10:00:00,61,+14155550142,sales\n"


@pytest.fixture
def target(tmp_path: Path) -> ImportTarget:
    return new_ledger(tmp_path / "ledger")


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes a log of calls and gives its path; its map is calls.toml."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "calls.toml").write_text(CALLS)

    def write(body: str | bytes, name: str = "calls.csv") -> Path:
        file = tmp_path / name
        file.write_bytes(body if isinstance(body, bytes) else (HEADER + body).encode())
        return file

    return write


def is_empty(target: ImportTarget) -> bool:
    counts = [
        rows(target, f"SELECT COUNT(*) FROM {table}")[0][0]
        for table in ("events", "usage_lines", "wallet_entries", "imports", "campaigns")
    ]
    return not any(counts) and not (target.data_dir / "imports").exists()


@pytest.mark.parametrize(
    ("row", "field", "fix"),
    [
        ("b,2026-11-02T10:00:00,NaN,+14155550142,q", "seconds", "whole seconds"),
        ("b,2026-11-02T10:00:00,inf,+14155550142,q", "seconds", "whole seconds"),
        ("b,2026-11-02T10:00:00,-5,+14155550142,q", "seconds", "whole seconds"),
        ("b,2026-11-02T10:00:00,1e3,+14155550142,q", "seconds", "whole seconds"),
        ("b,2026-11-02T10:00:00,12.5,+14155550142,q", "seconds", "whole seconds"),
        ("b,2026-11-02T10:00:00,86401,+14155550142,q", "seconds", "86,400"),
        ("b,2026-11-02T10:00:00," + "9" * 5000 + ",+14155550142,q", "seconds", "86,400"),
        ("b,2026-11-02T10:00:00,²,+14155550142,q", "seconds", "whole seconds"),
        ("b,2026-11-02T10:00:00,,+14155550142,q", "duration", "may not be empty"),
        ("b,yesterday,5,+14155550142,q", "at", "iso"),
        ("b,2026-02-30T10:00:00,5,+14155550142,q", "at", "iso"),
        ("b,0001-01-01T00:00:00+14:00,5,+14155550142,q", "at", "iso"),
        ("b,1970-01-01T00:00:00,5,+14155550142,q", "at", "1990"),
        ("b,2026-11-20T12:06:00Z,5,+14155550142,q", "time", "has passed"),
        ("b,2026-11-02T10:00:00,5,sip:ana@example.org,q", "to", "country code"),
        ("b,2026-11-02T10:00:00,5,+33155550142,q", "to", "price list"),
        ("b,2026-11-02T10:00:00,5,+14155550142,q\x07q", "queue", "printable"),
        ("b,2026-11-02T10:00:00,5,+14155550142," + "q" * 256, "queue", "255"),
        ("b" * 256 + ",2026-11-02T10:00:00,5,+14155550142,q", "id", "255"),
        (",2026-11-02T10:00:00,5,+14155550142,q", "id", "may not be empty"),
        ("b,2026-11-02T10:00:00,5,+14155550142", "row", "5 columns"),
        ("b,2026-11-02T10:00:00,5,+14155550142,q,q", "row", "5 columns"),
        ("b,2026-11-02T10:00:00,5,+14155550142," + "q" * 200_000, "row", "131,072"),
        ("b,2026-11-02T10:00:00,5\r,+14155550142,q", "row", "line ends"),
    ],
)
def test_a_broken_row_is_refused_alone(target: ImportTarget, calls, row: str, field: str, fix: str):
    last = GOOD.replace("a1", "a2")
    report = run(target, calls(f"{GOOD}{row}\n{last}"), "calls.toml")
    assert (report.rows_read, report.rows_accepted, report.rows_rejected) == (3, 2, 1)
    (refused,) = report.first_rejections
    assert (refused.line, refused.field) == (3, field)
    assert fix in refused.fix
    assert "55550142" not in str(refused)
    assert "example" not in str(refused)
    assert report.rejected_file is not None
    assert report.rejected_file.name == "calls.csv.rejected.csv"
    kept = list(csv.reader(report.rejected_file.read_text().splitlines()))
    assert kept == [["line", "field", "reason"], ["3", field, refused.fix]]
    assert rows(target, "SELECT id FROM events ORDER BY id") == [("a1",), ("a2",)]


@pytest.mark.parametrize(
    ("body", "name", "says"),
    [
        (b"", "calls.csv", "empty"),
        (b"id,at\n", "calls.csv", "line 1: its header lacks the columns seconds, to, queue"),
        (b"id,at,seconds,to,queue,id\n", "calls.csv", "has id twice"),
        (HEADER.encode("utf-16"), "calls.csv", "UTF-16"),
        ((HEADER + GOOD).encode() + b"b,\xff\xfe\n", "calls.csv", "line 3: this is not utf-8"),
        (f'{HEADER}{GOOD}b,"2026,5,+1,q\n{GOOD}'.encode(), "calls.csv", "line 3: a quote"),
        (f'{HEADER}{GOOD}b,"2026\nc,"2026",5,+1,q\n'.encode(), "calls.csv", "line 3: a quote"),
        (f'{HEADER}b,"2026"x,5,+1,q\n'.encode(), "calls.csv", "line 2: a quote"),
        (f'{HEADER}b,"20\n26",5,+1,q\n'.encode(), "calls.csv", "line 2: a quote"),
        ((HEADER + "x" * (1 << 20)).encode(), "calls.csv", "line 2: a line is longer"),
        (
            gzip.compress((HEADER + GOOD * 999).encode(), mtime=0)[:-20],
            "calls.csv.gz",
            "in the middle",
        ),
        (gzip.compress(HEADER.encode(), mtime=0)[:8], "calls.csv.gz", "in the middle"),
        (b"\x1f\x8bnot gzip at all", "calls.csv.gz", "damaged"),
        (HEADER.encode(), "calls.csv.gz", "named .gz"),
        (b"PK\x03\x04 but no more", "calls.zip", "damaged"),
        (HEADER.encode(), "calls.zip", "named .zip"),
    ],
)
def test_a_broken_file_is_refused_before_anything_is_written(
    target: ImportTarget, calls, body: bytes, name: str, says: str
):
    with pytest.raises(FileRefusedError, match=says):
        run(target, calls(body, name), "calls.toml", is_funded=True)
    assert is_empty(target)


def test_a_quote_in_the_middle_of_a_big_file_swallows_nothing(target: ImportTarget, calls):
    good = [GOOD.replace("a1", f"g{number}") for number in range(5_000)]
    good[2_500] = 'x,"2026-11-02T10:00:00,5,+1,q\n'
    with pytest.raises(FileRefusedError, match="line 2,502: a quote"):
        run(target, calls("".join(good)), "calls.toml")
    assert is_empty(target)


def archive(**files: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as found:
        for name, body in files.items():
            found.writestr(name.replace("__", "/").replace("_csv", ".csv"), body)
    return buffer.getvalue()


def test_logs_lie_plain_in_gzip_or_in_a_zip(target: ImportTarget, calls):
    body = (HEADER + GOOD).encode()
    for number, (packed, name) in enumerate(
        [
            (b"\xef\xbb\xbf" + body.replace(b"\n", b"\r\n"), "a.csv"),
            (gzip.compress(body[:30]) + gzip.compress(body[30:]), "b.anything"),
            (archive(folder__calls_csv=body.decode()), "c.zip"),
            (body.rstrip(b"\n"), "d.csv"),
        ]
    ):
        report = run(target, calls(packed, name), "calls.toml")
        assert (report.rows_accepted, report.rows_duplicate) == ((1, 0) if not number else (0, 1))


def test_a_zip_of_several_files_needs_a_name(target: ImportTarget, calls):
    packed = archive(a_csv=HEADER, b_csv=HEADER)
    with pytest.raises(FileRefusedError, match=r"'a\.csv', 'b\.csv', 2 match any name"):
        run(target, calls(packed, "two.zip"), "calls.toml")


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"account_id": "nobody"}, NotFoundError, "no account 'nobody'"),
        ({"map_name": "no-such-map"}, InputError, "use one of anonymous-bank"),
        ({"map_name": "gone.toml"}, InputError, "no such file"),
        ({"start": "2026-01-05"}, InputError, "leave it out"),
        ({"start": "soon", "map_name": "sms-text"}, InputError, "use a day such as"),
        ({"map_name": "sms-text"}, InputError, "give --start"),
        ({"destination": "home"}, InputError, "such as \\+1"),
        ({"batch_rows": 0}, InputError, "from 1"),
    ],
)
def test_wrong_options_are_refused_by_name(
    target: ImportTarget, calls, options: dict, error: type[ProductError], says: str
):
    map_name = options.pop("map_name", "calls.toml")
    with pytest.raises(error, match=says):
        run(target, calls(GOOD), map_name, **options)
    assert is_empty(target)


def test_missing_files_and_folders_are_refused(target: ImportTarget, calls, tmp_path: Path):
    calls(GOOD)
    for file in (tmp_path / "gone.csv", tmp_path):
        with pytest.raises(FileRefusedError):
            run(target, file, "calls.toml")


def test_a_closed_account_takes_nothing(target: ImportTarget, calls):
    with target.database.write() as connection:
        connection.execute(update(t.accounts).values(closed_at=NOW))
    with pytest.raises(NotAllowedError, match="closed"):
        run(target, calls(GOOD), "calls.toml")


def test_a_dry_run_says_the_same_and_changes_nothing(target: ImportTarget, calls):
    twice = GOOD + GOOD.replace("61", "x").replace("a1", "a2") + GOOD.replace("61", "7")
    again = GOOD.replace("a1", "a2")
    log = calls(twice + again)
    before = {file: file.read_bytes() for file in target.data_dir.rglob("*.db")}
    dry = run(target, log, "calls.toml", is_dry_run=True, batch_rows=1)
    assert {file: file.read_bytes() for file in before} == before
    assert is_empty(target)
    wet = run(target, log, "calls.toml", batch_rows=1)
    for name in (
        "rows_read rows_accepted rows_duplicate rows_rejected line_count cost_micros first_on "
        "last_on first_rejections"
    ).split():
        assert getattr(dry, name) == getattr(wet, name), name
    assert (dry.rows_accepted, dry.rows_duplicate, dry.rows_rejected) == (2, 1, 1)
    assert dry.rejected_file is None


def test_funding_covers_the_log_once(target: ImportTarget, calls):
    log = calls(GOOD + GOOD.replace("a1", "a2").replace("11-02", "10-31"))
    first = run(target, log, "calls.toml", is_funded=True)
    assert (first.funded_micros, first.cost_micros, first.balance_micros) == (48_000, 48_000, 0)
    assert rows(target, "SELECT kind, booked_on FROM wallet_entries ORDER BY seq LIMIT 1") == [
        ("top_up", "2026-10-31")
    ]
    assert run(target, log, "calls.toml", is_funded=True).funded_micros == 0
    longer = calls(GOOD + GOOD.replace("a1", "a3"), "longer.csv")
    assert run(target, longer, "calls.toml", is_funded=True).funded_micros == 24_000


def test_without_funding_the_wallet_goes_negative(target: ImportTarget, calls):
    assert run(target, calls(GOOD), "calls.toml").balance_micros == -24_000


def test_the_same_log_under_another_name_is_a_duplicate(target: ImportTarget, calls):
    run(target, calls(GOOD), "calls.toml")
    renamed = calls(gzip.compress((HEADER + GOOD).encode()), "renamed.csv.gz")
    assert run(target, renamed, "calls.toml").rows_duplicate == 1


def test_events_count_as_received_when_they_are_imported(target: ImportTarget, calls):
    run(target, calls(GOOD), "calls.toml")
    found = rows(
        target, "SELECT occurred_at, received_at, stored_at, import_id IS NULL FROM usage_lines"
    )
    now = NOW.timestamp() * 1_000_000
    assert {row[1:] for row in found} == {(now, now, 0)}
    assert {row[0] for row in found} == {1_793_613_600_000_000}  # 10:00 in Lisbon is 10:00 UTC


def test_the_import_row_tells_how_it_went(target: ImportTarget, calls):
    report = run(target, calls(GOOD + GOOD + "x,y\n"), "calls.toml")
    found = rows(
        target,
        "SELECT id, account_id, map, file_name, status, rows_total, rows_read, rows_accepted, "
        "rows_duplicate, rows_rejected FROM imports",
    )
    assert found == [(report.import_id, "acme", "calls", "calls.csv", "done", 3, 3, 1, 1, 1)]
    assert not list((target.data_dir / "imports").glob("*.lock"))


def test_nothing_comes_into_a_closed_period(target: ImportTarget, calls):
    month = {"account_id": "acme", "currency": "USD", "closed_at": NOW - timedelta(days=1)}
    sums = dict.fromkeys(
        ("opening_micros", "charges_micros", "closing_micros", "last_entry_seq", "last_line_seq"), 0
    )
    with target.database.write() as connection:
        connection.execute(
            t.statements.insert().values(
                period_start=NOW.date().replace(month=10, day=1),
                period_end=NOW.date().replace(day=1), **month, **sums,
            )
        )  # fmt: skip
    report = run(target, calls(GOOD + GOOD.replace("a1", "a2").replace("-11-", "-10-")),
                 "calls.toml")  # fmt: skip
    assert (report.rows_accepted, report.rows_rejected) == (1, 1)
    assert "closed" in report.first_rejections[0].fix


def test_rejected_rows_of_an_older_run_go_away(target: ImportTarget, calls):
    assert run(target, calls("x,y\n"), "calls.toml").rejected_file
    assert run(target, calls(GOOD), "calls.toml").rejected_file is None
    assert not list((target.data_dir / "imports").iterdir())


def test_progress_ends_at_the_whole_file(target: ImportTarget, calls):
    log = calls("".join(GOOD.replace("a1", f"g{n}") for n in range(25)))
    told: list[Progress] = []
    import_file(
        target,
        ImportOptions(file=log, account_id="acme", map="calls.toml", batch_rows=10),
        told.append,
    )
    last = told[-1]
    assert (last.stage, last.rows_read, last.rows_accepted) == ("importing", 25, 25)
    assert last.done_bytes == last.total_bytes == log.stat().st_size


def test_a_log_that_changes_while_it_is_read_is_refused(target: ImportTarget, calls):
    log = calls(GOOD)

    def change(progress) -> None:
        if progress.stage == "checking":
            log.write_text(HEADER + GOOD * 2)

    options = ImportOptions(file=log, account_id="acme", map="calls.toml")
    with pytest.raises(FileRefusedError, match="changed"):
        import_file(target, options, change)
    assert not contents(target)["events"]


def test_an_export_comes_back_as_it_was(target: ImportTarget, calls, tmp_path: Path):
    from exports.csv_files import transactions_csv

    log = calls(GOOD + GOOD.replace("a1", "=a2").replace("61", "0") + GOOD.replace("a1", "a 3 "))
    assert run(target, log, "calls.toml").rows_accepted == 3
    text = tmp_path / "texts.tsv"
    text.write_text("ham\thello\n")
    run(target, text, "sms-text", start="2026-11-02")
    with target.database.read() as connection:
        found = connection.execute(
            t.usage_lines.select()
            .add_columns(t.events.c.id.label("source_id"), t.events.c.counterparty_prefix)
            .join_from(t.usage_lines, t.events, t.usage_lines.c.event_id == t.events.c.event_id)
            .order_by(t.usage_lines.c.seq)
        ).all()
    lines = []
    for row in found:
        values = {
            name: getattr(row, name)
            for name in UsageLine.__dataclass_fields__
            if hasattr(row, name)
        }
        flags = tuple((row.flags or "").split())
        values |= {"campaign": None, "consumer": None, "flags": flags}
        lines.append(UsageLine(**{**values, "destination": row.counterparty_prefix or "1"}))
    exported = tmp_path / "export.csv"
    exported.write_text("".join(transactions_csv(lines, "UTC")), encoding="utf-8", newline="")
    report = run(target, exported, "usage-csv")
    assert (report.rows_accepted, report.rows_duplicate, report.rows_skipped) == (0, 4, 2)
    again = new_ledger(tmp_path / "second")
    report = run(again, exported, "usage-csv")
    assert (report.rows_accepted, report.rows_rejected) == (4, 0)
    assert without_numbers(contents(again)) == without_numbers(contents(target))


def without_numbers(found: dict) -> dict:
    return {**found, "events": [row[:4] for row in found["events"]]}
