"""/billing/alerts: what people are warned of, where each figure stands, what they were told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dash

from billing.alert_queries import (
    PATH,
    REFUSALS,
    WITH_FORM,
    AlertsQuery,
    Edit,
    alerts_address,
    parse_alerts_search,
)
from billing.alert_standing import may_change_alerts
from billing.errors import InputError
from billing.notices import NoticePage, SendAttempt
from components import alert_history, alerts_page, shell, states
from components.alert_words import rule_name
from components.notice_words import words
from pages._alert_edits import edit_region
from pages._alert_figures import average_of, standing_of, telling_of, waits_text
from pages._frame import Visit, framed

PAGE_NOTICES = 25
MOST_EPISODES = 25
CRUMBS = (
    shell.Crumb("Settings", "/settings"),
    shell.Crumb("Billing", "/settings#billing"),
    shell.Crumb("Alerts"),
)
GAINS = (
    "A warning at 30, 15 and 5 % of average monthly usage, installed by one click",
    "Alerts on the cost or units of the account, a service, a metric or a campaign",
    "Told by e-mail, SMS, dashboard and webhook, within moments of the charge",
)

dash.register_page(__name__, PATH, title="Alerts", name="Alerts", is_personal=True)


def layout(search: str | None = None, **_: Any) -> Any:
    """The whole page."""
    return framed(search, PATH, "alerts", CRUMBS, _content, moves_without_usage=True)


def _content(visit: Visit) -> Sequence[Any]:
    query = parse_alerts_search(visit.search)
    may = may_change_alerts(visit.scope.role) and not visit.gates.is_sandbox_only
    head = visit.still(
        lambda: shell.page_head(
            "Alerts", "When balance or usage reaches a threshold",
            alerts_page.head_actions(may_change=may),
        )
    )  # fmt: skip
    if visit.gates.is_sandbox_only:
        return [head, visit.still(_locked)]
    newest = "alerts-told" if query.cursor is None and query.notice_id is None else None
    return [
        head,
        visit.still(lambda: _notice(visit, query)),
        visit.region("This form", lambda: edit_region(visit, query)) if query.edit else None,
        visit.region("What is in alarm", lambda: _status(visit), live="alert-status"),
        visit.region("Recommended levels", lambda: _offer(visit), live="alert-offer"),
        visit.region("Alerts", lambda: _rules(visit), live="alert-rules"),
        visit.region("Episodes", lambda: _episodes(visit), live="alert-episodes"),
        visit.region("What people were told", lambda: _told(visit, query), live=newest),
        visit.still(lambda: _who_may(visit)),
    ]


def _locked() -> Any:
    return states.locked(
        "Nothing to warn of on the Free plan",
        "Sandbox calls and messages cost nothing, so no balance falls and no alert counts them.",
        GAINS,
    )


def _notice(visit: Visit, query: AlertsQuery) -> Any:
    """What a form came to, read again from what is kept."""
    if query.refused:
        return states.notices([REFUSALS[query.refused]])
    standing = standing_of(visit)
    if query.done is Edit.TEST:
        return states.notices([_test_text(visit, query)], "info")
    if query.done is None or query.saved != str(standing.version):
        return None  # changed again since, or no form of ours
    found = {each.alert.id: each.alert.rule for each in standing.alerts}
    rule = found.get(query.about or "")
    name = f": {rule_name(rule, telling_of(visit))}" if rule else ""
    texts = {
        Edit.ADD: f"Saved{name}.",
        Edit.CHANGE: f"Saved{name}.",
        Edit.PAUSE: f"Paused{name}. Nobody is told of it until it is resumed.",
        Edit.RESUME: f"Resumed{name}.",
        Edit.REMOVE: "Removed: what people were told is kept below.",
        Edit.RECOMMENDED: "Installed: Warning, Urgent and Critical watch the balance now.",
    }
    return states.notices([texts[query.done]], "info")


def _test_text(visit: Visit, query: AlertsQuery) -> str:
    found = {each.alert.id: each.alert.rule for each in standing_of(visit).alerts}
    rule = found.get(query.about or "")
    name = f" of “{rule_name(rule, telling_of(visit))}”" if rule else ""
    return f"A test{name} is on its way, marked as a test. How far it came is shown below."


def _view(visit: Visit) -> alerts_page.AlertsView:
    is_new = not standing_of(visit).alerts
    may = may_change_alerts(visit.scope.role)
    return alerts_page.AlertsView(
        standing_of(visit), telling_of(visit), average_of(visit), visit.account.id,
        None if is_new else visit.figures.balance(visit.scope).posted_micros, waits_text(visit),
        visit.viewer.email if may else "", may,
    )  # fmt: skip


def _status(visit: Visit) -> Any:
    return alerts_page.status_cards(_view(visit)) if standing_of(visit).alerts else None


def _offer(visit: Visit) -> Any:
    standing = standing_of(visit)
    is_empty = not standing.alerts
    is_wanted = is_empty or may_change_alerts(visit.scope.role)
    if not is_wanted or not alerts_page.lacks_recommended(standing):
        return None
    query = parse_alerts_search(visit.search)
    if query.edit in WITH_FORM and may_change_alerts(visit.scope.role):
        return None  # one thing at a time
    return alerts_page.offer_card(_view(visit), is_empty=is_empty)


def _rules(visit: Visit) -> Any:
    standing = standing_of(visit)
    if not standing.alerts:
        return None
    view = _view(visit)
    return [alerts_page.rules_card(view), alerts_page.zone_line(view.telling, standing)]


def _episodes(visit: Visit) -> Any:
    episodes = visit.desk.alerts.episodes(visit.scope, None, MOST_EPISODES)
    rules = {each.alert.id: each.alert.rule for each in standing_of(visit).alerts}
    return alert_history.episodes_card(episodes, rules, telling_of(visit))


def _told(visit: Visit, query: AlertsQuery) -> Any:
    page = _notices(visit, query.cursor)
    cursor = query.cursor
    if page is None:
        page, cursor = _notices(visit, None), None
    if page is None or (not page.notices and not standing_of(visit).alerts):
        return None
    sends = visit.desk.alerts.sends(visit.scope, [each.id for each in page.notices])
    rows = []
    for notice in page.notices:
        own = sends.get(notice.id, ())
        attempts: Mapping[str, Sequence[SendAttempt]] | None = None
        if notice.id == query.notice_id:
            attempts = {
                send.id: visit.desk.alerts.attempts(visit.scope, send.id)
                for send in own if send.attempt_count
            }  # fmt: skip
        rows.append(alert_history.NoticeRow(notice, words(notice, visit.account), own, attempts))
    view = alert_history.ToldView(
        rows, cursor, alerts_address(cursor=page.next_cursor) if page.next_cursor else None,
        PATH if cursor else None, telling_of(visit),
    )  # fmt: skip
    return alert_history.told_card(view)


def _notices(visit: Visit, cursor: str | None) -> NoticePage | None:
    """One page of notices; none for a cursor that isn't one."""
    try:
        return visit.desk.alerts.notices(visit.scope, None, cursor, PAGE_NOTICES)
    except InputError:
        if cursor is None:
            raise
        return None


def _who_may(visit: Visit) -> Any:
    role = visit.scope.role
    return None if may_change_alerts(role) else alerts_page.who_may(role.value)
