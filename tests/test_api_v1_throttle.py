"""The bucket of a key: a burst at once, then a steady rate, never more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.v1 import throttle
from api.v1.throttle import KeyThrottle, TooOftenError
from billing.limits import limit


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def taken(bucket: KeyThrottle, key: str, asked: int) -> int:
    """How many of some requests at one instant pass."""
    passed = 0
    for _ in range(asked):
        try:
            bucket.take(key)
        except TooOftenError:
            continue
        passed += 1
    return passed


def test_a_quiet_key_may_burst_then_keeps_to_the_rate():
    clock = Clock()
    bucket = KeyThrottle(clock)
    assert taken(bucket, "a", 500) == limit("burst")
    clock.now = 1.0
    assert taken(bucket, "a", 500) == limit("requests")
    clock.now = 1_000.0
    assert taken(bucket, "a", 500) == limit("burst"), "it never fills above the burst"


def test_keys_have_buckets_of_their_own():
    bucket = KeyThrottle(Clock())
    assert taken(bucket, "a", 300) == taken(bucket, "b", 300) == limit("burst")


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(0, 400)), max_size=20))
def test_never_more_than_the_burst_and_the_rate(steps):
    clock = Clock()
    bucket = KeyThrottle(clock)
    passed = 0
    for seconds, asked in steps:
        clock.now += seconds
        passed += taken(bucket, "a", asked)
    assert passed <= limit("burst") + clock.now * limit("requests") + 0.001


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(throttle, "MOST_KEYS", 3)
    bucket = KeyThrottle(Clock())
    for n in range(10):
        bucket.take(f"key {n}")
    assert len(bucket._buckets) <= 3


def test_waiting_as_told_is_enough():
    clock = Clock()
    bucket = KeyThrottle(clock)
    taken(bucket, "a", limit("burst"))
    with pytest.raises(TooOftenError) as refusal:
        bucket.take("a")
    clock.now += refusal.value.retry_after_seconds
    bucket.take("a")
