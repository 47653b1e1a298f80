"""From events to the ledger: dedup, rate, book, charge, in the caller's transaction.

The one path into the ledger, for live events, imports and the demo alike. A broken event is
refused alone; everything accepted is written together or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, insert

from billing.accounts import Account
from billing.booking import Booking, book, check_age, check_instant
from billing.errors import InputError, ProductError
from billing.events import AnyEvent, StatusEvent, UsageEvent, event_type, is_outbound
from billing.holds import HoldState
from billing.plans import Plan
from billing.rates import RateBook
from billing.rating import LineDraft, RatingContext, rate_event
from billing.records import record
from data import tables as t
from data.alerts.book import AlertBook, AlertBooks, read_alerts
from data.alerts.tallies import Tallies
from data.changes import mark_changed
from data.columns import to_micros
from data.identity import Pseudonyms, new_id
from data.ledger.bulk import StoredDays, bulk_columns, insert_rows, known_among
from data.ledger.counters import CapCounters
from data.ledger.hold_book import OVER_HOLD, Backing, HoldBook
from data.ledger.pausing import open_pauses
from data.ledger.price_books import RateBooks, load_rate_book
from data.ledger.receipts import Receipts
from data.ledger.telling import tell_expired
from data.ledger.wallet import OpenWallet, Posting

LONGEST_ID = 255
SHORTEST_NUMBER = 7  # digits; what is shorter is a code, not somebody's number


@record()
class Outcome:
    """What became of one event: ``accepted``, ``duplicate`` or ``refused`` with its error."""

    status: str
    line_count: int = 0
    cost_micros: int = 0
    error: ProductError | None = None
    event_id: str | None = None  # the ledger's own


DUPLICATE = Outcome("duplicate")
WHILE_PAUSED = "while_paused"  # of a line whose work nobody should have begun
_LINE_COLUMNS = bulk_columns(t.usage_lines)
_SHOWN = tuple(
    (name, _LINE_COLUMNS.index(name))
    for name in ("id", "metric", "base_units", "cost_micros", "flags")
)


@record()
class _Held:
    """What a hold, or having none, says of an event's lines."""

    campaign: str | None
    consumer: str | None
    flags: tuple[str, ...]
    hold_id: str | None = None
    cap_on: date | None = None
    held_at: datetime | None = None


@dataclass(slots=True)
class Poster:
    """Posts events of one account within one write transaction; end it with ``flush``.

    ``received_at`` none: each event counts as received when it happened (history, the demo).
    """

    connection: Connection
    account: Account
    pseudonyms: Pseudonyms
    stored_at: datetime
    import_id: str | None = None
    refuses_closed_periods: bool = False
    is_live: bool = False  # a live event may only be so old; history may be of any age
    books: RateBooks | None = None  # remembered from one transaction to the next
    alert_books: AlertBooks | None = None  # likewise
    wallet: OpenWallet = field(init=False)
    counters: CapCounters = field(init=False)
    holds: HoldBook = field(init=False)
    alerts: AlertBook = field(init=False)
    _rates: dict[Plan, RateBook] = field(init=False, default_factory=dict)
    _contexts: dict[date, RatingContext] = field(init=False, default_factory=dict)
    _events: list[tuple[Any, ...]] = field(init=False, default_factory=list)
    _lines: list[tuple[Any, ...]] = field(init=False, default_factory=list)
    _known: set[tuple[str, str]] = field(init=False, default_factory=set)  # accepted identities
    _seen: dict[str, set[str]] = field(init=False)
    _named_ids: dict[str, set[str]] = field(init=False)  # that have a name already
    _hashes: dict[str, str] = field(init=False, default_factory=dict)
    _days: StoredDays = field(init=False)
    _tallies: Tallies = field(init=False)
    _receipts: Receipts = field(init=False)
    _names: dict[tuple[str, str], str] = field(init=False, default_factory=dict)
    # Campaigns that stood still when the transaction began; empty text: all outbound work did.
    _paused: frozenset[str] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.wallet = OpenWallet.open(self.connection, self.account)
        self.counters = CapCounters(self.connection, self.account.id)
        self.holds = HoldBook(self.connection, self.wallet, self.counters)
        self._days = StoredDays(self.connection)
        read = self.alert_books.of if self.alert_books else read_alerts
        self.alerts = read(self.connection, self.account.id)
        self._tallies = Tallies(self.account.id, self.alerts.scopes)
        self._receipts = Receipts(self.connection, self.account.id, to_micros(self.stored_at))
        self._seen = {"campaigns": set(), "consumers": set()}
        self._named_ids = {"campaigns": set(), "consumers": set()}

    def post(self, batch: Sequence[AnyEvent], received_at: datetime | None = None) -> list[Outcome]:
        """Takes a batch in order; one outcome an event, in the same order."""
        self.look_up(batch)
        return [self.take(event, received_at or event.occurred_at) for event in batch]

    def look_up(self, batch: Sequence[AnyEvent]) -> None:
        """Finds what the ledger knows of events that ``take`` will be given before a flush."""
        self._look_up_ids(batch)
        self._receipts.look_up(batch)
        self.holds.look_up([each for event in batch if (each := _hold_id(event))])

    def take(self, event: AnyEvent, received_at: datetime) -> Outcome:
        """Takes one event that was looked up; a refusal is in its outcome."""
        identity = (event.source, event.id)
        if identity in self._known:
            return DUPLICATE
        try:
            outcome = self._take(event, received_at)
        except ProductError as error:
            return Outcome("refused", error=error)
        self._known.add(identity)
        return outcome

    def flush(self) -> None:
        """Writes what was accepted since the last flush."""
        if self._events:
            mark_changed(self.connection, self.account.id)
        insert_rows(self.connection, t.events, self._events)
        insert_rows(self.connection, t.usage_lines, self._lines)
        for hold in self.holds.expired:
            tell_expired(self.connection, self.account, hold, self.stored_at)
        self.holds.expired.clear()
        self.holds.flush()
        self.counters.flush()
        self._tallies.flush(self.connection)
        self._receipts.flush()
        self._name_new()
        self.wallet.flush(self.stored_at)
        self._events, self._lines, self._known = [], [], set()

    def last_lines(self, count: int) -> list[dict[str, Any]]:
        """The lines that were taken last: id, metric, base units, cost, flags."""
        return [
            {name: row[place] for name, place in _SHOWN} for row in self._lines[-count:] if count
        ]

    def name(self, table: str, item_id: str, name: str) -> None:
        """Gives a campaign or consumer a name for people; without one its id serves."""
        self._names[table, item_id] = name

    def _look_up_ids(self, batch: Sequence[AnyEvent]) -> None:
        """Remembers which identities among the batch the account has already accepted."""
        by_source: dict[str, list[str]] = {}
        for event in batch:
            by_source.setdefault(event.source, []).append(event.id)
        for source, ids in by_source.items():
            found = known_among(
                self.connection, t.events.c.id, ids, account_id=self.account.id, source=source
            )
            self._known.update((source, event_id) for event_id in found)

    def _take(self, event: AnyEvent, received_at: datetime) -> Outcome:
        _check_identity(event)
        check_instant(event.occurred_at, received_at)
        if self.is_live:
            check_age(event.occurred_at, received_at)
        if isinstance(event, StatusEvent):
            return self._take_receipt(event)
        booking = self._book(event, received_at)
        drafts = rate_event(event, self._context(event, booking))
        backing = self.holds.backing(event, self.stored_at)
        event_id = new_id()
        posting = Posting(
            event.occurred_at, received_at, self.stored_at, booking.booked_on,
            booking.corrects_period, self.import_id,
        )  # fmt: skip
        self._events.append(self._event_row(event, drafts, event_id, posting))
        line_ids = [new_id() for _ in drafts]
        self._receipts.arrived(event, line_ids, drafts)
        cost = 0 if event.is_sandbox else sum(draft.cost_micros for draft in drafts)
        held = self._held(event, backing, cost)
        if not event.is_sandbox:  # names are what a full dashboard offers as filters
            self._named(held.campaign, held.consumer)
        for line_id, draft in zip(line_ids, drafts, strict=True):
            self._lines.append(self._line_row(event, draft, line_id, event_id, posting, held))
            if event.is_sandbox:
                continue
            if draft.cost_micros:
                self.wallet.charge(line_id, draft.cost_micros, posting, held.held_at)
            self._tallies.add(
                posting.booked_on, draft.metric, draft.service, held.campaign, draft.base_units,
                draft.cost_micros,
            )  # fmt: skip
        self.counters.charge(held.cap_on or posting.booked_on, held.campaign, cost)
        if backing and backing.hold and backing.hold.state is HoldState.OPEN:
            self.holds.settle(backing.hold, event_id, cost, self.stored_at)
        return Outcome("accepted", len(drafts), cost, event_id=event_id)

    def _held(self, event: UsageEvent, backing: Backing | None, cost_micros: int) -> _Held:
        """What an event's hold, or its having none, says of its lines."""
        flags = event.flags
        if backing is None:
            if self.is_live and self._is_paused(event):
                flags += (WHILE_PAUSED,)
            return _Held(event.campaign, event.consumer, flags)
        flags += backing.flags
        hold = backing.hold
        if hold is None:
            return _Held(event.campaign, event.consumer, flags)
        if hold.state is HoldState.OPEN and cost_micros > hold.held_micros:
            flags += (OVER_HOLD,)
        return _Held(
            event.campaign or hold.campaign, event.consumer or hold.consumer, flags, hold.id,
            hold.cap_on, backing.held_at,
        )  # fmt: skip

    def _is_paused(self, event: UsageEvent) -> bool:
        """Whether work of this kind stands still: it happened all the same, and is charged."""
        if event.is_sandbox or not is_outbound(event):
            return False
        if self._paused is None:
            present = open_pauses(self.connection, self.account.id)
            now = self.stored_at  # one whose day is over may not have been ended yet
            valid = [each for each in present if each.until_at is None or each.until_at > now]
            self._paused = frozenset(each.reason.campaign for each in valid)
        return "" in self._paused or (event.campaign or "") in self._paused

    def _take_receipt(self, event: StatusEvent) -> Outcome:
        """A receipt writes no line and costs nothing; a closed period doesn't keep it out."""
        event_id = new_id()
        self._receipts.take(event, event_id)
        self._events.append(
            (
                self.account.id, event.source, event.id, event_id, event_type(event),
                to_micros(self.stored_at), None, None, None,
            )
        )  # fmt: skip
        return Outcome("accepted")

    def _book(self, event: UsageEvent, received_at: datetime) -> Booking:
        booking = book(self.account, event.occurred_at, received_at, self.wallet.closed)
        if booking.corrects_period and self.refuses_closed_periods:
            raise InputError(
                "time", event.occurred_at.isoformat(),
                f"leave it out: its billing period from {booking.corrects_period} is closed",
                code="period_closed",
            )  # fmt: skip
        return booking

    def _context(self, event: UsageEvent, booking: Booking) -> RatingContext:
        """Plan and prices of the event's local day, remembered.

        A line is booked on that day unless it comes too late for its billing period.
        """
        day = booking.booked_on
        if booking.corrects_period:
            day = self.account.zones.local_day(event.occurred_at)
        context = self._contexts.get(day)
        if context is None:
            plan = self.account.plan_on(day)
            if plan not in self._rates:
                load = self.books.load if self.books else load_rate_book
                self._rates[plan] = load(self.connection, self.account, plan)
            context = self._contexts[day] = RatingContext(day, plan, self._rates[plan])
        return context

    def _event_row(
        self, event: UsageEvent, drafts: Sequence[LineDraft], event_id: str, posting: Posting
    ) -> tuple[Any, ...]:
        """A row of ``events``, in the order of its columns.

        Of the other party's number only the rated prefix and, of a whole number, two digits stay.
        """
        number = event.counterparty
        longest = max([draft.rated_prefix for draft in drafts], key=len)
        prefix = longest if number and longest else None
        suffix = number[-2:] if number and len(number) >= SHORTEST_NUMBER else None
        return (
            self.account.id, event.source, event.id, event_id, event_type(event),
            posting.micros[-1], self.number_hash(number) if number else None, prefix, suffix,
        )  # fmt: skip

    def number_hash(self, number: str) -> str:
        """What is kept in a number's place."""
        found = self._hashes.get(number)
        if found is None:
            found = self._hashes[number] = self.pseudonyms.number(self.account.id, number)
        return found

    def _line_row(
        self,
        event: UsageEvent,
        draft: LineDraft,
        line_id: str,
        event_id: str,
        posting: Posting,
        held: _Held,
    ) -> tuple[Any, ...]:
        """A row of ``usage_lines``, in the order of its columns without ``seq``."""
        booked_on = self._days[posting.booked_on]
        cap_on = self._days[held.cap_on] if held.cap_on else booked_on
        return (
            line_id, self.account.id, event_id, event.source, draft.metric, draft.service,
            draft.direction, draft.agent, draft.status, draft.reason, held.campaign,
            held.consumer, *posting.micros, booked_on, cap_on, draft.base_units, draft.pulses,
            draft.talk_seconds, draft.rate_id, draft.connect_fee_micros, draft.cost_micros,
            self.account.currency, held.hold_id, None, self._days[posting.corrects_period],
            event.is_sandbox, self.import_id, " ".join(held.flags) or None, draft.kind,
        )  # fmt: skip

    def _named(self, campaign: str | None, consumer: str | None) -> None:
        """Remembers a campaign and a consumer, to be named at the next flush."""
        if campaign:
            self._seen["campaigns"].add(campaign)
        if consumer:
            self._seen["consumers"].add(consumer)

    def _name_new(self) -> None:
        """Writes names of campaigns and consumers that the account doesn't know yet."""
        for table in (t.campaigns, t.consumers):
            ids = self._seen[table.name] - self._named_ids[table.name]
            if not ids:
                continue
            known = known_among(self.connection, table.c.id, ids, account_id=self.account.id)
            rows = [
                {
                    "account_id": self.account.id,
                    "id": item,
                    "name": self._names.get((table.name, item), item),
                    **({"kind": consumer_kind(item)} if table is t.consumers else {}),
                }
                for item in sorted(ids - known)
            ]
            if rows:
                self.connection.execute(insert(table), rows)
            self._named_ids[table.name] |= ids
            self._seen[table.name] = set()


def consumer_kind(consumer_id: str) -> str:
    """``application`` for ids that say so (``app:…``, ``key:…``), else ``user``."""
    return "application" if consumer_id.startswith(("app:", "key:")) else "user"


def _hold_id(event: AnyEvent) -> str | None:
    return event.hold_id if isinstance(event, UsageEvent) else None


def _check_identity(event: AnyEvent) -> None:
    _check_name("source", event.source)
    _check_name("id", event.id)
    if isinstance(event, StatusEvent):
        _check_name("ref", event.ref_source)
        _check_name("ref", event.ref_id)
        return
    if event.campaign is not None:
        _check_name("campaign", event.campaign)
    if event.consumer is not None:
        _check_name("consumer", event.consumer)


def _check_name(field_name: str, value: str) -> None:
    if not value or len(value) > LONGEST_ID or not value.isprintable():
        raise InputError(field_name, value, f"use 1 to {LONGEST_ID} printable characters")
