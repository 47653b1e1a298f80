"""``GET /usage``: sums of usage, cut by time and grouped, equal to what the screens show."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import Field

from api.v1.callers import Caller, caller
from api.v1.line_shapes import BaseUnits, Units, Watermark, shown_units
from api.v1.parameters import given, takes_query
from api.v1.services import services_of
from api.v1.shapes import Currency, Micros, Shape
from billing.parameters import parse_parameters
from billing.usage_rows import Sums, usage_rows

router = APIRouter(tags=["Usage"])
_MIXED = "Null where metrics of different units meet, which can't be added."


Count = Annotated[int, Field(description="Lines.")]
MaybeUnits = Annotated[Units | None, Field(description=_MIXED)]
MaybeBaseUnits = Annotated[BaseUnits | None, Field(description=_MIXED)]


class SumsShape(Shape):
    """Three separate numbers: lines, billed units, cost."""

    count: Count
    units: MaybeUnits
    base_units: MaybeBaseUnits
    cost_micros: Micros


class UsageRowShape(Shape):
    """One group in one stretch of time. Of the keys, those asked for are there; null: without."""

    start: Annotated[datetime, Field(description="When it begins, in the account's zone.")]
    metric: str | None = None
    service: str | None = None
    direction: str | None = None
    status: str | None = None
    campaign: str | None = None
    consumer: str | None = None
    count: Count
    units: MaybeUnits
    base_units: MaybeBaseUnits
    cost_micros: Micros


class UsageShape(Shape):
    """Rows by start, then by keys; they add up to the totals."""

    rows: list[UsageRowShape]
    totals: SumsShape
    currency: Currency
    watermark: Watermark


@router.get("/usage", openapi_extra=takes_query("usage"), response_model_exclude_unset=True)
def read_usage(
    request: Request, who: Annotated[Caller, Depends(caller("usage:read"))]
) -> UsageShape:
    """Sums over a range: by default of the current billing period, as one row.

    Without `group_by` there is a row for every start in the range, zeros included; with it, a
    row for each group that was used. Days are those that usage is booked on; an hour is the one in
    which it happened, but what is booked on another day counts in that day's first hour. Weeks
    begin on Monday; weeks and months are cut at the range's bounds.

    A Free account gets its sandbox of today, priced for show, by metric or service.
    """
    services = services_of(request)
    account = who.account
    today = account.today(services.installation.clock.now())
    query = parse_parameters("usage", given(request), account, today)
    found = usage_rows(services.reader, who.scope, query, today)
    return UsageShape(
        rows=[
            UsageRowShape(
                start=row.start, **dict(zip(query.group_by, row.keys, strict=True)),
                **_sums(row.sums),
            )
            for row in found.rows
        ],
        totals=SumsShape(**_sums(found.totals)),
        currency=account.currency,
        watermark=found.complete_to,
    )  # fmt: skip


def _sums(sums: Sums) -> dict[str, Any]:
    return {
        "count": sums.count,
        "units": shown_units(sums.metric, sums.base_units),
        "base_units": sums.base_units,
        "cost_micros": sums.cost_micros,
    }
