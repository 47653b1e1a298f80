"""Price lists in the truth: written once, read as the rate book of one account and plan."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import Connection, and_, func, insert, or_, select

from billing.accounts import Account
from billing.errors import InputError
from billing.plans import Plan
from billing.rates import Rate, RateBook, RateList
from data import tables as t
from data.identity import new_id

MOST_REMEMBERED = 1_000  # books of accounts and plans
_LIST_COUNT = select(func.count()).select_from(t.rate_lists)


def add_rate_list(
    connection: Connection, rate_list: RateList, level_id: str | None, at: datetime
) -> None:
    """Writes a checked list. ``level_id``: the account's or plan's id, none for the default.

    Errors: ``InputError`` when a list of the same level, currency and start exists already, or
    when the list would start before lines that another list has rated.
    """
    _refuse_overlap(connection, rate_list, level_id)
    _refuse_rerating(connection, rate_list, level_id)
    connection.execute(
        insert(t.rate_lists).values(
            id=rate_list.id, name=rate_list.name, currency=rate_list.currency,
            level=rate_list.level, level_id=level_id, valid_from=rate_list.valid_from,
            created_at=at,
        )
    )  # fmt: skip
    connection.execute(
        insert(t.rates),
        [
            {
                "id": rate.id, "rate_list_id": rate_list.id, "metric": rate.metric,
                "prefix": rate.prefix, "price_micros": rate.price_micros, "size": rate.size,
                "minimum": rate.minimum, "increment": rate.increment,
                "connect_fee_micros": rate.connect_fee_micros, "note": rate.note,
            }
            for rate in rate_list.rates
        ],
    )  # fmt: skip


def load_rate_book(connection: Connection, account: Account, plan: Plan) -> RateBook:
    """The lists that can price an account while it is on a plan."""
    return RateBook(load_rate_lists(connection, account, [plan]), account.currency)


class RateBooks:
    """Rate books remembered between transactions; a list added anywhere makes it forget them.

    For one thread: the writer's.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, Plan], RateBook] = {}
        self._list_count = -1

    def load(self, connection: Connection, account: Account, plan: Plan) -> RateBook:
        """The book of an account on a plan, as ``load_rate_book`` gives it."""
        # Lists are append-only, so that their number tells whether there is another.
        count = connection.scalar(_LIST_COUNT) or 0
        if count != self._list_count or len(self._known) >= MOST_REMEMBERED:
            self._known, self._list_count = {}, count
        known = self._known.get((account.id, plan))
        if known is None:
            known = load_rate_book(connection, account, plan)
            self._known[account.id, plan] = known
        return known


def load_rate_lists(
    connection: Connection, account: Account, plans: Sequence[Plan]
) -> list[RateList]:
    """Every list in the account's currency that may price it on the given plans, oldest first."""
    lists = t.rate_lists.c
    rows = connection.execute(
        select(t.rate_lists)
        .where(lists.currency == account.currency)
        .where(
            or_(
                lists.level == "default",
                and_(lists.level == "plan", lists.level_id.in_([plan.value for plan in plans])),
                and_(lists.level == "account", lists.level_id == account.id),
            )
        )
        .order_by(lists.valid_from, lists.created_at, lists.id)
    ).all()
    rates: dict[str, list[Rate]] = {row.id: [] for row in rows}
    for rate in connection.execute(
        select(t.rates)
        .where(t.rates.c.rate_list_id.in_(list(rates)))
        .order_by(t.rates.c.metric, t.rates.c.prefix)
    ):
        rates[rate.rate_list_id].append(
            Rate(
                rate.id, rate.metric, rate.price_micros, rate.size, rate.prefix, rate.minimum,
                rate.increment, rate.connect_fee_micros, rate.note,
            )
        )  # fmt: skip
    return [
        RateList(row.id, row.name, row.currency, row.valid_from, tuple(rates[row.id]), row.level)
        for row in rows
    ]


def new_rate_list(
    name: str, currency: str, valid_from: date | None, rates: Sequence[Rate], level: str
) -> RateList:
    """A list with an id of its own, its rates given theirs."""
    return RateList(new_id(), name, currency, valid_from, tuple(rates), level)


def _refuse_overlap(connection: Connection, rate_list: RateList, level_id: str | None) -> None:
    lists = t.rate_lists.c
    same_start = (
        lists.valid_from.is_(None)
        if rate_list.valid_from is None
        else lists.valid_from == rate_list.valid_from
    )
    same_owner = lists.level_id.is_(None) if level_id is None else lists.level_id == level_id
    found = connection.scalar(
        select(lists.name)
        .where(lists.currency == rate_list.currency, lists.level == rate_list.level)
        .where(same_start, same_owner)
    )
    if found is not None:
        start = rate_list.valid_from or "always"
        raise InputError(
            "valid-from", start, f"choose another day: the list {found!r} starts there already"
        )


def _refuse_rerating(connection: Connection, rate_list: RateList, level_id: str | None) -> None:
    """Nothing is ever re-rated: a list may start in the past only where no line was rated."""
    lines = t.usage_lines.c
    query = (
        select(lines.booked_on)
        .join(t.rates, t.rates.c.id == lines.rate_id)
        .where(lines.currency == rate_list.currency)
        .where(lines.metric.in_({rate.metric for rate in rate_list.rates}))
    )
    if rate_list.valid_from is not None:
        query = query.where(lines.booked_on >= rate_list.valid_from)
    if rate_list.level == "account":
        query = query.where(lines.account_id == level_id)
    elif rate_list.level == "plan":
        query = query.where(
            lines.account_id.in_(
                select(t.account_plans.c.account_id).where(t.account_plans.c.plan == level_id)
            )
        )
    found = connection.scalar(query.limit(1))
    if found is not None:
        raise InputError(
            "valid-from", rate_list.valid_from or "always",
            f"start the list later: usage of {found} was rated by another list already",
        )  # fmt: skip
