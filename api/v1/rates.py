"""``GET /rates``: the prices in force on a day, each with the list it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import Field

from api.v1.callers import Caller, caller
from api.v1.parameters import given, takes
from api.v1.services import services_of
from api.v1.shapes import Currency, Micros, Shape
from billing.accounts import Account
from billing.errors import NotAllowedError
from billing.metrics import METRIC_BY_ID, METRICS, Metric
from billing.price_table import DatedPrice, metric_prices
from billing.query_values import Values, refuse
from data.ledger.price_books import load_rate_lists

router = APIRouter(tags=["Usage"])


class RateShape(Shape):
    """One price: ``price_micros`` for ``size`` base units, cost = fee + units × price ÷ size."""

    id: str
    metric: str
    metric_name: str
    service: str
    base_unit: Annotated[str, Field(examples=["second"])]
    prefix: Annotated[str, Field(description="Numbers that begin so; empty: any. Longest wins.")]
    price_micros: Micros
    size: int
    minimum: Annotated[int, Field(description="The least that is billed, in base units.")]
    increment: Annotated[int, Field(description="What is billed in whole ones, after that.")]
    connect_fee_micros: Micros
    note: str | None
    price_list: str
    level: Annotated[str, Field(description="account, plan or default: whose list it is.")]
    valid_from: Annotated[date | None, Field(description="None: always.")]
    valid_to: Annotated[date | None, Field(description="Excluded; none: no end is known.")]


class RatesShape(Shape):
    """The prices in force on a local day, by metric and prefix."""

    on: date
    rates: list[RateShape]
    currency: Currency


@router.get("/rates", openapi_extra=takes("on", "metric"))
def list_rates(
    request: Request, who: Annotated[Caller, Depends(caller("usage:read"))]
) -> RatesShape:
    """The price list in force: what each metric of the plan costs on a day, by destination."""
    installation, account = services_of(request).installation, who.account
    values = Values(given(request), refuse, is_strict=True)
    today = account.today(installation.clock.now())
    on = values.day("on") or today
    metrics = _metrics(account, on, values.all_of("metric", tuple(METRIC_BY_ID)))
    with installation.database.read() as connection:
        lists = load_rate_lists(connection, account, [account.plan_on(on)])
    prices = [
        (metric, price)
        for metric in metrics
        for price in metric_prices(metric, lists, on).prices
        if price.is_current
    ]
    return RatesShape(
        on=on,
        rates=[_shape(metric, price) for metric, price in prices],
        currency=account.currency,
    )


def _metrics(account: Account, on: date, asked: Sequence[str]) -> list[Metric]:
    """The plan's metrics, of these the asked ones; a Free account may look at all prices."""
    plan = account.plan_on(on)
    shown = [metric for metric in METRICS if plan in metric.plans] or list(METRICS)
    lacking = set(asked) - {metric.id for metric in shown}
    if lacking:
        name = METRIC_BY_ID[min(lacking)].name
        raise NotAllowedError(f"{name} is not on your plan.", code="plan_lacks")
    return [metric for metric in shown if not asked or metric.id in asked]


def _shape(metric: Metric, price: DatedPrice) -> RateShape:
    rate = price.rate
    return RateShape(
        id=rate.id, metric=metric.id, metric_name=metric.name, service=metric.service,
        base_unit=metric.unit.base, prefix=rate.prefix, price_micros=rate.price_micros,
        size=rate.size, minimum=rate.minimum, increment=rate.increment,
        connect_fee_micros=rate.connect_fee_micros, note=rate.note, price_list=price.list_name,
        level=price.level, valid_from=price.valid_from, valid_to=price.valid_to,
    )  # fmt: skip
