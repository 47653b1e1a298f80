"""The catalog of analytics in a schema of the ledger's PostgreSQL database."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from data.analytics import lake as lake_module
from data.analytics.catalog import CATALOG_CONNECTIONS, FileCatalog, SchemaCatalog, schema_of
from data.analytics.generation import connect
from data.analytics.lake import CATALOG, Lake, LakeCatalogError, LakeConflictError, LakeError
from data.analytics.opening import open_lake
from data.analytics.rebuild import rebuild
from data.analytics.sync import sync, sync_all
from data.analytics.upkeep import expire, merge
from data.clocks import SystemClock
from data.database import Database, open_database
from data.migrate import migrate
from tests import databases
from tests.builders import Ledger, sms
from tests.catalogs import CONNECTED, assert_exact, filled, generation, held, move, schemas
from tests.own_postgresql import OwnPostgresql, own_postgresql


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(databases.postgresql_url(tmp_path))
    migrate(opened)
    yield opened
    opened.dispose()


@pytest.fixture
def ledger(tmp_path: Path, database: Database) -> Ledger:
    return filled(tmp_path, database)


@pytest.fixture
def lake(tmp_path: Path, ledger: Ledger) -> Iterator[Lake]:
    with closing(Lake(tmp_path, ledger.database)) as lake:
        sync_all(ledger.database, lake)
        yield lake


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnPostgresql]:
    with own_postgresql() as server:
        yield server


def test_the_catalog_is_a_schema_of_the_ledgers_database(tmp_path, database, lake):
    folder = generation(tmp_path)
    assert schemas(database) == [schema_of(folder)]
    assert not (folder / CATALOG).exists()
    with database.read() as connection:
        path = connection.scalar(
            text(f"SELECT value FROM {schema_of(folder)}.ducklake_metadata WHERE key = 'data_path'")
        )
    assert Path(path) == folder / "files"
    assert list((folder / "files").rglob("*.parquet"))
    with closing(Lake(tmp_path, database)) as again:
        assert held(again) == 10


def test_what_another_one_commits_is_seen_at_once(tmp_path, database, ledger, lake):
    with closing(Lake(tmp_path, database)) as other:
        for n in range(5):
            ledger.post(sms(f"more-{n}"))
            sync_all(database, lake if n % 2 else other)
            assert held(lake) == held(other) == 11 + n
            assert lake.positions() == other.positions()
        merge(other, from_files=2)
        expire(other, SystemClock().now())
        assert held(lake) == 15


def test_of_two_changes_at_once_the_later_is_void(tmp_path, database, lake):
    before = lake.position()
    with closing(Lake(tmp_path, database)) as other:

        def beaten(cursor) -> None:
            move(cursor)
            other.change(move)

        with pytest.raises(LakeConflictError):
            lake.change(beaten)
        assert lake.position() == other.position() == before + 1
        lake.change(move)


def test_many_that_sync_at_once_carry_each_line_once(tmp_path, database, ledger):
    for n in range(12):
        ledger.post(*(sms(f"{n}-{k}") for k in range(20)))
    lakes = [Lake(tmp_path, database) for _ in range(3)]
    failed: list[BaseException] = []

    def work(lake: Lake) -> None:
        try:
            while not sync(database, lake, 20).is_caught_up:
                pass
        except LakeConflictError:
            pass  # beaten eight times in a row: the next turn of the job goes on
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=[lake]) for lake in lakes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert failed == []
    assert_exact(database, lakes[0], 250)
    for lake in lakes:
        lake.close()


def test_a_process_takes_a_bounded_number_of_connections(database, lake):
    most, is_over, failed = [0], threading.Event(), []

    def read() -> None:
        try:
            for _ in range(6):
                assert held(lake) == 10
        except BaseException as error:
            failed.append(error)

    def watch() -> None:
        while not is_over.wait(0.01):
            with database.read() as connection:
                most[0] = max(most[0], connection.scalar(text(CONNECTED)))

    watching = threading.Thread(target=watch)
    watching.start()
    threads = [threading.Thread(target=read) for _ in range(3 * CATALOG_CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    is_over.set()
    watching.join()
    assert failed == []
    assert 2 <= most[0] <= CATALOG_CONNECTIONS


def test_a_rebuild_drops_the_schema_it_replaces(tmp_path, database, lake):
    old, left = generation(tmp_path), tmp_path / "lake" / "g0123456789ab"
    left.mkdir()  # as one that was killed while it was made
    with database.write() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema_of(left)}"))
        connection.execute(text("CREATE SCHEMA lake_of_somebody"))
    rebuild(database, tmp_path)
    assert schemas(database) == [schema_of(generation(tmp_path)), "lake_of_somebody"]
    assert not old.exists()
    assert not left.exists()
    assert_exact(database, lake, 10)  # which goes on with the new one


def test_a_schema_that_a_reader_holds_stays_until_the_next_rebuild(
    tmp_path, database, lake, monkeypatch
):
    monkeypatch.setattr("data.analytics.catalog.DROP_SECONDS", 1)
    old = generation(tmp_path)

    def read(cursor) -> None:
        cursor.execute("SELECT count(*) FROM lake.lines").fetchall()
        rebuild(database, tmp_path)
        assert schema_of(old) in schemas(database)

    lake.snapshot(read)
    assert old.exists()
    rebuild(database, tmp_path)
    assert not old.exists()
    assert schemas(database) == [schema_of(generation(tmp_path))]


def test_analytics_without_their_schema_are_made_again(tmp_path, database, ledger, lake, caplog):
    name = schema_of(generation(tmp_path))
    with database.write() as connection:
        connection.execute(text(f"DROP SCHEMA {name} CASCADE"))
    with pytest.raises(LakeError):
        held(lake)
    with pytest.raises(LakeCatalogError, match=name):
        Lake(tmp_path, database)
    ledger.post(sms("after"))
    with caplog.at_level(logging.WARNING), closing(open_lake(tmp_path, database)) as opened:
        assert_exact(database, opened, 11)
    assert [record.message for record in caplog.records if "analytics" in record.message] == [
        f"analytics have no catalog in this database (its catalog, schema {name}, is not in this "
        "database, or another role's): they are made again from the ledger"
    ]
    assert held(lake) == 11


def test_a_catalog_in_a_file_is_replaced_by_one_in_the_database(
    tmp_path, database, ledger, monkeypatch, caplog
):
    with monkeypatch.context() as before:
        before.setattr(lake_module, "catalog_of", lambda _: FileCatalog())
        with closing(Lake(tmp_path, database)) as old:
            sync_all(database, old)
    folder = generation(tmp_path)
    assert (folder / CATALOG).is_file()
    assert schemas(database) == []
    with caplog.at_level(logging.WARNING), closing(open_lake(tmp_path, database)) as opened:
        assert_exact(database, opened, 10)
    assert "its catalog is a file" in caplog.text
    assert not folder.exists()
    assert schemas(database) == [schema_of(generation(tmp_path))]


def test_of_two_that_make_the_first_one_one_schema_is_left(tmp_path, database, ledger):
    made: list[Lake] = []
    threads = [
        threading.Thread(target=lambda: made.append(Lake(tmp_path, database))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len({lake.state[0] for lake in made}) == 1
    assert schemas(database) == [schema_of(generation(tmp_path))]
    for lake in made:
        lake.close()


def test_a_password_of_any_kind_works_and_is_never_told(tmp_path: Path, own: OwnPostgresql):
    password = "p'w\"\\ {%/:?#@&=} ü$1"
    url = own.new_database("guarded")
    with psycopg.connect(f"{own.address}/guarded", autocommit=True) as admin:
        admin.execute('CREATE ROLE "o\'neil ü" LOGIN')
        quoted = password.replace("'", "''").replace("\\", "\\\\")
        admin.execute(f"ALTER ROLE \"o'neil ü\" PASSWORD E'{quoted}'")
        admin.execute('ALTER DATABASE guarded OWNER TO "o\'neil ü"')
        admin.execute('ALTER SCHEMA public OWNER TO "o\'neil ü"')
        rules = own.data / "pg_hba.conf"
        known = rules.read_text()
        rules.write_text(f'host guarded "o\'neil ü" 127.0.0.1/32 scram-sha-256\n{known}')
        admin.execute("SELECT pg_reload_conf()")
    right = open_database(as_person(url, password))
    migrate(right)
    filled(tmp_path, right)
    with closing(Lake(tmp_path, right)) as lake:
        sync_all(right, lake)
        assert held(lake) == 10
        known_of = lake.snapshot(
            lambda cursor: (
                cursor.execute("FROM duckdb_databases()").fetchall()
                + cursor.execute("FROM duckdb_secrets()").fetchall()
            )
        )
        assert "$1" not in str(known_of)
    wrong = open_database(as_person(url, f"{password}-geheim"))
    for error in (told(lambda: Lake(tmp_path, wrong)), told(lambda: attached(tmp_path, wrong))):
        assert "geheim" not in error
        assert "$1" not in error
    right.dispose()
    wrong.dispose()


def as_person(url: str, password: str) -> str:
    person = make_url(url).set(username="o'neil ü", password=password)
    return person.render_as_string(hide_password=False)


def attached(folder: Path, database: Database) -> None:
    """What DuckDB itself says when it is refused."""
    connect(generation(folder), SchemaCatalog(database), 1, "64MB")


def told(work) -> str:
    with pytest.raises(Exception, match=r"password authentication failed") as error:
        work()
    return f"{error.value!r} {error.value.__cause__!r}"
