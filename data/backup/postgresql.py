"""A ledger on PostgreSQL: dumped and restored by the server's own tools.

They get and give the dump through this process, so that they end when it ends, and the password
through their environment, never on a command line that every user of the machine can read.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

from psycopg.conninfo import make_conninfo
from sqlalchemy import Connection, create_engine, delete, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from billing.errors import InputError
from data.analytics.catalog import SCHEMA_PREFIX
from data.backup.archive import CHUNK_BYTES, Progress
from data.backup.manifest import LEDGER_ID, BackupError
from data.database import CONNECT_SECONDS, take_turn
from data.phases import phase
from data.postgres import CLUSTER
from data.tables import facts

ASIDE_PREFIX = "before_restore_"
MOST_COMPLAINT = 400
_OTHERS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
    "AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
)
_SCHEMA = text("SELECT coalesce(current_schema(), 'public')")
_TABLES = text(
    "SELECT count(*), count(*) FILTER (WHERE table_name = 'usage_lines') "
    "FROM information_schema.tables WHERE table_schema = :schema"
)


@contextmanager
def snapshot(url: str) -> Iterator[tuple[Connection, str]]:
    """A read of one moment, and the name under which ``pg_dump`` sees the same moment."""
    engine = _engine(url, isolation_level="REPEATABLE READ")
    with engine.connect() as connection, connection.begin():
        yield connection, str(connection.scalar(text("SELECT pg_export_snapshot()")))


def dump(url: str, snapshot_name: str, progress: Progress) -> Iterator[bytes]:
    """The dump in PostgreSQL's custom format, as it comes. Errors: ``BackupError``.

    Without what was put aside, and without the catalogs of analytics: those are made anew.
    """
    words = ("--format=custom", "--compress=1", "--no-owner", "--no-privileges",
             f"--exclude-schema={ASIDE_PREFIX}*", f"--exclude-schema={SCHEMA_PREFIX}g*",
             f"--snapshot={snapshot_name}")  # fmt: skip
    done = 0
    with _running("pg_dump", url, words) as (process, _):
        assert process.stdout is not None
        while chunk := process.stdout.read(CHUNK_BYTES):
            done += len(chunk)
            progress("Dumping", done, None)
            phase("backup.step")
            yield chunk


def restore(url: str, chunks: Iterable[bytes]) -> None:
    """Puts a dump into the empty schema, all of it or nothing. Errors: ``BackupError``."""
    words = ("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges")
    with _running("pg_restore", url, words) as (process, stdin):
        try:
            for chunk in chunks:
                stdin.write(chunk)
                phase("restore.step")
            stdin.close()
        except BrokenPipeError:
            pass  # it says itself why it ended
        except BaseException:
            process.kill()  # or it would take the end of its input for the end of the dump
            raise


def require_tool(name: str) -> str:
    """Where a tool of PostgreSQL is. Errors: ``BackupError`` names what is missing."""
    found = shutil.which(name)
    if found is None:
        raise BackupError(
            f"{name} is not on the PATH: install PostgreSQL's client tools (on Debian: "
            "postgresql-client), of the server's version or newer."
        )
    return found


@contextmanager
def held(url: str) -> Iterator[Connection]:
    """A connection that keeps everyone from migrating, and so from opening, an empty schema.

    Errors: ``InputError`` when something is connected to the database.
    """
    with _engine(url).connect() as connection, connection.begin():
        others = int(connection.scalar(_OTHERS) or 0)
        if others:
            raise InputError(
                "USAGE_DATABASE_URL", make_url(url).render_as_string(),
                f"stop the server and whatever else is connected to it ({others} connections), "
                "then try again",
            )  # fmt: skip
        take_turn(connection, "migration")
        yield connection


def has_ledger(url: str) -> bool:
    """Whether a ledger is there; ``InputError`` when something else is."""
    with _engine(url).connect() as connection:
        schema = connection.scalar(_SCHEMA)
        tables, ledgers = connection.execute(_TABLES, {"schema": schema}).one()
    if tables and not ledgers:
        raise InputError(
            "USAGE_DATABASE_URL", make_url(url).render_as_string(),
            f"it holds {tables} tables that are no ledger: use a database of its own",
        )  # fmt: skip
    return bool(ledgers)


def put_aside(url: str, aside: str) -> None:
    """Gives the ledger's schema another name and makes an empty one in its place."""
    with _changing(url) as connection:
        schema = connection.scalar(_SCHEMA)
        connection.execute(text(f'ALTER SCHEMA "{schema}" RENAME TO "{aside}"'))
        _make_schema(connection, schema)


def put_back(url: str, aside: str | None) -> None:
    """Undoes a restore that failed: the schema is empty, or again what was put aside."""
    with _changing(url) as connection:
        schema = connection.scalar(_SCHEMA)
        connection.execute(text(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE'))
        if aside is None:
            _make_schema(connection, schema)
        else:
            connection.execute(text(f'ALTER SCHEMA "{aside}" RENAME TO "{schema}"'))


def forget_identity(url: str) -> None:
    """Makes the next start number transactions anew and give the ledger an identity of its own."""
    with _changing(url) as connection:
        connection.execute(delete(facts).where(facts.c.name.in_((CLUSTER, LEDGER_ID))))


@contextmanager
def reading(url: str) -> Iterator[Connection]:
    """A read transaction on a connection of its own."""
    with _engine(url, isolation_level="REPEATABLE READ").connect() as connection:
        yield connection


def _make_schema(connection: Connection, schema: str | None) -> None:
    connection.execute(text(f'CREATE SCHEMA "{schema}"'))
    if schema == "public":  # as a new database has it
        connection.execute(text("COMMENT ON SCHEMA public IS 'standard public schema'"))
        connection.execute(text("GRANT USAGE ON SCHEMA public TO PUBLIC"))


@contextmanager
def _changing(url: str) -> Iterator[Connection]:
    try:
        with _engine(url).begin() as connection:
            yield connection
    except DBAPIError as error:
        raise BackupError(
            f"The ledger's schema can't be changed: {str(error.orig).strip()}. Restore into a new "
            "database instead, or let the schema's owner do it."
        ) from error


def _engine(url: str, **given: Any) -> Any:
    return create_engine(
        url, poolclass=NullPool, hide_parameters=True,
        connect_args={"connect_timeout": CONNECT_SECONDS, "application_name": "usage-dashboard"},
        **given,
    )  # fmt: skip


@contextmanager
def _running(
    name: str, url: str, words: tuple[str, ...]
) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """A tool at work; it is ended with the block, and what it complains of becomes the error."""
    engine = _engine(url)
    _, connect = engine.dialect.create_connect_args(engine.url)
    connect.pop("context", None)  # is the driver's own
    password = connect.pop("password", None)
    secret = {} if password is None else {"PGPASSWORD": str(password)}
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(  # noqa: S603
            [require_tool(name), *words, "--no-password", f"--dbname={make_conninfo(**connect)}"],
            env={**os.environ, **secret}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=complaints,
        )  # fmt: skip
        assert process.stdin is not None
        try:
            yield process, process.stdin
            code = process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            for pipe in (process.stdin, process.stdout):
                _close(pipe)
        if code:
            complaints.seek(0)
            said = " ".join(complaints.read(MOST_COMPLAINT * 4).decode(errors="replace").split())
            raise BackupError(f"{name} failed: {said[:MOST_COMPLAINT]}")


def _close(pipe: IO[bytes] | None) -> None:
    if pipe is not None:
        with suppress(BrokenPipeError):
            pipe.close()
