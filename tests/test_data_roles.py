"""Roles of PostgreSQL: who serves can't change the ledger, who reads sees no secret."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from billing.errors import InputError
from data.access.keys import add_key
from data.database import Database, open_database
from data.installation import open_installation
from data.migrate import migrate
from data.roles import grant_roles, quoted
from data.tables import APPEND_ONLY, metadata
from tests import backups
from tests.builders import Ledger, sms
from tests.live import NOW, OWNER
from tests.own_postgresql import OwnPostgresql, own_postgresql
from tests.test_api_stop import message
from tests.test_api_workers import wait_until
from tests.web_client import WebClient

ROOT = Path(__file__).parents[1]
OWNS, APP, READER = "owns", 'app"; DROP TABLE events; --%s', "Reader's :x"


@pytest.fixture(scope="module")
def own() -> Iterator[OwnPostgresql]:
    with own_postgresql() as server:
        for name in (OWNS, APP, READER, "nobody"):
            administer(server, f"CREATE ROLE {quoted(name)} LOGIN")
        yield server


def administer(server: OwnPostgresql, statement: str, database: str = "postgres") -> None:
    with psycopg.connect(f"{server.address}/{database}", autocommit=True) as connection:
        connection.execute(statement.encode())


@pytest.fixture
def url(own: OwnPostgresql, request: pytest.FixtureRequest) -> str:
    """A ledger of ``owns``, and its address."""
    name = f"of_{request.node.name.split('[')[0]}"[:60] + str(abs(hash(request.node.name)) % 1000)
    found = make_url(own.new_database(name, f"OWNER {OWNS}")).set(username=OWNS)
    database = open_database(found.render_as_string(hide_password=False))
    migrate(database)
    database.dispose()
    return found.render_as_string(hide_password=False)


def as_role(url: str, role: str) -> str:
    return make_url(url).set(username=role).render_as_string(hide_password=False)


def granted(url: str, app: str | None = APP, reader: str | None = READER) -> list[str]:
    database = open_database(url)
    try:
        return grant_roles(database, app, reader)
    finally:
        database.dispose()


def run(url: str, role: str, statement: str) -> list[tuple]:
    engine = create_engine(as_role(url, role), poolclass=NullPool)
    with engine.begin() as connection:
        result = connection.execute(text(statement.replace(":", "\\:")))
        return [tuple(row) for row in result] if result.returns_rows else []


def refused(url: str, role: str, statement: str) -> str:
    with pytest.raises(DBAPIError) as error:
        run(url, role, statement)
    return str(error.value.orig)


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_the_ledger_is_safe_from_who_serves_it(ledger_url: str, table: str):
    column = next(iter(metadata.tables[table].columns)).name
    for statement in (
        f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}",
        f"TRUNCATE {table} CASCADE",
    ):  # fmt: skip
        assert "permission denied" in refused(ledger_url, APP, statement)
    for statement in (
        f"DROP TABLE {table} CASCADE", f"ALTER TABLE {table} DISABLE TRIGGER ALL",
        f"DROP TRIGGER guard_{table}_update ON {table}", f"ALTER TABLE {table} ADD x int",
        f"CREATE INDEX ON {table} ({column})",
    ):  # fmt: skip
        assert "must be owner" in refused(ledger_url, APP, statement)


@pytest.fixture(scope="module")
def ledger_url(own: OwnPostgresql) -> str:
    """One ledger for all who only try what is refused."""
    found = make_url(own.new_database("refusing", f"OWNER {OWNS}")).set(username=OWNS)
    url = found.render_as_string(hide_password=False)
    database = open_database(url)
    migrate(database)
    database.dispose()
    granted(url)
    return url


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE x (n int)", "CREATE FUNCTION ledger_tx2() RETURNS int LANGUAGE sql AS '1'",
        "CREATE OR REPLACE FUNCTION ledger_tx() RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'",
        "CREATE TRIGGER t BEFORE INSERT ON usage_lines EXECUTE FUNCTION refuse_change()",
        "UPDATE people SET email = 'x'", "DELETE FROM people", "UPDATE api_keys SET key_hash = 'x'",
        "DELETE FROM accounts", "UPDATE facts SET value = 'x'", "DELETE FROM balances",
        "UPDATE alembic_version SET version_num = '0001'",
        "SELECT setval('usage_lines_seq_seq', 1)", "COPY usage_lines TO PROGRAM 'true'",
    ],
)  # fmt: skip
def test_neither_role_can_do_more_than_it_needs(ledger_url: str, statement: str):
    for role in (APP, READER):
        said = refused(ledger_url, role, statement)
        assert "permission denied" in said or "must be" in said


def test_who_reads_sees_lines_and_no_secret(ledger_url: str):
    for table in ("usage_lines", "wallet_entries", "receipts", "statements", "alembic_version"):
        run(ledger_url, READER, f"SELECT * FROM {table}")
    run(ledger_url, READER, "SELECT id, email, name FROM people")
    run(ledger_url, READER, "SELECT id, shown_prefix, scopes FROM api_keys")
    for statement in (
        "SELECT * FROM people", "SELECT password_hash FROM people", "SELECT key_hash FROM api_keys",
        "SELECT * FROM sessions", "SELECT count(*) FROM sign_in_failures",
        "SELECT answer FROM idempotency_keys", "INSERT INTO facts VALUES ('a', 'b')",
        "CREATE SCHEMA mine", "SELECT nextval('usage_lines_seq_seq')",
    ):  # fmt: skip
        assert "permission denied" in refused(ledger_url, READER, statement)


def test_no_table_is_forgotten():
    """A new table is either of the ledger or says what may be changed in it."""
    from data.roles import CHANGED, EMPTIED, HIDDEN, HIDDEN_COLUMNS

    assert not set(APPEND_ONLY) & {*CHANGED, *EMPTIED}
    assert {*CHANGED, *EMPTIED, *HIDDEN, *HIDDEN_COLUMNS} <= set(metadata.tables)
    secret = ("hash", "secret", "token", "password")
    for table, known in metadata.tables.items():
        for column in known.columns:
            if any(word in column.name for word in secret) and table not in (*HIDDEN, "seals"):
                assert column.name in HIDDEN_COLUMNS.get(table, ()), f"{table}.{column.name}"


def test_it_is_run_again_after_a_change_and_takes_away_what_is_too_much(url: str):
    granted(url)
    run(url, OWNS, f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {quoted(APP)}")
    run(url, OWNS, f"GRANT SELECT ON sessions TO {quoted(READER)}")
    assert len(granted(url)) == 2
    assert "permission denied" in refused(url, APP, "DELETE FROM usage_lines")
    assert "permission denied" in refused(url, READER, "SELECT * FROM sessions")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"app": "missing"}, r"app 'missing' is not valid: make it first: CREATE ROLE"),
        ({"app": "postgres"}, r"app 'postgres' is not valid: it is a superuser"),
        ({"app": OWNS}, r"app 'owns' is not valid: .*owner"),
        ({"reader": "absent"}, r"reader 'absent' is not valid: make it first"),
        ({"app": "nobody", "reader": "nobody"}, r"another role than the application's"),
        ({}, r"name a role with --app, --reader or both"),
    ],
)
def test_a_role_that_does_not_fit_is_named(ledger_url: str, given: dict, told: str):
    with pytest.raises(InputError, match=told):
        granted(ledger_url, **{"app": None, "reader": None, **given})


def test_what_everybody_may_is_told(own: OwnPostgresql, url: str):
    run(url, OWNS, "GRANT DELETE ON wallet_entries TO PUBLIC")
    with pytest.raises(InputError, match=r"may still DELETE wallet_entries.*PUBLIC.*revoke"):
        granted(url)
    assert "permission denied" in refused(url, APP, "SELECT * FROM usage_lines")  # nothing of it


def test_only_the_owner_gives_and_only_on_postgresql(ledger_url: str, tmp_path: Path):
    with pytest.raises(InputError, match=r"connect as the role that owns the ledger \(owns\)"):
        granted(as_role(ledger_url, "nobody"))
    with pytest.raises(InputError, match="roles are PostgreSQL's"):
        granted(f"sqlite:///{tmp_path / 'x.db'}")


def opening(url: str, role: str) -> str:
    """What a start says to a role."""
    database: Database = open_database(as_role(url, role))
    try:
        with pytest.raises(InputError) as error:
            migrate(database)
    finally:
        database.dispose()
    return str(error.value)


def test_a_start_says_what_is_missing(url: str, tmp_path: Path):
    granted(url)
    database = open_database(url)
    ledger = Ledger(tmp_path, database)
    ledger.add("acme")
    ledger.post(sms("one"))
    database.dispose()
    assert "run `usage-dashboard migrate` as the ledger's owner" in opening(url, "nobody")
    run(url, OWNS, f"REVOKE INSERT ON receipts FROM {quoted(APP)}")
    said = opening(url, APP)
    assert "its role may not INSERT receipts: as the ledger's owner (owns) run" in said
    assert "usage-dashboard roles --app" in said
    granted(url)
    run(url, OWNS, "UPDATE alembic_version SET version_num = '0004'")
    said = opening(url, APP)
    assert "run `usage-dashboard migrate` as the ledger's owner" in said
    run(url, OWNS, "UPDATE alembic_version SET version_num = '0005'")
    run(url, OWNS, "UPDATE facts SET value = 'elsewhere' WHERE name = 'cluster'")
    assert "run `usage-dashboard migrate` as the ledger's owner" in opening(url, APP)


def test_analytics_that_the_owner_made_are_made_again_by_who_serves(
    url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """As after a restore, which the owner runs."""
    granted(url)
    backups.filled(backups.settings_for(tmp_path, url))
    with backups.opened(backups.settings_for(tmp_path, as_role(url, APP))) as installation:
        backups.assert_exact(installation)
    assert "or another role's): they are made again" in caplog.text
    assert "can't be dropped: must be owner of schema" in caplog.text
    assert len(owners_of_catalogs(url)) == 2
    command(environment_of(tmp_path, url), "rebuild")  # the owner's goes with the owner's next
    assert owners_of_catalogs(url).count(OWNS) == 1


def owners_of_catalogs(url: str) -> list[str]:
    found = run(url, OWNS, "SELECT pg_get_userbyid(nspowner) FROM pg_namespace "
                "WHERE nspname LIKE 'lake_g%' ORDER BY 1")  # fmt: skip
    return [name for (name,) in found]


def environment_of(folder: Path, url: str, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("USAGE_")}
    return {**kept, "USAGE_DATA_DIR": str(folder), "USAGE_DATABASE_URL": url, **more}


def test_serving_as_the_applications_role(url: str, tmp_path: Path):
    """The server and the commands, in processes of their own, end to end."""
    settings = backups.settings_for(tmp_path / "owner", url)
    backups.filled(settings)
    installation = open_installation(settings)
    with installation.database.write() as connection:
        key, _ = add_key(connection, installation.pseudonyms, "acme",
                         ["events:write", "usage:read"], NOW)  # fmt: skip
    secret = installation.secret
    installation.close()
    environment = environment_of(
        tmp_path / "app", as_role(url, APP), USAGE_SECRET_KEY=secret, USAGE_SYNC_SECONDS="1"
    )
    assert "has schema" in command(environment, "migrate", USAGE_DATABASE_URL=url)
    told = command(environment, "roles", "--app", APP, "--reader", READER, USAGE_DATABASE_URL=url)
    assert "may serve" in told
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "app", "serve", "--port", str(port)],
            cwd=ROOT, env=environment, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        journey(f"http://127.0.0.1:{port}", key, tmp_path)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)
    said = (tmp_path / "log").read_text()
    assert "permission denied" not in said
    assert "must be owner" not in said
    assert "Traceback" not in said
    command(environment, "verify")
    command(environment, "rebuild")
    assert owners_of_catalogs(url) == sorted([OWNS, APP])


def command(environment: dict[str, str], *words: str, **more: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "app", *words], cwd=ROOT, env={**environment, **more},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def journey(address: str, key: str, folder: Path) -> None:
    """Somebody signs in, an event comes, the page shows it, analytics take it in."""
    wait_until(lambda: is_ready(address), 60.0)
    headers = {"Authorization": f"Bearer {key}"}
    for n in range(3):
        sent = httpx.post(
            f"{address}/api/v1/events", json=message(f"role-{n}"), headers=headers, timeout=30
        )
        assert sent.status_code == 204, sent.text
    person = WebClient(address, OWNER)
    assert "Acme" in person.page("/billing/usage", "")
    person.close()
    wait_until((folder / "app" / "lake" / "CURRENT").exists, 30.0)
    checks = httpx.get(f"{address}/readyz", timeout=10).json()["checks"]
    assert {checks[name] for name in ("ledger_read", "ledger_write", "analytics", "sync")} == {
        "ok"
    }, checks


def is_ready(address: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{address}/readyz", timeout=10).status_code == 200
    return False
