"""Analytics whose catalog's server goes away: in the middle of a read, a change, its very end."""

from __future__ import annotations

import random
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from sqlalchemy import text

from data.analytics.kept import PLACE
from data.analytics.lake import Lake, LakeConflictError, LakeUnreachableError
from data.analytics.sync import sync_all
from data.database import Database, open_database
from data.migrate import migrate
from tests import databases
from tests.builders import Ledger, sms
from tests.catalogs import CONNECTED, assert_exact, filled, generation, held, move
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


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_server_that_is_restarted_is_met_again(tmp_path: Path, own: OwnPostgresql, mode):
    database = open_database(own.new_database(f"restarted_{mode}"))
    migrate(database)
    ledger = filled(tmp_path, database)
    with closing(Lake(tmp_path, database)) as lake:
        sync_all(database, lake)
        at = lake.position()

        def stop(cursor) -> None:
            move(cursor)
            own.stop(mode)

        with pytest.raises(LakeConflictError):
            lake.change(stop)  # in the middle of a change
        for _ in range(3):
            with pytest.raises(LakeUnreachableError, match="try again in a moment"):
                lake.position()
        own.start()
        assert lake.position() == at

        def restart(cursor) -> int:
            count = "SELECT count(*) FROM lake.lines"
            if not restarted:
                restarted.append(cursor.execute(count).fetchone())
                own.stop(mode)
                own.start()
            return cursor.execute(f"{count}, lake.moves").fetchone()

        restarted: list[object] = []
        lake.snapshot(restart)  # in the middle of a read, which nobody notices
        ledger.post(sms("after"))
        assert_exact(database, lake, 11)
        own.stop(mode)
        own.start()
        ledger.post(sms("later"))
        assert_exact(database, lake, 12)  # with connections that were idle
    database.dispose()


def test_connections_that_are_cut_at_any_moment_lose_nothing(tmp_path, database, ledger, lake):
    """Also proves that none of it ends the process: an undone transaction could (generation.py)."""
    is_over, rng, refused = threading.Event(), random.Random(7), 0
    passes: list[int] = []
    cuts: list[int] = []  # after how many passes

    def cut() -> None:
        while not is_over.wait(0.5 + rng.random()):
            if cuts and len(passes) < cuts[-1] + 2:  # on a busy machine all would be cut
                continue
            cuts.append(len(passes))
            with database.write() as connection:
                connection.execute(text(CONNECTED.replace("count(*)", "pg_terminate_backend(pid)")))

    cutting = threading.Thread(target=cut)
    cutting.start()
    try:
        for n in range(40):
            ledger.post(*(sms(f"cut-{n}-{k}") for k in range(4)))
            for work in (lambda: sync_all(database, lake), lambda: held(lake)):
                try:
                    work()
                except (LakeConflictError, LakeUnreachableError):
                    refused += 1
            passes.append(n)
    finally:
        is_over.set()
        cutting.join()
    assert len(cuts) > 3
    assert refused < 40
    assert_exact(database, lake, 170)


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_change_whose_end_nobody_heard_of_is_whole(tmp_path: Path, own: OwnPostgresql, is_kept):
    """The connection breaks after the server has the COMMIT, or just before."""
    with closing(Cutting(own.port)) as way:
        url = own.new_database(f"unheard_{is_kept}".lower())
        straight = open_database(url)
        migrate(straight)
        ledger = filled(tmp_path, straight)
        database = open_database(url.replace(str(own.port), str(way.port)))
        with closing(Lake(tmp_path, database)) as lake:
            sync_all(database, lake)
            before = lake.position()
            ledger.post(*(sms(f"later-{n}") for n in range(5)))

            def write(cursor) -> None:
                move(cursor)
                cursor.execute("INSERT INTO lake.lines SELECT * FROM lake.lines LIMIT 1")
                way.cut_at_commit(is_kept)

            with pytest.raises(LakeConflictError):
                lake.change(write)
            assert way.cuts == 1
            assert lake.position() == before + is_kept
            assert held(lake) == 10 + is_kept
            assert not list((generation(tmp_path) / PLACE).iterdir())
        database.dispose()
        straight.dispose()


class Cutting:
    """A way to a server that breaks at the next COMMIT of a catalog's connection."""

    def __init__(self, port: int) -> None:
        self._port, self.cuts = port, 0
        self._is_kept: bool | None = None
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_at_commit(self, is_kept: bool) -> None:
        """``is_kept``: the server still gets it; only its answer is lost."""
        self._is_kept = is_kept

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(("127.0.0.1", self._port))
                threading.Thread(target=self._pass, args=[near, far], daemon=True).start()

    def _pass(self, near: socket.socket, far: socket.socket) -> None:
        is_cut = False
        with near, far, suppress(OSError):
            while True:
                ready, _, _ = select.select([near, far], [], [])
                for each in ready:
                    data = each.recv(65_536)
                    if each is near and self._is_kept is not None and b"COMMIT\0" in data:
                        is_kept, self._is_kept = self._is_kept, None
                        self.cuts += 1
                        if not is_kept:
                            return
                        is_cut = True
                    if not data or (each is far and is_cut):
                        return  # the answer came, so the server has done it
                    (far if each is near else near).sendall(data)
