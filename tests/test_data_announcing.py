"""Changes are told from process to process on PostgreSQL, whichever way they are written."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from data.announcing import MOST_BYTES, Listener, announce_changes
from data.changes import mark_changed
from data.database import Database, open_database
from data.writer import Writer
from tests.databases import postgresql_url

SOON = 20.0


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(postgresql_url(tmp_path / "truth"))
    announce_changes(opened)
    yield opened
    opened.dispose()


class Ear:
    """What a listener has heard, in order."""

    def __init__(self, database: Database, teller: str = "another") -> None:
        self.news: list[frozenset[str]] = []
        self.connected = 0
        self._listener = Listener(database, teller, self.news.append, self._begins)
        self._listener.start()
        self.wait(lambda: self.connected == 1)

    def _begins(self) -> None:
        self.connected += 1

    @property
    def is_hearing(self) -> bool:
        return self._listener.is_hearing

    def wait(self, what) -> float:
        begun = time.monotonic()
        while not what():
            assert time.monotonic() - begun < SOON, self.news
            threading.Event().wait(0.005)
        return time.monotonic() - begun

    def stop(self) -> None:
        self._listener.stop()


@pytest.fixture
def ear(database: Database) -> Iterator[Ear]:
    found = Ear(database)
    yield found
    found.stop()


def change(database: Database, *account_ids: str) -> None:
    with database.write() as connection:
        for account_id in account_ids:
            mark_changed(connection, account_id)


def _fail_after_a_change(database: Database) -> None:
    with database.write() as connection:
        mark_changed(connection, "undone")
        raise ZeroDivisionError


def test_a_commit_is_heard_at_once_and_an_undone_one_never(database: Database, ear: Ear):
    with pytest.raises(ZeroDivisionError):
        _fail_after_a_change(database)
    with database.write():
        pass  # nothing changed, nothing said
    change(database, "acme", "globex")
    took = ear.wait(lambda: ear.news)
    assert ear.news == [frozenset({"acme", "globex"})]
    print(f"heard {1000 * took:.1f} ms after the commit")


def test_the_writers_own_news_is_for_others_alone(database: Database):
    writer = Writer(database)
    own, other = Ear(database, writer.name), Ear(database)
    writer.write(lambda connection: mark_changed(connection, "acme"))
    other.wait(lambda: other.news)
    change(database, "globex")  # not by the writer: nobody in this process was told
    own.wait(lambda: own.news)
    assert own.news == [frozenset({"globex"})]
    writer.close()
    own.stop()
    other.stop()


def test_many_accounts_and_long_ids_are_all_told(database: Database, ear: Ear):
    ids = [f"{n:04d}" + 'é"\\'[n % 3] * 56 for n in range(3 * MOST_BYTES // 60)]
    change(database, *ids)
    ear.wait(lambda: set().union(*ear.news) == set(ids))


def test_a_connection_that_is_lost_is_made_again_and_said(database: Database, ear: Ear, caplog):
    with database.write() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'usage-dashboard-listener' "
                "AND datname = current_database()"
            )
        )
    ear.wait(lambda: ear.connected == 2)
    change(database, "acme")
    ear.wait(lambda: ear.news)
    assert "aren't heard" in caplog.text


def test_what_isnt_ours_is_passed_over(database: Database, ear: Ear):
    with database.write() as connection:
        connection.execute(text("SELECT pg_notify('usage_changes', 'hello')"))
    change(database, "acme")
    ear.wait(lambda: ear.news)
    assert ear.news == [frozenset({"acme"})]
    assert ear.is_hearing
