"""Credits of a demo account: promotional grants, and top-ups that keep the balance sensible.

Decided from the balance and the last seven days' spend alone, so the same usage always leads to
the same credits. Every cause says "(demo)".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from billing.booking import book
from billing.lots import LotKind
from billing.periods import zone
from data.demo.profiles import Grant
from data.demo.schedule import Schedule
from data.demo.state import AccountState
from data.ledger.posting import Poster
from data.ledger.wallet import Credit, Posting

LOW_HALF_DAYS = 7  # top up when the balance lasts less than three and a half days
AMPLE_HALF_DAYS = 13
TOP_UP_DAYS, TOP_UP_DAYS_NEAR_END = 9, 6
LAST_DAYS_AT_END = timedelta(days=6)  # what the last top-up of the first range leaves
NEAR_END, STEERED_BEFORE_END = timedelta(days=12), timedelta(days=5)
LOOK_BACK_DAYS, FEWEST_KNOWN_DAYS = 7, 3
TRANSFER_TAKES = timedelta(hours=5)
DAY_SECONDS = 86_400


@dataclass(slots=True)
class Funding:
    """Credits one account before its usage is posted; ``state`` remembers what was given."""

    schedule: Schedule
    state: AccountState
    poster: Poster
    stored_at: datetime

    def prepare(self, at: datetime, day: date) -> None:
        """Gives what is due at an instant of a local day: grants, then perhaps a top-up."""
        if self.schedule.is_sandbox(day):
            return
        rate = self._daily_spend(day)
        for given_at, grant in self._pending_grants():
            if given_at > at:
                break
            self._give(grant, at, rate)
        balance = self.poster.wallet.posted_micros
        if balance * 2 >= rate * LOW_HALF_DAYS or self._is_declined(at, day, balance):
            return
        self.state.top_ups += 1
        way = "bank transfer" if self.state.card == "in debt" else "card"
        if self.state.card == "in debt":
            self.state.card = "mended"
        cause = f"Top-up {self.state.top_ups} by {way} (demo)"
        self._credit(Credit(LotKind.PAID, self._amount(at, balance, rate), cause), at)

    def is_ample(self, day: date) -> bool:
        """Whether a local day can't bring the balance near the point of a top-up."""
        if self.schedule.is_sandbox(day):
            return True
        lasting = self.poster.wallet.posted_micros * 2
        return lasting >= self._daily_spend(day) * AMPLE_HALF_DAYS

    def spend(self, micros: int, day: date) -> None:
        """Remembers what a part of a local day cost."""
        if not micros:
            return
        spent = self.state.spent
        spent[day.isoformat()] = spent.get(day.isoformat(), 0) + micros
        oldest = (day - timedelta(days=LOOK_BACK_DAYS)).isoformat()
        for known in [known for known in spent if known < oldest]:
            del spent[known]

    def _daily_spend(self, day: date) -> int:
        """Mean micros of the last seven complete days; a rough guess in the first three."""
        schedule = self.schedule
        first = max(schedule.start, schedule.upgraded_on or schedule.start)
        known = min(LOOK_BACK_DAYS, (day - first).days)
        guess = schedule.profile.micros_per_line * max(1, round(schedule.daily_lines))
        if known < FEWEST_KNOWN_DAYS:
            return guess
        days = [(day - timedelta(days=n + 1)).isoformat() for n in range(known)]
        return max(sum(self.state.spent.get(each, 0) for each in days) // known, guess // 4)

    def _pending_grants(self) -> list[tuple[datetime, Grant]]:
        """Grants not yet given with the instant of each, soonest first."""
        return _dated_grants(self.schedule)[self.state.grants :]

    def _give(self, grant: Grant, at: datetime, rate: int) -> None:
        self.state.grants += 1
        start = self.schedule.parameters.end if grant.is_valid_from_end else at
        credit = Credit(
            LotKind.PROMOTIONAL,
            _round_up(rate * grant.percent // 100, 10),
            f"{grant.cause} (demo)",
            start + timedelta(days=grant.valid_days),
            grant.priority,
        )
        self._credit(credit, at)

    def _is_declined(self, at: datetime, day: date, balance: int) -> bool:
        """Whether the card is refused: from a day on until debt has lasted some hours."""
        fails = self.schedule.profile.card_fails
        if fails is None or self.state.card == "mended" or day < self.schedule.day_of(fails):
            return False
        if self.state.card == "works":
            if balance < 0:
                self.state.card, self.state.debt_since = "in debt", at
            return True
        return self.state.debt_since is not None and at < self.state.debt_since + TRANSFER_TAKES

    def _amount(self, at: datetime, balance: int, rate: int) -> int:
        """Some days' spend and any debt; just before the demo's end, what lasts beyond it."""
        left = self.schedule.parameters.end - at
        if timedelta(0) <= left <= STEERED_BEFORE_END:
            seconds = int((left + LAST_DAYS_AT_END).total_seconds())
            coming = sum(rate * grant.percent // 100 for _, grant in self._pending_grants())
            return _round_up(max(rate * seconds // DAY_SECONDS - balance - coming, rate), 10)
        is_near = timedelta(0) <= left <= NEAR_END
        days = TOP_UP_DAYS_NEAR_END if is_near else TOP_UP_DAYS
        return _round_up(rate * days + max(0, -balance), 4)

    def _credit(self, credit: Credit, at: datetime) -> None:
        account, closed = self.poster.account, self.poster.wallet.closed
        booking = book(account, at, at, closed)
        received_at = at
        if booking.corrects_period is not None:  # that period is closed: it counts today
            received_at = self.stored_at
            booking = book(account, at, received_at, closed)
        self.poster.wallet.credit(
            credit,
            Posting(
                at, received_at, self.stored_at, booking.booked_on, booking.corrects_period,
                self.poster.import_id,
            ),
        )  # fmt: skip


def _dated_grants(schedule: Schedule) -> list[tuple[datetime, Grant]]:
    here = zone(schedule.profile.account.timezone)
    dated = [
        (datetime.combine(schedule.day_of(grant.moment), time(grant.hour), tzinfo=here), grant)
        for grant in schedule.profile.grants
    ]
    return sorted(dated, key=lambda each: each[0])


def _round_up(micros: int, steps: int) -> int:
    """A round amount of at least so much: a multiple of a part of its power of ten."""
    step: int = max(1, 10 ** (len(str(micros)) - 1) // steps)
    return -(-micros // step) * step
