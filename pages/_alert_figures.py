"""What the Alerts page and its forms are made from, read once a request."""

from __future__ import annotations

from datetime import date, timedelta
from typing import cast

from billing.alert_standing import AlertStanding
from billing.alerts import ScopeKind
from billing.periods import Period, month_of
from billing.usage import Dimension
from components import format as fmt
from components.alert_words import Average
from components.limit_words import Telling
from pages._frame import Visit

_STANDING, _TELLING = "alert_standing", "alert_telling"


def standing_of(visit: Visit) -> AlertStanding:
    """Every alert with its figure now."""
    if _STANDING not in vars(visit):
        vars(visit)[_STANDING] = visit.desk.alerts.standing(visit.scope)
    return cast(AlertStanding, vars(visit)[_STANDING])


def telling_of(visit: Visit, *, is_whole: bool = False) -> Telling:
    """How figures are told. Names of campaigns are read where an alert is of one, or asked for."""
    known = vars(visit).get(_TELLING)
    if known is None or (is_whole and not known[0]):
        has_names = is_whole or any(
            each.alert.rule.scope.kind is ScopeKind.CAMPAIGN for each in standing_of(visit).alerts
        )
        names = dict(visit.figures.names(visit.scope, Dimension.CAMPAIGN)) if has_names else {}
        account = visit.account
        telling = Telling(account.currency, account.locale, visit.zone, names)
        known = vars(visit)[_TELLING] = (is_whole, telling)
    return cast(Telling, known[1])


def average_of(visit: Visit) -> Average:
    """Average monthly usage, and of which calendar months: the last complete ones."""
    standing = standing_of(visit)
    if standing.average_micros is None:
        return Average()
    end = start = month_of(visit.today).start
    for _ in range(standing.average_months):
        start = _month_before(start)
    return Average(standing.average_micros, Period(start, end))


def waits_text(visit: Visit) -> str:
    """For what a percentage of average monthly usage waits; empty where it doesn't."""
    if standing_of(visit).average_micros is not None:
        return ""
    used = visit.used_days
    if used is None:
        return "A percentage waits for the first complete calendar month of usage."
    first = max(used[0], visit.account.paid_since or used[0])
    month = month_of(first)
    if first > month.start:
        month = month_of(month.end)
    ready = fmt.day(month.end)
    return (
        f"A percentage waits for the first complete calendar month of usage: "
        f"{fmt.month(month.start)}, complete on {ready}."
    )


def _month_before(first: date) -> date:
    return month_of(first - timedelta(days=1)).start
