"""The Settings page: the way into Billing, and the facts of the account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from components import html
from components.links import Choice, icon, link


@dataclass(frozen=True, slots=True)
class SettingsLink:
    """A place to go, and what is there."""

    choice: Choice
    text: Any


def api_place(key_count: int, account_id: str) -> SettingsLink:
    """The way to the API's description: how many keys open it, and how one is made."""
    keys = "1 key opens" if key_count == 1 else f"{key_count or 'No'} keys open"
    command = f"usage-dashboard key add --account {account_id} --scope usage:read"
    return SettingsLink(
        Choice("API", "/api/docs"),
        [
            f"{keys} this account to programs. Keys are made on the server, and shown once: ",
            html.Code(command), ".",
        ],
    )  # fmt: skip


def settings_page(
    billing: tuple[SettingsLink, ...], programs: Any, facts: tuple[tuple[str, str], ...]
) -> html.Div:
    """Billing first, because that is what most people come for; then the account's facts.

    ``programs``: the region that ``programs_card`` makes.
    """
    return html.Div(
        [
            _places_card("Billing", "billing", billing),
            programs,
            html.Section(
                [
                    html.Div(html.H2("Account"), className="card-head"),
                    html.Dl(
                        [html.Div([html.Dt(name), html.Dd(value)]) for name, value in facts],
                        className="facts",
                    ),
                ],
                className="card",
                id="account",
            ),
        ],
        className="settings",
    )


WEBHOOKS_PLACE = SettingsLink(
    Choice("Webhooks", "/settings/webhooks"),
    "Where your platform is told of pauses, calls at their limit and alerts, and how that went.",
)


def programs_card(place: SettingsLink, *more: SettingsLink) -> html.Section:
    """What programs use."""
    return _places_card("Programs", "programs", (place, *more))


def _places_card(title: str, element_id: str, places: tuple[SettingsLink, ...]) -> html.Section:
    return html.Section(
        [
            html.H2(title, className="card-table-head"),
            html.Ul([_place(place) for place in places], className="places"),
        ],
        className="card card-table",
        id=element_id,
    )


def _place(place: SettingsLink) -> html.Li:
    label, href = place.choice.label, place.choice.href or "#"
    if href.startswith("/api/"):  # no screen of the application: the browser itself goes there
        way: Any = html.A(label, href=href, className="row-link", disable_n_clicks=True)
    else:
        way = link(label, href, "row-link")
    return html.Li(
        [
            html.Div([way, html.P(place.text)]),
            icon("next"),
        ],
        className="row-opens",
    )
