"""Backup and restore are killed at any point, or the disk runs full: nothing is lost or half."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from billing.errors import InputError
from data.backup import restoring
from data.backup.making import back_up
from data.backup.unfinished import MARK
from data.installation import open_installation
from data.phases import BACKUP_PHASES, RESTORE_PHASES
from data.settings import Settings
from tests import backups
from tests.databases import of_sqlite
from tests.live import NOW

pytestmark = of_sqlite  # the same on PostgreSQL is in test_data_backup_postgresql.py
HALF = {"restore.marked", "restore.half"}


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
    """A ledger that has come further than the backup, with another secret."""
    shutil.copytree(source.data_dir, tmp_path / "used")
    used = backups.settings_for(tmp_path / "used")
    with backups.opened(used) as installation:
        backups.send(installation, 0, 9)
    (used.data_dir / "secret.key").write_text("another secret of before")
    return used


@pytest.mark.parametrize("phase", BACKUP_PHASES)
def test_a_killed_backup_leaves_no_file_that_looks_whole(
    source: Settings, tmp_path: Path, phase: str
):
    file = tmp_path / "x.backup"
    backups.kill_at(phase, lambda: backups.backed_up(source, file))
    if phase == "backup.named":
        assert restoring.check(source, file, backups.nothing).contents.counts["usage_lines"]
        return
    assert not file.exists()
    for left in tmp_path.iterdir():
        assert left.stat().st_mode & 0o777 == 0o700
    backups.backed_up(source, file)
    assert [path.name for path in tmp_path.iterdir()] == ["x.backup"]
    restoring.check(source, file, backups.nothing)


def test_a_backup_at_work_is_not_cleared_away(source: Settings, tmp_path: Path):
    made: list[Path] = []

    def meanwhile(stage: str, _done: int, _total: int | None) -> None:
        if stage == "Packing" and not made:
            made.append(tmp_path / "x.backup.2")
            backups.backed_up(source, made[0])

    restoring.check(source, back_up(
        source, tmp_path / "x.backup", NOW, meanwhile)[0], backups.nothing)  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.backup", "x.backup.2"]


@pytest.mark.parametrize("phase", RESTORE_PHASES)
def test_a_killed_restore_leaves_the_old_ledger_or_the_new(
    used: Settings, backup: Path, phase: str
):
    with backups.opened(used) as installation:
        count = backups.line_count(installation)
    backups.kill_at(phase, lambda: backups.restored(used, backup, may_replace=True))
    assert (used.data_dir / MARK).exists() == (phase in HALF)
    if phase in HALF:
        with pytest.raises(InputError, match="again"):
            open_installation(used)
    elif phase != "restore.placed":  # what was there is there, with its secret
        with backups.opened(used) as installation:
            assert backups.line_count(installation) == count
            assert installation.secret == "another secret of before"
    if phase != "restore.placed":
        later = NOW.replace(minute=59)
        restoring.restore(used, backup, later, backups.nothing, may_replace=True)
    kept = [path.name for path in used.data_dir.glob("ledger.db.before-restore-*")]
    assert kept
    assert not list(used.data_dir.glob("*restoring*"))
    assert not (used.data_dir / MARK).exists()
    with backups.opened(used) as installation:
        assert backups.line_count(installation) == count - 9
        assert installation.secret != "another secret of before"
        backups.assert_exact(installation)


def test_a_full_disk_leaves_no_backup(source: Settings, tmp_path: Path):
    size = (source.data_dir / "ledger.db").stat().st_size
    for room in (size // 2, 8192):
        told = backups.with_little_room(
            room, lambda: backups.backed_up(source, tmp_path / "x.backup")
        )
        assert told.startswith(("BackupError: The ledger can't be copied", "OSError")), told
        assert not list(tmp_path.iterdir())
    backups.backed_up(source, tmp_path / "x.backup")


def test_a_full_disk_while_packing_leaves_no_backup(
    source: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("data.backup.sqlite.copy_ledger", lambda source, copy, _told: (
        shutil.copy(source, copy)))  # fmt: skip

    def fill_up(stage: str, _done: int, _total: int | None) -> None:
        if stage == "Packing":
            raise OSError(28, "No space left on device", "x")

    told = backups.in_a_process(lambda: back_up(source, tmp_path / "x.backup", NOW, fill_up))
    assert "No space left" in told[1]
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_what_a_restore_would_replace(used: Settings, backup: Path):
    size = (used.data_dir / "ledger.db").stat().st_size
    with backups.opened(used) as installation:
        count = backups.line_count(installation)
    before = sorted(used.data_dir.iterdir())
    told = backups.with_little_room(
        size // 2, lambda: backups.restored(used, backup, may_replace=True)
    )
    assert "OSError" in told
    assert sorted(used.data_dir.iterdir()) == before
    with backups.opened(used) as installation:
        assert backups.line_count(installation) == count
        backups.assert_exact(installation)
