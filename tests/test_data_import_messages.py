"""Importing messages without a key or a time: twins stay, texts are counted and go no further."""

from pathlib import Path

import pytest

from data.identity import Pseudonyms
from data.importers.importing import FileRefusedError, ImportTarget
from tests.import_ledger import new_ledger, rows, run


@pytest.fixture
def target(tmp_path: Path) -> ImportTarget:
    return new_ledger(tmp_path / "ledger")


def test_twins_without_a_key_are_counted_and_stay(target: ImportTarget, tmp_path: Path):
    log = tmp_path / "texts.tsv"
    log.write_bytes(b"ham\tsame\nspam\tother\nham\tsame\nham\tsame\r\n")
    for batch_rows in (1, 3):
        for_account = "acme" if batch_rows == 1 else "lisbon"
        options = {"start": "2026-11-02", "account_id": for_account, "batch_rows": batch_rows}
        assert run(target, log, "sms-text", **options).rows_accepted == 4
        assert run(target, log, "sms-text", **options).rows_duplicate == 4
    found = rows(target, "SELECT id FROM events WHERE account_id = 'acme' ORDER BY id")
    assert sorted(event_id[-2:] for (event_id,) in found) == ["#1", "#1", "#2", "#3"]
    log.write_bytes(log.read_bytes() + b"ham\tsame\nham\tnew\n")
    assert run(target, log, "sms-text", start="2026-11-02").rows_accepted == 2


def test_messages_are_counted_and_never_kept(target: ImportTarget, tmp_path: Path):
    log = tmp_path / "texts.tsv"
    secret = "meet me at the \"old' mill &lt;#&gt; "
    log.write_text(
        f"ham\t{secret * 5}\n=cmd()\t{secret}€\nham\t{secret}\tand more\nham\t\n", encoding="utf-8"
    )
    report = run(target, log, "sms-text", start="2026-11-02T08:30:00+01:00")
    assert (report.rows_accepted, report.rows_rejected) == (3, 1)
    found = rows(
        target, "SELECT campaign_id, base_units, flags, occurred_at FROM usage_lines ORDER BY seq"
    )
    first = 1_793_604_600_000_000
    assert found == [
        ("ham", 2, "derived_time assumed_destination", first),
        ("=cmd()", 1, "derived_time assumed_destination", first + 60_000_000),
        ("ham", 1, "derived_time assumed_destination", first + 180_000_000),
    ]
    for file in target.data_dir.rglob("*"):
        if file.is_file():
            assert b"old' mill" not in file.read_bytes()
    assert "mill" not in str(report)


def test_another_secret_still_knows_the_old_rows(target: ImportTarget, tmp_path: Path):
    log = tmp_path / "texts.tsv"
    log.write_bytes(b"ham\tone\nham\ttwo\n")
    run(target, log, "sms-text", start="2026-11-02")
    changed = ImportTarget(
        target.database, target.clock, Pseudonyms("another secret"), target.data_dir
    )
    assert run(changed, log, "sms-text", start="2026-11-02").rows_duplicate == 2


def test_a_log_of_another_shape_is_refused(target: ImportTarget, tmp_path: Path):
    log = tmp_path / "texts.csv"
    log.write_bytes(b"ham,one\n")
    with pytest.raises(FileRefusedError, match="begins with 1 columns where its map has 2"):
        run(target, log, "sms-text", start="2026-11-02")


def test_a_destination_overrides_the_default(target: ImportTarget, tmp_path: Path):
    log = tmp_path / "calls.csv"
    log.write_text('"day";"month";"duration";"campaign"\n5;"may";61;1\n')
    abroad = run(target, log, "bank-full", destination="+44")
    assert abroad.cost_micros == 40_000
    unknown = run(target, log, "bank-full", destination="+33", account_id="lisbon")
    assert (unknown.rows_accepted, unknown.rows_rejected) == (0, 1)
    assert "price list" in str(unknown.first_rejections[0])
