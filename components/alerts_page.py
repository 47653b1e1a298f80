"""The Alerts page: what is in alarm, each rule with its figure beside its threshold, ways to add.

Every control is an address or one post. A figure stands beside the threshold it is compared with,
in the same unit; a level is told by its word, its colour only underlines it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from billing.alert_queries import INBOX_PATH, Edit, edit_address
from billing.alert_standing import AlertStanding, AlertView
from billing.alert_steps import Phase, is_beyond
from billing.alerts import RECOMMENDED, AlertKind, Channel, Level
from components import format as fmt
from components import html
from components.alert_forms import CHANGES, add_link
from components.alert_words import (
    CHANNELS,
    Average,
    figure_label,
    figure_text,
    no_figure_text,
    phase_text,
    rule_name,
    sentence,
    threshold_text,
)
from components.cards import cards, figure_card
from components.form_fields import posting_button
from components.level_bar import level_bar
from components.limit_words import Telling
from components.links import hidden_text, icon, link, popover
from components.notice_words import level_name


@dataclass(frozen=True, slots=True)
class AlertsView:
    """How an account's alerts stand. ``balance_micros``: posted; none: it could not be read.

    ``waits_text``: for what a percentage waits; empty where there is an average. ``person_email``:
    whom the recommended levels would tell.
    """

    standing: AlertStanding
    telling: Telling
    average: Average
    account_id: str
    balance_micros: int | None
    waits_text: str
    person_email: str
    may_change: bool


def head_actions(*, may_change: bool) -> html.Div:
    """What stands beside the heading."""
    inbox = link("Inbox", INBOX_PATH, "btn")
    return html.Div([inbox, add_link() if may_change else None], className="head-actions")


def status_cards(view: AlertsView) -> html.Section:
    """The answer of the page first: what is in alarm; then what percentages are reckoned from."""
    return cards([_alarm_card(view), _balance_card(view), _average_card(view)])


def _alarm_card(view: AlertsView) -> html.Div:
    alarmed = [each for each in view.standing.alerts if each.phase is Phase.ALARM]
    if not alarmed:
        return figure_card("In alarm", "None", _watching_text(view), is_big=True)
    worst = max(alarmed, key=lambda each: each.alert.rule.level.rank)
    rule = worst.alert.rule
    action = f". {rule.level.action}." if rule.level.action else ""
    figure = html.Span(fmt.number(len(alarmed), view.telling.locale), className="lasts-soon")
    return figure_card(
        "In alarm", figure, f"{rule_name(rule, view.telling)}{action}",
        beside=level_badge(rule.level), is_big=True,
    )  # fmt: skip


def _watching_text(view: AlertsView) -> str:
    """``3 alerts watch, 1 waits for a complete month``."""
    phases = [each.phase for each in view.standing.alerts]
    armed, waiting = phases.count(Phase.ARMED), phases.count(Phase.WAITING)
    words = []
    if armed or not waiting:
        count = fmt.number(armed, view.telling.locale)
        words.append(f"{count} alert watches" if armed == 1 else f"{count} alerts watch")
    if waiting:
        count = fmt.number(waiting, view.telling.locale)
        verb = "waits" if waiting == 1 else "wait"
        words.append(f"{count} {verb} for a complete month")
    return ", ".join(words)


def _balance_card(view: AlertsView) -> html.Div:
    balance, average = view.balance_micros, view.average.micros
    if balance is None:
        return figure_card("Balance", fmt.NONE, "It can’t be read at the moment.")
    beside = "paid and promotional, whatever is reserved"
    if average:
        percent = fmt.number(max(0, balance) * 100 // average, view.telling.locale)
        beside = f"{percent}{fmt.SPACE}% of average monthly usage"
    return figure_card("Balance", view.telling.sum(balance), beside)


def _average_card(view: AlertsView) -> html.Div:
    if view.average.micros is None:
        return figure_card("Average monthly usage", "Not yet", view.waits_text)
    text = view.average.of_text()
    return figure_card(
        "Average monthly usage", view.telling.sum(view.average.micros),
        f"{text[:1].upper()}{text[1:]}",
    )  # fmt: skip


def level_badge(level: Level) -> html.Span:
    """A level as a word in its colour."""
    return html.Span(level_name(level), className=f"level level-{level}")


# --- the list ----------------------------------------------------------------------------------
def rules_card(view: AlertsView) -> html.Section:
    """Every rule, those in alarm first, else in the order people made them."""
    ordered = sorted(view.standing.alerts, key=lambda each: each.phase is not Phase.ALARM)
    return html.Section(
        [
            html.Div(
                [html.H2("Alerts"), html.P("Each with its figure now beside its threshold")],
                className="card-head card-table-head",
            ),
            _absent_note(view),
            html.Ul([_row(each, view) for each in ordered], className="cap-list"),
        ],
        className="card card-table alerts",
        id="alerts",
    )


def _row(each: AlertView, view: AlertsView) -> html.Li:
    rule, telling = each.alert.rule, view.telling
    said = sentence(rule, view.average, each.reading, telling)
    return html.Li(
        [
            html.Div(
                [
                    html.H3([rule_name(rule, telling), " ", level_badge(rule.level)]),
                    html.P(
                        f"{rule.level.action}.",
                        className="alert-action is-now"
                        if each.phase is Phase.ALARM
                        else "alert-action",
                    )
                    if rule.level.action
                    else None,
                    html.P(said, className="dim"),
                ],
                className="cap-name",
            ),
            html.Div(_body(each, view), className="cap-body"),
            html.Div(_ways(each, view) if view.may_change else None, className="cap-ways"),
        ],
        className="cap-row" if rule.is_on else "cap-row is-out",
    )


def _body(each: AlertView, view: AlertsView) -> list[Any]:
    rule, reading, telling = each.alert.rule, each.reading, view.telling
    figure, bound = figure_text(rule, reading.value, telling), threshold_text(
        rule, reading, telling
    )  # fmt: skip
    bar = None
    if reading.value is not None and reading.threshold is not None:
        label = f"{figure_label(rule)} {figure}, threshold {bound}"
        bar = level_bar(
            reading.value, reading.threshold, label, is_falling=rule.is_falling,
            is_alarm=is_beyond(rule, reading),
        )  # fmt: skip
    told = _told_text(each, telling)
    figures = [
        (figure_label(rule), figure), ("Threshold", bound),
        ("Last told", told or "Never"),
    ]  # fmt: skip
    notes = [no_figure_text(rule)] if reading.value is None else []
    if reading.threshold is None:
        notes.append(view.waits_text)
    return [
        html.P(_phase(each, telling)),
        bar,
        html.Dl(
            [html.Div([html.Dt(name), html.Dd(value)]) for name, value in figures],
            className="cap-figures alert-figures",
        ),
        *(html.P(note, className="dim") for note in notes),
    ]


def _phase(each: AlertView, telling: Telling) -> html.Span:
    kind = {
        Phase.ALARM: "phase-alarm", Phase.ARMED: "phase-armed", Phase.WAITING: "phase-waiting",
        Phase.OFF: "phase-off",
    }[each.phase]  # fmt: skip
    return html.Span(phase_text(each, telling), className=f"phase {kind}")


def _told_text(each: AlertView, telling: Telling) -> str | None:
    if each.told_at is None:
        return None
    day = fmt.local_day(each.told_at, telling.zone)
    time = fmt.time_of_day(each.told_at, telling.zone, has_seconds=False)
    return f"{fmt.short_day(day)}, {time}"


def _absent_note(view: AlertsView) -> html.P | None:
    """Channels that alerts use and by which this installation can't send."""
    used = {channel for each in view.standing.alerts for channel in each.alert.rule.channels}
    missing = [
        CHANNELS[channel] for channel in Channel
        if channel in used and channel not in view.standing.channels
    ]  # fmt: skip
    if not missing:
        return None
    verb = "isn’t" if len(missing) == 1 else "aren’t"
    text = f"{' and '.join(missing)} {verb} set up on this installation: nobody is told that way."
    return html.P([icon("warning"), text], className="confirm-note alerts-note")


def _ways(each: AlertView, view: AlertsView) -> list[Any]:
    alert_id, rule = each.alert.id, each.alert.rule
    name = rule_name(rule, view.telling)
    sent = {"id": alert_id, "account": view.account_id, "version": str(each.alert.version)}
    turn = (Edit.PAUSE, "Pause") if rule.is_on else (Edit.RESUME, "Resume")
    menu = [
        _menu_post(Edit.TEST, "Send test", sent, name),
        _menu_post(*turn, sent, name),
        link("Remove…", edit_address(Edit.REMOVE, id=alert_id), "menu-item",
             label=f"Remove {name}"),
    ]  # fmt: skip
    return [
        link("Edit…", edit_address(Edit.CHANGE, id=alert_id), "btn", label=f"Edit {name}"),
        popover(
            ["More", hidden_text(f" for {name}"), icon("updown")],
            html.Ul([html.Li(item) for item in menu], className="menu-list"),
            title=f"{name}: more", class_name="pop-end", element_id=f"more-{alert_id}",
        ),
    ]  # fmt: skip


def _menu_post(edit: Edit, label: str, sent: dict[str, str], name: str) -> html.Button:
    return posting_button(
        label, CHANGES, {"do": edit.value, **sent}, class_name="menu-item",
        aria_label=f"{label}: {name}",
    )  # fmt: skip


# --- the recommended levels --------------------------------------------------------------------
def lacks_recommended(standing: AlertStanding) -> bool:
    """Whether nothing watches the balance yet."""
    return not any(each.alert.rule.kind is AlertKind.LOW_BALANCE for each in standing.alerts)


def offer_card(view: AlertsView, *, is_empty: bool) -> html.Div:
    """One click installs the recommended levels; on a page without alerts it is the main thing."""
    title = "No alerts yet" if is_empty else "Nothing watches the balance"
    text = (
        "Outbound services stop when the balance is used up. Three levels warn before that: each "
        "tells when the balance falls to its part of average monthly usage."
    )
    ways: list[Any] = []
    if view.may_change:
        sent = {"do": Edit.RECOMMENDED.value, "account": view.account_id}
        ways = [posting_button("Install recommended levels", CHANGES, sent, is_main=True)]
        ways += [link("Add another alert", edit_address(Edit.ADD), "btn")] if is_empty else []
    told = f"They tell {view.person_email} by e-mail and everybody on the dashboard."
    waits = view.waits_text if view.average.micros is None else None
    return html.Div(
        [
            html.H2(title),
            html.P(text),
            html.Ul([_recommended(*each) for each in RECOMMENDED], className="recommended"),
            html.P(waits, className="dim") if waits else None,
            html.Div(ways, className="form-buttons") if ways else None,
            html.P(told, className="dim") if ways else None,
        ],
        className="card alert-offer",
    )


def _recommended(level: Level, percent: int) -> html.Li:
    return html.Li(
        [
            level_badge(level),
            html.B(f"{percent // 100}{fmt.SPACE}%"),
            html.Span(level.action),
        ]
    )


def who_may(role: str) -> html.P:
    """Why there is nothing to change for this person."""
    return html.P(f"As {role} you see alerts; the owner changes them.", className="watermark")


def zone_line(telling: Telling, standing: AlertStanding) -> html.P:
    """The line under the figures."""
    return html.P(
        [
            "As of ",
            html.Time(
                fmt.clock_time(standing.as_of, telling.zone), dateTime=standing.as_of.isoformat()
            ),
            f" · days, weeks from Monday and calendar months in {telling.zone}",
        ],
        className="watermark",
    )
