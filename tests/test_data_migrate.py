"""Migrations: they make exactly the described schema, once, however many processes start."""

import multiprocessing
import re
import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from billing.errors import InputError
from data.database import Database, open_database, sqlite_url
from data.ledger.guards import guard_names
from data.migrate import migrate, newest_revision
from data.tables import metadata

HEAD = newest_revision()
GUARDS = set(guard_names("sqlite"))


def schema(database: Database) -> list[tuple[str, str, str]]:
    """Everything that was created, as SQLite keeps it."""
    query = text("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY 1, 2")
    with database.read() as connection:
        return [tuple(row) for row in connection.execute(query)]


def opened(folder: Path) -> Database:
    return open_database(sqlite_url(folder / "truth.db"))


def test_the_migrated_schema_is_the_described_one(tmp_path: Path):
    database = opened(tmp_path)
    migrate(database)
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    database.dispose()


def test_migrated_and_described_tables_have_the_same_keys_and_checks(tmp_path: Path):
    """What a comparison by columns can't see: checks, WITHOUT ROWID, AUTOINCREMENT."""
    migrated, described = opened(tmp_path / "a"), opened(tmp_path / "b")
    migrate(migrated)
    with described.write() as connection:
        metadata.create_all(connection)

    def shape(sql: str) -> list[str]:
        """The parts of a statement, in an order of their own: a column may be added at its end."""
        return sorted(
            part.strip(" ()") for part in re.split(r",(?![^()]*\))", " ".join(sql.split()))
        )

    wanted = {name: shape(sql) for kind, name, sql in schema(described) if kind != "trigger"}
    found = {name: shape(sql) for kind, name, sql in schema(migrated) if kind != "trigger"}
    found.pop("alembic_version")
    assert found == wanted
    for database in (migrated, described):
        database.dispose()


def test_migrating_twice_changes_nothing(tmp_path: Path):
    database = opened(tmp_path)
    migrate(database)
    before = schema(database)
    migrate(database)
    assert schema(database) == before
    assert {name for kind, name, _ in before if kind == "trigger"} == GUARDS
    database.dispose()


def test_a_later_migration_keeps_the_rows(tmp_path: Path):
    database = opened(tmp_path)
    migrate(database, to="0001")
    with database.write() as connection:
        connection.execute(text("INSERT INTO facts VALUES ('a', 'b')"))
    migrate(database)
    assert {name for kind, name, _ in schema(database) if kind == "trigger"} == set(
        guard_names("sqlite")
    )
    with database.read() as connection:
        assert connection.execute(text("SELECT * FROM facts")).all() == [("a", "b")]
    database.dispose()


def test_a_migration_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(_connection: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("data.migrate.create_guards", fail)
    database = opened(tmp_path)
    with pytest.raises(RuntimeError):
        migrate(database)
    assert schema(database) == []
    monkeypatch.undo()
    migrate(database)
    assert {name for kind, name, _ in schema(database) if kind == "trigger"} == set(
        guard_names("sqlite")
    )
    database.dispose()


def _start(folder: str, barrier, answers) -> None:
    """One process of several that start at once on an empty folder."""
    barrier.wait(60)
    try:
        for _ in range(3):
            database = opened(Path(folder))
            migrate(database)
            database.dispose()
        answers.put("migrated")
    except Exception as error:  # the parent shows it
        answers.put(repr(error))


def test_processes_that_start_at_once_migrate_once(tmp_path: Path):
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(3), context.Queue()
    processes = [
        context.Process(target=_start, args=(str(tmp_path), barrier, answers)) for _ in range(3)
    ]
    for process in processes:
        process.start()
    found = [answers.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(60)
    assert found == ["migrated"] * 3
    database = opened(tmp_path)
    assert {name for kind, name, _ in schema(database) if kind == "trigger"} == set(
        guard_names("sqlite")
    )
    with database.read() as connection:
        assert connection.scalars(text("SELECT version_num FROM alembic_version")).all() == [HEAD]
    database.dispose()


def test_a_truth_is_kept_safe_as_configured(tmp_path: Path):
    database = opened(tmp_path)
    with database.write() as connection:
        for pragma, value in [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)]:
            assert connection.scalar(text(f"PRAGMA {pragma}")) == value
    database.dispose()
    with sqlite3.connect(tmp_path / "truth.db") as plain:
        assert plain.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://localhost/x", "sqlite://"])
def test_an_address_that_can_not_be_used_is_refused(url: str):
    with pytest.raises(InputError, match="USAGE_DATABASE_URL"):
        open_database(url)


def test_a_refused_address_never_shows_its_password():
    with pytest.raises(InputError) as refusal:
        open_database("mysql://ann:geheim@localhost/x")
    assert "geheim" not in str(refusal.value)
