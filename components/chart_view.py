"""What a chart shows, and the colours it is drawn in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from billing.metrics import Service
from billing.periods import Period
from billing.queries import Granularity
from components import format as fmt

# The light palette of assets/10-tokens.css. The chart's rules find bars by these exact colours.
SERVICE_COLOURS: dict[str, str] = {
    Service.VOICE: "rgb(59, 91, 219)",
    Service.SMS: "rgb(18, 153, 138)",
    Service.WHATSAPP: "rgb(224, 161, 0)",
    Service.EXOPHONE: "rgb(194, 65, 155)",
    Service.CONTACT_CENTER: "rgb(124, 134, 152)",
}
SURFACE = "rgb(255, 255, 255)"
WEEKEND = "rgb(246, 247, 250)"
INK = "rgb(20, 24, 31)"
MUTED = "rgb(107, 116, 130)"
SOON = "rgb(163, 84, 7)"
FONT = "Inter, system-ui, sans-serif"


@dataclass(frozen=True, slots=True)
class Note:
    """Something unusual about one day, named on the chart."""

    day: date
    text: str


@dataclass(frozen=True, slots=True)
class ChartView:
    """What is drawn. ``rows``: (day, service, micros), in any order, gaps allowed.

    ``element_id``: unique on the page. ``day_hrefs``: where the days of the table lead.
    ``focus``: the days the page is about when more are drawn; the others stand back.
    """

    rows: tuple[tuple[date, str, int], ...]
    period: Period
    today: date
    granularity: Granularity
    currency: str
    locale: str
    element_id: str = "daily-chart"
    notes: tuple[Note, ...] = ()
    day_hrefs: tuple[tuple[date, str], ...] = ()
    focus: Period | None = None

    def money(self, micros: int) -> str:
        """An amount in the chart's currency."""
        return fmt.money(micros, self.currency, self.locale)
