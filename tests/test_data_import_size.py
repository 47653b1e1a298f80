"""A big log in little memory: only its twins are remembered."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.import_ledger import new_ledger

ROOT = Path(__file__).resolve().parent.parent
MOST_BYTES = 500_000_000
# Its own memory: what the system says of a child counts the moment before it became another
# program, when it was as large as the tests themselves.
PROGRAM = """
import resource
import sys
from pathlib import Path
from tests.import_ledger import open_ledger, run
report = run(open_ledger(Path(sys.argv[1])), Path(sys.argv[2]), "bank-full", is_dry_run=True)
status = Path("/proc/self/status")
if status.exists():
    lines = status.read_text().splitlines()
    most = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
else:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(report.rows_accepted, report.rows_rejected, most)
"""


@pytest.mark.long
def test_a_million_rows_half_of_them_twins_stay_below_500_mb(tmp_path: Path):
    new_ledger(tmp_path / "ledger").database.dispose()
    log = tmp_path / "calls.csv"
    with log.open("w") as file:
        file.write('"day";"month";"duration";"campaign"\n')
        for number in range(500_000):
            row = f'{1 + number // 20_000};"may";{number % 3000};"{number}"\n'
            file.write(row + row)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path / "ledger", log],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    accepted, rejected, most_bytes = map(int, done.stdout.split())
    assert (accepted, rejected) == (1_000_000, 0)
    assert most_bytes < MOST_BYTES
