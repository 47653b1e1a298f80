"""What counts as an outage of a database, told by real errors of both, and what is said of it."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnectionError
from sqlalchemy.pool import QueuePool

from data import outage
from data.outage import UnavailableError, beginning, is_outage, refusal_of
from tests.databases import new_postgresql_url


@pytest.fixture(autouse=True)
def says_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage, "_said", {})


def raised(url: str, *statements: str, **rest: object) -> SQLAlchemyError:
    """The error that the statements end in."""
    engine = create_engine(url, **rest)
    try:
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(text(statement))
    except SQLAlchemyError as error:
        return error
    finally:
        engine.dispose()
    pytest.fail(f"{statements} went well")


def test_of_sqlite(tmp_path: Path):
    file = tmp_path / "x.sqlite"
    url = f"sqlite:///{file}"
    with sqlite3.connect(file, isolation_level=None) as holder:
        holder.execute("CREATE TABLE t (a)")
        holder.execute("BEGIN EXCLUSIVE")
        assert is_outage(raised(url, "SELECT * FROM t", connect_args={"timeout": 0}))
        holder.execute("ROLLBACK")
    assert is_outage(raised(url, "PRAGMA query_only = ON", "INSERT INTO t VALUES (1)"))
    assert is_outage(raised(f"sqlite:///{tmp_path / 'no' / 'folder'}", "SELECT 1"))
    assert not is_outage(raised(url, "SELECT * FROM nothing")), "that is our mistake"
    assert not is_outage(raised(url, "SELECT"))


def test_of_postgresql(tmp_path: Path):
    url = new_postgresql_url(tmp_path / "outage")
    assert is_outage(raised("postgresql+psycopg://u@127.0.0.1:1/x", "SELECT 1")), "nobody is there"
    assert is_outage(raised(url, "SET statement_timeout = '5ms'", "SELECT pg_sleep(1)"))
    assert is_outage(raised(url, "SET TRANSACTION READ ONLY", "CREATE TABLE t (a int)"))
    assert is_outage(raised(url, "SELECT pg_terminate_backend(pg_backend_pid())"))
    for mistake in ("SELECT * FROM nothing", "SELEC", "SELECT 1/0", "SELECT 'x'::int"):
        assert not is_outage(raised(url, mistake)), mistake


@pytest.mark.parametrize(
    "kind", [psycopg.errors.DiskFull, psycopg.errors.IoError, psycopg.errors.TooManyConnections,
             psycopg.errors.CannotConnectNow, psycopg.errors.CrashShutdown,
             psycopg.errors.IdleInTransactionSessionTimeout, psycopg.InterfaceError],
)  # fmt: skip
def test_of_postgresql_what_is_hard_to_provoke(kind: type[psycopg.Error]):
    assert is_outage(DBAPIError.instance("SELECT 1", {}, kind("so it says"), psycopg.Error))


def test_a_pool_without_a_free_connection_is_one():
    engine = create_engine(
        "sqlite://", poolclass=QueuePool, pool_size=1, max_overflow=0, pool_timeout=0.01
    )
    with engine.connect(), pytest.raises(NoConnectionError) as caught:
        engine.connect()
    assert is_outage(caught.value)
    assert not is_outage(ValueError("no"))


def test_what_was_first_is_the_reason():
    first = OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full"))
    later = SQLAlchemyError("Can't reconnect until invalid transaction is rolled back")
    later.__context__ = ValueError("in between")
    later.__context__.__context__ = first
    assert beginning(later) is first
    assert beginning(first) is first


def test_it_is_logged_now_and_again_and_tells_nobody_what_was_asked(caplog):
    error = raised("postgresql+psycopg://u@127.0.0.1:1/x", "SELECT 'secret'")
    with caplog.at_level(logging.ERROR):
        told = [refusal_of(error) for _ in range(50)]
    assert len(caplog.records) == 1
    assert "secret" not in caplog.text
    assert all(isinstance(each, UnavailableError) for each in told)
    assert "127.0.0.1" not in str(told[0]), "where it is, is nobody's business"
    assert refusal_of(ValueError("no")) is None
