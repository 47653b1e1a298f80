"""The analytics store: opened offline, tied to its ledger, swapped in one step."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import duckdb
import pytest
from sqlalchemy import delete, text

from data.analytics import generation as generations
from data.analytics.catalog import catalog_of, schema_of
from data.analytics.lake import (
    CATALOG,
    Lake,
    LakeConflictError,
    LakeError,
    data_files,
    extension_file,
)
from data.analytics.pointer import current_generation
from data.analytics.sync import sync_all
from data.analytics.views import VIEWS, view, view_parameters
from data.database import Database
from data.tables import facts
from tests.databases import ON_POSTGRESQL, of_sqlite
from tests.ledger_builder import LedgerBuilder, Line, open_store

HEADER = ("Purpose:", "Grain:", "Columns:", "Sources:")


@pytest.fixture
def database(tmp_path: Path):
    database = open_store(tmp_path)
    yield database
    database.dispose()


@pytest.fixture
def filled(tmp_path: Path, database: Database):
    builder = LedgerBuilder(database)
    builder.add_account()
    builder.add_lines(*(Line(cost=n) for n in range(1, 31)))
    lake = Lake(tmp_path, database)
    sync_all(database, lake)
    yield lake
    lake.close()


def generation(tmp_path: Path) -> Path:
    name = current_generation(tmp_path / "lake")
    assert name
    return tmp_path / "lake" / name


def test_extensions_are_the_wheels_of_duckdbs_own_version():
    for name in ("ducklake", "sqlite_scanner", "postgres_scanner"):
        assert extension_file(name).is_file()


def test_an_extension_is_proved_once_and_again_when_its_file_changes(
    tmp_path: Path, filled: Lake, database, monkeypatch
):
    def allows_unsigned(lake: Lake) -> bool:
        asked = "SELECT current_setting('allow_unsigned_extensions')"
        return lake.snapshot(lambda cursor: bool(cursor.execute(asked).fetchall()[0][0]))

    monkeypatch.setattr(generations, "_proved", set())
    for is_proved in (False, True):
        opened = Lake(tmp_path, database)
        assert allows_unsigned(opened) is is_proved
        opened.close()
    copies = {}
    for name in catalog_of(database).extensions:
        copies[name] = tmp_path / extension_file(name).name
        shutil.copy(extension_file(name), copies[name])
    monkeypatch.setattr(generations, "extension_file", copies.__getitem__)
    with copies["ducklake"].open("r+b") as file:  # one byte in the middle of its code
        file.seek(copies["ducklake"].stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1]))
    with pytest.raises(duckdb.IOException, match="signature is either missing or invalid"):
        generations.connect(
            generation(tmp_path), catalog_of(database), threads=1, memory_limit="256MB"
        )


def test_opening_downloads_nothing_and_writes_no_home(tmp_path: Path, monkeypatch, database):
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    lake = Lake(tmp_path, database)
    settings = dict(
        lake.snapshot(
            lambda cursor: cursor.execute(
                "SELECT name, value FROM duckdb_settings() WHERE name LIKE 'auto%extensions'"
            ).fetchall()
        )
    )
    assert set(settings.values()) == {"false"}
    assert not home.exists()


@of_sqlite
def test_a_second_opening_finds_what_the_first_made(tmp_path: Path, filled: Lake, database):
    again = Lake(tmp_path, database)
    assert again.position() == filled.position() == 30


def test_lines_lie_in_a_folder_for_each_month(filled: Lake):
    files = filled.snapshot(data_files)
    assert any("local_month=2026-10" in file for file in files)


def test_sums_are_kept_as_whole_numbers(filled: Lake):
    types = filled.snapshot(
        lambda cursor: cursor.execute(
            "SELECT DISTINCT data_type FROM duckdb_columns() WHERE table_name LIKE 'roll_%' "
            "AND column_name IN ('line_count', 'base_units', 'pulses', 'cost_micros')"
        ).fetchall()
    )
    assert types == [("BIGINT",)]


def test_a_store_of_another_ledger_is_refused(tmp_path: Path, filled: Lake, database):
    with database.write() as connection:
        connection.execute(delete(facts))
    with pytest.raises(LakeError, match=r"another ledger.*usage-dashboard rebuild"):
        Lake(tmp_path, database)


@pytest.mark.parametrize("damage", ["catalog gone", "catalog broken", "file gone", "file broken"])
def test_a_damaged_store_is_refused_by_name(tmp_path: Path, filled: Lake, database, damage: str):
    files = [Path(file) for file in filled.snapshot(data_files) if "roll_day" in file]
    filled.close()
    match damage:
        case "catalog gone" | "catalog broken" if ON_POSTGRESQL:
            schema = schema_of(generation(tmp_path))
            gone = f"{schema} CASCADE"
            broken = f"{schema}.ducklake_snapshot CASCADE"
            drop = f"DROP SCHEMA {gone}" if damage.endswith("gone") else f"DROP TABLE {broken}"
            with database.write() as connection:
                connection.execute(text(drop))
        case "catalog gone":
            (generation(tmp_path) / CATALOG).unlink()
        case "catalog broken":
            catalog = generation(tmp_path) / CATALOG
            for file in catalog.parent.glob(f"{CATALOG}-*"):
                file.unlink()
            catalog.write_bytes(b"not a database" * 100)
        case "file gone":
            files[0].unlink()
        case _:
            files[0].write_bytes(b"")

    def read() -> None:
        lake = Lake(tmp_path, database)
        lake.snapshot(lambda cursor: cursor.execute("SELECT * FROM lake.roll_day").fetchall())

    with pytest.raises(LakeError, match="usage-dashboard rebuild"):
        read()


@of_sqlite
def test_a_moved_data_folder_still_opens(tmp_path: Path, filled: Lake, database):
    filled.close()
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    (tmp_path / "lake").rename(moved / "lake")
    lake = Lake(moved, database)
    assert lake.position() == 30
    assert lake.snapshot(
        lambda cursor: cursor.execute("SELECT count(*) FROM lake.lines").fetchone()
    ) == (30,)


@of_sqlite
def test_of_two_changes_at_once_the_later_is_void(filled: Lake):
    def move(cursor):
        cursor.execute("UPDATE lake.sync_state SET pos = pos + 1").fetchall()

    def beaten(cursor):
        move(cursor)
        filled.change(move)

    with pytest.raises(LakeConflictError):
        filled.change(beaten)
    assert filled.position() == 31


def test_a_mistake_of_ours_is_not_called_damage(filled: Lake):
    with pytest.raises(duckdb.BinderException):
        filled.snapshot(lambda cursor: cursor.execute("SELECT nonsense FROM lake.lines"))


@pytest.mark.parametrize("path", sorted(VIEWS.glob("*.sql")), ids=lambda path: path.stem)
def test_each_view_says_what_it_is_for(path: Path):
    text = path.read_text()
    head = [line for line in text.splitlines() if line.startswith("--")]
    assert text.startswith("-- Purpose:")
    assert all(any(word in line for line in head) for word in HEADER)
    assert max(map(len, text.splitlines())) <= 100
    body = view(path.stem)
    assert not re.search(r"\bavg\(|[^/]/[^/]", body), "no division of amounts in SQL"
    assert not re.search(r"[?{}]|%[^Ym]", body), "parameters are named"
    is_read = path.stem.startswith(("cells_", "keys_", "verify_"))
    assert "ORDER BY" in body or not is_read or path.stem == "verify_figures"
    if path.stem.startswith("cells_"):
        assert "account_id" in view_parameters(path.stem)
