"""The bar over a page of figures: which period, how it is cut, what narrows it, what leaves it.

Everything is a link, because the address is the state. Only the custom range needs a script:
assets/40-range.js reads the two day fields and goes to the same address with ``from`` and ``to``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import dash_bootstrap_components as dbc

from billing.periods import Period
from components import format as fmt
from components import html
from components.links import (
    Choice,
    attributes,
    choices,
    download_link,
    icon,
    link,
    popover,
    searchable,
)


@dataclass(frozen=True, slots=True)
class FilterOption:
    """One value to filter by; following ``href`` puts it on, or takes an active one off."""

    label: str
    href: str
    is_active: bool = False


@dataclass(frozen=True, slots=True)
class FilterGroup:
    """All values of one filter: ``Service``, ``Campaign``, ``User or application``."""

    label: str
    options: tuple[FilterOption, ...]


@dataclass(frozen=True, slots=True)
class PeriodBarView:
    """What the bar shows. ``earlier``/``later``: where ‹ and › lead; none: no further.

    ``today``: the last day that can be chosen. ``first_day``: the earliest, if there is one.
    ``exports``: files of what is shown. ``clear_href``: the page without any filter.
    """

    presets: tuple[Choice, ...]
    period: Period
    today: date
    earlier: str | None = None
    later: str | None = None
    first_day: date | None = None
    granularities: tuple[Choice, ...] = ()
    filters: tuple[FilterGroup, ...] = ()
    clear_href: str | None = None
    exports: tuple[Choice, ...] = ()


def period_bar(view: PeriodBarView) -> html.Div:
    """Presets, steps, custom range, granularity, filters and export in one row."""
    return html.Div(
        [
            choices("Period", view.presets, "seg-presets"),
            _range(view),
            choices("Cut by", view.granularities) if view.granularities else None,
            _filter_menu(view.filters) if view.filters else None,
            html.Div(className="spacer"),
            export_menu(view.exports) if view.exports else None,
            _active_filters(view),
        ],
        className="bar",
    )


def _range(view: PeriodBarView) -> html.Div:
    return html.Div(
        [
            _step("earlier", "‹", "Earlier", view.earlier),
            popover(
                [_days(view.period, view.today), icon("down")],
                _range_form(view),
                title="Choose the days",
                class_name="pop-range",
                element_id="range-menu",
            ),
            _step("later", "›", "Later", view.later),
        ],
        className="range",
    )


def _days(period: Period, today: date) -> str:
    """The first and the last day, with their years where these aren't plain."""
    first, last = period.start, period.last_day
    has_years = first.year != last.year or last.year != today.year
    names = [f"{fmt.short_day(day)} {day.year}" if has_years else fmt.short_day(day)
             for day in (first, last)]  # fmt: skip
    return names[0] if first == last else " → ".join(names)


def _step(name: str, mark: str, label: str, href: str | None) -> html.A | html.Span:
    if href is None:
        return html.Span(mark, className="btn step is-off", **attributes(aria_hidden="true"))
    return link(mark, href, f"btn step step-{name}", label=label)


def _range_form(view: PeriodBarView) -> list[Any]:
    limits = {"max": view.today.isoformat()}
    if view.first_day:
        limits["min"] = view.first_day.isoformat()
    return [
        html.Div(
            [
                html.Label("First day", htmlFor="range-first"),
                dbc.Input(
                    id="range-first", type="date", value=view.period.start.isoformat(),
                    className="field", **limits,
                ),
            ],
            className="labelled",
        ),
        html.Div(
            [
                html.Label("Last day, included", htmlFor="range-last"),
                dbc.Input(
                    id="range-last", type="date",
                    value=min(view.period.last_day, view.today).isoformat(),
                    className="field", **limits,
                ),
            ],
            className="labelled",
        ),
        html.P(id="range-error", className="field-error", role="alert"),
        html.Button(
            "Apply", type="button", className="btn btn-main", disable_n_clicks=True,
            **attributes(data_range_apply="true"),
        ),
    ]  # fmt: skip


def _filter_menu(groups: tuple[FilterGroup, ...]) -> html.Details:
    return popover(
        "+ Filter",
        [_filter_group(group) for group in groups if group.options],
        title="Filters",
        class_name="pop-filter",
        button_class="btn btn-dashed",
        element_id="filter-menu",
    )


def _filter_group(group: FilterGroup) -> html.Details:
    active = sum(option.is_active for option in group.options)
    listing = html.Ul(
        [
            html.Li(
                link(
                    [option.label, icon("check") if option.is_active else None],
                    option.href,
                    "menu-item",
                    current="true" if option.is_active else None,
                )
            )
            for option in group.options
        ],
        className="menu-list",
    )
    label = group.label.lower()
    return html.Details(
        [
            html.Summary(
                [group.label, html.Span(str(active), className="count-mark") if active else None,
                 icon("down")]
            ),
            *searchable(listing, f"Find a {label}", len(group.options)),
        ],
        className="fold",
        open=len(group.options) <= 5 or active > 0,
    )  # fmt: skip


def _active_filters(view: PeriodBarView) -> html.Div | None:
    chips = [
        link(
            [html.Span(f"{group.label}:", className="chip-name"), option.label, icon("close")],
            option.href,
            "chip",
            label=f"Remove filter {group.label}: {option.label}",
        )
        for group in view.filters
        for option in group.options
        if option.is_active
    ]
    if not chips:
        return None
    clear = link("Clear all", view.clear_href, "chip-clear") if view.clear_href else None
    return html.Div(
        [*chips, clear], className="chips", role="group", **attributes(aria_label="Filters")
    )


def export_menu(exports: tuple[Choice, ...]) -> html.Details:
    """Files of what the page shows, same filters, same numbers."""
    rows = [
        html.Li(download_link(choice.label, choice.href, "menu-item"))
        for choice in exports
        if choice.href
    ]
    return popover(
        ["Export", icon("down")],
        html.Ul(rows, className="menu-list"),
        title="Export",
        class_name="pop-end",
        element_id="export-menu",
    )
