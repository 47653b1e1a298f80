"""kill -9 of a real server while events come in: what was acknowledged is there, once."""

import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from data.installation import open_installation
from data.phases import INGEST_PHASES, SYNC_PHASES
from data.proof.verify import verify
from tests import ingest_crash
from tests.api_client import BATCH, call, new_key, sms
from tests.ingest_crash import settings_of
from tests.live import open_filled
from tests.served import served

PATIENCE_SECONDS = 60
PAUSE_SECONDS = 0.25  # so that analytics sync more than once meanwhile
BATCH_EVENTS = 250  # three pieces, so that a kill may fall between two of them
BATCHES = 12
# Each takes two starts of a server: what a kill in the midst of a sync does is also shown with
# less around it, by test_data_sync.py.
KILLS = [
    *((phase, 4) for phase in INGEST_PHASES),
    (SYNC_PHASES[-1], 2),
    *(pytest.param(phase, 1, marks=pytest.mark.long) for phase in INGEST_PHASES),
    *(pytest.param(phase, 2, marks=pytest.mark.long) for phase in SYNC_PHASES[:-1]),
]


def events(count: int) -> list[list[dict]]:
    """Batches of calls and messages of the last hour."""
    now = datetime.now(UTC)
    return [
        [
            (call if n % 2 else sms)(
                at=now - timedelta(seconds=(batch * BATCH_EVENTS + n) % 3600),
                _id=f"k-{batch}-{n}", _subject="acme", to="+919190000001",
            )
            for n in range(BATCH_EVENTS)
        ]
        for batch in range(count)
    ]  # fmt: skip


def send_until_it_breaks(
    url: str, key: str, batches: list[list[dict]], pause_seconds: float = 0
) -> set[str]:
    """Sends batches and, between them, single events; the ids that were acknowledged."""
    acknowledged: set[str] = set()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": BATCH}
    with httpx.Client(base_url=f"{url}/api/v1", headers=headers, timeout=30) as client:
        try:
            for batch in batches:
                answer = client.post("/events", json=batch[1:])
                assert answer.status_code == 204, answer.text
                acknowledged |= {each["id"] for each in batch[1:]}
                single = client.post(
                    "/events", json=batch[0],
                    headers={"Content-Type": "application/cloudevents+json"},
                )  # fmt: skip
                assert single.status_code == 204, single.text
                acknowledged.add(batch[0]["id"])
                time.sleep(pause_seconds)
        except httpx.TransportError:
            pass  # the server was killed
    return acknowledged


def stored(folder: Path) -> dict[str, int]:
    """How many lines each event has, read from the file while no server runs."""
    opened = open_installation(settings_of(folder))
    with opened.database.read() as connection:
        rows = connection.execute(
            text(
                "SELECT e.id, count(l.seq) FROM events e JOIN usage_lines l USING (event_id) "
                "WHERE e.id LIKE 'k-%' GROUP BY e.account_id, e.source, e.id"
            )
        ).all()
    opened.close()
    assert len({row[0] for row in rows}) == len(rows)
    return {row[0]: row[1] for row in rows}


def filled(folder: Path) -> str:
    """An installation with three accounts in a folder; a key of one."""
    folder.mkdir()
    opened = open_filled(settings_of(folder))
    key, _ = new_key(opened, "acme", "events:write")
    opened.close()
    return key


@pytest.mark.parametrize(("phase", "nth"), KILLS)
def test_every_acknowledged_event_is_there_once(tmp_path: Path, phase: str, nth: int):
    folder = tmp_path / "killed"
    key = filled(folder)
    batches = events(BATCHES)
    sent = {each["id"] for batch in batches for each in batch}
    with served(ingest_crash.main, folder, phase, nth) as (url, process):
        acknowledged = send_until_it_breaks(url, key, batches, PAUSE_SECONDS)
        process.join(PATIENCE_SECONDS)
        assert process.exitcode == -signal.SIGKILL
    assert phase in (folder / "phases").read_text().split()
    before = stored(folder)
    assert acknowledged <= set(before), len(acknowledged - set(before))
    with served(ingest_crash.main, folder, "none", 1) as (url, process):
        assert send_until_it_breaks(url, key, batches) == sent, "a retry takes the rest"
    after = stored(folder)
    assert set(after) == sent
    assert {each: after[each] for each in before} == before, "a retry adds nothing"
    assert set(after.values()) == {1, 2}
    opened = open_installation(settings_of(folder))
    report = verify(opened.database, opened.lake)
    assert report.passed, [check for check in report.checks if not check.passed]
    opened.close()
