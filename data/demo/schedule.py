"""How much happens on each day of one demo account: pure arithmetic, no chance involved.

A day's traffic depends only on the demo's parameters and the day, so days can be made in any
order, again after an interruption, and later than the demo's first end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cached_property

from billing.periods import zone
from billing.plans import Plan
from data.demo.profiles import Moment, Profile, Spike, Stream

DEFAULT_DAYS = 400
DEFAULT_LINES = 200_000
DEFAULT_SEED = "usage-dashboard"
FEWEST_DAYS, MOST_DAYS = 14, 1_200
FEWEST_LINES, MOST_LINES = 500, 5_000_000
HOLIDAY_FACTOR = 0.15
SATURDAY = 5
AGENT_DAY_SHARE = 0.92  # an agent signs in on this share of working days
RENEWAL_STEP, LAST_RENEWAL_DAY = 11, 28  # numbers renew spread over the month


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a demo is made from: equal parameters give equal events. ``end``: its first "now"."""

    days: int
    lines: int
    seed: str
    end: datetime


@dataclass(frozen=True, slots=True)
class Planned:
    """One stream on one day: the campaign's id and name there, and how many lines to aim for."""

    stream: Stream
    campaign: str | None
    name: str
    lines: float


@dataclass(frozen=True)
class Schedule:
    """One account's days under one set of parameters."""

    profile: Profile
    parameters: Parameters

    @cached_property
    def last(self) -> date:
        """The local day of the demo's first end."""
        return self.parameters.end.astimezone(zone(self.profile.account.timezone)).date()

    @cached_property
    def start(self) -> date:
        """The first local day."""
        return self.last - timedelta(days=self.parameters.days - 1)

    def day_of(self, moment: Moment) -> date:
        """The local day of a moment."""
        return moment.find(self.start, self.last)

    @cached_property
    def upgraded_on(self) -> date | None:
        """The day from which a once Free account pays."""
        return self.day_of(self.profile.upgrade) if self.profile.upgrade else None

    def is_sandbox(self, day: date) -> bool:
        """Whether the account is Free on a day, so that its usage is sandbox."""
        if self.profile.account.plan is not Plan.FREE:
            return False
        return self.upgraded_on is None or day < self.upgraded_on

    @cached_property
    def daily_lines(self) -> float:
        """Lines of a typical day."""
        return self.parameters.lines * self.profile.share / self.parameters.days

    @cached_property
    def number_count(self) -> int:
        """How many numbers are rented: fewer in a small demo, so that rent stays in proportion."""
        return self._in_proportion(self.profile.rented_numbers)

    @cached_property
    def seat_count(self) -> int:
        """How many seats are paid for."""
        return min(self._in_proportion(self.profile.seats), len(self.profile.users))

    def renewals_on(self, day: date) -> list[int]:
        """Which of the rented numbers renew on a day."""
        if self.is_sandbox(day):
            return []
        return [i for i in range(self.number_count) if self._renewal_day(i) == day.day]

    def seats_on(self, day: date) -> int:
        """How many seats renew on a day: all, on the billing anchor."""
        return self.seat_count if day.day == self.profile.account.anchor_day else 0

    def is_working_day(self, day: date) -> bool:
        """Neither a weekend nor a holiday."""
        return day.weekday() < SATURDAY and not self.profile.is_holiday(day)

    def plan_day(self, day: date) -> list[Planned]:
        """The day's streams, strongest campaigns included, with the lines each aims for."""
        return [
            Planned(stream, stream.id_in(year), stream.name_in(year), weight * self._scale)
            for stream, year, weight in self._weights(day)
        ]

    def _weights(self, day: date) -> list[tuple[Stream, int | None, float]]:
        profile = self.profile
        base = profile.weekdays[day.weekday()]
        if profile.is_holiday(day):
            base *= HOLIDAY_FACTOR
        base *= 1 + profile.growth_per_year * (day - self.start).days / 365
        found = []
        for stream in profile.streams:
            year, strength = stream.on(day)
            if strength:
                found.append((stream, year, stream.weight * strength * base))
        # A campaign that runs every year is a name of its own in each; extras join it there.
        return found + [(extra, extra.on(day)[0], extra.weight) for extra in self._extras(day)]

    def _extras(self, day: date) -> list[Stream]:
        extras = []
        for spike_day, spike in self._spikes:
            if spike_day == day:
                extras.append(spike.stream or self._strongest(day, spike.weight))
        return extras

    def _strongest(self, day: date, weight: float) -> Stream:
        running = [each for each in self.profile.streams if each.slug and each.on(day)[1]]
        return replace(max(running, key=lambda each: each.weight), weight=weight)

    @cached_property
    def _spikes(self) -> list[tuple[date, Spike]]:
        found = []
        for spike in self.profile.spikes:
            day = self.day_of(spike.moment)
            while not self.is_working_day(day) and day > self.start:
                day -= timedelta(days=1)
            found.append((day, spike))
        return found

    @cached_property
    def _scale(self) -> float:
        """Lines for one unit of weight, so that the first range has the lines asked for."""
        wanted = self.parameters.lines * self.profile.share
        total = 0.0
        for index in range(self.parameters.days):
            day = self.start + timedelta(days=index)
            total += sum(weight for _, _, weight in self._weights(day))
            wanted -= self._fixed_lines(day)
        return max(wanted, 0.0) / total

    def _fixed_lines(self, day: date) -> float:
        lines = float(len(self.renewals_on(day)) + self.seats_on(day))
        if self.profile.has_agent_hours and self.is_working_day(day):
            lines += self.seat_count * AGENT_DAY_SHARE
        return lines

    def _in_proportion(self, count: int) -> int:
        if not count:
            return 0
        density = self.parameters.lines / self.parameters.days
        usual = DEFAULT_LINES / DEFAULT_DAYS
        return max(1, min(count, round(count * density / usual)))

    def _renewal_day(self, index: int) -> int:
        return index * RENEWAL_STEP % LAST_RENEWAL_DAY + 1
