"""What runs together: one savepoint an account, or one each when anything breaks."""

import threading
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection, text

from data.database import Database
from data.writer import Writer
from tests.builders import open_truth

PATIENCE_SECONDS = 30


class Noting:
    """Writes down names of an account together; refuses some alone, breaks on others."""

    def __init__(self) -> None:
        self.runs: list[list[str]] = []

    def note(self, connection: Connection, account_id: str, names: Sequence[str]) -> list[object]:
        results: list[object] = []
        for name in names:
            if name.endswith("refused"):
                results.append(LookupError(name))
                continue
            note = text("INSERT INTO facts VALUES (:name, :account)")
            connection.execute(note, {"name": name, "account": account_id})
            if name.endswith("broken"):
                raise ValueError(name)
            results.append(name)
        self.runs.append(list(names))
        return results


def kept(database: Database) -> set[str]:
    with database.read() as connection:
        return set(connection.scalars(text("SELECT name FROM facts WHERE name <> 'cluster'")))


def test_what_runs_together_runs_again_alone_when_one_breaks(tmp_path: Path):
    database = open_truth(tmp_path)
    writer, opened, noting = Writer(database), threading.Event(), Noting()
    held = writer.submit(lambda _: opened.wait(PATIENCE_SECONDS))
    names = {"a": ["a1", "a-refused", "a2"], "b": ["b1", "b-broken", "b2"]}
    bulk = [
        writer.submit_bulk(key, [(name, 1) for name in names[key]], noting.note) for key in names
    ]
    opened.set()
    writer.close()
    assert held.result(PATIENCE_SECONDS)
    first, second = ([str(answer.exception(PATIENCE_SECONDS)) for answer in each] for each in bulk)
    assert first == ["None", "a-refused", "None"]
    assert second == ["None", "b-broken", "None"]
    assert noting.runs == [["a1", "a-refused", "a2"], ["b1"], ["b2"]]
    assert kept(database) == {"a1", "a2", "b1", "b2"}
    database.dispose()


def test_decisions_of_one_account_are_made_together_and_before_bulk(tmp_path: Path):
    database = open_truth(tmp_path)
    writer, opened, noting = Writer(database), threading.Event(), Noting()
    held = writer.submit(lambda _: opened.wait(PATIENCE_SECONDS))
    bulk = writer.submit_bulk("a", [("bulk", 1)], noting.note)
    decisions = [
        writer.submit_decision(name[0], name, noting.note) for name in ("b1", "c1", "b2", "b3")
    ]
    opened.set()
    writer.close()
    assert held.result(PATIENCE_SECONDS)
    assert [each.result(PATIENCE_SECONDS) for each in decisions] == ["b1", "c1", "b2", "b3"]
    assert bulk[0].result(PATIENCE_SECONDS) == "bulk"
    if database.dialect == "sqlite":
        assert noting.runs == [["b1", "b2", "b3"], ["c1"], ["bulk"]]
    assert kept(database) == {"bulk", "b1", "b2", "b3", "c1"}
    database.dispose()
