"""When an alert fires, when it is armed again, and who is told: tables, and a property."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.alert_steps import (
    AlertState,
    EndCause,
    Phase,
    Reading,
    Step,
    Telling,
    chosen_targets,
    step,
)
from billing.alerts import (
    Alert,
    AlertKind,
    AlertRule,
    Channel,
    Frequency,
    Level,
    Repeat,
    Span,
    Target,
    Threshold,
    Unit,
    recommended,
)
from tests.builders import NOON, day

TODAY = day("2026-11-22")
PERIOD = day("2026-11-01")
LOW = AlertRule(AlertKind.LOW_BALANCE, Threshold(Unit.MONEY, 100), has_recovery=True)
DAILY = AlertRule(AlertKind.USAGE, Threshold(Unit.MONEY, 100), span=Span.DAY, has_recovery=True)


def alert(rule: AlertRule = LOW, version: int = 1, alert_id: str = "a") -> Alert:
    return Alert(alert_id, "acme", version, rule, NOON, NOON)


def seen(
    value: int | None, threshold: int | None = 100, window: date | None = None,
    period: date = PERIOD,
) -> Reading:  # fmt: skip
    return Reading(value, threshold, window, period)


def play(rule: AlertRule, readings: list[Reading], hours: int = 1) -> list[list[str]]:
    """What each reading, an hour after the one before, leads to: tellings and ends."""
    state: AlertState | None = None
    found = []
    for number, reading in enumerate(readings):
        done = step(alert(rule), state, reading, NOON + number * timedelta(hours=hours))
        state = done.after
        found.append([*done.tellings, *([f"ended {done.ended}"] if done.ended else [])])
    return found


# --- crossing -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("rule", "values", "told"),
    [
        # falling: at the threshold is past it
        (LOW, [150, 101, 100, 99, 0, -5], [[], [], ["fired"], [], [], []]),
        (LOW, [101, 0], [[], ["fired"]]),
        # on a figure that is past it already: at once
        (LOW, [100], [["fired"]]),
        (LOW, [150, 90, 101, 90], [[], ["fired"], ["recovered", "ended recovered"], ["fired"]]),
        (LOW, [None, None], [[], []]),  # a wallet that never held anything
        (LOW, [None, 90], [[], ["fired"]]),
        # rising
        (DAILY, [0, 99, 100, 101], [[], [], ["fired"], []]),
        (DAILY, [100], [["fired"]]),
        (DAILY, [0, 500, 99, 500], [[], ["fired"], ["recovered", "ended recovered"], ["fired"]]),
        (replace(LOW, has_recovery=False), [90, 101, 90], [["fired"], ["ended recovered"],
                                                           ["fired"]]),
        (replace(LOW, is_on=False), [90, 90], [[], []]),
    ],
)  # fmt: skip
def test_fires_on_crossing_and_is_armed_again_by_recovery(
    rule: AlertRule, values: list[int | None], told: list[list[str]]
):
    window = TODAY if rule.span else None
    assert play(rule, [seen(value, window=window) for value in values]) == told


def test_an_average_that_is_missing_is_waited_for():
    first = step(alert(), None, seen(90, None), NOON)
    assert (first.after.phase, first.tellings) == (Phase.WAITING, ())
    then = step(alert(), first.after, seen(90, 100), NOON)
    assert (then.after.phase, then.tellings) == (Phase.ALARM, (Telling.FIRED,))


def test_a_span_that_is_over_ends_the_alarm_without_a_word_and_arms_again():
    today, tomorrow = seen(500, window=TODAY), seen(0, window=TODAY + timedelta(days=1))
    again = seen(100, window=TODAY + timedelta(days=1))
    assert play(DAILY, [today, tomorrow, again]) == [["fired"], ["ended period"], ["fired"]]


def test_a_span_that_begins_over_the_threshold_is_a_new_episode():
    first, second = seen(500, window=TODAY), seen(500, window=TODAY + timedelta(days=1))
    assert play(DAILY, [first, second]) == [["fired"], ["fired", "ended period"]]


@pytest.mark.parametrize(
    ("threshold", "ended", "phase"),
    [(50, EndCause.EDITED, Phase.ARMED), (90, None, Phase.ALARM), (200, None, Phase.ALARM)],
)
def test_a_threshold_edited_while_in_alarm(
    threshold: int, ended: EndCause | None, phase: Phase
):  # fmt: skip
    fired = step(alert(), None, seen(90), NOON).after
    edited = step(alert(version=2), fired, seen(90, threshold), NOON)
    assert (edited.ended, edited.after.phase, edited.tellings) == (ended, phase, ())
    assert edited.after.episode_number == 1


def test_no_usage_is_never_too_much_whatever_part_of_nothing_that_is():
    """A percentage of an average of zero."""
    assert play(DAILY, [seen(0, 0, TODAY), seen(-5, 0, TODAY)]) == [[], []]
    assert play(DAILY, [seen(0, 0, TODAY), seen(1, 0, TODAY)]) == [[], ["fired"]]
    assert play(LOW, [seen(0, 0)]) == [["fired"]]


def test_a_rule_edited_when_its_span_was_over_but_not_looked_at_yet_begins_anew():
    """As while an import runs: the alarm of yesterday isn't that of today."""
    fired = step(alert(DAILY), None, seen(500, window=TODAY), NOON).after
    edited = step(alert(DAILY, version=2), fired, seen(300, window=TODAY + timedelta(days=1)), NOON)
    assert (edited.ended, edited.begins, edited.tellings) == (
        EndCause.PERIOD, True, (Telling.FIRED,),
    )  # fmt: skip


def test_pausing_a_rule_ends_its_alarm_and_going_on_begins_another():
    fired = step(alert(), None, seen(90), NOON).after
    off = step(alert(replace(LOW, is_on=False), 2), fired, seen(90), NOON)
    assert (off.ended, off.after.phase, off.tellings) == (EndCause.OFF, Phase.OFF, ())
    on = step(alert(version=3), off.after, seen(90), NOON)
    assert (on.begins, on.tellings, on.after.episode_number) == (True, (Telling.FIRED,), 2)


# --- how often ------------------------------------------------------------------------------------
def every(hours: int) -> AlertRule:
    return replace(LOW, frequency=Frequency(Repeat.HOURS, hours))


def test_every_so_many_hours_while_in_alarm():
    told = play(every(3), [seen(90)] * 7 + [seen(150), seen(90)])
    assert told[:7] == [["fired"], [], [], ["repeated"], [], [], ["repeated"]]
    assert told[7:] == [["recovered", "ended recovered"], ["fired"]]


def test_once_a_period_whatever_the_number_of_episodes():
    rule = replace(LOW, frequency=Frequency(Repeat.PERIOD))
    later = day("2026-12-01")
    readings = [seen(90), seen(150), seen(80), seen(150), seen(70, period=later)]
    assert play(rule, readings) == [
        ["fired"], ["recovered", "ended recovered"], [], ["ended recovered"], ["fired"],
    ]  # fmt: skip


def test_once_a_period_tells_again_in_the_next_while_the_alarm_lasts():
    rule = replace(LOW, frequency=Frequency(Repeat.PERIOD))
    readings = [seen(90), seen(90), seen(90, period=day("2026-12-01"))]
    assert play(rule, readings) == [["fired"], [], ["repeated"]]


# --- levels ---------------------------------------------------------------------------------------
def levels(emails: tuple[str, ...] = ("owner@acme.example",)) -> list[Alert]:
    """The recommended ones, of an average of 1,000: 300, 150 and 50."""
    return [
        Alert(str(number), "acme", 1, rule, NOON, NOON)
        for number, rule in enumerate(recommended(emails))
    ]


def fall(value: int, alerts: list[Alert], states: dict[str, AlertState]) -> dict[str, set[Target]]:
    """What each rule tells whom when the balance is at a value."""
    steps: list[Step] = [
        step(each, states.get(each.id), seen(value, each.rule.threshold.amount // 10), NOON)
        for each in alerts
    ]
    states.update({each.alert.id: each.after for each in steps})
    in_alarm = [each for each in steps if each.after.phase is Phase.ALARM]
    chosen = chosen_targets([each for each in steps if not each.is_nothing], in_alarm)
    return {
        f"{alert_id} {telling.value}": set(targets)
        for (alert_id, telling), targets in chosen.items()
        if targets
    }


BOTH = {Target(Channel.EMAIL, "owner@acme.example"), Target(Channel.DASHBOARD)}


def test_of_several_levels_crossed_together_the_most_severe_is_told():
    states: dict[str, AlertState] = {}
    alerts = levels()
    assert fall(1_000, alerts, states) == {}
    assert fall(140, alerts, states) == {"1 fired": BOTH}
    assert fall(40, alerts, states) == {"2 fired": BOTH}
    assert {each.phase for each in states.values()} == {Phase.ALARM}
    assert fall(1_000, alerts, states) == {"2 recovered": BOTH}


def test_levels_crossed_one_after_another_are_told_one_after_another():
    states: dict[str, AlertState] = {}
    alerts = levels()
    told = [fall(value, alerts, states) for value in (300, 151, 150, 51, 50, 0)]
    assert told == [{"0 fired": BOTH}, {}, {"1 fired": BOTH}, {}, {"2 fired": BOTH}, {}]


def test_somebody_whom_only_the_milder_level_names_still_hears_of_it():
    mild, urgent, critical = levels()
    other = Target(Channel.EMAIL, "billing@acme.example")
    mild = replace(mild, rule=replace(mild.rule, emails=(*mild.rule.emails, other.address)))
    assert fall(0, [mild, urgent, critical], {}) == {"2 fired": BOTH, "0 fired": {other}}


def test_a_repeated_alarm_is_left_to_the_most_severe_that_is_on():
    often = Frequency(Repeat.HOURS, 1)
    alerts = [replace(each, rule=replace(each.rule, frequency=often)) for each in levels()]
    states: dict[str, AlertState] = {}
    fall(0, alerts, states)
    steps = [
        step(each, states[each.id], seen(0, each.rule.threshold.amount // 10),
             NOON + timedelta(hours=2))
        for each in alerts
    ]  # fmt: skip
    chosen = chosen_targets(steps, steps)
    assert {key[0]: bool(targets) for key, targets in chosen.items()} == {
        "0": False, "1": False, "2": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("mild", "severe", "is_told"),
    [
        (Frequency(Repeat.HOURS, 1), Frequency(), True),  # nobody else says it again
        (Frequency(Repeat.HOURS, 1), Frequency(Repeat.HOURS, 24), True),
        (Frequency(Repeat.HOURS, 24), Frequency(Repeat.HOURS, 24), False),
        (Frequency(Repeat.HOURS, 24), Frequency(Repeat.PERIOD), True),
        (Frequency(Repeat.PERIOD), Frequency(Repeat.HOURS, 24), False),
        (Frequency(Repeat.PERIOD), Frequency(), True),
    ],
)  # fmt: skip
def test_a_milder_alarm_is_repeated_unless_a_more_severe_one_is_as_often(
    mild: Frequency, severe: Frequency, is_told: bool
):
    first, _, last = levels()
    first = replace(first, rule=replace(first.rule, frequency=mild))
    last = replace(last, rule=replace(last.rule, frequency=severe))
    states: dict[str, AlertState] = {}
    fall(0, [first, last], states)
    later = [
        step(each, states[each.id], seen(0, period=day("2026-12-01")), NOON + timedelta(days=15))
        for each in (first, last)
    ]
    chosen = chosen_targets(later[:1], later)  # told by itself, not at the same moment
    assert bool(chosen[first.id, Telling.REPEATED]) == is_told


def test_levels_of_one_name_are_told_apart_by_where_they_begin_whatever_unit_says_so():
    """30 % of an average, which is 300, and an amount of 100: the lower one is the worse."""
    part = replace(LOW, threshold=Threshold(Unit.PERCENT, 30_00))
    rules = [alert(part, alert_id="part"), alert(LOW, alert_id="amount")]
    steps = [
        step(each, None, seen(50, threshold), NOON)
        for each, threshold in zip(rules, (300, 100), strict=True)
    ]
    chosen = chosen_targets(steps, steps)
    assert [key for (key, _), targets in chosen.items() if targets] == ["amount"]


def test_rules_on_other_figures_are_not_levels_of_each_other():
    usage = Alert("usage", "acme", 1, replace(DAILY, level=Level.CRITICAL), NOON, NOON)
    low = alert(replace(LOW, level=Level.WARNING))
    steps = [
        step(usage, None, seen(500, window=TODAY), NOON), step(low, None, seen(0), NOON),
    ]  # fmt: skip
    chosen = chosen_targets(steps, steps)
    assert all(chosen[each.alert.id, Telling.FIRED] for each in steps)


# --- the same, however it is cut ------------------------------------------------------------------
@given(
    charges=st.lists(st.integers(0, 60), min_size=1, max_size=30),
    cuts=st.sets(st.integers(0, 29)),
    opening=st.integers(0, 400),
)
def test_any_batching_of_charges_begins_the_same_episodes(
    charges: list[int], cuts: set[int], opening: int
):
    """Seen after each charge or after each batch, the same rules begin the same episodes."""

    def episodes(ends: set[int]) -> dict[str, tuple[int, Phase]]:
        states: dict[str, AlertState] = {}
        value = opening
        for number, charge in enumerate(charges):
            value -= charge
            if number in ends or number == len(charges) - 1:
                fall(value, levels(), states)
        return {key: (state.episode_number, state.phase) for key, state in states.items()}

    assert episodes(cuts) == episodes(set(range(len(charges))))


@given(st.lists(st.integers(-50, 200), min_size=1, max_size=40))
def test_looking_twice_changes_nothing_and_an_episode_begins_at_each_fall(values: list[int]):
    state: AlertState | None = None
    now: datetime = NOON
    fallen, was_beyond = 0, False
    for value in values:
        done = step(alert(), state, seen(value), now)
        assert step(alert(), done.after, seen(value), now).is_nothing
        assert done.begins == (value <= 100 and not was_beyond)
        assert (Telling.FIRED in done.tellings) == done.begins
        fallen += done.begins
        state, was_beyond = done.after, value <= 100
        assert state.episode_number == fallen
