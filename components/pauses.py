"""Pauses as people see them: the banner on every page, what stands still now, and the history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from billing.caps import CapKind
from billing.limit_queries import PATH, Edit, edit_address
from billing.pauses import BALANCE, Pause
from components import format as fmt
from components import html
from components.limit_words import (
    Telling,
    age_text,
    cap_name,
    end_text,
    is_plural,
    stands_still,
    until_text,
    why_text,
)
from components.links import attributes, icon, link

TOP_UP_HREF = "/billing/balance?do=top_up"
MOST_IN_BANNER = 3


def pause_banner(
    pauses: Sequence[Pause], telling: Telling, *, may_top_up: bool, is_here: bool = False
) -> html.Div | None:
    """What is paused, why and until when, and what one can do; nothing when nothing is.

    All outbound work first, then campaigns. ``is_here``: the page is that of limits itself.
    """
    if not pauses:
        return None
    ordered = sorted(pauses, key=lambda pause: bool(pause.reason.campaign))
    shown = ordered[:MOST_IN_BANNER]
    lines: list[Any] = [html.Li(_sentence(pause, telling)) for pause in shown]
    more = len(ordered) - len(shown)
    if more:
        lines.append(html.Li(f"And {fmt.number(more, telling.locale)} more campaigns are paused."))
    ways = [] if is_here else [link("Spending limits", PATH, "banner-link")]
    if may_top_up and any(pause.reason.rule == BALANCE for pause in pauses):
        ways.append(link("Top up", TOP_UP_HREF, "banner-link"))
    return html.Div(
        [icon("paused"), html.Ul(lines), html.Div(ways, className="banner-links")],
        className="banner",
    )


def _sentence(pause: Pause, telling: Telling) -> list[Any]:
    verb = "are" if is_plural(pause) else "is"
    return [
        html.B(f"{stands_still(pause, telling)} {verb} paused"),
        f" {until_text(pause, telling)}. {why_text(pause, telling)}.",
    ]


@dataclass(frozen=True, slots=True)
class PausesView:
    """Open pauses and one page of all, newest first.

    ``older_href``, ``newest_href``: none where there are none. ``may_change``: whether this person
    may override; ``may_top_up``: add credit.
    """

    open_pauses: tuple[Pause, ...]
    history: tuple[Pause, ...]
    older_href: str | None
    newest_href: str | None
    telling: Telling
    may_change: bool
    may_top_up: bool


def open_card(view: PausesView) -> html.Section | None:
    """What stands still now, and the ways to let it go on."""
    if not view.open_pauses:
        return None
    return html.Section(
        [
            html.Div(html.H2("Paused now"), className="card-head card-table-head"),
            html.Ul(
                [_open_row(pause, view) for pause in view.open_pauses], className="waiting-list"
            ),
        ],
        className="card card-table paused-now",
        id="paused",
    )


def _open_row(pause: Pause, view: PausesView) -> html.Li:
    telling = view.telling
    verb, until = "are" if is_plural(pause) else "is", until_text(pause, telling)
    return html.Li(
        [
            html.Div(
                [
                    html.B(f"{stands_still(pause, telling)} {verb} paused {until}"),
                    html.P(why_text(pause, telling)),
                    html.P(f"Since {telling.at(pause.started_at)}", className="dim"),
                ]
            ),
            html.Div(_ways_on(pause, view), className="form-buttons"),
        ]
    )


def _ways_on(pause: Pause, view: PausesView) -> list[Any]:
    if pause.reason.rule == BALANCE:
        return [link("Top up", TOP_UP_HREF, "btn")] if view.may_top_up else []
    if not view.may_change:
        return []
    kind, campaign = CapKind(pause.reason.rule), pause.reason.campaign
    name = cap_name(kind, campaign, view.telling).lower()
    return [
        link("Override…", edit_address(Edit.OVERRIDE, pause=pause.id), "btn",
             label=f"Override the {name}"),
        link("Change…", edit_address(Edit.CAP, kind=kind.value, campaign=campaign), "btn",
             label=f"Change the {name}"),
    ]  # fmt: skip


def history_card(view: PausesView) -> html.Section:
    """Every pause: what, why, from when to when, and why it went on."""
    body: Any = html.P(
        "Nothing was ever paused. Pauses and why they ended are kept here.",
        className="nothing-here",
    )
    if view.history:
        body = html.Div(_history_table(view), className="scroll-x")
    return html.Section(
        [
            html.Div(html.H2("Pauses"), className="card-head card-table-head"),
            body,
            _pager(view),
        ],
        className="card card-table",
        id="pauses",
    )


def _history_table(view: PausesView) -> html.Table:
    heads = (
        ("What was paused", None), ("Since", None), ("Lasted", "n wide"), ("Ended because", None),
    )  # fmt: skip
    return html.Table(
        [
            html.Caption("Pauses, newest first", className="visually-hidden"),
            html.Thead(
                html.Tr([html.Th(name, className=kind, scope="col") for name, kind in heads])
            ),
            html.Tbody([_history_row(pause, view) for pause in view.history]),
        ],
        className="data-table pauses-table",
    )


def _history_row(pause: Pause, view: PausesView) -> html.Tr:
    telling = view.telling
    ended: Any = html.Span("Still paused", className="mark mark-soon")
    lasted = "–"  # it grows while nobody reads it anew
    if pause.ended_at is not None:
        ended, lasted = end_text(pause), age_text(pause.ended_at - pause.started_at)
    started_on = fmt.local_day(pause.started_at, telling.zone)
    return html.Tr(
        [
            html.Th(
                [stands_still(pause, telling), html.Small(why_text(pause, telling))], scope="row"
            ),
            html.Td(
                [
                    html.Span(
                        f"{fmt.short_day(started_on)} {started_on.year},", className="nowrap"
                    ),
                    f" {fmt.time_of_day(pause.started_at, telling.zone, has_seconds=False)}",
                ]
            ),
            html.Td(lasted, className="n wide"),
            html.Td(ended),
        ]
    )


def _pager(view: PausesView) -> html.Nav | None:
    if not view.older_href and not view.newest_href:
        return None
    ways = [("‹ Newest", view.newest_href), ("Older ›", view.older_href)]
    return html.Nav(
        [
            link(label, href, "btn")
            if href
            else html.Span(label, className="btn is-off", **attributes(aria_hidden="true"))
            for label, href in ways
        ],
        className="pager",
        **attributes(aria_label="Pages of pauses"),
    )
