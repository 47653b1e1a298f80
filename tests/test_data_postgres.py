"""What is different on PostgreSQL: commits out of order, guards, a ledger that moves servers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from billing.errors import InputError
from billing.lots import LotKind
from data import postgres
from data.analytics.lake import Lake
from data.analytics.sync import sync, sync_all
from data.database import Database, open_database
from data.ledger.guards import guard_names
from data.migrate import migrate
from data.proof.verify import verify
from data.tables import APPEND_ONLY, usage_lines
from tests import databases
from tests.builders import Ledger, sms


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(databases.postgresql_url(tmp_path))
    migrate(opened)
    yield opened
    opened.dispose()


@pytest.fixture
def ledger(tmp_path: Path, database: Database) -> Ledger:
    ledger = Ledger(tmp_path, database)
    for account_id in ("acme", "beta"):
        ledger.add(account_id)
        ledger.credit(10**9, account_id=account_id, kind=LotKind.PAID)
    return ledger


@pytest.fixture
def lake(tmp_path: Path, database: Database) -> Iterator[Lake]:
    lake = Lake(tmp_path, database)
    yield lake
    lake.close()


def held(lake: Lake) -> int:
    count = "SELECT count(*) FROM lake.lines"
    return lake.snapshot(lambda cursor: cursor.execute(count).fetchone())[0]  # type: ignore[index]


def test_a_commit_that_comes_late_is_not_lost(database, ledger, lake):
    """The first transaction has the lower number and the lower ``seq``, and commits last."""
    with ExitStack() as slow:
        connection = slow.enter_context(database.write())
        poster = ledger.poster(connection, "acme")
        poster.post([sms(f"slow-{n}") for n in range(5)])
        poster.flush()
        ledger.post(*(sms(f"quick-{n}") for n in range(3)), account_id="beta")
        waiting = sync_all(database, lake)
        assert (waiting.rows, held(lake)) == (0, 0)  # what is committed waits for what is not
    caught_up = sync_all(database, lake)
    assert (caught_up.rows, held(lake)) == (8, 8)
    assert verify(database, lake).passed


def test_what_is_undone_holds_nothing_up_afterwards(database, ledger, lake):
    with database.write() as connection:
        poster = ledger.poster(connection, "acme")
        poster.post([sms("never")])
        poster.flush()
        ledger.post(sms("kept"), account_id="beta")
        connection.rollback()
    assert sync_all(database, lake).rows == 1
    assert verify(database, lake).passed


def test_a_batch_ends_between_two_transactions(database, ledger, lake):
    for n in range(4):
        ledger.post(*(sms(f"{n}-{k}") for k in range(10)))
    assert [sync(database, lake, 25).rows for _ in range(3)] == [20, 20, 0]
    ledger.post(*(sms(f"large-{k}") for k in range(60)))
    last = sync(database, lake, 25)
    assert (last.rows, last.is_caught_up) == (60, True)  # one transaction is taken whole
    assert verify(database, lake).passed


def test_two_writers_of_one_account_wait_for_each_other(database, ledger):
    begun, done = threading.Event(), []

    def second() -> None:
        begun.wait(20)
        ledger.post(sms("second"))
        done.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with database.write() as connection:
        poster = ledger.poster(connection, "acme")
        begun.set()
        thread.join(0.5)
        assert not done
        poster.post([sms("first")])
        poster.flush()
    thread.join(20)
    lines = ledger.rows(usage_lines)
    assert [line.seq for line in lines] == sorted(line.seq for line in lines)
    assert len(lines) == 2


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_nothing_of_the_ledger_can_be_changed(database, table):
    with pytest.raises(DBAPIError, match="append-only"), database.write() as connection:
        connection.execute(text(f"TRUNCATE {table} CASCADE"))
    with database.read() as connection:
        names = set(connection.scalars(text("SELECT tgname FROM pg_trigger")))
    assert set(guard_names("postgresql")) <= names


@pytest.mark.parametrize("statement", ["UPDATE usage_lines SET cost_micros = 0",
                                       "DELETE FROM wallet_entries"])  # fmt: skip
def test_rows_of_the_ledger_stay_as_they_are(database, ledger, statement):
    ledger.post(sms("one"))
    with pytest.raises(DBAPIError, match="append-only"), database.write() as connection:
        connection.execute(text(statement))


def test_a_reader_can_not_write(database):
    with pytest.raises(DBAPIError, match="read-only"), database.read() as connection:
        connection.execute(text("INSERT INTO facts VALUES ('a', 'b')"))


def test_texts_sort_as_in_python(database):
    with database.write() as connection:
        for name in ("b", "B", "a", "Z", "ä", "_"):
            connection.execute(text("INSERT INTO facts VALUES (:n, 'x')"), {"n": f"x{name}"})
    with database.read() as connection:
        found = connection.scalars(
            text("SELECT name FROM facts WHERE name LIKE 'x%' ORDER BY name")
        ).all()
    assert found == sorted(found, key=str.encode)


def test_transactions_are_numbered_on_where_the_ledger_moves_to(database, ledger, lake):
    """As after a dump that was loaded elsewhere: the server counts from the beginning again."""
    with database.write() as connection:
        postgres._set_offset(connection, 10**9)
    ledger.post(sms("before the move"))
    sync_all(database, lake)
    identity = lake.ledger_id
    with database.write() as connection:
        postgres._set_offset(connection, 0)
        connection.execute(text("UPDATE facts SET value = 'elsewhere' WHERE name = 'cluster'"))
    migrate(database)  # as when the product opens it
    ledger.post(sms("after the move"))
    with database.read() as connection:
        before, after = connection.scalars(text("SELECT tx FROM usage_lines ORDER BY seq")).all()
    assert after > before
    anew = Lake(lake.directory.parent / "anew", database)
    assert anew.ledger_id != identity
    assert sync_all(database, anew).rows == 2
    assert verify(database, anew).passed
    anew.close()


def test_opening_it_twice_renumbers_nothing(database):
    def numbers() -> tuple[str, str]:
        with database.read() as connection:
            found = connection.scalar(
                text("SELECT prosrc FROM pg_proc WHERE proname = 'ledger_tx'")
            )
            cluster = connection.scalar(text("SELECT value FROM facts WHERE name = 'cluster'"))
        return str(found), str(cluster)

    before = numbers()
    migrate(database)
    assert numbers() == before


@pytest.mark.parametrize(
    "url",
    ["postgresql://ann:geheim@127.0.0.1/x", "postgresql+psycopg2://ann:geheim@127.0.0.1/x",
     "postgresql+psycopg://ann:geheim@127.0.0.1"],
)  # fmt: skip
def test_other_drivers_and_no_database_are_refused(url):
    with pytest.raises(InputError, match="USAGE_DATABASE_URL") as refused:
        open_database(url)
    assert "geheim" not in str(refused.value)


def test_a_schema_is_made_once_by_many(tmp_path: Path):
    url = databases.new_postgresql_url(tmp_path / "bare")
    failed: list[BaseException] = []

    def work() -> None:
        opened = open_database(url)
        try:
            migrate(opened)
        except BaseException as error:
            failed.append(error)
        finally:
            opened.dispose()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    opened = open_database(url)
    with opened.read() as connection, pytest.raises(ProgrammingError):
        connection.execute(text("SELECT * FROM nothing"))
    with opened.read() as connection:
        assert connection.scalar(text("SELECT count(*) FROM alembic_version")) == 1
    opened.dispose()
