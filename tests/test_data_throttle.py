"""How often somebody may try to sign in, and how much trying may take of the machine."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from billing.errors import ProductError
from data import tables as t
from data.access import throttle
from data.access.people import Passwords, disable_person
from data.access.sessions import SignInError, resolve, sign_in
from data.access.throttle import CrowdedError, Slots, ThrottledError
from data.identity import Pseudonyms
from tests.builders import NOON
from tests.web_app import BOB, EMAIL, LONER, PASSWORD, QUICK, SUPPORT, installed

HERE, THERE = "192.0.2.1", "198.51.100.7"


@pytest.fixture
def opened(tmp_path):
    with installed(tmp_path) as opened:
        yield opened


def enter(opened, email=EMAIL, password=PASSWORD, address=HERE, passwords=QUICK) -> str:
    return sign_in(opened, passwords, email, password, address)


def fail(opened, times, email=EMAIL, address=HERE):
    for _ in range(times):
        with pytest.raises(SignInError):
            enter(opened, email, "wrong password", address)


def person_id(opened, email) -> str:
    with opened.database.read() as connection:
        return connection.scalar(select(t.people.c.id).where(t.people.c.email == email))


def test_wrong_unknown_and_disabled_sound_the_same(opened):
    opened.writer.write(lambda connection: disable_person(connection, person_id(opened, BOB), NOON))
    said = set()
    for email, password in (
        (EMAIL, "wrong password"), ("nobody@acme.example", PASSWORD),
        (BOB, PASSWORD), ("", ""), ("x" * 5000, "y" * 5000), ("a\0b@c", "d"),
    ):  # fmt: skip
        with pytest.raises(SignInError) as caught:
            enter(opened, email, password, address=f"192.0.2.{len(email) % 200}")
        said.add(caught.value.message)
    assert len(said) == 1


def test_an_unknown_address_costs_a_hash_too(opened, monkeypatch):
    checked = []
    monkeypatch.setattr(QUICK, "matches", lambda *given: checked.append(given))
    fail(opened, 1, "nobody@acme.example")
    assert checked == [(None, "wrong password")]


def test_five_failures_make_a_person_wait_at_that_place_and_longer_each_time(opened):
    fail(opened, 5)
    waits = []
    for _ in range(3):
        with pytest.raises(ThrottledError) as caught:
            enter(opened)
        assert "minute" in caught.value.message
        waits.append(caught.value.retry_after_seconds)
        opened.clock.at += timedelta(seconds=waits[-1])
        fail(opened, 1)
    assert waits == [60, 120, 240]
    assert resolve(opened, enter(opened, address=THERE)), "elsewhere the right password works"
    opened.clock.at += throttle.WINDOW
    assert resolve(opened, enter(opened))


def test_a_refused_attempt_is_not_counted(opened):
    fail(opened, 5)
    for _ in range(20):
        with suppress(ThrottledError):
            enter(opened)
    opened.clock.at += timedelta(seconds=60)
    assert resolve(opened, enter(opened))


def test_success_clears_the_person_and_not_the_place(opened):
    for _ in range(7):
        fail(opened, 4)
        enter(opened)
    fail(opened, 2)
    with pytest.raises(ThrottledError):
        enter(opened, "another@acme.example")


def test_a_place_that_tries_many_people_has_to_wait(opened):
    for number in range(30):
        fail(opened, 1, f"p{number}@acme.example")
    with pytest.raises(ThrottledError):
        enter(opened)
    assert resolve(opened, enter(opened, address=THERE))


def test_a_person_tried_from_everywhere_is_guarded(opened):
    for number in range(100):
        fail(opened, 1, address=f"198.51.100.{number}")
    with pytest.raises(ThrottledError):
        enter(opened, address="203.0.113.9")


def test_old_failures_are_deleted(opened):
    fail(opened, 3)
    opened.clock.at += throttle.WINDOW
    fail(opened, 1)
    with opened.database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(t.sign_in_failures)) == 3


# --- many at once ----------------------------------------------------------------------------
def test_many_sign_in_at_once(opened):
    emails = [EMAIL, BOB, SUPPORT, LONER]
    patient = Passwords(1, 8, 1, slots=2, waiting=30)
    with ThreadPoolExecutor(16) as pool:
        tokens = list(pool.map(lambda email: enter(opened, email, passwords=patient), emails * 8))
    assert len(set(tokens)) == 32
    viewers = [resolve(opened, token) for token in tokens]
    assert [viewer.email for viewer in viewers if viewer] == emails * 8


def test_guessing_at_once_gains_nothing(opened):
    patient = Passwords(1, 8, 1, slots=2, waiting=30)
    outcomes = []

    def guess(number: int) -> None:
        try:
            enter(opened, password=f"guess number {number}", passwords=patient)
        except ProductError as error:
            outcomes.append(error.code)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(guess, range(32)))
    assert len(outcomes) == 32
    assert outcomes.count("sign_in_failed") <= 5 + 1, "one a place beyond the free ones"
    assert set(outcomes) == {"sign_in_failed", "throttled"}


# --- its parts -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("::1", "::/64"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"), ("fe80::1%eth0", "fe80::/64"),
        (None, "unknown"), ("", "unknown"), ("testclient", "unknown"),
    ],
)  # fmt: skip
def test_one_client_is_an_address_or_a_network(address, network):
    assert throttle.network_of(address) == network


def test_hashes_of_one_thing_never_match_another():
    keys = throttle.attempt(Pseudonyms("one"), "a", "192.0.2.1").keys
    others = throttle.attempt(Pseudonyms("two"), "a", "192.0.2.1").keys
    assert len({*keys.values(), *others.values()}) == 6


def test_slots_bound_what_runs_and_what_waits():
    slots, running, most, refused = Slots(2, 3), set(), [], []
    started, release = threading.Barrier(6), threading.Event()

    def work(number: int) -> None:
        started.wait(5)
        try:
            with slots.take():
                running.add(number)
                most.append(len(running))
                release.wait(5)
                running.discard(number)
        except CrowdedError:
            refused.append(number)

    with ThreadPoolExecutor(6) as pool:
        done = [pool.submit(work, number) for number in range(6)]
        for _ in range(500):
            if refused and len(running) == 2:
                break
            time.sleep(0.01)
        assert len(refused) == 1
        release.set()
        for future in done:
            future.result()
    assert max(most) == 2
    with slots.take():
        pass


def test_slots_are_given_back_when_the_work_fails():
    slots = Slots(1, 0)
    for _ in range(3):
        with suppress(ValueError), slots.take():
            raise ValueError
    with slots.take(), pytest.raises(CrowdedError), slots.take():
        pass
