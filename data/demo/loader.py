"""Loads the demo: accounts, people and prices first, then usage in order, account by account."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from billing.clock import Clock
from billing.errors import InputError
from billing.periods import start_of_day
from billing.plans import Plan
from data import tables as t
from data.accounts import add_account, change_plan
from data.database import Database
from data.demo.accounts import PROFILES
from data.demo.alerts import add_alerts
from data.demo.batches import Batch, next_batch, post_batch
from data.demo.people import DEMO_PASSWORD, DEMO_PEOPLE
from data.demo.prices import add_price_lists
from data.demo.profiles import Profile
from data.demo.schedule import (
    DEFAULT_DAYS,
    DEFAULT_LINES,
    DEFAULT_SEED,
    FEWEST_DAYS,
    FEWEST_LINES,
    MOST_DAYS,
    MOST_LINES,
    Parameters,
    Schedule,
)
from data.demo.state import (
    DemoState,
    add_state,
    first_state,
    mark_done,
    mark_running,
    read_progress,
    read_state,
    save_state,
)
from data.demo.traffic import traffic_of
from data.identity import Pseudonyms

AddPerson = Callable[[Connection, str, str, str, str, str], object]
"""connection, e-mail, name, password, role, account id (``*`` for all)"""
Progress = Callable[[int, int], None]
"""rows read, rows in total"""

UPGRADED_TO = Plan.LAUNCH
LONGEST_EXTENSION = timedelta(days=60)
LONG_GAP = timedelta(hours=12)  # a shorter one is filled without stopping alerts meanwhile


@dataclass(frozen=True, slots=True)
class DemoReport:
    """What ``load_demo`` did. ``added``: events written by this call."""

    added: int
    was_complete: bool
    parameters: Parameters


def load_demo(
    database: Database,
    clock: Clock,
    pseudonyms: Pseudonyms,
    add_person: AddPerson,
    progress: Progress | None = None,
    *,
    days: int | None = None,
    lines: int | None = None,
    seed: str | None = None,
) -> DemoReport:
    """Loads the demo, goes on with one that was interrupted, or leaves a complete one alone.

    Values that are left out are those of the demo that is there, else 400 days of 200,000 lines
    that end now. Errors: ``InputError`` when another demo or real accounts are there.
    """
    with database.read() as connection:
        state = read_state(connection)
    if state is None:
        with database.write() as connection:
            state = _begin(connection, clock.now(), add_person, (days, lines, seed))
    _check_same(state.parameters, days, lines, seed)
    if state.is_complete:
        return DemoReport(0, True, state.parameters)
    added = 0
    for profile in PROFILES:
        added += _advance(
            database, clock, pseudonyms, profile, state.parameters.end, progress, is_first=True
        )
    with database.write() as connection:
        state = _stored(connection)
        state.is_complete = True
        save_state(connection, state)
        mark_done(connection, state, clock.now())
        add_alerts(connection, clock.now())
    return DemoReport(added, False, state.parameters)


def extend_demo(
    database: Database,
    clock: Clock,
    pseudonyms: Pseudonyms,
    progress: Progress | None = None,
) -> int:
    """Adds what has happened since a complete demo was last looked at; gives how many events.

    Small and frequent calls keep the demo alive; after a long pause it adds the last 60 days.
    """
    now = clock.now()
    with database.read() as connection:
        state = read_state(connection)
    if state is None or not state.is_complete:
        return 0
    oldest = min(account.until for account in state.accounts.values())
    if now - oldest > LONG_GAP:
        with database.write() as connection:
            state = _stored(connection)
            for account in state.accounts.values():
                account.until = max(account.until, now - LONGEST_EXTENSION)
            save_state(connection, state)
            mark_running(connection, state)
    added = sum(
        _advance(database, clock, pseudonyms, profile, now, progress, is_first=False)
        for profile in PROFILES
    )
    with database.read() as connection:
        shown = read_progress(connection)
    if shown is not None and not shown.is_done:
        with database.write() as connection:
            mark_done(connection, state, now)
    return added


def _advance(
    database: Database,
    clock: Clock,
    pseudonyms: Pseudonyms,
    profile: Profile,
    to: datetime,
    progress: Progress | None,
    *,
    is_first: bool,
) -> int:
    """Brings one account up to an instant, one transaction a batch; gives how many events.

    A batch is made outside its transaction and dropped if somebody else was faster.
    """
    added = 0
    with database.read() as connection:
        state = _stored(connection)
    traffic = traffic_of(profile.id, state.parameters)
    while (until := state.accounts[profile.id].until) < to:
        batch = next_batch(traffic, until, to)
        if not batch.event_count and batch.until == to and not is_first:
            break  # nothing new: what comes later is found from the same instant
        with database.write() as connection:
            state = _stored(connection)
            if state.accounts[profile.id].until != until:
                continue
            added += _post(connection, batch, state, pseudonyms, clock.now())
        if progress is not None:
            _tell(database, progress)
    return added


def _post(
    connection: Connection, batch: Batch, state: DemoState, pseudonyms: Pseudonyms, at: datetime
) -> int:
    counts = post_batch(connection, batch, state, pseudonyms, at)
    state.accounts[batch.traffic.schedule.profile.id].until = batch.until
    save_state(connection, state, counts)
    return counts.get("accepted", 0)


def _tell(database: Database, progress: Progress) -> None:
    with database.read() as connection:
        shown = read_progress(connection)
    if shown is not None:
        progress(shown.rows_read, max(shown.rows_total, shown.rows_read))


def _stored(connection: Connection) -> DemoState:
    state = read_state(connection)
    assert state is not None, "a demo's state is never removed"
    return state


def _begin(
    connection: Connection,
    now: datetime,
    add_person: AddPerson,
    wanted: tuple[int | None, int | None, str | None],
) -> DemoState:
    """Accounts, people and prices, in the caller's transaction."""
    state = read_state(connection)
    if state is not None:  # another process was faster
        return state
    _refuse_real_data(connection)
    days, lines, seed = wanted
    parameters = _check_parameters(
        Parameters(days or DEFAULT_DAYS, lines or DEFAULT_LINES, seed or DEFAULT_SEED, now)
    )
    begins = {}
    for profile in PROFILES:
        schedule = Schedule(profile, parameters)
        begins[profile.id] = start_of_day(schedule.start, profile.account.timezone)
        new = replace(profile.account, paid_since=schedule.upgraded_on)
        add_account(connection, new, begins[profile.id])
        if schedule.upgraded_on is not None:
            change_plan(connection, profile.id, UPGRADED_TO, schedule.upgraded_on)
    add_price_lists(connection, parameters, now)
    for person in DEMO_PEOPLE:
        add_person(
            connection, person.email, person.name, DEMO_PASSWORD, person.role, person.account_id
        )
    state = first_state(parameters, begins)
    add_state(connection, state, now)
    return state


def _refuse_real_data(connection: Connection) -> None:
    for table, what in ((t.accounts, "accounts"), (t.rate_lists, "price lists")):
        count = connection.scalar(select(func.count()).select_from(table))
        if count:
            raise InputError(
                "demo", f"{count} {what}",
                "choose an empty USAGE_DATA_DIR: a demo is never mixed with real data",
            )  # fmt: skip


def _check_parameters(parameters: Parameters) -> Parameters:
    if not FEWEST_DAYS <= parameters.days <= MOST_DAYS:
        raise InputError("days", parameters.days, f"use {FEWEST_DAYS} to {MOST_DAYS:,}")
    if not FEWEST_LINES <= parameters.lines <= MOST_LINES:
        raise InputError("lines", parameters.lines, f"use {FEWEST_LINES} to {MOST_LINES:,}")
    return parameters


def _check_same(there: Parameters, days: int | None, lines: int | None, seed: str | None) -> None:
    for name, wanted, found in (
        ("days", days, there.days), ("lines", lines, there.lines), ("seed", seed, there.seed)
    ):  # fmt: skip
        if wanted is not None and wanted != found:
            raise InputError(
                name, wanted,
                f"leave it out: the demo that is here was made with {found}; "
                "another one needs another USAGE_DATA_DIR",
            )  # fmt: skip
