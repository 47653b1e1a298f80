"""/billing/alerts/inbox: what one person was told on the dashboard, and what of it is new.

Everything here is that person's own, so that no part of it is live: parts of pages that a stream
sends are shared by all who may see the same. What comes meanwhile, the bell and a toast tell of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlencode

import dash

from billing.access import ALL_ACCOUNTS
from billing.accounts import Account
from billing.errors import InputError
from billing.notices import Notice, NoticeWords
from components import inbox, shell
from components.bell import BELL, INBOX, bell_link
from components.notice_words import words
from pages._frame import Visit, framed

PAGE_NOTICES = 25
LONGEST_SEARCH = 500
CRUMBS = (
    shell.Crumb("Settings", "/settings"),
    shell.Crumb("Billing", "/settings#billing"),
    shell.Crumb("Alerts", "/billing/alerts"),
    shell.Crumb("Inbox"),
)


def told(
    notices: Sequence[Notice], unread_count: int | None, account: Account
) -> Mapping[str, Any]:
    """Notices for the stream of one person or key: in words, and the bell as it shows then.

    ``unread_count``: none for a key, which has no bell.
    """
    said = {"unread": unread_count, "notifications": inbox.told(_in_words(notices, account))}
    if unread_count is None:
        return said
    return {**said, "regions": {BELL: bell_link(unread_count)}}


dash.register_page(__name__, INBOX, title="Inbox", name="Inbox", told=told)


def layout(search: str | None = None, **_: Any) -> Any:
    """The whole page."""
    return framed(search, INBOX, "alerts", CRUMBS, _content)


def _content(visit: Visit) -> Sequence[Any]:
    detail = "What your alerts told on the dashboard"
    return [
        visit.still(lambda: shell.page_head("Inbox", detail)),
        visit.region("The inbox", lambda: _list(visit)),
    ]


def _list(visit: Visit) -> Any:
    alerts, scope = visit.desk.alerts, visit.scope
    person_id = visit.viewer.person_id
    given = parse_qs(visit.search[:LONGEST_SEARCH].lstrip("?"))
    cursor = next(iter(given.get("cursor", ())), None)
    try:
        page = alerts.notices(scope, person_id, cursor, PAGE_NOTICES, on_dashboard=True)
    except InputError:  # a cursor that is none: the first page
        cursor = None
        page = alerts.notices(scope, person_id, None, PAGE_NOTICES, on_dashboard=True)
    sends = alerts.sends(scope, [notice.id for notice in page.notices])
    rows = [
        inbox.InboxRow(notice, said, sends.get(notice.id, ()))
        for notice, said in _in_words(page.notices, visit.account)
    ]
    older = f"{INBOX}?{urlencode({'cursor': page.next_cursor})}" if page.next_cursor else None
    return inbox.inbox_card(
        inbox.InboxView(rows, visit.account.id, visit.zone, older, INBOX if cursor else None)
    )


def _in_words(notices: Sequence[Notice], account: Account) -> list[tuple[Notice, NoticeWords]]:
    """Each notice in words; one to those who run the product is of no account."""
    return [
        (each, words(each, None if each.account_id == ALL_ACCOUNTS else account))
        for each in notices
    ]
