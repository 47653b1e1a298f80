"""Parts of pages made once for several people: never an old one, in bounded memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select, update

from api import shared_parts
from api.shared_parts import BYTES_BESIDE, MOST_OF_ONE, Part, SharedParts
from data.database import Database, open_database
from data.tables import facts
from tests.builders import open_truth
from tests.databases import truth_url

SOON = 20.0


def _same(part: Part) -> Part:
    return part


@dataclass
class Ledger:
    """A pretended ledger of some accounts: each commit makes another version."""

    version: int = 0
    sums: dict[str, int] = field(default_factory=lambda: {"a": 0, "b": 0})
    made: list[str] = field(default_factory=list)

    def commit(self, account: str) -> None:
        self.sums[account] += 1
        self.version += 1

    def part(self, account: str) -> Part:
        self.made.append(account)
        return Part(b"%d" % self.sums[account], None)

    def ask(self, shared: SharedParts, account: str, *, has_place: bool = True) -> int:
        def place() -> Hashable:
            return self.sums[account] if has_place else None

        return int(shared.get(account, place, lambda: self.part(account)).json)


@dataclass
class Seconds:
    """A clock that a test moves."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def shared(ledger: Ledger, seconds: Seconds) -> SharedParts:
    return SharedParts(lambda: ledger.version, clock=seconds)


# --- when it is given again ---------------------------------------------------------------------
def test_what_is_asked_for_again_is_made_once(shared: SharedParts, ledger: Ledger):
    assert [ledger.ask(shared, "a") for _ in range(5)] == [0] * 5
    assert ledger.made == ["a"]


def test_another_accounts_commits_are_made_anew_once_and_then_told_apart(
    shared: SharedParts, ledger: Ledger
):
    ledger.ask(shared, "a")
    for _ in range(5):
        ledger.commit("b")
        ledger.ask(shared, "a")
    assert ledger.made == ["a", "a"], "its place is read only for what is asked for again"


def test_without_a_place_every_commit_counts(shared: SharedParts, ledger: Ledger):
    for _ in range(3):
        ledger.ask(shared, "a", has_place=False)
        ledger.commit("b")
    assert ledger.made == ["a"] * 3


@given(st.lists(st.tuples(st.sampled_from(["commit", "ask", "ask", "wait"]), st.sampled_from("ab"),
                          st.booleans()), max_size=40))  # fmt: skip
def test_whatever_happens_the_answer_is_that_of_now(steps: list[tuple[str, str, bool]]):
    ledger, seconds = Ledger(), Seconds()
    shared = SharedParts(lambda: ledger.version, clock=seconds)
    for step, account, has_place in steps:
        if step == "commit":
            ledger.commit(account)
        elif step == "wait":
            seconds.now += shared_parts.KEPT_SECONDS / 3
        else:
            assert ledger.ask(shared, account, has_place=has_place) == ledger.sums[account]


def test_nothing_is_kept_for_long(shared: SharedParts, ledger: Ledger, seconds: Seconds):
    ledger.ask(shared, "a")
    seconds.now = shared_parts.KEPT_SECONDS - 0.1
    ledger.ask(shared, "a")
    assert ledger.made == ["a"]
    seconds.now = shared_parts.KEPT_SECONDS
    ledger.ask(shared, "a")
    assert ledger.made == ["a", "a"], "it says the instant its figures are complete to"


def test_what_failed_in_part_is_tried_again(shared: SharedParts):
    made: list[int] = []

    def make() -> Part:
        made.append(1)
        return Part(b"could not be loaded", None, is_whole=False)

    for _ in range(3):
        assert shared.get("a", lambda: 1, make).json == b"could not be loaded"
    assert len(made) == 3
    assert shared.byte_count == 0


def test_what_was_made_can_be_forgotten(shared: SharedParts, ledger: Ledger):
    ledger.ask(shared, "a")
    shared.forget()
    assert shared.byte_count == 0
    ledger.ask(shared, "a")
    assert ledger.made == ["a", "a"]


# --- by several at once -------------------------------------------------------------------------
def at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    """What each of some threads gives or raises, all of them begun before any asks."""
    ready = threading.Barrier(count)

    def run(number: int) -> Any:
        ready.wait(SOON)
        try:
            return work(number)
        except OSError as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        return [each.result(SOON) for each in [pool.submit(run, n) for n in range(count)]]


def test_while_one_makes_it_the_others_wait(shared: SharedParts):
    made, others_came = [], threading.Event()

    def make() -> Part:
        made.append(threading.get_ident())
        others_came.wait(0.3)
        return Part(b"same", "facts")

    found = at_once(8, lambda _: shared.get("a", lambda: 1, make))
    assert len(made) == 1
    assert {(each.json, each.facts) for each in found} == {(b"same", "facts")}


def test_who_asks_for_something_else_does_not_wait(shared: SharedParts):
    is_asked, may_end = threading.Event(), threading.Event()

    def slow() -> Part:
        is_asked.set()
        assert may_end.wait(SOON)
        return Part(b"slow", None)

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(shared.get, "slow", lambda: 1, slow)
        assert is_asked.wait(SOON)
        assert shared.get("quick", lambda: 1, lambda: Part(b"quick", None)).json == b"quick"
        may_end.set()
        assert waiting.result(SOON).json == b"slow"


def test_who_asks_after_a_commit_does_not_wait_for_what_was_begun_before(
    shared: SharedParts, ledger: Ledger
):
    is_asked, may_end = threading.Event(), threading.Event()

    def before() -> Part:
        made = ledger.part("a")
        is_asked.set()
        assert may_end.wait(SOON)
        return made

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(shared.get, "a", lambda: ledger.sums["a"], before)
        assert is_asked.wait(SOON)
        ledger.commit("a")
        assert ledger.ask(shared, "a") == 1
        may_end.set()
        assert waiting.result(SOON).json == b"0", "they asked before"
    assert ledger.ask(shared, "a") == 1, "what ended later isn't newer"


def test_a_failure_is_only_for_whom_it_happened_to(shared: SharedParts):
    lock, made = threading.Lock(), []

    def make() -> Part:
        with lock:
            made.append(1)
            is_first = len(made) == 1
        if is_first:
            threading.Event().wait(0.3)
            raise OSError("out of reach")
        return Part(b"made", None)

    found = at_once(6, lambda _: shared.get("a", lambda: 1, make))
    failed = [each for each in found if isinstance(each, OSError)]
    assert len(failed) == 1
    assert {each.json for each in found if isinstance(each, Part)} == {b"made"}
    assert len(made) == 2


# --- memory -------------------------------------------------------------------------------------
def test_memory_is_bounded_and_what_was_wanted_lately_stays(ledger: Ledger):
    size, most = 100_000, 1_000_000
    shared = SharedParts(lambda: ledger.version, most)
    made: list[int] = []

    def ask(number: int) -> None:
        def make() -> Part:
            made.append(number)
            return Part(b"x" * size, None)

        assert len(shared.get(number, lambda: 0, make).json) == size
        assert shared.byte_count <= most

    room = most // (size + BYTES_BESIDE)
    for number in range(50):
        ask(number)
        ask(0)  # always wanted
    assert made.count(0) == 1
    assert shared.byte_count == room * (size + BYTES_BESIDE)
    for number in range(50 - room + 1, 50):
        ask(number)
    assert len(made) == 50, "the newest are there"
    ask(1)
    assert len(made) == 51, "the oldest went"


def test_memory_is_bounded_for_many_at_once(ledger: Ledger):
    most = 500_000
    shared = SharedParts(lambda: ledger.version, most)

    def work(number: int) -> None:
        for turn in range(200):
            key = (number * 7 + turn) % 40
            if turn % 20 == 0:
                ledger.commit("a")
            part = Part(b"%02d" % key * 15_000, None)
            assert shared.get(key, lambda: None, partial(_same, part)).json == part.json
            assert shared.byte_count <= most

    assert at_once(8, work) == [None] * 8
    shared.forget()
    assert shared.byte_count == 0


def test_a_very_large_part_is_given_but_not_kept(shared: SharedParts):
    large = Part(b"x" * (MOST_OF_ONE + 1), None)
    assert shared.get("a", lambda: 1, lambda: large) is large
    assert shared.byte_count == 0


# --- over a real ledger -------------------------------------------------------------------------
@pytest.fixture
def truths(tmp_path: Path) -> Iterator[tuple[Database, Database]]:
    """One ledger opened twice, as two processes do."""
    mine = open_truth(tmp_path)
    theirs = open_database(
        mine.writer_engine.url.render_as_string(hide_password=False)
        if mine.dialect == "sqlite"
        else truth_url(tmp_path)
    )
    with mine.write() as connection:
        connection.execute(insert(facts).values(name="n", value="0"))
    yield mine, theirs
    theirs.dispose()
    mine.dispose()


def read_number(database: Database) -> int:
    with database.read() as connection:
        return int(str(connection.scalar(select(facts.c.value).where(facts.c.name == "n"))))


def write_number(database: Database, number: int) -> None:
    with database.write() as connection:
        connection.execute(update(facts).where(facts.c.name == "n").values(value=str(number)))


@pytest.mark.parametrize("writer", [0, 1], ids=["this process", "another process"])
def test_each_commit_makes_another_version(truths: tuple[Database, Database], writer: int):
    seen = [truths[0].version()]
    for number in range(1, 21):
        write_number(truths[writer], number)
        seen.append(truths[0].version())
    assert len(set(seen)) == 21


def test_nobody_is_shown_less_than_was_committed_before_they_asked(
    truths: tuple[Database, Database],
):
    mine, theirs = truths
    shared = SharedParts(mine.version)
    is_over, made = threading.Event(), []

    def make() -> Part:
        made.append(1)
        return Part(b"%d" % read_number(mine), None)

    def look(number: int) -> int:
        count = 0
        while not is_over.is_set():
            least = read_number(mine)

            def place() -> Hashable:
                return read_number(mine) if number % 2 else None

            got = int(shared.get(number % 2, place, make).json)
            most = read_number(mine)
            assert least <= got <= most
            count += 1
        return count

    def write(_: int) -> int:
        for number in range(1, 150):
            write_number(theirs if number % 2 else mine, number)
            threading.Event().wait(0.01)
        is_over.set()
        return 0

    counts = at_once(5, lambda n: write(n) if n == 4 else look(n))
    assert all(counts[:4])
    assert len(made) < sum(counts), "some were shared"
