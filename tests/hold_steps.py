"""What may happen to an account with holds and caps: prices, places, and steps of a story."""

from hypothesis import strategies as st

from billing.rates import Rate
from tests.builders import at
from tests.hold_oracle import Price

UNIT = 10_000  # what everything costs that isn't listed here
LISTED = (
    Rate("", "ai_connected_minutes", 70_000, 60, "", 30, 6, 5_000),
    Rate("", "human_connected_minutes", 90_001, 60, "1", 60, 60),
    Rate("", "sms_credits", 7_501),
    Rate("", "ai_sms_replies", 0),
)
PRICES = {
    "call.ai": Price(70_000, UNIT, 60, 30, 6, 5_000, is_call=True),
    "call.human": Price(90_001, UNIT, 60, 60, 60, is_call=True),
    "call.inbound": Price(UNIT, is_call=True),
    "sms": Price(7_501),
    "sms.ai_reply": Price(0),
}
# Clocks go back an hour on the first day of the first (at 1 o'clock of the second, over midnight)
# and over midnight forward in the third; a week and a month end near by.
PLACES = [
    ("America/New_York", at("2026-10-31 19:00")),
    ("America/Havana", at("2026-10-31 20:00")),
    ("America/Havana", at("2026-03-07 18:00")),
    ("Asia/Kolkata", at("2026-11-29 12:00")),
]
CAMPAIGNS = st.sampled_from(["", "spring", "autumn"])
WHICH = st.integers(0, 5)
MONEY = st.sampled_from([2_000_000, 400_000, 100_000, 45_000, 15_002, 7_500, 0])
SECONDS = st.sampled_from([1, 29, 30, 31, 60, 61, 120, 600])
ASK = st.one_of(
    st.tuples(st.just("call.ai"), SECONDS | st.none(), CAMPAIGNS, st.none()),
    st.tuples(st.just("call.human"), SECONDS, CAMPAIGNS, st.sampled_from([None, "14155550100"])),
    st.tuples(st.just("call.inbound"), SECONDS, st.just(""), st.none()),
    st.tuples(st.just("sms"), st.integers(1, 9) | st.none(), CAMPAIGNS, st.none()),
    st.tuples(st.sampled_from(["sms.ai_reply", "voicemail.ringless"]), st.just(2), CAMPAIGNS,
              st.none()),
)  # fmt: skip
STEP = st.one_of(
    st.tuples(st.just("ask"), ASK),
    st.tuples(st.just("ask"), ASK),
    st.tuples(st.just("again"), WHICH),
    st.tuples(st.just("extend"), WHICH, SECONDS),
    st.tuples(st.just("settle"), WHICH, SECONDS),
    st.tuples(st.just("settle"), WHICH, SECONDS),
    st.tuples(st.just("release"), WHICH),
)
SOME = MONEY.filter(bool)
WINDOWED = st.sampled_from(
    [("daily", ""), ("weekly", ""), ("monthly", ""), ("campaign", "spring"), ("campaign", "autumn")]
)
CAPS = st.sampled_from([1_000_000, 400_000, 200_000, 100_000, 50_000, 0])
DECISIONS = st.tuples(st.just("together"), st.lists(STEP, min_size=2, max_size=8))
# One of each is as likely as another; what happens more often is there more than once.
ANYTHING = st.one_of(
    st.tuples(st.just("one"), st.tuples(st.just("ask"), ASK)),
    st.tuples(st.just("one"), STEP),
    st.tuples(st.just("one"), STEP),
    *[DECISIONS] * 4,
    st.tuples(st.just("post"), WHICH, SECONDS, CAMPAIGNS),
    st.tuples(st.just("top_up"), SOME),
    st.tuples(st.just("give"), SOME, st.sampled_from([5, 60, 600])),
    st.tuples(st.just("adjust"), SOME | SOME.map(lambda micros: -micros)),
    st.tuples(st.just("refund"), WHICH),
    st.tuples(st.just("cap"), WINDOWED, CAPS, st.sampled_from([True, True, False])),
    st.tuples(st.just("cap"), WINDOWED, CAPS, st.just(value=True)),
    st.tuples(st.just("cap_calls"), MONEY | st.none(), st.sampled_from([20, 45, 90, 700])),
    st.tuples(st.just("uncap"), WINDOWED, st.booleans()),
    st.tuples(st.just("switch"), st.sampled_from([True, True, False]),
              st.sampled_from(["continue", "stop"])),
    st.tuples(st.just("override"), WINDOWED, st.sampled_from([10, 600]),
              st.sampled_from([None, 10_000, 10**6])),
    st.tuples(st.just("take_back")),
    st.tuples(st.just("wait"), st.sampled_from([1, 50, 600, 1_000]), st.booleans()),
    st.tuples(st.just("wait"), st.sampled_from([3_600, 20_000, 90_000]), st.booleans()),
)  # fmt: skip
