"""/settings: the account's facts, and the way into Billing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dash

from billing.webhooks import may_see_webhooks
from components import format as fmt
from components import settings_page, shell
from components.links import Choice
from pages._frame import Visit, framed

PATH = "/settings"

dash.register_page(__name__, PATH, title="Settings", name="Settings")

BILLING = (
    settings_page.SettingsLink(
        Choice("Usage", "/billing/usage"), "What was spent, by metric, day and campaign."
    ),
    settings_page.SettingsLink(
        Choice("Balance", "/billing/balance"), "What can be spent, until when, and every movement."
    ),
    settings_page.SettingsLink(
        Choice("Spending limits", "/billing/limits"),
        "Caps by day, week, month, call and campaign, and what is paused.",
    ),
    settings_page.SettingsLink(
        Choice("Alerts", "/billing/alerts"),
        "Who is warned of a low balance or of usage, from when on, and what they were told.",
    ),
    settings_page.SettingsLink(
        Choice("Usage rates", "/billing/rates"), "What each metric means and costs."
    ),
)


def layout(search: str | None = None, **_: Any) -> Any:
    """The whole page."""
    return framed(search, PATH, "settings", (shell.Crumb("Settings"),), _content)


def _content(visit: Visit) -> Sequence[Any]:
    account = visit.account
    period = account.billing.period_of(visit.today)
    facts = [
        ("Name", account.name),
        ("Plan", account.plan_on(visit.today).label),
        ("Currency", account.currency),
        ("Time zone", visit.zone),
        ("Billing period", f"{fmt.period_label(period)}, begins on day {period.start.day}"),
        ("Environment", account.environment.capitalize()),
    ]
    if account.paid_since:
        facts.append(("Paid plan since", fmt.long_day(account.paid_since)))
    return [
        shell.page_head("Settings"),
        settings_page.settings_page(
            BILLING, visit.region("API keys", lambda: _programs(visit)), tuple(facts)
        ),
    ]


def _programs(visit: Visit) -> Any:
    key_count = visit.desk.api_key_count(visit.scope)
    api = settings_page.api_place(key_count, visit.account.id)
    more = (settings_page.WEBHOOKS_PLACE,) if may_see_webhooks(visit.scope.role) else ()
    return settings_page.programs_card(api, *more)
