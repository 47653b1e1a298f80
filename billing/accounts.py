"""An account as the rules see it: plan, zone and anchor by date, one currency, one locale."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime

from billing.errors import InputError
from billing.periods import BillingCalendar, Period, ZoneHistory
from billing.plans import PLAN_GATES, Gates, Plan

ACCOUNT_ID = re.compile(r"[a-z0-9-]{2,64}")
ENVIRONMENTS = ("production", "development")


@dataclass(frozen=True, slots=True)
class Account:
    """One tenant. ``paid_since`` hides earlier history from its people; none: all is visible."""

    id: str
    name: str
    currency: str
    locale: str
    environment: str
    plans: tuple[tuple[date, Plan], ...]
    zones: ZoneHistory
    billing: BillingCalendar
    paid_since: date | None = None
    is_demo: bool = False
    is_closed: bool = False

    def plan_on(self, day: date) -> Plan:
        """The plan on a local day; before the first entry, the first one."""
        found = self.plans[0][1]
        for valid_from, plan in self.plans:
            if valid_from <= day:
                found = plan
        return found

    def plans_in(self, period: Period) -> frozenset[Plan]:
        """Every plan the account had at any time in a period."""
        begun = {plan for start, plan in self.plans if start in period}
        return frozenset(begun | {self.plan_on(period.start)})

    def gates_on(self, day: date) -> Gates:
        """What the plan of a day opens."""
        return PLAN_GATES[self.plan_on(day)]

    def today(self, now: datetime) -> date:
        """The local day of an instant."""
        return self.zones.local_day(now)


def check_account_id(account_id: str) -> str:
    """The id itself if it is well-formed, else ``InputError``."""
    if not ACCOUNT_ID.fullmatch(account_id):
        raise InputError("account", account_id, "use 2 to 64 of a-z, 0-9 and -")
    return account_id
