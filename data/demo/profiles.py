"""What a demo account is made of: its people's habits, campaigns, spikes and credits.

Plain descriptions; traffic.py turns them into events, funding.py into credits. Everything here
is made up: names, numbers and amounts belong to nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from data.accounts import NewAccount

Category = Literal["marketing", "utility", "authentication", "service"]
ALWAYS_ON: tuple[Window, ...] = ()
RAMP = (0.45, 0.75)  # a campaign's first two days
TAPER_DAYS = 4
HOURS_IN_DAY = 24


@dataclass(frozen=True, slots=True)
class Window:
    """When a campaign runs each year: from a calendar day, for so many days."""

    month: int
    day: int
    day_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A source of traffic: a campaign, or what comes in by itself (``slug`` none).

    ``weight``: lines per day relative to the account's other streams. ``mix``: kinds of first
    contact and their weights (``ai human sms whatsapp ringless inbound inbound_sms``).
    ``windows`` empty: it always runs. ``hours``: only between these local hours.
    ``number_count``: how many different people it reaches; a runaway loop reaches few.
    """

    slug: str | None
    name: str = ""
    weight: float
    mix: tuple[tuple[str, float], ...]
    windows: tuple[Window, ...] = ALWAYS_ON
    answer_rate: float = 0.34
    median_seconds: int = 105
    premium_share: float = 0.12
    segment_weights: tuple[float, float, float] = (0.68, 0.24, 0.08)
    category: Category = "marketing"
    hours: tuple[int, int] | None = None
    number_count: int = 10_000
    consumer: str | None = None

    def on(self, day: date) -> tuple[int | None, float]:
        """The year of the run that holds a day (none: always on) and its strength, 0 to 1."""
        if not self.windows:
            return None, 1.0
        for window in self.windows:
            for year in (day.year, day.year - 1):
                index = (day - date(year, window.month, window.day)).days
                if 0 <= index < window.day_count:
                    left = window.day_count - index
                    strength = RAMP[index] if index < len(RAMP) else min(1.0, left / TAPER_DAYS)
                    return year, strength
        return None, 0.0

    def id_in(self, year: int | None) -> str | None:
        """The campaign's id: one for each year it runs in."""
        if self.slug is None or year is None:
            return self.slug
        return f"{self.slug}-{year}"

    def name_in(self, year: int | None) -> str:
        """The campaign's name, told apart by the year where it runs every year."""
        return self.name if year is None else f"{self.name} {year}"


@dataclass(frozen=True, slots=True)
class Moment:
    """A day of the demo: a share of the range from its start, or days before its end."""

    share: float | None = None
    days_before_end: int = 0

    def find(self, start: date, last: date) -> date:
        """The local day, never before the start."""
        if self.share is None:
            return max(start, last - timedelta(days=self.days_before_end))
        return start + timedelta(days=round((last - start).days * self.share))


@dataclass(frozen=True, slots=True)
class Spike:
    """Extra traffic on the last weekday up to a moment.

    Without a ``stream`` the day's strongest campaign gets ``weight`` on top.
    """

    moment: Moment
    stream: Stream | None = None
    weight: float = 0.0


@dataclass(frozen=True, slots=True)
class Grant:
    """Promotional credit worth ``percent`` of a day's spend, given at a local hour of a moment.

    ``valid_days`` counts from the grant, or from the demo's end with ``is_valid_from_end``.
    ``priority``: above 100 it is used after paid credit, so that it can expire unused.
    """

    moment: Moment
    hour: int
    cause: str
    percent: int
    valid_days: int
    priority: int = 100
    is_valid_from_end: bool = False


@dataclass(frozen=True, slots=True)
class Consumer:
    """A fictional user or application and how much of the work it causes."""

    id: str
    name: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class NumberRange:
    """Numbers set aside for fiction: a prefix and how many digits follow it."""

    prefix: str
    digits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One demo account. ``share``: its part of all lines; ``hours`` and ``weekdays``: weights.

    ``micros_per_line``: roughly what a line costs, for credits before anything was spent.
    ``upgrade``: when a Free account becomes ``paid_plan``. ``card_fails``: from then on top-ups
    are declined until the account is in debt.
    """

    account: NewAccount
    share: float
    hours: tuple[float, ...]
    weekdays: tuple[float, ...]
    numbers: tuple[NumberRange, ...]
    streams: tuple[Stream, ...]
    spikes: tuple[Spike, ...] = ()
    users: tuple[Consumer, ...] = ()
    apps: tuple[Consumer, ...] = ()
    holidays: frozenset[tuple[int, int]] = frozenset()
    moving_holidays: frozenset[date] = frozenset()
    growth_per_year: float = 0.35
    rented_numbers: int = 0
    seats: int = 0
    has_agent_hours: bool = False
    has_ai_replies: bool = True
    micros_per_line: int = 0
    grants: tuple[Grant, ...] = ()
    upgrade: Moment | None = None
    card_fails: Moment | None = None

    @property
    def id(self) -> str:
        """The account's id."""
        return self.account.id

    def is_holiday(self, day: date) -> bool:
        """Whether hardly anybody works on a day."""
        return (day.month, day.day) in self.holidays or day in self.moving_holidays


def hours(**weights: float) -> tuple[float, ...]:
    """24 weights from ``h8=1.0`` style arguments; hours that aren't named have none."""
    return tuple(weights.get(f"h{hour}", 0.0) for hour in range(HOURS_IN_DAY))
