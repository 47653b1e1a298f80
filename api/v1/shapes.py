"""What the API answers with: one model a document, and how each is made of the product's values.

Money is integer micros beside its currency; instants are RFC 3339 in UTC; days are local days.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from billing.overview import WalletNow
from billing.query_values import DAY, DAY_FIX

Micros = Annotated[int, Field(description="Millionths of the currency unit.", examples=[1_250_000])]
Currency = Annotated[str, Field(description="ISO 4217 code.", examples=["USD"])]


def _day_as_text(value: object) -> object:
    """Else a number would be taken for seconds since 1970."""
    if isinstance(value, str) and not DAY.fullmatch(value):
        raise ValueError(DAY_FIX)
    return value


LocalDay = Annotated[date, BeforeValidator(_day_as_text)]


class Shape(BaseModel):
    """A document of the API."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FieldProblem(BaseModel):
    """One field that can't be taken."""

    field: str = Field(description="Its path, as it was written.", examples=["data.duration_s"])
    value: str = Field(description="What was given; nothing where it is missing.")
    fix: str = Field(description="What to do about it.", examples=["use 0 or more"])


class ProblemShape(BaseModel):
    """A refusal (RFC 9457): ``code`` is stable, ``detail`` may be read by a person."""

    model_config = ConfigDict(extra="allow", title="Problem")

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    request_id: str | None = None
    field: str | None = Field(None, description="The first field that can't be taken.")
    value: str | None = None
    fix: str | None = None
    errors: list[FieldProblem] | None = Field(
        None, description="Every field that can't be taken, the first one included; at most 20."
    )


class PromotionalShape(Shape):
    """What is left of one promotional credit."""

    micros: Micros
    expires_at: datetime | None


class BalanceShape(Shape):
    """The wallet now. available = paid + promotional − reserved."""

    available_micros: Micros
    paid_micros: Micros
    promotional: list[PromotionalShape]
    reserved_micros: Micros
    today_micros: Micros
    period_micros: Micros
    period_start: date
    period_end: date
    currency: Currency
    as_of: datetime


def balance_shape(wallet: WalletNow) -> BalanceShape:
    """The balance as the API and the stream say it."""
    balance = wallet.balance
    return BalanceShape(
        available_micros=balance.available_micros,
        paid_micros=balance.paid_micros,
        promotional=[
            PromotionalShape(micros=lot.remaining_micros, expires_at=lot.expires_at)
            for lot in balance.promotional
        ],
        reserved_micros=balance.reserved_micros,
        today_micros=wallet.today_micros,
        period_micros=wallet.period_micros,
        period_start=wallet.billing_period.start,
        period_end=wallet.billing_period.end,
        currency=balance.currency,
        as_of=balance.as_of,
    )
