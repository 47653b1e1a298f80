"""A backup is one private file that says what it is; a restore checks it all, then puts it back."""

from __future__ import annotations

import json
import logging
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from billing.errors import InputError
from data.analytics.lake import Lake, LakeAheadError
from data.analytics.rebuild import rebuild
from data.analytics.sync import sync_all
from data.backup import restoring
from data.backup.manifest import BackupError
from data.backup.unfinished import MARK, mark
from data.installation import open_installation
from data.migrate import newest_revision
from data.settings import Settings
from data.tables import facts
from tests import backups
from tests.databases import of_sqlite
from tests.live import NOW

pytestmark = of_sqlite  # the same on PostgreSQL is in test_data_backup_postgresql.py


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = backups.settings_for(tmp_path_factory.mktemp("source") / "data")
    backups.filled(settings)
    return settings


@pytest.fixture(scope="module")
def backup(source: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return backups.backed_up(source, tmp_path_factory.mktemp("backup") / "ledger.backup")


@pytest.fixture
def used(source: Settings, tmp_path: Path) -> Settings:
    """A copy of the installation, with its analytics, to restore over."""
    shutil.copytree(source.data_dir, tmp_path / "used")
    return backups.settings_for(tmp_path / "used")


def test_a_backup_is_private_and_says_what_it_is(source: Settings, backup: Path):
    assert backup.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in backup.parent.iterdir()] == [backup.name]
    with zipfile.ZipFile(backup) as archive:
        assert set(archive.namelist()) == {"manifest.json", "secret.key", "ledger.db"}
        manifest = json.loads(archive.read("manifest.json"))
        assert archive.read("secret.key").decode() == (source.data_dir / "secret.key").read_text()
    with backups.opened(source) as installation:
        assert manifest["contents"]["counts"]["usage_lines"] == backups.line_count(installation)
        assert manifest["contents"]["ledger_id"] == installation.lake.ledger_id
    assert manifest["contents"]["revision"] == newest_revision()


def test_in_a_folder_a_backup_is_named_by_its_time(source: Settings, tmp_path: Path):
    file = backups.backed_up(source, tmp_path)
    assert file == tmp_path / "usage-dashboard-20261122T123000Z.backup"
    with pytest.raises(InputError, match="name a new file"):
        backups.backed_up(source, tmp_path)


def test_a_ledger_that_is_not_there_is_not_made(tmp_path: Path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "secret.key").write_text("s" * 40)
    with pytest.raises(BackupError, match="nothing to back up"):
        backups.backed_up(backups.settings_for(tmp_path / "data"), tmp_path / "x")
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["secret.key"]
    assert not (tmp_path / "x").exists()


def test_a_restored_ledger_goes_on_exactly(source: Settings, backup: Path, tmp_path: Path):
    settings = backups.settings_for(tmp_path / "new")
    assert backups.restored(settings, backup).kept == ()
    assert {path.name: path.stat().st_mode & 0o777 for path in settings.data_dir.iterdir()} == {
        "ledger.db": 0o600, "secret.key": 0o600,
    }  # fmt: skip
    with backups.opened(source) as original, backups.opened(settings) as installation:
        assert installation.secret == original.secret
        assert installation.lake.ledger_id != original.lake.ledger_id
        before = backups.assert_exact(installation)
        backups.send(installation, 0, 40)
        assert backups.assert_exact(installation) == before + 40


def test_a_ledger_is_replaced_only_on_demand_and_kept(used: Settings, backup: Path):
    with backups.opened(used) as installation:
        backups.send(installation, 0, 7)
        sync_all(installation.database, installation.lake)
        count = backups.line_count(installation)
    (used.data_dir / "secret.key").write_text("another secret of before")
    with pytest.raises(BackupError, match=r"holds a ledger already.*--replace"):
        backups.restored(used, backup)
    kept = backups.restored(used, backup, may_replace=True).kept
    secret, ledger = sorted(kept, reverse=True)
    assert Path(secret).read_text() == "another secret of before"
    with sqlite3.connect(ledger) as old:
        assert old.execute("SELECT count(*) FROM usage_lines").fetchone() == (count,)
    with backups.opened(used) as installation:
        assert backups.line_count(installation) == count - 7
        backups.assert_exact(installation)


def test_a_ledger_in_use_is_not_replaced(used: Settings, backup: Path):
    with backups.opened(used) as installation:
        count = backups.line_count(installation)
        with pytest.raises(InputError, match="stop the server"):
            backups.restored(used, backup, may_replace=True)
        backups.send(installation, 0, 1)
        assert backups.line_count(installation) == count + 1
    assert not list(used.data_dir.glob("*restor*"))
    assert not (used.data_dir / MARK).exists()


def test_a_damaged_ledger_is_replaced_and_kept(used: Settings, backup: Path):
    ledger = used.data_dir / "ledger.db"
    ledger.write_bytes(b"nonsense" * 1000)
    (used.data_dir / "ledger.db-wal").write_bytes(b"old")
    kept = [Path(each) for each in backups.restored(used, backup, may_replace=True).kept]
    assert kept[0].read_bytes() == b"nonsense" * 1000
    with backups.opened(used) as installation:
        backups.assert_exact(installation)


def test_nothing_opens_a_folder_that_a_restore_is_changing(used: Settings):
    mark(used.data_dir)
    with pytest.raises(InputError, match="usage-dashboard restore --replace"):
        open_installation(used)


def test_of_two_restores_at_once_one_is_refused(source: Settings, backup: Path, tmp_path: Path):
    settings = backups.settings_for(tmp_path / "new")

    def meanwhile(stage: str, _done: int, _total: int | None) -> None:
        if stage == "Restoring":
            with pytest.raises(InputError, match="another restore"):
                backups.restored(settings, backup)

    restoring.restore(settings, backup, NOW, meanwhile)


def test_a_secret_that_is_set_must_be_the_backups(backup: Path, tmp_path: Path):
    settings = backups.settings_for(tmp_path / "new", secret_key="n" * 40)
    with pytest.raises(InputError, match="USAGE_SECRET_KEY"):
        backups.restored(settings, backup)
    assert not settings.data_dir.exists()


def lies(backup: Path, folder: Path) -> dict[str, tuple[Path, str]]:
    """Files that are no whole backup, each with what its refusal says."""
    whole = backup.read_bytes()
    half, flipped, empty = folder / "half", folder / "flipped", folder / "empty"
    half.write_bytes(whole[: len(whole) // 2])
    place = len(whole) // 2
    flipped.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
    empty.write_bytes(b"")
    with zipfile.ZipFile(backup) as archive:
        contents = json.loads(archive.read("manifest.json"))["contents"]
        ledger = archive.read("ledger.db")
    newer, fewer = {**contents, "revision": "9999"}, {**contents, "counts": {"usage_lines": 1}}
    broken = ledger[:8192] + b"\xff" * 65536 + ledger[8192 + 65536 :]
    wrong_part = {"name": "ledger.db", "size_bytes": len(ledger), "sha256": "0" * 64}
    secret = {"name": "secret.key", "size_bytes": 64, "sha256": "0" * 64}
    bomb = {"name": "ledger.db", "size_bytes": 10, "sha256": "0" * 64}
    climbing = {"name": "../../evil", "size_bytes": 4, "sha256": "0" * 64}

    (folder / "trap.db").write_bytes(ledger)
    with sqlite3.connect(folder / "trap.db") as trapped:
        trapped.execute("CREATE TRIGGER trap AFTER INSERT ON balances BEGIN SELECT 1; END")
        trapped.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    trapped.close()
    trap = (folder / "trap.db").read_bytes()

    def forge(name: str, parts: dict | None = None, **said: Any) -> Path:
        return backups.forged(backup, folder / name, parts, **said)

    return {
        "cut off": (half, "no whole backup"),
        "one bit": (flipped, "no whole backup"),
        "empty": (empty, "no whole backup"),
        "another hash": (forge("hash", said_parts=[wrong_part, secret]), "SHA-256"),
        "longer than it says": (forge("bomb", said_parts=[bomb, secret]), "SHA-256"),
        "a climbing name": (forge("up", {"../../evil": b"evil"}), "other files"),
        "a climbing part": (forge("up2", said_parts=[climbing, secret]), "other parts"),
        "a newer schema": (forge("newer", contents=newer), "9999"),
        "a newer format": (forge("format", format=2), "format 2"),
        "other counts": (forge("fewer", contents=fewer), "isn't what its"),
        "another database": (forge("other", {"ledger.db": b"PGDMP" * 99}), "can't be read"),
        "a broken ledger": (forge("broken", {"ledger.db": broken}), "ledger"),
        "a trigger of its own": (forge("trap", {"ledger.db": trap}), "trap"),
        "an unknown field": (forge("field", evil=True), "evil"),
        "another product": (forge("product", product="other"), "product"),
    }  # fmt: skip


def test_whatever_lies_is_refused_and_nothing_is_touched(
    used: Settings, backup: Path, tmp_path: Path
):
    folder = tmp_path / "lies"
    folder.mkdir()
    fresh = backups.settings_for(tmp_path / "fresh")
    with backups.opened(used):
        pass
    before = {path: path.stat() for path in sorted(used.data_dir.iterdir())}
    for name, (file, says) in lies(backup, folder).items():
        for settings in (used, fresh):
            with pytest.raises(BackupError) as refused:
                backups.restored(settings, file, may_replace=True)
            assert says in refused.value.message, (name, refused.value.message)
            assert len(refused.value.message) < 700
        assert {path: path.stat() for path in sorted(used.data_dir.iterdir())} == before, name
        assert not fresh.data_dir.exists() or not list(fresh.data_dir.iterdir()), name
    assert not (tmp_path.parent / "evil").exists()


def test_a_name_twice_is_refused(backup: Path, tmp_path: Path):
    file = tmp_path / "twice"
    shutil.copy(backup, file)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(file, "a") as archive:
        archive.writestr("ledger.db", b"another")
    with pytest.raises(BackupError, match="a name twice"):
        restoring.check(backups.settings_for(tmp_path / "new"), file, backups.nothing)


def test_a_manifest_without_end_is_not_read(backup: Path, tmp_path: Path):
    file = tmp_path / "long"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", b" " * 50_000_000)
    with pytest.raises(BackupError, match="too long"):
        restoring.check(backups.settings_for(tmp_path / "new"), file, backups.nothing)


def test_another_kind_of_database_is_named(backup: Path, tmp_path: Path):
    settings = backups.settings_for(tmp_path / "new", "postgresql+psycopg://u:pw@localhost/x")
    with pytest.raises(BackupError, match="is of sqlite"):
        backups.restored(settings, backup)


@pytest.mark.parametrize("which", ["backup", "restore"])
def test_too_little_room_is_said_before_the_work(
    source: Settings, backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: str
):
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr("shutil.disk_usage", lambda _path: usage)
    fresh = backups.settings_for(tmp_path / "new")
    works = {
        "backup": lambda: backups.backed_up(source, tmp_path / "x"),
        "restore": lambda: backups.restored(fresh, backup),
    }
    with pytest.raises(BackupError, match="room"):
        works[which]()
    assert not list(tmp_path.glob("**/*ledger*"))


def test_the_commands_say_what_they_did(source: Settings, tmp_path: Path):
    def run(folder: Path, *words: object) -> subprocess.CompletedProcess:
        root = Path(__file__).parents[1]
        return subprocess.run(
            [sys.executable, str(root / "app.py"), *map(str, words)], capture_output=True,
            text=True, check=False, timeout=120, cwd=tmp_path,
            env={"PATH": "/nowhere", "USAGE_DATA_DIR": str(folder), "COLUMNS": "200"},
        )  # fmt: skip

    made = run(source.data_dir, "backup", "x.backup")
    assert made.returncode == 0, made.stderr
    assert "keep it as safe" in made.stdout
    assert "usage lines" in made.stdout
    checked = run(tmp_path / "new", "restore", "x.backup", "--dry-run")
    assert "nothing was changed" in checked.stdout
    assert not (tmp_path / "new").exists()
    done = run(tmp_path / "new", "restore", "x.backup")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✓ seals" in done.stdout
    again = run(tmp_path / "new", "restore", "x.backup")
    assert again.returncode == 2
    assert "Traceback" not in again.stderr
    assert "holds a ledger already" in again.stderr


def test_an_older_ledger_put_back_by_hand_is_noticed(
    used: Settings, caplog: pytest.LogCaptureFixture
):
    old = (used.data_dir / "ledger.db").read_bytes()
    with backups.opened(used) as installation:
        backups.send(installation, 0, 60)
        sync_all(installation.database, installation.lake)
    (used.data_dir / "ledger.db").write_bytes(old)
    with backups.opened(used) as installation, caplog.at_level(logging.WARNING):
        before = backups.assert_exact(installation)
        backups.send(installation, 100, 80)  # past where analytics were
        assert backups.assert_exact(installation) == before + 80
    assert [record.message for record in caplog.records] == [
        "analytics are ahead of the ledger, which was restored from an older backup: "
        "they are made again from the ledger"
    ]


def test_analytics_of_another_ledger_are_made_again(
    used: Settings, caplog: pytest.LogCaptureFixture
):
    with backups.opened(used) as installation:
        with installation.database.write() as connection:
            connection.execute(delete(facts).where(facts.c.name == "ledger_id"))
        with caplog.at_level(logging.WARNING):
            backups.assert_exact(installation)
    assert [record.message for record in caplog.records] == [
        "analytics belong to another ledger: they are made again from the ledger"
    ]


def test_an_unfinished_rebuild_of_the_newer_ledger_is_not_taken_up(used: Settings):
    old = (used.data_dir / "ledger.db").read_bytes()
    with backups.opened(used) as installation:
        backups.send(installation, 0, 60)
        left = Lake(used.data_dir, installation.database, pointer="NEXT")
        sync_all(installation.database, left)
        left.close()
    (used.data_dir / "ledger.db").write_bytes(old)
    with backups.opened(used) as installation:
        backups.assert_exact(installation)
        rebuild(installation.database, used.data_dir)
        backups.assert_exact(installation)


def test_a_sync_beside_a_ledger_put_back_is_refused(used: Settings):
    with backups.opened(used) as installation:
        lake = installation.lake
        lake.change(lambda c: c.execute("UPDATE lake.sync_state SET receipts_pos = 999").fetchall())
        with pytest.raises(LakeAheadError):
            sync_all(installation.database, lake)
