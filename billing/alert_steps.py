"""From one reading of a rule's figure to the next: what begins, what ends, who is told.

A rule fires on crossing its threshold and stays in alarm, an episode, until the figure recovers or
its span is over; it is then armed again. What is decided depends on the figures alone, so the same
question asked twice changes nothing the second time. Must not know how figures are read, nor
how people are told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from billing.alerts import Alert, AlertRule, Repeat, Target


class Phase(StrEnum):
    """Where a rule stands."""

    WAITING = "waiting"  # there is no average of monthly usage yet
    ARMED = "armed"
    ALARM = "alarm"
    OFF = "off"


class EndCause(StrEnum):
    """Why an episode is over."""

    RECOVERED = "recovered"
    PERIOD = "period"  # the next day, week, month or billing period has begun
    EDITED = "edited"  # the rule was changed, and by its new threshold nothing is wrong
    OFF = "off"  # the rule was paused or removed


class Telling(StrEnum):
    """What people are told of a step."""

    FIRED = "fired"
    REPEATED = "repeated"
    RECOVERED = "recovered"


@dataclass(frozen=True, slots=True)
class Reading:
    """A rule's figure at an instant, and its threshold in the same unit.

    ``value``: micros, base units or whole days; none: there is nothing that could be wrong (no
    money was ever moved, or nothing was spent lately). ``threshold``: none while there is no
    average. ``window_on``: first day of the span that is counted; none for a balance.
    ``period_on``: first day within which ``once_per_period`` tells once.
    """

    value: int | None
    threshold: int | None
    window_on: date | None
    period_on: date


@dataclass(frozen=True, slots=True)
class AlertState:
    """Where a rule stood after the last look.

    ``episode_number``: how many episodes there were, the present one included. ``told_at``,
    ``told_on``: when, and in which period, people were last told of an alarm. ``told_count``: how
    often in the present episode.
    """

    phase: Phase
    version: int
    window_on: date | None = None
    episode_number: int = 0
    told_count: int = 0
    told_at: datetime | None = None
    told_on: date | None = None


NEW = AlertState(Phase.ARMED, 0)


@dataclass(frozen=True, slots=True)
class Step:
    """What a look came to. ``begins`` and ``ended`` may both be: a new day that begins over."""

    alert: Alert
    before: AlertState
    after: AlertState
    reading: Reading
    begins: bool = False
    ended: EndCause | None = None
    tellings: tuple[Telling, ...] = ()

    @property
    def is_nothing(self) -> bool:
        """Whether there is nothing to write down."""
        return self.before == self.after and self.ended is None


def is_beyond(rule: AlertRule, reading: Reading) -> bool:
    """Whether the figure is at its threshold, or past it; no usage is never too much."""
    if reading.value is None or reading.threshold is None:
        return False
    if rule.is_falling:
        return reading.value <= reading.threshold
    return reading.value >= max(reading.threshold, 1)


def step(alert: Alert, before: AlertState | None, reading: Reading, now: datetime) -> Step:
    """One look at one rule. ``before`` none: it is looked at for the first time."""
    state = before or NEW
    is_beyond_now = alert.rule.is_on and is_beyond(alert.rule, reading)
    ended = _end_cause(alert, state, reading, is_beyond_now=is_beyond_now)
    goes_on = state.phase is Phase.ALARM and ended is None
    begins = is_beyond_now and not goes_on
    tellings: list[Telling] = []
    if ended is EndCause.RECOVERED and alert.rule.has_recovery and state.told_count:
        tellings.append(Telling.RECOVERED)
    told = _told(alert.rule, state, reading, now, begins=begins, goes_on=goes_on)
    if told:
        tellings.append(told)
    after = AlertState(
        _phase(alert, reading, is_beyond_now=is_beyond_now), alert.version, reading.window_on,
        state.episode_number + begins,
        (0 if begins else state.told_count if goes_on else 0) + (told is not None),
        now if told else state.told_at, reading.period_on if told else state.told_on,
    )  # fmt: skip
    return Step(alert, state, after, reading, begins, ended, tuple(tellings))


def _phase(alert: Alert, reading: Reading, *, is_beyond_now: bool) -> Phase:
    if not alert.rule.is_on:
        return Phase.OFF
    if is_beyond_now:
        return Phase.ALARM
    return Phase.WAITING if reading.threshold is None else Phase.ARMED


def _end_cause(
    alert: Alert, state: AlertState, reading: Reading, *, is_beyond_now: bool
) -> EndCause | None:
    if state.phase is not Phase.ALARM:
        return None
    if not alert.rule.is_on:
        return EndCause.OFF
    if state.window_on != reading.window_on:
        return EndCause.PERIOD
    if is_beyond_now:
        return None
    return EndCause.RECOVERED if state.version == alert.version else EndCause.EDITED


def _told(
    rule: AlertRule, state: AlertState, reading: Reading, now: datetime, *, begins: bool,
    goes_on: bool,
) -> Telling | None:  # fmt: skip
    repeat, hours = rule.frequency
    if begins:
        is_told = repeat is Repeat.PERIOD and state.told_on == reading.period_on
        return None if is_told else Telling.FIRED
    if not goes_on or not rule.is_on:
        return None
    if repeat is Repeat.HOURS and hours and state.told_at is not None:
        return Telling.REPEATED if now >= state.told_at + timedelta(hours=hours) else None
    is_next_period = state.told_on is not None and state.told_on != reading.period_on
    return Telling.REPEATED if repeat is Repeat.PERIOD and is_next_period else None


def chosen_targets(
    steps: Sequence[Step], in_alarm: Iterable[Step]
) -> Mapping[tuple[str, Telling], tuple[Target, ...]]:
    """Who is told of what: by rule and telling, only those whom no more severe level tells.

    Of several levels that are crossed together the most severe is told, to everybody who is to be
    told of any; a repeated alarm is left out for whom a more severe one is on that is repeated as
    often. ``in_alarm``: of every rule of the account that is in alarm after the steps.
    """
    alarmed = list(in_alarm)
    found: dict[tuple[str, Telling], tuple[Target, ...]] = {}
    for each in steps:
        for telling in each.tellings:
            rivals = [other for other in steps if telling in other.tellings]
            if telling is Telling.REPEATED:
                rivals += [other for other in alarmed if _is_as_often(other.alert, each.alert)]
            covered = {
                target
                for other in rivals
                if other.alert.rule.family == each.alert.rule.family
                and severity(other) > severity(each)
                for target in other.alert.rule.targets
            }
            own = tuple(each_ for each_ in each.alert.rule.targets if each_ not in covered)
            found[each.alert.id, telling] = own
    return found


def severity(each: Step) -> tuple[int, int, str]:
    """Orders the rules of one family, the most severe last; thresholds in the figure's unit."""
    amount = each.reading.threshold or 0
    rule = each.alert.rule
    return rule.level.rank, -amount if rule.is_falling else amount, each.alert.id


def _is_as_often(other: Alert, alert: Alert) -> bool:
    """Whether an alarm of the one is repeated whenever one of the other would be, or soon after."""
    repeat, hours = other.rule.frequency
    own_repeat, own_hours = alert.rule.frequency
    if repeat is Repeat.EPISODE:
        return False
    if own_repeat is Repeat.PERIOD:
        return True
    return repeat is Repeat.HOURS and (hours or 0) <= (own_hours or 0)
