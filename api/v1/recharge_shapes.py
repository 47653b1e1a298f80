"""What the calls of auto-recharge take and answer with, made of the product's values."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from api.v1.limit_shapes import LARGEST_VERSION
from api.v1.shapes import Currency, Micros, Shape
from api.v1.wallet_shapes import Body
from billing.movements import LARGEST_MICROS
from billing.recharges import (
    Recharge,
    RechargeMode,
    RechargePage,
    RechargeSettings,
    RechargeStanding,
    RechargeState,
    Wait,
)

LONGEST_METHOD = 40
DUE = "due"

UpTo = Annotated[int, Field(strict=True, ge=0, le=LARGEST_MICROS, description="Micros.")]


class RechargeBody(Body):
    """Everything that is set. What is off may be all zeros."""

    is_on: bool = Field(strict=True)
    threshold_micros: UpTo = Field(description="Below this posted balance a top-up is due.")
    mode: RechargeMode
    amount_micros: UpTo = Field(
        description="`fixed_amount`: what is added. `to_target`: the balance to reach, above the "
        "threshold. Of whole smallest units of the currency, as the ceiling."
    )
    daily_ceiling_micros: UpTo = Field(description="The most that is topped up a local day.")
    method: str = Field(
        "", max_length=LONGEST_METHOD,
        description="A way to pay, one of `methods`; none: the usual one.",
    )  # fmt: skip
    version: int | None = Field(
        None, strict=True, ge=0, le=LARGEST_VERSION,
        description="The one that was read: refused with 409 when there is a newer one.",
    )  # fmt: skip

    def settings(self) -> RechargeSettings:
        """What to set."""
        return RechargeSettings(
            self.is_on, self.threshold_micros, self.mode, self.amount_micros,
            self.daily_ceiling_micros, self.method,
        )  # fmt: skip


class MethodShape(Shape):
    """A way to pay."""

    id: str
    label: str
    is_test: bool = Field(description="Of the built-in test gateway: no money is moved.")


class RechargeSettingsShape(Shape):
    """What is set, and what it does now."""

    is_on: bool
    threshold_micros: Micros
    mode: RechargeMode
    amount_micros: Micros
    daily_ceiling_micros: Micros
    method: str
    version: int = Field(description="0: nothing was ever set.")
    methods: list[MethodShape]
    state: Literal[
        "off", "in_flight", "enough", "importing", "declined", "ceiling", "due"
    ] = Field(
        description="Why nothing is topped up now: `declined`, waits after a decline; `ceiling`, "
        "as much as a day allows. `due`: it is about to be."
    )  # fmt: skip
    next_at: datetime | None = Field(description="When `declined` or `ceiling` is over.")
    charged_today_micros: Micros = Field(description="Of this local day, paid or in flight.")
    currency: Currency
    as_of: datetime


class RechargeShape(Shape):
    """One try."""

    id: str = Field(description="The reference under which the payment gateway knows it.")
    state: RechargeState = Field(
        description="`sent`: what the gateway did isn't known yet, it is asked about again; "
        "`dropped`: not wanted any more before anything was paid."
    )
    amount_micros: Micros
    method: str
    balance_micros: Micros = Field(description="The posted balance that made it due.")
    threshold_micros: Micros
    asked_at: datetime
    sent_at: datetime | None = Field(description="When the gateway was last asked to charge.")
    attempt_count: int
    next_at: datetime | None = Field(description="When it is taken on, while it is in flight.")
    done_at: datetime | None
    entry_id: str | None = Field(description="The wallet's top-up.")
    payment_id: str | None = Field(description="The gateway's own.")
    reason: str | None = Field(description="Why it was declined or dropped, or isn't answered.")


class RechargesShape(Shape):
    """A page of tries, newest first."""

    recharges: list[RechargeShape]
    next_cursor: str | None
    currency: Currency


def settings_shape(found: RechargeStanding, currency: str) -> RechargeSettingsShape:
    """What is set, as the API says it."""
    settings, wait = found.settings, found.verdict.wait
    return RechargeSettingsShape(
        is_on=settings.is_on, threshold_micros=settings.threshold_micros, mode=settings.mode,
        amount_micros=settings.amount_micros, daily_ceiling_micros=settings.daily_ceiling_micros,
        method=settings.method or found.methods[0].id, version=settings.version,
        methods=[
            MethodShape(id=each.id, label=each.label, is_test=each.is_test)
            for each in found.methods
        ],
        state=_word(wait), next_at=found.verdict.next_at,
        charged_today_micros=found.charged_today_micros, currency=currency, as_of=found.as_of,
    )  # fmt: skip


def recharges_shape(page: RechargePage, currency: str) -> RechargesShape:
    """A page of tries, as the API says them."""
    return RechargesShape(
        recharges=[_recharge_shape(each) for each in page.recharges],
        next_cursor=page.next_cursor, currency=currency,
    )  # fmt: skip


def _recharge_shape(each: Recharge) -> RechargeShape:
    return RechargeShape(
        id=each.id, state=each.state, amount_micros=each.amount_micros, method=each.method,
        balance_micros=each.posted_micros, threshold_micros=each.threshold_micros,
        asked_at=each.asked_at, sent_at=each.sent_at, attempt_count=each.attempt_count,
        next_at=each.next_at, done_at=each.done_at, entry_id=each.entry_id,
        payment_id=each.payment_id, reason=each.reason,
    )  # fmt: skip


def _word(
    wait: Wait | None,
) -> Literal["off", "in_flight", "enough", "importing", "declined", "ceiling", "due"]:
    return "due" if wait is None else wait.value
