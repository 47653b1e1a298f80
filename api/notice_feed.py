"""Notices for one stream: what a person hasn't seen yet, or what an account was told lately.

In the words of the pages, which say at the inbox how a notice reads and how the bell shows. Must
not know how events travel. What is made for one person is for nobody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from dash._pages import _path_to_page  # the router's own rule, so that both agree

from billing.access import AccountScope
from billing.notices import Notice
from data.installation import Installation

INBOX = "billing/alerts/inbox"
MOST_TOLD = 5
TOLD_FOR = timedelta(hours=24)  # what is older is in the inbox, and no news


def notices_told(installation: Installation, scope: AccountScope, person_id: str | None) -> str:
    """JSON of ``account``, ``unread``, ``notifications`` and, for a person, ``regions``.

    ``person_id`` none: a key asks, which has seen nothing and has no bell.
    """
    from plotly.io.json import to_json_plotly  # plotly is slow to import

    alerts, unread_count = installation.alerts_reader, None
    found: Sequence[Notice]
    if person_id is None:
        found = alerts.notices(scope, None, None, MOST_TOLD, on_dashboard=True).notices
    else:
        found = alerts.unread(scope, person_id)
        unread_count = len(found)
    since = installation.clock.now() - TOLD_FOR
    newest = [each for each in found[:MOST_TOLD] if each.created_at > since]
    page: dict[str, Any] = _path_to_page(INBOX)[0]  # type: ignore[no-untyped-call]
    told = page["told"](newest, unread_count, scope.account)
    text: str = to_json_plotly({"account": scope.account_id, **told})
    return text
