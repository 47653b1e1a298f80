"""Bulk pieces that are finished together: one savepoint an account, or one a piece."""

import threading
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, text

from data import writer as writing
from data.database import Database
from data.writer import Writer
from tests.builders import open_truth

PATIENCE_SECONDS = 30


def note(name: str, connection: Connection) -> None:
    connection.execute(text("INSERT INTO facts VALUES (:name, 'x')"), {"name": name})


def test_pieces_that_are_finished_together_run_again_alone_when_one_breaks(tmp_path: Path):
    """What two accounts left unfinished is written once an account, or once a piece."""
    database: Database = open_truth(tmp_path)
    finished: list[list[str]] = []

    def left(name: str) -> Callable[[Connection], str]:
        def work(connection: Connection) -> str:
            account_id = name[0]
            writing.scratch(connection).setdefault(account_id, []).append(name)
            if name == "b-broken":
                raise ValueError(name)
            return name

        return work

    def finish(account_id: str) -> Callable[[Connection], None]:
        def work(connection: Connection) -> None:
            names = writing.scratch(connection).pop(account_id)
            finished.append(names)
            for name in names:
                note(name, connection)

        return work

    writer, opened = Writer(database), threading.Event()
    held = writer.submit(lambda _: opened.wait(PATIENCE_SECONDS))
    names = {"a": ["a1", "a2", "a3"], "b": ["b1", "b-broken", "b2"]}
    answers = [
        writer.submit_bulk(key, [(left(name), 1) for name in names[key]], finish(key))
        for key in names
    ]
    opened.set()
    writer.close()
    assert held.result(PATIENCE_SECONDS)
    first, second = ([answer.exception(PATIENCE_SECONDS) for answer in each] for each in answers)
    assert first == [None, None, None]
    assert [str(error) for error in second] == ["None", "b-broken", "None"]
    assert finished == [["a1", "a2", "a3"], ["b1"], ["b2"]]
    with database.read() as connection:
        stored = set(connection.scalars(text("SELECT name FROM facts WHERE name <> 'cluster'")))
    database.dispose()
    assert stored == {"a1", "a2", "a3", "b1", "b2"}
