"""One day of one demo account as events: contacts, what follows from them, rentals, shifts.

Each day has a random generator of its own, seeded by the demo's seed, the account and the day:
the same day always gives the same events, whatever was made before it.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from random import Random

from billing.events import AnyEvent
from billing.periods import zone
from data.demo.accounts import PROFILE_BY_ID
from data.demo.contacts import DayWriter
from data.demo.profiles import Stream
from data.demo.schedule import AGENT_DAY_SHARE, Parameters, Schedule

SAMPLE_CONTACTS = 400
DAILY_NOISE = 0.09


class Traffic:
    """Makes the days of one account."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self._zone = zone(schedule.profile.account.timezone)
        self._lines_per_contact: dict[Stream, float] = {}

    def day(self, day: date) -> list[AnyEvent]:
        """Every event of a local day, in the order in which they happened."""
        writer = self._writer(day, self._seed(day.isoformat()))
        rng = writer.rng
        noise = rng.lognormvariate(0.0, DAILY_NOISE)
        for planned in self.schedule.plan_day(day):
            wanted = planned.lines * noise / self._per_contact(planned.stream)
            count = int(wanted) + (rng.random() < wanted - int(wanted))
            writer.write_contacts(planned.stream, planned.campaign, count)
        if not writer.is_sandbox:
            self._write_rentals(writer, day)
            self._write_shifts(writer, day)
        return sorted(writer.events, key=lambda event: (event.occurred_at, event.id))

    def campaign_names(self, day: date) -> dict[str, str]:
        """Names of the campaigns that run on a day, by id."""
        return {
            planned.campaign: planned.name or planned.campaign
            for planned in reversed(self.schedule.plan_day(day))
            if planned.campaign
        }

    def _writer(self, day: date, seed: str) -> DayWriter:
        hour_starts = tuple(
            datetime.combine(day, time(hour), tzinfo=self._zone).astimezone(UTC)
            for hour in range(24)
        )
        profile = self.schedule.profile
        is_sandbox = self.schedule.is_sandbox(day)
        return DayWriter(Random(seed), profile, day, hour_starts, is_sandbox)

    def _seed(self, part: str) -> str:
        return f"{self.schedule.parameters.seed}|{self.schedule.profile.id}|{part}"

    def _per_contact(self, stream: Stream) -> float:
        """Lines that one first contact of a stream leads to, found by trying."""
        found = self._lines_per_contact.get(stream)
        if found is None:
            seed = self._seed(f"sample {stream.slug} {stream.mix} {stream.answer_rate}")
            writer = self._writer(self.schedule.last, seed)
            writer.write_contacts(stream, stream.slug, SAMPLE_CONTACTS)
            found = writer.line_count / SAMPLE_CONTACTS
            self._lines_per_contact[stream] = found
        return found

    def _write_rentals(self, writer: DayWriter, day: date) -> None:
        for index in self.schedule.renewals_on(day):
            writer.write_rental(index)
        for index in range(self.schedule.seats_on(day)):
            writer.write_seat(index)

    def _write_shifts(self, writer: DayWriter, day: date) -> None:
        profile = self.schedule.profile
        if not profile.has_agent_hours or not self.schedule.is_working_day(day):
            return
        for user in profile.users[: self.schedule.seat_count]:
            if writer.rng.random() < AGENT_DAY_SHARE:
                writer.write_shift(user.id)


def ready_at(event: AnyEvent) -> datetime:
    """When an event is known: a call or shift when it ends, anything else at once."""
    seconds = getattr(event, "duration_seconds", 0)
    return event.occurred_at + timedelta(seconds=seconds) if seconds else event.occurred_at


@lru_cache(maxsize=16)
def traffic_of(account_id: str, parameters: Parameters) -> Traffic:
    """The traffic of one demo account; remembered, because measuring its streams takes time."""
    return Traffic(Schedule(PROFILE_BY_ID[account_id], parameters))
