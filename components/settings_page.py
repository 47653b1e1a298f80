"""The Settings page: the way into Billing, and the facts of the account."""

from __future__ import annotations

from dataclasses import dataclass

from dash import html

from components.links import Choice, icon, link


@dataclass(frozen=True, slots=True)
class SettingsLink:
    """A place to go, and what is there."""

    choice: Choice
    text: str


def settings_page(
    billing: tuple[SettingsLink, ...], facts: tuple[tuple[str, str], ...]
) -> html.Div:
    """Billing first, because that is what most people come for; then the account's facts."""
    return html.Div(
        [
            html.Section(
                [
                    html.H2("Billing", className="card-table-head"),
                    html.Ul([_place(place) for place in billing], className="places"),
                ],
                className="card card-table",
                id="billing",
            ),
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


def _place(place: SettingsLink) -> html.Li:
    return html.Li(
        [
            html.Div(
                [
                    link(place.choice.label, place.choice.href or "#", "row-link"),
                    html.P(place.text),
                ]
            ),
            icon("next"),
        ],
        className="row-opens",
    )
