"""An import that is killed at any point is run again and ends as one that never was."""

import os
import signal
from pathlib import Path

import pytest

from data.importers.importing import ImportOptions, ImportTarget, import_file, stop_stale_imports
from data.phases import IMPORT_PHASES
from tests import forked, import_crash
from tests.import_crash import BATCH_ROWS
from tests.import_ledger import NOW, contents, new_ledger, open_ledger, rows, run

ROOT = Path(__file__).resolve().parent.parent
ROW_COUNT = 230
MAP = """\
name = "calls"
type = "call"
[file]
columns = ["at", "seconds", "who"]
[constants]
direction = "outbound"
agent = "human"
[fields]
duration = "seconds"
consumer = { column = "who", pseudonym = "agent" }
[time]
zone = "UTC"
columns = ["at"]
patterns = ["iso"]
[destination]
default = "+1"
"""
# (phase, the how manieth time): the first and the last batch, and in between.
KILLS = [
    ("import.read", 1),
    ("import.read", 3),
    ("import.before_commit", 1),
    ("import.before_commit", 4),
    ("import.committed", 1),
    ("import.committed", 5),
    ("import.finished", 1),
]


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Calls of a week, one in seven a twin of another, three of them broken."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "calls.toml").write_text(MAP)
    lines = ["at,seconds,who"]
    for number in range(ROW_COUNT):
        same = number - number % 7 % 2
        lines.append(f"2026-11-{2 + same // 40:02d}T10:{same % 60:02d}:00,{same * 13 % 400},ana")
    for line in (20, 120, 220):
        lines[line] = "2026-11-02T10:00:00,soon,ana"
    file = tmp_path / "calls.csv"
    file.write_text("\n".join(lines) + "\n")
    return file


@pytest.fixture
def whole(tmp_path: Path, log: Path) -> dict:
    """What an import that nothing interrupts leaves."""
    target = new_ledger(tmp_path / "whole")
    report = run(target, log, "calls.toml", is_funded=True, batch_rows=BATCH_ROWS)
    assert (report.rows_accepted, report.rows_rejected) == (ROW_COUNT - 3, 3)
    return comparable(target)


def comparable(target: ImportTarget) -> dict:
    """Row hashes are keyed by each ledger, so only how many there are can be compared."""
    found: dict[str, list] = {**contents(target)}
    found["events"] = [len(found["events"]), len({row[2] for row in found["events"]})]
    found["lines"] = sorted(str(row[3:]) for row in found["lines"])
    return found


def test_every_phase_survives_a_kill(tmp_path: Path, log: Path, whole: dict):
    passed = set()
    for phase, nth in KILLS:
        folder = tmp_path / f"{phase}-{nth}"
        new_ledger(folder).database.dispose()
        code, told = forked.run(
            import_crash.main, folder, log, phase, nth, environment={**os.environ}
        )
        assert code == -signal.SIGKILL, told
        passed |= set((folder / "phases").read_text().split())
        target = open_ledger(folder)
        report = run(target, log, "calls.toml", is_funded=True, batch_rows=BATCH_ROWS)
        assert report.rows_accepted + report.rows_duplicate == ROW_COUNT - 3
        assert report.funded_micros == 0  # the killed run has funded all of it already
        assert comparable(target) == whole, (phase, nth)
        states = rows(target, "SELECT status FROM imports ORDER BY started_at, id")
        killed = "done" if phase == "import.finished" else "stopped"
        assert sorted(states) == sorted([(killed,), ("done",)])
        target.database.dispose()
    assert passed == set(IMPORT_PHASES)


def test_a_keyboard_interrupt_leaves_a_resumable_import(tmp_path: Path, log: Path, whole: dict):
    target = new_ledger(tmp_path / "interrupted")
    told = []

    def interrupt(progress) -> None:
        told.append(progress.stage)
        if told.count("importing") == 3:
            raise KeyboardInterrupt

    options = ImportOptions(
        file=log, account_id="acme", map="calls.toml", is_funded=True, batch_rows=BATCH_ROWS
    )
    with pytest.raises(KeyboardInterrupt):
        import_file(target, options, interrupt)
    assert {"checking", "costing", "importing"} == set(told)
    assert rows(target, "SELECT status, rows_read FROM imports") == [("stopped", 3 * BATCH_ROWS)]
    assert not list((tmp_path / "interrupted" / "imports").iterdir())
    assert import_file(target, options).rows_duplicate > 0
    assert comparable(target) == whole


def test_an_import_at_work_is_not_taken_for_a_dead_one(tmp_path: Path, log: Path):
    target = new_ledger(tmp_path / "busy")
    stopped = []

    def look(_progress) -> None:
        stopped.append(stop_stale_imports(target.database, target.data_dir, NOW))

    import_file(target, ImportOptions(file=log, account_id="acme", map="calls.toml"), look)
    assert stopped
    assert set(stopped) == {0}
