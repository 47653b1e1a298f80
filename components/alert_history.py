"""What alerts did: their episodes, what people were told, and how far each delivery came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.alert_queries import alerts_address
from billing.alert_standing import Episode
from billing.alert_steps import EndCause
from billing.alerts import AlertRule
from billing.notices import Notice, NoticeWords, Send, SendAttempt, SendState
from components import format as fmt
from components import html
from components.alert_words import CHANNELS, ENDS, figure_text, rule_name
from components.alerts_page import level_badge
from components.limit_words import Telling, age_text
from components.links import attributes, link

STATES = {
    SendState.WAITING: "waiting", SendState.SENDING: "being sent", SendState.SENT: "sent",
    SendState.REFUSED: "refused for good", SendState.PARKED: "given up",
    SendState.UNKNOWN: "may have gone out", SendState.MUTED: "muted by the recipient",
}  # fmt: skip
TROUBLES = {SendState.REFUSED, SendState.PARKED, SendState.UNKNOWN}


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """A notice in words, its deliveries, and of an opened one each try by delivery."""

    notice: Notice
    words: NoticeWords
    sends: Sequence[Send] = ()
    attempts: Mapping[str, Sequence[SendAttempt]] | None = None


@dataclass(frozen=True, slots=True)
class ToldView:
    """One page of notices, newest first.

    ``cursor``: of this page; the hrefs are none where there is no other page.
    """

    notices: Sequence[NoticeRow]
    cursor: str | None
    older_href: str | None
    newest_href: str | None
    telling: Telling


def episodes_card(
    episodes: Sequence[Episode], rules: Mapping[str, AlertRule], telling: Telling
) -> html.Section | None:
    """Each time a rule was in alarm, newest first; ``rules``: by id, those still there."""
    if not episodes:
        return None
    heads = (
        ("Alert", None), ("Since", None), ("Lasted", "n wide"), ("Figure then", "n wide"),
        ("Ended because", None),
    )  # fmt: skip
    rows = [_episode(each, rules.get(each.alert_id), telling) for each in episodes]
    return html.Section(
        [
            html.Div(
                [html.H2("Episodes"), html.P("Each time an alert was in alarm")],
                className="card-head card-table-head",
            ),
            _table("Episodes, newest first", heads, rows),
        ],
        className="card card-table",
        id="episodes",
    )


def _episode(each: Episode, rule: AlertRule | None, telling: Telling) -> html.Tr:
    ended: Any = html.Span("Still in alarm", className="mark mark-soon")
    lasted = fmt.NONE  # it grows while nobody reads it anew
    if each.ended_at is not None:
        lasted = age_text(each.ended_at - each.started_at)
        ended = ENDS[EndCause(each.end_cause)] if each.end_cause else "It ended"
    name: Any = "An alert that was removed"
    figure = fmt.NONE
    if rule is not None:
        name = [rule_name(rule, telling), " ", level_badge(rule.level)]
        figure = figure_text(rule, each.value, telling)
        if each.threshold is not None:
            figure = f"{figure}, threshold {figure_text(rule, each.threshold, telling)}"
    return html.Tr(
        [
            html.Th(name, scope="row"),
            html.Td(_when(each.started_at, telling)),
            html.Td(lasted, className="n wide"),
            html.Td(figure, className="n wide"),
            html.Td(ended),
        ]
    )


def told_card(view: ToldView) -> html.Section:
    """What people were told, and by which way."""
    body: Any = html.P(
        "Nobody was told of anything yet. What people are told, and how each delivery went, is "
        "kept here.",
        className="nothing-here",
    )
    if view.notices:
        body = html.Ul([_notice(each, view) for each in view.notices], className="told-list")
    return html.Section(
        [
            html.Div(
                [html.H2("Told"), html.P("What people were told, newest first")],
                className="card-head card-table-head",
            ),
            body,
            _pager(view),
        ],
        className="card card-table",
        id="told",
    )


def _notice(each: NoticeRow, view: ToldView) -> html.Li:
    notice, is_open = each.notice, each.attempts is not None
    ways = None
    if each.sends:
        href = alerts_address(cursor=view.cursor, notice=None if is_open else notice.id)
        ways = link(
            "Close" if is_open else "Tries", f"{href}#told",
            label=f"{'Close the tries' if is_open else 'Tries'} of: {each.words.title}",
        )  # fmt: skip
    first = each.words.sentences[0] if each.words.sentences else None
    return html.Li(
        [
            html.Div(
                [html.B(each.words.title), html.P(first, className="dim") if first else None],
                className="told-what",
            ),
            html.Div(_when(notice.created_at, view.telling), className="told-when"),
            html.Div(_deliveries(each), className="told-ways"),
            html.Div(ways, className="told-more"),
            _opened(each, view) if is_open else None,
        ]
    )


def _deliveries(each: NoticeRow) -> list[Any]:
    """``Dashboard`` and how many of each other way came how far."""
    parts: list[Any] = [html.Span("Dashboard: shown")] if each.notice.is_shown else []
    counts: dict[tuple[str, SendState], int] = {}
    for send in each.sends:
        key = (CHANNELS[send.target.channel], send.state)
        counts[key] = counts.get(key, 0) + 1
    for (channel, state), count in counts.items():
        text = (
            f"{channel}: {STATES[state]}" if count == 1 else f"{channel}: {count} {STATES[state]}"
        )
        parts.append(html.Span(text, className="send-trouble" if state in TROUBLES else None))
    return [html.Div(part) for part in parts] or [html.Span("By webhook", className="dim")]


def _opened(each: NoticeRow, view: ToldView) -> html.Ul:
    """Each delivery of a notice with every try and the answer it had."""
    assert each.attempts is not None, "asked for only then"
    items = [_send(send, each.attempts.get(send.id, ()), view.telling) for send in each.sends]
    return html.Ul(items, className="sends")


def _send(send: Send, attempts: Sequence[SendAttempt], telling: Telling) -> html.Li:
    head = f"{CHANNELS[send.target.channel]} to {send.target.address}"
    state = STATES[send.state]
    if send.next_at is not None and send.state is SendState.WAITING and attempts:
        state = f"{state}, next try {fmt.clock_time(send.next_at, telling.zone)}"
    tries: Any = html.P("Not tried yet", className="dim")
    if attempts:
        tries = html.Ol([html.Li(_attempt(one, telling)) for one in attempts])
    elif send.error:
        tries = html.P(send.error, className="dim")
    kind = "send-trouble" if send.state in TROUBLES else None
    return html.Li([html.B(head), ": ", html.Span(state, className=kind), tries])


def _attempt(one: SendAttempt, telling: Telling) -> list[Any]:
    day = fmt.short_day(fmt.local_day(one.at, telling.zone))
    return [
        f"{day}, {fmt.clock_time(one.at, telling.zone)}: ",
        html.Span("taken" if one.is_taken else "not taken",
                  className=None if one.is_taken else "send-trouble"),
        f", “{one.answer}”, {fmt.number(one.milliseconds, telling.locale)}{fmt.SPACE}ms",
    ]  # fmt: skip


def _when(instant: datetime, telling: Telling) -> list[Any]:
    day = fmt.local_day(instant, telling.zone)
    return [
        html.Span(f"{fmt.short_day(day)} {day.year},", className="nowrap"),
        f" {fmt.time_of_day(instant, telling.zone, has_seconds=False)}",
    ]


def _table(
    caption: str, heads: Sequence[tuple[str, str | None]], rows: Sequence[html.Tr]
) -> html.Div:
    cells = [
        html.Th(name, className=kind, scope="col") if name else html.Td(className=kind)
        for name, kind in heads
    ]
    table = html.Table(
        [
            html.Caption(caption, className="visually-hidden"),
            html.Thead(html.Tr(cells)),
            html.Tbody(list(rows)),
        ],
        className="data-table pauses-table alert-table",
    )
    return html.Div(table, className="scroll-x")


def _pager(view: ToldView) -> html.Nav | None:
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
        **attributes(aria_label="Pages of what people were told"),
    )
