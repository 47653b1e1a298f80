"""How a new transaction is said on a stream."""

from __future__ import annotations

from datetime import date, datetime

from api.v1.shapes import Currency, Micros, Shape
from billing.usage import UsageLine


class LineShape(Shape):
    """One usage line; ``base_units`` is the stored integer, such as seconds or segments."""

    id: str
    event_id: str
    source: str
    source_id: str
    metric: str
    service: str
    direction: str
    status: str
    reason: str | None
    campaign: str | None
    consumer: str | None
    occurred_at: datetime
    booked_on: date
    base_units: int
    cost_micros: Micros
    currency: Currency


def line_shape(line: UsageLine) -> LineShape:
    """A line as a stream says it; ``campaign`` and ``consumer`` are ids, as in events."""
    return LineShape(
        id=line.id,
        event_id=line.event_id,
        source=line.source,
        source_id=line.source_id,
        metric=line.metric,
        service=line.service,
        direction=line.direction,
        status=line.status,
        reason=line.reason,
        campaign=line.campaign_id,
        consumer=line.consumer_id,
        occurred_at=line.occurred_at,
        booked_on=line.booked_on,
        base_units=line.base_units,
        cost_micros=line.cost_micros,
        currency=line.currency,
    )
