"""The parameters of an API call as a query: the same reader as an address's, but it refuses.

Whatever can't be taken is an ``InputError`` that names the field, the value and the way to mend it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from billing.accounts import Account
from billing.errors import InputError
from billing.hours import begins_hour
from billing.limits import limit
from billing.metrics import METRIC_BY_ID
from billing.periods import FIRST_DAY, LAST_DAY
from billing.queries import (
    DEFAULT_PAGE,
    FILTER_FIELDS,
    GROUPS,
    Cut,
    UsageQuery,
    default_query,
    read_filters,
    read_range,
    read_sort,
)
from billing.query_values import Values, refuse

_FIRST_INSTANT = datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tzinfo=UTC)
_LAST_INSTANT = datetime(LAST_DAY.year, LAST_DAY.month, LAST_DAY.day, tzinfo=UTC)
# What the API takes, by call.
_API_FILTERS = frozenset({"from", "to", "metric", *FILTER_FIELDS})
PARAMETERS = {
    "usage": _API_FILTERS | {"granularity", "group_by"},
    "transactions": _API_FILTERS | {"sort", "cursor", "limit"},
}


def parse_parameters(
    call: str, given: Mapping[str, Sequence[str]], account: Account, today: date
) -> UsageQuery:
    """The query of an API call (one of ``PARAMETERS``); parameters of its frame left out.

    ``from`` and ``to`` are local days, or instants that begin one (by the hour: an hour). Without
    them the current billing period is meant; ``from`` alone goes to the end of today.

    Errors: ``InputError`` for whatever can't be taken, a parameter it doesn't know included.
    """
    for name in given:
        if name not in PARAMETERS[call]:
            raise InputError(name, given[name][0], f"leave it out; {call} doesn't take it")
    values = Values(given, refuse, is_strict=True)
    cut = Cut(values.one_of("granularity", tuple(Cut), Cut.TOTAL))
    query = _with_range(default_query(account, today), values, cut, account, today)
    most_hours = limit("hours")
    if cut is Cut.HOUR and query.period.day_count > most_hours:
        raise InputError("to", query.period.end, f"ask for at most {most_hours} days by the hour")
    return replace(
        query,
        filters=read_filters(values, values.all_of("metric", tuple(METRIC_BY_ID))),
        cut=cut,
        group_by=values.all_of("group_by", GROUPS, is_comma_list=True),
        sort=read_sort(values),
        cursor=values.text("cursor"),
        limit=values.count("limit", DEFAULT_PAGE, limit("page")),
    )


def _with_range(
    query: UsageQuery, values: Values, cut: Cut, account: Account, today: date
) -> UsageQuery:
    """The query over the days, or by the hour between the instants, that were sent."""
    start, end = values.day_or_instant("from"), values.day_or_instant("to")
    if start is None:
        if end is not None:
            raise InputError("from", "", "send it with to: the first day, or instant, to include")
        return query
    is_hourly = cut is Cut.HOUR
    first = _day_of("from", start, account, is_hourly=is_hourly)
    if end is None:
        period = read_range(first, None, today)
    elif isinstance(end, datetime) and is_hourly:
        last = _day_of("to", end - timedelta(microseconds=1), account, is_hourly=True)
        period = read_range(first, last + timedelta(days=1), today)
    else:
        period = read_range(first, _day_of("to", end, account, is_hourly=False), today)
    found = query.with_period(period, account, today)
    if not is_hourly:
        return found
    zones = account.zones
    since = start if isinstance(start, datetime) else zones.start_of(period.start)
    until = end if isinstance(end, datetime) else zones.start_of(period.end)
    for name, at in (("from", since), ("to", until)):
        if not begins_hour(zones, at):
            raise InputError(name, at.isoformat(), "use an instant at which a local hour begins")
    if until <= since:
        raise InputError("to", until.isoformat(), f"use an instant after {since.isoformat()}")
    return replace(found, between=(since, until))


def _day_of(name: str, at: date | datetime, account: Account, *, is_hourly: bool) -> date:
    """The local day of a bound; ``InputError`` for an instant within one."""
    if not isinstance(at, datetime):
        return at
    if not _FIRST_INSTANT <= at < _LAST_INSTANT:
        raise InputError(name, at.isoformat(), f"use a day from {FIRST_DAY} to {LAST_DAY}")
    day = account.zones.local_day(at)
    midnight = account.zones.start_of(day)
    if at != midnight and not is_hourly:
        zone = account.zones.name_on(day)
        raise InputError(
            name, at.isoformat(),
            f"use a local midnight in {zone}, such as {midnight.astimezone(UTC).isoformat()}",
        )  # fmt: skip
    return day
