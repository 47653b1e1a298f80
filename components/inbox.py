"""The inbox: what one person was told on the dashboard, newest first, what is new of it marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.access import ALL_ACCOUNTS
from billing.alerts import Channel
from billing.notices import Notice, NoticeWords, Send, SendState
from components import format as fmt
from components import html, states
from components.links import Choice, attributes, icon, link
from components.notice_words import level_name
from components.webhooks_page import pager

SEEN = "/notices/seen"  # where it is posted up to when somebody has seen
SEND_WORDS = {
    SendState.WAITING: "waits", SendState.SENDING: "is being sent", SendState.SENT: "sent",
    SendState.REFUSED: "refused", SendState.PARKED: "given up after a day",
    SendState.UNKNOWN: "may have gone out", SendState.MUTED: "muted by the recipient",
}  # fmt: skip
_CHANNELS = {Channel.EMAIL: "E-mail", Channel.SMS: "SMS"}
_SAID_BESIDE = {"Level", "Account", "As of"}  # figures that a row says elsewhere
_AMISS = {SendState.REFUSED, SendState.PARKED, SendState.UNKNOWN}


@dataclass(frozen=True, slots=True)
class InboxRow:
    """One notice with its words, and how far its e-mails and SMS came."""

    notice: Notice
    words: NoticeWords
    sends: Sequence[Send]


@dataclass(frozen=True, slots=True)
class InboxView:
    """One page of notices. ``hrefs``: none where there are none."""

    rows: Sequence[InboxRow]
    account_id: str
    zone: str
    older_href: str | None
    newest_href: str | None

    @property
    def seen_at(self) -> datetime | None:
        """Up to when whoever is shown this has seen; none on an older page, and of nothing."""
        is_newest = self.newest_href is None and bool(self.rows)
        return max(each.notice.created_at for each in self.rows) if is_newest else None


def inbox_card(view: InboxView) -> html.Section | html.Div:
    """The list. ``assets/85-notices.js`` posts what has been seen once it has been shown."""
    if not view.rows:
        return states.empty(
            "Nothing to read",
            "What your alerts tell on the dashboard is kept here, with when and how it was sent.",
            Choice("Alerts", "/billing/alerts"),
            "bell",
        )
    new_count = sum(each.notice.is_unread for each in view.rows)
    seen_at = view.seen_at
    return html.Section(
        [
            html.Div(
                [
                    html.H2("Notices"),
                    html.P(f"{new_count} new" if new_count else "Nothing new"),
                ],
                className="card-head card-table-head",
            ),
            html.Ul([_row(each, view) for each in view.rows], className="inbox"),
            pager("notices", view.newest_href, view.older_href),
        ],
        className="card card-table",
        id="inbox",
        **attributes(
            data_seen_at=seen_at.isoformat() if seen_at and new_count else None,
            data_seen_account=view.account_id,
            data_seen_post=SEEN,
        ),
    )


def _row(each: InboxRow, view: InboxView) -> html.Li:
    notice, words = each.notice, each.words
    marks = [level_mark(notice)]
    if words.is_test:
        marks.append(html.Span("Test", className="level"))
    if notice.account_id == ALL_ACCOUNTS:
        marks.append(html.Span("Installation", className="level"))
    day = fmt.long_day(fmt.local_day(notice.created_at, view.zone))
    at = f"{day}, {fmt.clock_time(notice.created_at, view.zone, has_seconds=False)}"
    return html.Li(
        [
            html.Div(
                [
                    html.H3(
                        [
                            html.Span("New", className="mark mark-new")
                            if notice.is_unread
                            else None,
                            link(words.title, words.path),
                        ]
                    ),
                    html.P([*marks, html.Time(at, dateTime=notice.created_at.isoformat())],
                           className="inbox-marks"),
                    *(html.P(sentence) for sentence in words.sentences),
                    html.P([icon("warning"), f"{words.action}."], className="inbox-action")
                    if words.action
                    else None,
                    _sends(each.sends),
                ],
                className="inbox-what",
            ),
            _figures(words.figures),
        ],
        className="is-unread" if notice.is_unread else None,
        **attributes(data_notice=notice.id),
    )  # fmt: skip


def level_mark(notice: Notice) -> html.Span:
    """A notice's level as a word in its colour."""
    return html.Span(level_name(notice.level), className=f"level level-{notice.level.value}")


def _figures(figures: Sequence[tuple[str, str]]) -> Any:
    rows = [
        html.Div([html.Dt(label), html.Dd(text)])
        for label, text in figures
        if label not in _SAID_BESIDE
    ]
    return html.Dl(rows, className="inbox-figures") if rows else None


def _sends(sends: Sequence[Send]) -> Any:
    if not sends:
        return None
    items = [
        html.Li(
            f"{_CHANNELS[send.target.channel]} to {send.target.address or 'an erased address'}: "
            f"{SEND_WORDS[send.state]}",
            className="is-amiss" if send.state in _AMISS else None,
        )
        for send in sends
    ]
    return html.Ul(items, className="inbox-sends", **attributes(aria_label="Deliveries"))


def told(notices: Sequence[tuple[Notice, NoticeWords]]) -> list[Mapping[str, Any]]:
    """Notices as a stream says them to a browser, which shows each as a toast."""
    return [
        {
            "id": notice.id,
            "kind": notice.kind.value,
            "level": notice.level.value,
            "level_name": level_name(notice.level),
            "title": words.title,
            "text": words.sentences[0] if words.sentences else "",
            "action": words.action,
            "path": words.path,
            "is_test": words.is_test,
            "created_at": notice.created_at.isoformat(),
        }
        for notice, words in notices
    ]
