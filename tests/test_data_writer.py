"""The writer: one thread, shared commits, each job's own fate, no answer before the commit."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy import event as listeners
from sqlalchemy.exc import IntegrityError

from data import writer as writing
from data.changes import mark_changed
from data.database import Database
from data.savepoints import BusyError
from data.writer import Writer
from tests.builders import open_truth
from tests.databases import of_sqlite

PATIENCE_SECONDS = 30  # how long a test waits before it says that something hangs


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_truth(tmp_path)
    yield opened
    opened.dispose()


@pytest.fixture
def writer(database: Database) -> Iterator[Writer]:
    opened = Writer(database)
    yield opened
    opened.close()


def note(name: str) -> Callable[[Connection], str]:
    """A job that writes one fact."""

    def work(connection: Connection) -> str:
        connection.execute(text("INSERT INTO facts VALUES (:name, 'x')"), {"name": name})
        return name

    return work


def facts(database: Database) -> set[str]:
    with database.read() as connection:
        return set(connection.scalars(text("SELECT name FROM facts WHERE name <> 'cluster'")))


def in_thread(work: Callable[..., Any], *arguments: Any) -> Future[Any]:
    """The result of a call on a thread of its own."""
    answer: Future[Any] = Future()

    def run() -> None:
        try:
            answer.set_result(work(*arguments))
        except BaseException as error:  # what the call raised is its result
            answer.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return answer


class Gate:
    """A job that holds the writer until it is opened."""

    def __init__(self) -> None:
        self.entered, self.opened = threading.Event(), threading.Event()

    def work(self, _connection: Connection) -> None:
        self.entered.set()
        assert self.opened.wait(PATIENCE_SECONDS)


def hold(writer: Writer) -> tuple[Gate, Future[None]]:
    """Occupies the writer: what is written now waits in the queue."""
    gate = Gate()
    answer = in_thread(writer.write, gate.work)
    assert gate.entered.wait(PATIENCE_SECONDS)
    return gate, answer


def wait_until(is_true: Callable[[], bool]) -> None:
    """Returns once it is so."""
    ticker = threading.Event()
    for _ in range(PATIENCE_SECONDS * 100):
        if is_true():
            return
        ticker.wait(0.01)
    pytest.fail("it never came to be")


def wait_for_queue(writer: Writer, count: int) -> None:
    """Returns once so many jobs are waiting."""
    ticker = threading.Event()
    for _ in range(PATIENCE_SECONDS * 100):
        if writer.waiting[0] == count:
            return
        ticker.wait(0.01)
    pytest.fail(f"{writer.waiting[0]} jobs wait, not {count}")


def test_many_threads_write_and_each_gets_its_own_answer(writer: Writer, database: Database):
    names = [f"fact {n}" for n in range(400)]
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(lambda name: writer.write(note(name)), names)) == names
    assert facts(database) == set(names)


def test_jobs_run_one_at_a_time_on_one_thread(writer: Writer):
    running: list[str] = []
    threads = set()

    def work(_connection: Connection) -> None:
        running.append("in")
        threads.add(threading.current_thread().name)
        assert len(running) == 1
        running.pop()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: writer.write(work), range(100)))
    assert threads == {"writer"}


def test_an_answer_comes_only_after_the_commit(writer: Writer, database: Database):
    reached, may_commit = threading.Event(), threading.Event()

    def before_commit(_connection: Connection) -> None:
        reached.set()
        assert may_commit.wait(PATIENCE_SECONDS)

    listeners.listen(database.writer_engine, "commit", before_commit)
    answer = in_thread(writer.write, note("a"))
    assert reached.wait(PATIENCE_SECONDS)
    assert not answer.done()
    assert facts(database) == set()
    may_commit.set()
    assert answer.result(PATIENCE_SECONDS) == "a"
    assert facts(database) == {"a"}


def test_a_failing_job_fails_alone(writer: Writer, database: Database):
    def broken(connection: Connection) -> None:
        note("half done")(connection)
        raise ValueError("no")

    gate, held = hold(writer)
    jobs = [note("a"), broken, note("b"), note("a"), note("c")]
    answers = []
    for count, job in enumerate(jobs, start=1):
        answers.append(in_thread(writer.write, job))
        wait_for_queue(writer, count)
    gate.opened.set()
    held.result(PATIENCE_SECONDS)
    errors = [answer.exception(PATIENCE_SECONDS) for answer in answers]
    assert [type(error) for error in errors] == [
        type(None), ValueError, type(None), IntegrityError, type(None),
    ]  # fmt: skip
    assert facts(database) == {"a", "b", "c"}


def test_who_gives_up_meanwhile_harms_nobody(writer: Writer, database: Database):
    gate, held = hold(writer)
    given_up, others = writer.submit(note("given up")), writer.submit(note("kept"))
    piece = writer.submit_bulk("acme", [(note("bulk"), 1)], each)[0]
    assert given_up.cancel()
    assert piece.cancel()
    gate.opened.set()
    assert others.result(PATIENCE_SECONDS) == "kept"
    assert not held.cancel(), "what is being done can't be given up"
    assert writer.write(note("later")) == "later"
    assert facts(database) == {"kept", "later"}


def test_what_waits_shares_one_commit(writer: Writer, database: Database):
    commits: list[int] = []
    gate, held = hold(writer)
    answers = [in_thread(writer.write, note(str(n))) for n in range(20)]
    wait_for_queue(writer, 20)
    listeners.listen(database.writer_engine, "commit", lambda _connection: commits.append(1))
    gate.opened.set()
    for answer in [held, *answers]:
        answer.result(PATIENCE_SECONDS)
    assert len(commits) == 2  # the gate's own, and one for all that waited


def test_a_failed_commit_fails_every_job_and_the_next_one_works(writer: Writer, database: Database):
    def refuse(_connection: Connection) -> None:
        raise OSError("disk full")

    listeners.listen(database.writer_engine, "commit", refuse)
    with pytest.raises(OSError, match="disk full"):
        writer.write(note("a"))
    listeners.remove(database.writer_engine, "commit", refuse)
    assert facts(database) == set()
    assert writer.write(note("a")) == "a"


def test_a_full_queue_says_busy(database: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(writing, "LONGEST_QUEUE", 2)
    writer = Writer(database)
    gate, held = hold(writer)
    waiting = [in_thread(writer.write, note(name)) for name in ("a", "b")]
    wait_for_queue(writer, 2)
    with pytest.raises(BusyError) as refusal:
        writer.write(note("c"))
    assert refusal.value.code == "busy"
    gate.opened.set()
    for answer in [held, *waiting]:
        answer.result(PATIENCE_SECONDS)
    writer.close()
    assert facts(database) == {"a", "b"}


def test_closing_finishes_what_waits_and_takes_no_more(database: Database):
    writer = Writer(database)
    gate, held = hold(writer)
    answers = [in_thread(writer.write, note(str(n))) for n in range(300)]
    wait_for_queue(writer, 300)
    closing = in_thread(writer.close)
    wait_until(lambda: writer._is_closed)
    with pytest.raises(BusyError):
        writer.write(note("late"))
    gate.opened.set()
    for answer in [held, closing, *answers]:
        answer.result(PATIENCE_SECONDS)
    assert facts(database) == {str(n) for n in range(300)}
    writer.close()


def test_nobody_is_left_waiting_when_it_closes(database: Database):
    """A job handed over while the writer closes is either written or refused."""
    for turn in range(10):
        writer = Writer(database)
        answers = [in_thread(writer.write, note(f"{turn} {n}")) for n in range(8)]
        writer.close()
        errors = [answer.exception(PATIENCE_SECONDS) for answer in answers]
        assert {type(error) for error in errors} <= {type(None), BusyError}
        kept = sum(error is None for error in errors)
        assert sum(name.startswith(f"{turn} ") for name in facts(database)) == kept


def test_a_database_that_can_not_begin_answers_with_its_error():
    class Locked:
        @contextmanager
        def write(self) -> Iterator[Connection]:
            raise TimeoutError("database is locked")
            yield

    writer = Writer(Locked())  # type: ignore[arg-type]
    with pytest.raises(TimeoutError, match="locked"):
        writer.write(note("a"))
    writer.close()


# --- two lanes -------------------------------------------------------------------------------
def settle(*answers: Future[Any]) -> None:
    """Returns once all are written; raises what one of them raised."""
    for answer in answers:
        answer.result(PATIENCE_SECONDS)


def ordered(order: list[str], name: str) -> Callable[[Connection], str]:
    def work(connection: Connection) -> str:
        order.append(name)
        return name

    return work


def each(connection: Connection, _: str, works: Sequence[Callable[[Connection], Any]]) -> list[Any]:
    """Runs an account's pieces together."""
    return [work(connection) for work in works]


def commits(database: Database) -> list[int]:
    """Counts commits: its length."""
    seen: list[int] = []
    listeners.listen(database.writer_engine, "commit", lambda _: seen.append(1))
    return seen


def test_decisions_never_wait_behind_bulk(database: Database):
    """With 1,000 rows of bulk waiting, a decision goes into the next transaction, first."""
    writer = Writer(database, slice_rows=100)
    order: list[str] = []
    gate, held = hold(writer)
    pieces = [(ordered(order, f"bulk {n}"), 100) for n in range(10)]
    bulk = writer.submit_bulk("acme", pieces, each)
    decisions = [writer.submit(ordered(order, f"decision {n}")) for n in range(5)]
    seen = commits(database)
    gate.opened.set()
    settle(held, *bulk, *decisions)
    writer.close()
    assert order[:6] == [*(f"decision {n}" for n in range(5)), "bulk 0"], "and one slice of bulk"
    assert order[6:] == [f"bulk {n}" for n in range(1, 10)]
    assert len(seen) == 1 + 1 + 2, "alone, bulk takes five slices a transaction"


@of_sqlite
def test_bulk_is_taken_from_one_account_after_another(database: Database):
    writer = Writer(database)
    order: list[str] = []
    gate, held = hold(writer)
    big = writer.submit_bulk("big", [(ordered(order, f"big {n}"), 100) for n in range(20)], each)
    small = writer.submit_bulk("small", [(ordered(order, "small"), 1)], each)
    gate.opened.set()
    settle(held, *big, *small)
    writer.close()
    assert order.index("small") <= 5, "it is in the first transaction"


def test_a_broken_piece_fails_alone(writer: Writer, database: Database):
    def broken(connection: Connection) -> None:
        note("half")(connection)
        raise ValueError("broken")

    pieces = [(note("a"), 1), (broken, 1), (note("b"), 1)]
    first, second, third = writer.submit_bulk("acme", pieces, each)
    assert first.result(PATIENCE_SECONDS) == "a"
    with pytest.raises(ValueError, match="broken"):
        second.result(PATIENCE_SECONDS)
    assert third.result(PATIENCE_SECONDS) == "b"
    assert facts(database) == {"a", "b"}


@pytest.mark.parametrize("bound", ["MOST_ACCOUNT_ROWS", "MOST_BULK_ROWS"])
def test_bulk_is_bounded_all_or_nothing(database: Database, monkeypatch, bound: str):
    monkeypatch.setattr(writing, bound, 250)
    writer = Writer(database)
    order: list[str] = []
    gate, held = hold(writer)
    taken = writer.submit_bulk(
        "acme", [(ordered(order, "a"), 100), (ordered(order, "b"), 100)], each
    )
    with pytest.raises(BusyError) as refusal:
        writer.submit_bulk("acme", [(ordered(order, "c"), 50), (ordered(order, "d"), 50)], each)
    assert refusal.value.retry_after_seconds >= 1
    gate.opened.set()
    settle(held, *taken)
    writer.close()
    assert order == ["a", "b"]


def test_news_of_changed_accounts_come_after_the_commit(writer: Writer, database: Database):
    news: list[tuple[frozenset[str], set[str]]] = []
    writer.subscribe(lambda changed: news.append((changed, facts(database))))

    def work(connection: Connection) -> None:
        mark_changed(connection, "acme")
        note("a")(connection)

    writer.write(work)
    writer.write(note("b"))
    wait_until(lambda: "b" in facts(database))
    assert news == [(frozenset({"acme"}), {"a"})]


def test_a_transaction_that_the_database_gave_up_is_nobodys(writer: Writer, database: Database):
    def give_up(connection: Connection) -> None:
        connection.connection.rollback()  # as SQLite does by itself when the disk is full
        raise OSError("disk full")

    gate, held = hold(writer)
    first = writer.submit(note("a"))
    second = writer.submit(give_up)
    third = writer.submit(note("b"))
    gate.opened.set()
    held.exception(PATIENCE_SECONDS)
    errors = [answer.exception(PATIENCE_SECONDS) for answer in (first, second, third)]
    kept = facts(database)
    assert {name for name, error in zip("acb", errors, strict=True) if error is None} == kept
    assert errors[1] is not None
    assert writer.write(note("c")) == "c"


def test_a_job_cannot_wait_for_another(writer: Writer):
    with pytest.raises(AssertionError):
        writer.write(lambda _: writer.write(note("a")))
    assert writer.write(note("b")) == "b"
