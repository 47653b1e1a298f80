"""Lines of the ledger as the API says them: transactions, explanations, calls and messages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated

from pydantic import Field

from api.v1.shapes import Currency, Micros, Shape
from billing.metrics import METRIC_BY_ID
from billing.usage import EventLines, Explanation, LinePage, LotDraw, UsageLine
from exports.csv_files import units_text

BaseUnits = Annotated[
    int,
    Field(description="Billed, in the metric's base unit: seconds, segments, …", examples=[120]),
]
Units = Annotated[
    str, Field(description="The base units in the metric's display unit.", examples=["2"])
]
Watermark = Annotated[datetime, Field(description="The instant the answer is complete to.")]
Party = Annotated[
    str | None,
    Field(description="The other party: rated prefix and last two digits.", examples=["+9190…42"]),
]


class TransactionShape(Shape):
    """One line of the ledger: one billable or zero-charged action."""

    id: str
    event_id: str
    source: str
    source_id: Annotated[str, Field(description="The event's id as its sender named it.")]
    metric: str
    service: str
    direction: str
    agent: str | None
    status: str
    reason: Annotated[str | None, Field(description="Why it cost nothing, or less.")]
    campaign: str | None
    campaign_name: str | None
    consumer: str | None
    consumer_name: str | None
    destination: Annotated[str | None, Field(description="The prefix it was rated by.")]
    occurred_at: datetime
    received_at: datetime
    stored_at: datetime
    booked_on: Annotated[date, Field(description="The local day it counts on.")]
    corrects_period: Annotated[
        date | None,
        Field(description="First day of the closed billing period that it came too late for."),
    ]
    units: Units | None
    base_units: BaseUnits
    pulses: Annotated[int, Field(description="Billed increments.")]
    talk_seconds: int
    rate_id: str | None
    connect_fee_micros: Micros
    cost_micros: Micros
    currency: Currency
    reverses_line_id: Annotated[str | None, Field(description="The line that this one takes back.")]
    is_sandbox: bool
    flags: list[str]


class TransactionsShape(Shape):
    """One page of transactions. A cursor goes with the same parameters as the page it came with."""

    transactions: list[TransactionShape]
    next_cursor: str | None
    previous_cursor: str | None
    currency: Currency
    watermark: Watermark


class QuantityShape(Shape):
    """How much was used, before any rounding, and how much is billed."""

    talk_seconds: int
    units: Units | None
    base_units: BaseUnits
    pulses: int


class RoundingShape(Shape):
    """At least ``minimum`` seconds, then whole increments."""

    minimum: int
    increment: int


class AppliedRateShape(Shape):
    """The version of the price list that priced the line: a price for ``size`` base units."""

    id: str
    price_list: str
    valid_from: Annotated[date | None, Field(description="None: it was always in force.")]
    prefix: str
    price_micros: Micros
    size: int


class LotDrawShape(Shape):
    """What one credit lot paid; negative where a reversal gave back."""

    lot_id: str
    kind: str
    granted_at: datetime
    expires_at: datetime | None
    micros: Micros


class WalletStepShape(Shape):
    """The wallet entry of the line, the lots it drew from, the balance around it."""

    entry_id: str
    lots: list[LotDrawShape]
    balance_before_micros: Micros
    balance_after_micros: Micros


class ExplanationShape(Shape):
    """Why a line cost what it cost: event → units → rounding → rate → cost → lots → balance.

    ``rounding`` and ``rate`` are null where no rate applied, ``wallet`` where no money moved.
    """

    transaction: TransactionShape
    counterparty: Party
    quantity: QuantityShape
    rounding: RoundingShape | None
    rate: AppliedRateShape | None
    connect_fee_micros: Micros
    cost_micros: Micros
    wallet: WalletStepShape | None
    siblings: Annotated[
        list[TransactionShape], Field(description="The other lines of the same event.")
    ]
    currency: Currency


class EventShape(Shape):
    """One call or message: its lines, units, cost and status."""

    event_id: str
    source: str
    id: Annotated[str, Field(description="As its sender named it.")]
    occurred_at: datetime
    direction: str
    agent: str | None
    status: str
    counterparty: Party
    talk_seconds: int
    cost_micros: Micros
    lines: list[TransactionShape]
    currency: Currency
    watermark: Watermark


def shown_units(metric: str | None, base_units: int | None) -> str | None:
    """Base units in the metric's display unit; none where there are none to show."""
    if base_units is None:
        return None
    if metric is None:
        return "0"
    return units_text(metric, base_units) if metric in METRIC_BY_ID else None


def transaction_shape(line: UsageLine) -> TransactionShape:
    """One line."""
    return TransactionShape(
        id=line.id, event_id=line.event_id, source=line.source, source_id=line.source_id,
        metric=line.metric, service=line.service, direction=line.direction, agent=line.agent,
        status=line.status, reason=line.reason, campaign=line.campaign_id,
        campaign_name=line.campaign, consumer=line.consumer_id, consumer_name=line.consumer,
        destination=line.destination, occurred_at=line.occurred_at, received_at=line.received_at,
        stored_at=line.stored_at, booked_on=line.booked_on, corrects_period=line.corrects_period,
        units=shown_units(line.metric, line.base_units), base_units=line.base_units,
        pulses=line.pulses, talk_seconds=line.talk_seconds, rate_id=line.rate_id,
        connect_fee_micros=line.connect_fee_micros, cost_micros=line.cost_micros,
        currency=line.currency, reverses_line_id=line.reverses_line_id,
        is_sandbox=line.is_sandbox, flags=list(line.flags),
    )  # fmt: skip


def transactions_shape(page: LinePage, currency: str) -> TransactionsShape:
    """One page."""
    return TransactionsShape(
        transactions=[transaction_shape(line) for line in page.lines],
        next_cursor=page.next_cursor,
        previous_cursor=page.previous_cursor,
        currency=currency,
        watermark=page.complete_to,
    )


def explanation_shape(found: Explanation) -> ExplanationShape:
    """An explanation, step by step."""
    line = found.line
    return ExplanationShape(
        transaction=transaction_shape(line),
        counterparty=found.counterparty,
        quantity=QuantityShape(
            talk_seconds=line.talk_seconds, units=shown_units(line.metric, line.base_units),
            base_units=line.base_units, pulses=line.pulses,
        ),
        rounding=_rounding(found),
        rate=_rate(found),
        connect_fee_micros=line.connect_fee_micros,
        cost_micros=line.cost_micros,
        wallet=_wallet(found),
        siblings=[transaction_shape(sibling) for sibling in found.siblings],
        currency=line.currency,
    )  # fmt: skip


def event_shape(found: EventLines) -> EventShape:
    """A call or message; what its lines share is said once."""
    first = found.lines[0]
    return EventShape(
        event_id=first.event_id,
        source=first.source,
        id=first.source_id,
        occurred_at=first.occurred_at,
        direction=first.direction,
        agent=first.agent,
        status=first.status,
        counterparty=found.counterparty,
        talk_seconds=max(line.talk_seconds for line in found.lines),
        cost_micros=sum(line.cost_micros for line in found.lines),
        lines=[transaction_shape(line) for line in found.lines],
        currency=first.currency,
        watermark=found.complete_to,
    )


def _rounding(found: Explanation) -> RoundingShape | None:
    metric = METRIC_BY_ID.get(found.line.metric)
    is_timed = metric is not None and metric.unit.base == "second"
    if not is_timed or found.minimum is None or found.increment is None:
        return None
    return RoundingShape(minimum=found.minimum, increment=found.increment)


def _rate(found: Explanation) -> AppliedRateShape | None:
    if found.line.rate_id is None or found.rate_list is None:
        return None
    if found.price_micros is None or found.price_size is None:
        return None
    return AppliedRateShape(
        id=found.line.rate_id,
        price_list=found.rate_list,
        valid_from=found.rate_valid_from,
        prefix=found.rate_prefix or "",
        price_micros=found.price_micros,
        size=found.price_size,
    )


def _wallet(found: Explanation) -> WalletStepShape | None:
    before, after = found.balance_before_micros, found.balance_after_micros
    if found.entry_id is None or before is None or after is None:
        return None
    return WalletStepShape(
        entry_id=found.entry_id,
        lots=_draws(found.draws),
        balance_before_micros=before,
        balance_after_micros=after,
    )


def _draws(draws: Sequence[LotDraw]) -> list[LotDrawShape]:
    return [
        LotDrawShape(
            lot_id=draw.lot_id, kind=draw.lot_kind, granted_at=draw.granted_at,
            expires_at=draw.expires_at, micros=draw.micros,
        )
        for draw in draws
    ]  # fmt: skip
