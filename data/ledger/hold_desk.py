"""Decisions about one account's holds within one write transaction, in order.

What the account has is read once and followed in memory; ``flush`` writes it all. A refusal
leaves nothing behind. Must not know who asks, nor who else waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from billing.accounts import Account
from billing.caps import CapKind, Limits, Window, windows_of
from billing.errors import InputError, NotFoundError
from billing.holds import (
    Allowed,
    Bound,
    Decision,
    Denied,
    HoldRequest,
    HoldState,
    Quote,
    Standing,
    check_amount,
    check_request,
    decide,
    hold_ends_at,
    lacks_plan,
    plan_denial,
    quote,
    unknown_destination,
)
from billing.limits import limit
from billing.pauses import Pause, Reason, paused_for, resets_at
from billing.rates import Rate, RateBook, UnknownDestinationError
from data import tables as t
from data.access.audit import record
from data.alerts.book import AlertBooks
from data.identity import Pseudonyms, new_id
from data.ledger.bulk import rows_among
from data.ledger.consequences import follow
from data.ledger.hold_answers import (
    Answer,
    Extend,
    HoldClosedError,
    Item,
    Release,
    Settle,
    answer_of,
    digest_of,
    encoded,
    first_answer,
    state_of,
)
from data.ledger.hold_book import Hold, HoldBook
from data.ledger.limit_book import LimitBooks
from data.ledger.pausing import Moment, due_now, open_pauses
from data.ledger.posting import Outcome, Poster
from data.ledger.price_books import RateBooks
from data.ledger.wallet import Posting

DEFAULT_EXTENSION_SECONDS = 600
# A window that a cap bounds: its ceiling, from how much on it warns, and when the next begins.
_CapOn = tuple[Window, int | None, int | None, datetime | None]


@dataclass(frozen=True, slots=True)
class Books:
    """What is remembered from one transaction to the next."""

    limits: LimitBooks
    rates: RateBooks
    alerts: AlertBooks


class HoldDesk:
    """Takes requests about one account in order; end it with ``flush``."""

    def __init__(
        self, connection: Connection, account: Account, pseudonyms: Pseudonyms, now: datetime,
        books: Books,
    ) -> None:  # fmt: skip
        self._connection = connection
        self._account = account
        self._now = now
        self._poster = Poster(
            connection, account, pseudonyms, now, is_live=True, books=books.rates,
            alert_books=books.alerts,
        )  # fmt: skip
        self._wallet, self._counters = self._poster.wallet, self._poster.counters
        self._holds: HoldBook = self._poster.holds
        self._holds.expire_due(now)
        self._limits: Limits = books.limits.of(connection, account.id, now)
        self._today = account.today(now)
        self._plan = account.plan_on(self._today)
        self._rates: RateBook = books.rates.load(connection, account, self._plan)
        self._pauses: tuple[Pause, ...] = open_pauses(connection, account.id)
        self._reasons: tuple[Reason, ...] | None = None
        self._answered: dict[str, tuple[str, str]] = {}
        self._extended: dict[tuple[str, str], tuple[str, str]] = {}
        self._extensions: list[dict[str, Any]] = []
        self._quotes: dict[tuple[str, str | None], Quote] = {}
        self._capped: dict[tuple[date, str | None], list[_CapOn]] = {}

    def look_up(self, items: Sequence[Item]) -> None:
        """Finds what was decided before about any of them."""
        holds, more, own = t.holds.c, t.hold_extensions.c, {"account_id": self._account.id}
        wanted = {each.request_id for each in items if isinstance(each, HoldRequest)}
        asked = (holds.request_id, holds.request_hash, holds.answer)
        for row in rows_among(self._connection, holds.request_id, wanted, *asked, **own):
            self._answered[row[0]] = (row[1], row[2])
        extended = {each.hold_id for each in items if isinstance(each, Extend)}
        shown = (more.hold_id, more.request_id, more.request_hash, more.answer)
        for row in rows_among(self._connection, more.hold_id, extended, *shown, **own):
            self._extended[row[0], row[1]] = (row[2], row[3])
        self._holds.look_up(
            extended | {each.hold_id for each in items if isinstance(each, Release)}
        )
        settled = [each.event for each in items if isinstance(each, Settle)]
        if settled:
            self._poster.look_up(settled)

    def take(self, item: Item) -> Answer:
        """The answer to one request. Errors: ``ProductError`` of many kinds; nothing is changed."""
        if isinstance(item, HoldRequest):
            return self._authorize(item)
        if isinstance(item, Extend):
            return self._extend(item)
        if isinstance(item, Settle):
            return self._settle(item)
        return self._release(item)

    def flush(self) -> None:
        """Writes everything, and what it pauses or resumes."""
        self._poster.flush()
        if self._extensions:
            self._connection.execute(insert(t.hold_extensions), self._extensions)
            self._extensions = []
        follow(self._connection, self._moment(), self._pauses, self._counters, self._poster.alerts)

    # --- authorize ---------------------------------------------------------------------------
    def _authorize(self, request: HoldRequest) -> Answer:
        check_request(request)
        digest = digest_of(
            {
                "amount": request.amount, "campaign": request.campaign,
                "consumer": request.consumer, "kind": request.kind.value,
                "request_id": request.request_id,
                "to": self._poster.number_hash(request.to) if request.to else None,
            }
        )  # fmt: skip
        known = self._answered.get(request.request_id)
        if known is not None:
            return first_answer(known, digest, "request_id")
        decision, cost = self._decided(request)
        hold, answer = self._made(request, digest, decision, cost)
        if isinstance(decision, Allowed):
            self._grant(request, self._today, decision.held_micros)
        elif cost is not None:
            self._notice_rest(request, decision, cost)
        self._holds.open(hold)
        self._answered[request.request_id] = (digest, hold.answer)
        return answer

    def _notice_rest(self, request: HoldRequest, denied: Denied, cost: Quote) -> None:
        """A request that found no room may show that a limit is spent but for a rest."""
        for window in windows_of(self._today, request.campaign):
            if window.kind.value == denied.rule.value and denied.limit_micros is not None:
                counted, least = self._counters.counted(window), cost.cost_micros(1)
                if replace(counted, least_micros=least).is_full(denied.limit_micros):
                    self._counters.ask_in_vain(window, least)
                    self._reasons = None

    def _decided(self, request: HoldRequest) -> tuple[Decision, Quote | None]:
        if lacks_plan(request.kind, self._plan, self._today):
            return plan_denial(request.kind, self._plan), None
        standing = self._standing(request, self._today)
        if standing.paused_by is not None:  # asked before the destination
            return decide(request, _NO_COST, standing), None
        try:
            cost = self._quote(request)
        except UnknownDestinationError as error:
            return unknown_destination(error), None
        return decide(request, cost, standing), cost

    def _quote(self, request: HoldRequest) -> Quote:
        key = (request.kind.value, request.to)
        found = self._quotes.get(key)
        if found is None:
            found = quote(request.kind, request.to, self._rates, self._today)
            self._quotes[key] = found
        return found

    def _standing(self, request: HoldRequest, day: date) -> Standing:
        """What bears on a request now, which counts on a day."""
        self._lapse()
        per_call = self._limits.cap(CapKind.PER_CALL)
        binding = per_call is not None and per_call.is_hard
        return Standing(
            self._wallet.posted_micros, self._wallet.reserved_micros,
            self._bounds(day, request.campaign),
            paused_for(self._due(), request.kind, request.campaign, self._limits.inbound),
            per_call.limit_micros if per_call and binding else None,
            per_call.limit_seconds if per_call and binding else None,
            self._limits.inbound,
        )  # fmt: skip

    def _bounds(self, day: date, campaign: str | None) -> list[Bound]:
        self._counters.look_up(window for window, *_ in self._caps_on(day, campaign))
        counted = self._counters.counted
        return [
            Bound(window, counted(window), ceiling, soft, ends)
            for window, ceiling, soft, ends in self._caps_on(day, campaign)
        ]

    def _caps_on(self, day: date, campaign: str | None) -> list[_CapOn]:
        """The caps over a day's windows: they stay as they are within a transaction."""
        found = self._capped.get((day, campaign))
        if found is None:
            limits, zones = self._limits, self._account.zones
            found = self._capped[day, campaign] = [
                (
                    window, limits.ceiling(window, self._now), limits.soft_limit(window),
                    resets_at(window, zones),
                )
                for window in windows_of(day, campaign)
                if limits.cap(window.kind, window.campaign) is not None
            ]  # fmt: skip
        return found

    def _grant(self, request: HoldRequest, day: date, micros: int) -> None:
        """Sets money aside for a request, in the windows of a day."""
        ceilings = None
        if request.kind.is_outbound:
            capped = self._caps_on(day, request.campaign)
            ceilings = {window: ceiling for window, ceiling, _, _ in capped}
        self._wallet.reserve(micros)
        self._counters.grant(day, request.campaign, micros, ceilings)

    def _lapse(self) -> None:
        """Takes out credit that has expired: it allows nothing, even once a hold gives it back."""
        if self._wallet.has_lapsed(self._now):
            now = self._now
            self._wallet.expire(self._wallet.booked(Posting(now, now, now, self._today)))
            self._reasons = None

    def _due(self) -> tuple[Reason, ...]:
        """What is paused at this moment of the transaction."""
        if self._reasons is None:
            self._reasons = tuple(
                each.reason for each in due_now(self._connection, self._moment(), self._counters)
            )
        return self._reasons

    def _moment(self) -> Moment:
        return Moment(self._account, self._limits, self._wallet.posted_micros, self._now)

    def _made(
        self, request: HoldRequest, digest: str, decision: Decision, cost: Quote | None
    ) -> tuple[Hold, Answer]:
        """The decision as it is kept, and its answer."""
        hold_id, kind, is_allowed = new_id(), request.kind, isinstance(decision, Allowed)
        amount, held, rule = 0, 0, None
        if isinstance(decision, Allowed):
            amount, held = decision.amount, decision.held_micros
        else:
            rule = decision.rule.value
        expires_at = hold_ends_at(kind, amount, self._now) if is_allowed else None
        answer = answer_of(hold_id, request, decision, held, amount, expires_at)
        hold = Hold(
            hold_id, self._account.id, request.request_id, kind, request.campaign,
            request.consumer, cost.rate.id if cost else None, cost.once_micros if cost else 0,
            HoldState.OPEN if is_allowed else HoldState.DENIED, held, amount, self._now,
            self._today, expires_at, None if is_allowed else self._now, None, None, digest,
            encoded(answer), rule,
        )  # fmt: skip
        return hold, answer

    # --- extend, settle, release ----------------------------------------------------------------
    def _extend(self, item: Extend) -> Answer:
        hold = self._found(item.hold_id)
        request = check_request(
            HoldRequest(item.request_id, hold.kind, hold.campaign, hold.consumer)
        )
        digest = digest_of({"seconds": item.seconds})
        known = self._extended.get((hold.id, item.request_id))
        if known is not None:
            return first_answer(known, digest, "request_id")
        if not hold.kind.is_call:
            raise InputError("hold", hold.kind.value, "only a call's hold can be extended")
        check_amount(hold.kind, item.seconds)
        if hold.state is not HoldState.OPEN:
            raise HoldClosedError(f"This hold is {hold.state.value}: authorize a new one.")
        wanted = hold.amount + (item.seconds or DEFAULT_EXTENSION_SECONDS)
        request = replace(request, amount=min(wanted, limit("call")))
        decision = decide(
            request, self._quote_of(hold), self._standing(request, hold.cap_on), hold.held_micros,
            hold.amount,
        )  # fmt: skip
        added = 0
        if isinstance(decision, Allowed):
            added = decision.held_micros
            self._grant(request, hold.cap_on, added)
            self._lengthen(hold, decision)
        answer = answer_of(
            hold.id, request, decision, hold.held_micros, hold.amount, hold.expires_at
        )
        text = encoded(answer)
        self._extended[hold.id, item.request_id] = (digest, text)
        self._extensions.append(
            {
                "account_id": self._account.id, "hold_id": hold.id,
                "request_id": item.request_id, "request_hash": digest, "added_micros": added,
                "decided_at": self._now, "answer": text,
            }
        )  # fmt: skip
        return answer

    def _lengthen(self, hold: Hold, decision: Allowed) -> None:
        hold.held_micros += decision.held_micros
        hold.amount = decision.amount
        hold.expires_at = hold_ends_at(hold.kind, hold.amount, hold.decided_at)
        self._holds.extend(hold)

    def _quote_of(self, hold: Hold) -> Quote:
        """What a hold's work costs, at the price at which it was allowed."""
        row = self._connection.execute(
            select(t.rates).where(t.rates.c.id == hold.rate_id)
        ).one()  # fmt: skip
        rate = Rate(
            row.id, row.metric, row.price_micros, row.size, row.prefix, row.minimum,
            row.increment, row.connect_fee_micros, row.note,
        )  # fmt: skip
        return Quote(hold.kind.is_call, rate, hold.once_micros)

    def _settle(self, item: Settle) -> Answer:
        hold = self._found(item.event.hold_id or "")
        outcome = self._poster.take(item.event, item.received_at)
        if outcome.error is not None:
            raise outcome.error
        self._reasons = None  # what was charged may have filled a window
        return self._settled(hold, outcome)

    def _settled(self, hold: Hold, outcome: Outcome) -> Answer:
        wallet = self._wallet
        promotional = wallet.lots.promotional_micros
        return {
            **state_of(hold), "is_duplicate": outcome.status == "duplicate",
            "event_id": outcome.event_id,
            "lines": self._poster.last_lines(outcome.line_count),
            "balance": {
                "available_micros": wallet.posted_micros - wallet.reserved_micros,
                "paid_micros": wallet.posted_micros - promotional,
                "promotional_micros": promotional,
                "reserved_micros": wallet.reserved_micros,
                "currency": self._account.currency,
            },
        }  # fmt: skip

    def _release(self, item: Release) -> Answer:
        hold = self._found(item.hold_id)
        if hold.state is HoldState.SETTLED:
            raise HoldClosedError("This hold is settled: its work was charged.")
        if hold.state is HoldState.OPEN:
            self._holds.close(hold, HoldState.RELEASED, self._now)
            if item.actor is not None:
                detail = {"hold_id": hold.id, "held_micros": hold.held_micros}
                record(
                    self._connection, self._now, item.actor, self._account.id, "hold.release",
                    detail,
                )  # fmt: skip
        return state_of(hold)

    def _found(self, hold_id: str) -> Hold:
        hold = self._holds.find(hold_id)
        if hold is None or hold.state is HoldState.DENIED:
            raise NotFoundError("There is no such hold in this account.")
        return hold


_NO_COST = Quote(is_call=False, rate=Rate("", "", 0))
