"""/billing/limits: what may be spent, what each cap has left, what is paused; and changing it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dash

from billing.access import Role
from billing.caps import SUGGESTED_DAILY_UNITS, CapKind
from billing.errors import InputError, NotFoundError
from billing.limit_queries import (
    PATH,
    REFUSALS,
    Edit,
    LimitsQuery,
    limits_address,
    parse_limits_search,
)
from billing.limit_standing import LimitStanding, may_change
from billing.money import MICROS_PER_UNIT
from billing.pauses import Pause
from components import budgets, limits_page, pauses, shell, states
from components.limit_forms import amount_text
from components.limit_words import Telling, cap_name, cap_text, stands_still, until_text
from pages._frame import Visit, framed
from pages._limit_edits import edit_region
from pages._telling import telling_of

PAGE_PAUSES = 25
MOST_SEARCHED = 200  # pauses among which the one that an override is of is looked for
CRUMBS = (
    shell.Crumb("Settings", "/settings"),
    shell.Crumb("Billing", "/settings#billing"),
    shell.Crumb("Spending limits"),
)
GAINS = (
    "A daily, weekly and monthly cap, and one for each call and campaign",
    "Money set aside before a call, so that no number of calls at once goes over a cap",
    "Outbound that stops at the cap, and goes on by itself the next day",
)

dash.register_page(__name__, PATH, title="Spending limits", name="Spending limits")


def layout(search: str | None = None, **_: Any) -> Any:
    """The whole page."""
    return framed(search, PATH, "limits", CRUMBS, _content, moves_without_usage=True)


def _content(visit: Visit) -> Sequence[Any]:
    query = parse_limits_search(visit.search)
    head = visit.still(
        lambda: shell.page_head("Spending limits", f"Caps in {visit.account.currency}")
    )
    if visit.gates.is_sandbox_only:
        return [head, visit.still(_locked)]
    newest = "pause-history" if query.cursor is None else None  # other pages stay as they were
    return [
        head,
        visit.still(lambda: _notice(visit, query)),
        visit.region("This form", lambda: edit_region(visit, query)) if query.edit else None,
        visit.region("A suggestion", lambda: _offer(visit), live="cap-offer"),
        visit.region("What is left", lambda: _status(visit), live="limit-status"),
        visit.region("What is paused", lambda: _open_pauses(visit), live="paused-now"),
        visit.region("Caps", lambda: _caps(visit), live="caps"),
        visit.region("Campaign budgets", lambda: _budgets(visit), live="budgets"),
        visit.region("Pauses", lambda: _history(visit, query), live=newest),
        visit.still(lambda: _who_may(visit)),
    ]


def _locked() -> Any:
    return states.locked(
        "Nothing to limit on the Free plan",
        "Sandbox calls and messages cost nothing, so no cap counts them and nothing is paused.",
        GAINS,
    )


def _notice(visit: Visit, query: LimitsQuery) -> Any:
    """What a form came to, read again from the ledger."""
    if query.refused:
        return states.notices([REFUSALS[query.refused]])
    standing = visit.limit_standing
    if query.done is None or query.saved != str(standing.limits.version):
        return None  # changed again since, or no form of ours
    telling = telling_of(visit, standing)
    texts = [_done_text(query, standing, telling)]
    texts += _turned_texts(visit, query.begun, query.ended, telling)
    return states.notices(texts, "info")


def _done_text(query: LimitsQuery, standing: LimitStanding, telling: Telling) -> str:
    limits = standing.limits
    if query.done is Edit.SWITCH:
        return f"Saved: spending limits are {'on' if limits.is_on else 'off'}."
    if query.done is Edit.INBOUND:
        does = "goes on" if limits.inbound.value == "continue" else "stops"
        return f"Saved: inbound {does} at a balance of zero."
    if query.done is Edit.OVERRIDE:
        return "Saved: the override is in force."
    if query.done is Edit.TAKE_BACK:
        return "Saved: the override was taken back."
    if query.kind is None:
        return "Saved."
    name, found = cap_name(query.kind, query.campaign, telling), standing.gauge(
        query.kind, query.campaign
    )  # fmt: skip
    return f"Saved: {name}, {cap_text(found.cap, telling)}." if found else f"Removed: {name}."


def _turned_texts(
    visit: Visit, begun: tuple[str, ...], ended: tuple[str, ...], telling: Telling
) -> list[str]:
    """What a change paused and resumed; ids that aren't of this account say nothing."""
    texts = []
    for ids, is_begun in ((begun, True), (ended, False)):
        for pause_id in ids:
            try:
                pause: Pause = visit.desk.limits.pause(visit.scope, pause_id)
            except NotFoundError:
                continue  # the address was made up, or names what this person may not see
            what = stands_still(pause, telling)
            if is_begun:
                texts.append(f"Paused: {what} {until_text(pause, telling)}.")
            elif pause.ended_at is not None:
                texts.append(f"No longer paused by this limit: {what}.")
    return texts


def _view(visit: Visit) -> limits_page.LimitsView:
    standing, may = visit.limit_standing, may_change(visit.scope.role)
    overrides = [each.override for each in standing.gauges if each.override is not None]
    actors = sorted({each.actor for each in overrides})
    ids: dict[tuple[CapKind, str], str] = {}
    if overrides and may:
        for pause in visit.desk.limits.pauses(visit.scope, None, MOST_SEARCHED).pauses:
            if pause.reason.window is not None:
                ids.setdefault((pause.reason.window.kind, pause.reason.campaign), pause.id)
    return limits_page.LimitsView(
        standing, telling_of(visit, standing), visit.account.id, _available(visit),
        visit.desk.wallet.names(visit.scope, actors) if actors else {}, ids, may,
    )  # fmt: skip


def _available(visit: Visit) -> int | None:
    return visit.figures.balance(visit.scope).available_micros


def _status(visit: Visit) -> Any:
    return limits_page.status_cards(_view(visit))


def _caps(visit: Visit) -> Any:
    view = _view(visit)
    return [limits_page.caps_card(view), limits_page.zone_line(view.telling, view.standing.as_of)]


def _budgets(visit: Visit) -> Any:
    return budgets.budgets_card(_view(visit))


def _offer(visit: Visit) -> Any:
    """A conservative daily cap for a development account that has none (seed 003)."""
    standing = visit.limit_standing
    is_wanted = visit.account.environment == "development" and may_change(visit.scope.role)
    if not is_wanted or standing.gauge(CapKind.DAILY) is not None:
        return None
    micros = SUGGESTED_DAILY_UNITS * MICROS_PER_UNIT
    telling = telling_of(visit, standing)
    return limits_page.offer_card(
        visit.account.id, standing.limits.version, telling.money(micros),
        amount_text(micros, visit.account.locale),
    )  # fmt: skip


def _pauses_view(visit: Visit, cursor: str | None, *, has_history: bool) -> pauses.PausesView:
    standing = visit.limit_standing
    role = visit.scope.role
    page = None
    if has_history:
        page = visit.desk.limits.pauses(visit.scope, cursor, PAGE_PAUSES)
    shown = (*standing.pauses, *(page.pauses if page else ()))
    return pauses.PausesView(
        standing.pauses, page.pauses if page else (),
        limits_address(cursor=page.next_cursor) if page and page.next_cursor else None,
        PATH if cursor else None, telling_of(visit, standing, shown),
        may_change(role), role in {Role.OWNER, Role.ADMIN},
    )  # fmt: skip


def _open_pauses(visit: Visit) -> Any:
    return pauses.open_card(_pauses_view(visit, None, has_history=False))


def _history(visit: Visit, query: LimitsQuery) -> Any:
    try:
        view = _pauses_view(visit, query.cursor, has_history=True)
    except InputError:  # a cursor that is none: the first page
        view = _pauses_view(visit, None, has_history=True)
    return pauses.history_card(view)


def _who_may(visit: Visit) -> Any:
    role = visit.scope.role
    return None if may_change(role) else limits_page.who_may(role.value)
