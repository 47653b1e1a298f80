"""Ingest under faults: a full disk refuses whole pieces and keeps what it said it kept."""

from collections.abc import Iterator

import pytest
from sqlalchemy import event, func, select, text

from data import tables as t
from data.proof.verify import verify
from tests.api_client import ApiClient, call
from tests.databases import of_sqlite
from tests.live import Live, LiveServer
from tests.stream_ear import wait_for

BATCHES, BATCH_EVENTS = 8, 300
FREE_PAGES = 500  # room for a part of what is sent


@pytest.fixture
def live(tmp_path) -> Iterator[Live]:
    server = LiveServer(tmp_path)
    yield server.start()
    server.stop()


def event_count(live: Live) -> int:
    with live.installation.database.read() as connection:
        wanted = select(func.count()).where(t.events.c.id.like("full-%"))
        return int(connection.scalar(wanted) or 0)


@of_sqlite  # of PostgreSQL: test_api_faults_postgresql.py
def test_a_full_disk_takes_nothing_half_and_goes_on_afterwards(live: Live, caplog):
    engine = live.installation.database.writer_engine
    with live.installation.database.read() as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()

    def is_full(connection, _record) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages + FREE_PAGES}")

    event.listen(engine, "connect", is_full)
    engine.dispose()
    client = ApiClient(live)
    batches = [
        [call(_id=f"full-{batch}-{n}") for n in range(BATCH_EVENTS)] for batch in range(BATCHES)
    ]
    answers = [client.send(*batch) for batch in batches]
    kept = [batch for batch, each in zip(batches, answers, strict=True) if each.status_code == 204]
    refused = [each for each in answers if each.status_code != 204]
    assert kept, "there was room for some"
    assert refused, "and not for all"
    assert {(each.status_code, each.json()["code"]) for each in refused} == {(503, "unavailable")}
    assert all(int(each.headers["Retry-After"]) >= 1 for each in refused)
    assert BATCH_EVENTS * len(kept) <= event_count(live) < BATCH_EVENTS * BATCHES
    assert client.get("/balance").status_code == 200, "reading goes on"
    wait_for(lambda: client.http.get(f"{live.url}/readyz").status_code == 503)

    assert "database or disk is full" in caplog.text

    event.remove(engine, "connect", is_full)
    engine.dispose()
    for batch in batches:
        assert client.send(*batch).status_code == 204
    assert event_count(live) == BATCHES * BATCH_EVENTS
    report = verify(live.installation.database, live.installation.lake)
    assert report.passed, [check for check in report.checks if not check.passed]
    wait_for(lambda: client.http.get(f"{live.url}/readyz").status_code == 200)
    client.close()
