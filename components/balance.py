"""The live balance in the header and the breakdown that a click on it opens.

The six items and their words are those of seed 003, Balance Breakdown.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from billing.money import currency_decimals, split_rounding
from billing.periods import Period
from billing.runway import LONGEST_DAYS, Runway
from billing.usage import Balance, PromotionalLot
from components import format as fmt
from components import html
from components.links import popover

SOON_DAYS = 7


class BalanceIds:
    """Ids that keep their meaning, so that figures can be updated in place."""

    MENU = "header-balance-menu"
    AMOUNT = "header-balance"
    LASTS = "header-lasts"
    AVAILABLE = "breakdown-available"
    PAID = "breakdown-paid"
    PROMOTIONAL = "breakdown-promotional"
    RESERVED = "breakdown-reserved"
    TODAY = "breakdown-today"
    PERIOD = "breakdown-period"


@dataclass(frozen=True, slots=True)
class BalanceView:
    """The wallet, what was used today and in the current billing period, and how long it lasts.

    Units: micros. ``zone`` is the account's; instants are shown in it.
    """

    balance: Balance
    today_micros: int
    period_micros: int
    billing_period: Period
    runway: Runway
    locale: str
    zone: str

    def money(self, micros: int) -> str:
        """An amount in the wallet's currency."""
        return fmt.money(micros, self.balance.currency, self.locale)


def lasts_text(view: BalanceView) -> str:
    """How long the balance lasts, in a few words: ``about 3 days``."""
    days = view.runway.days
    if view.balance.posted_micros <= 0:
        return "empty"
    if days is None:
        return "too early to tell" if view.period_micros else "no recent usage"
    if days >= LONGEST_DAYS:
        return "over 10 years"
    return f"about {fmt.days_text(days, view.locale)}" if days else "less than a day"


def lasts_tone(runway: Runway) -> str:
    """``soon`` when the balance lasts a week or less, else ``calm``."""
    return "soon" if runway.days is not None and runway.days <= SOON_DAYS else "calm"


@dataclass(frozen=True, slots=True)
class BalanceParts:
    """The parts of the available balance, rounded together so that what is shown adds up.

    Units: micros, whole steps of the currency. ``lots`` sum to ``promotional``.
    """

    paid: int
    promotional: int
    reserved: int
    lots: tuple[int, ...]


def balance_parts(balance: Balance) -> BalanceParts:
    """Paid, promotional and reserved as they are shown: paid + promotional − reserved = available.

    The lots are rounded with the rest when they are all of the promotional credit.
    """
    lots = [lot.remaining_micros for lot in balance.promotional]
    if sum(lots) != balance.promotional_micros:
        lots = [balance.promotional_micros]
    paid, *rounded, reserved = split_rounding(
        [balance.paid_micros, *lots, -balance.reserved_micros],
        currency_decimals(balance.currency),
    )
    return BalanceParts(paid, sum(rounded), -reserved, tuple(rounded))


def balance_popover(view: BalanceView) -> html.Details:
    """The amount in the header; a click opens the breakdown."""
    lasts = html.Span(
        lasts_text(view),
        id=BalanceIds.LASTS,
        className=f"lasts lasts-{lasts_tone(view.runway)}",
    )
    available = view.money(view.balance.available_micros)
    return popover(
        [
            html.Span("Available", className="balance-word"),
            html.B(available, id=BalanceIds.AMOUNT),
            lasts,
        ],
        balance_breakdown(view),
        title="Balance breakdown",
        class_name="pop-end",
        button_class="balance-button",
        element_id=BalanceIds.MENU,
    )


def balance_breakdown(view: BalanceView) -> list[Any]:
    """The six items of the wallet, each with one line that says what it is."""
    balance = view.balance
    parts = balance_parts(balance)
    period = fmt.period_label(view.billing_period)
    return [
        html.H2("Balance breakdown"),
        html.Dl(
            [
                _item(
                    "Available Balance", view.money(balance.available_micros),
                    "Total credits available for use", BalanceIds.AVAILABLE, "is-total",
                ),
                _item(
                    "Paid Credits", view.money(parts.paid), "Purchased via payment",
                    BalanceIds.PAID,
                ),
                _item(
                    "Promotional Credits", view.money(parts.promotional), "Free and bonus credits",
                    BalanceIds.PROMOTIONAL, more=_lots(view, parts),
                ),
                _item(
                    "Reserved Amount", view.money(-parts.reserved),
                    "Held for calls in progress: deducted when the call completes, "
                    "released when it fails", BalanceIds.RESERVED,
                ),
                _item(
                    "Today’s Usage", view.money(view.today_micros),
                    "Total credits consumed today", BalanceIds.TODAY, "is-usage",
                ),
                _item(
                    "This Month’s Usage", view.money(view.period_micros),
                    f"Consumed in the current billing period, {period}", BalanceIds.PERIOD,
                ),
            ],
            className="breakdown",
        ),
    ]  # fmt: skip


def _item(
    name: str,
    amount: str,
    meaning: str,
    element_id: str,
    class_name: str | None = None,
    more: Any = None,
) -> html.Div:
    return html.Div(
        [
            html.Dt([name, html.Small(meaning)]),
            html.Dd(amount, id=element_id),
            html.Dd(more, className="lots") if more else None,
        ],
        className=class_name,
    )


def _lots(view: BalanceView, parts: BalanceParts) -> html.Ul | None:
    lots = view.balance.promotional
    if len(lots) != len(parts.lots):
        return None
    return html.Ul(
        [
            html.Li(f"{view.money(amount)} {_expiry(lot, view.zone)}")
            for lot, amount in zip(lots, parts.lots, strict=True)
        ]
    )


def _expiry(lot: PromotionalLot, zone_name: str) -> str:
    if lot.expires_at is None:
        return "never expires"
    expires_on: date = fmt.last_valid_day(lot.expires_at, zone_name)
    return f"expires {fmt.short_day(expires_on)} {expires_on.year}"
