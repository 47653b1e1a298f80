"""What the ledger has after the analytics' positions, kept while an account gets nothing new.

A page that is looked at again, by the same person or another, walks the same new lines again. Their
sums are those of before as long as the account's last line is. Must not know how sums are made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, func, select

from billing.usage import Question
from data.analytics.lake import Positions
from data.reading.remembered import Remembered, Rows
from data.reading.rollups import Groups
from data.reading.sums import is_by_status
from data.reading.visibility import View
from data.tables import usage_lines

NAME = "newer lines"
Asked = Sequence[tuple[Positions, Question]]


def remembered_sums(
    lately: Remembered,
    connection: Connection,
    view: View,
    asked: Asked,
    read: Callable[[], list[Groups]],
) -> list[Groups]:
    """What ``read`` gives for each question, or gave while the account had the same lines.

    The ledger is looked at on ``connection`` before ``read`` reads on it: what is kept may be
    newer than the place that it is kept under, which nobody asks for then. Where statuses matter
    it is always read: no index says which receipt is an account's last.
    """
    if any(is_by_status(question.by, question.filters) for _, question in asked):
        return read()
    place = newest(connection, view)
    parameters = {"view": view, "asked": tuple(asked), "place": place}
    _, rows = lately.ask(NAME, parameters, lambda: (Positions(place, 0), _flat(read())))
    found: list[Groups] = [[] for _ in asked]
    for number, key, sums in rows:
        found[number].append((key, sums))
    return found


def newest(connection: Connection, view: View) -> int:
    """The last ``seq`` of the account's lines, 0 for none: they are committed in that order."""
    own = usage_lines.c.account_id == view.account_id
    return connection.scalar(select(func.max(usage_lines.c.seq)).where(own)) or 0


def _flat(several: Sequence[Groups]) -> Rows:
    return [(number, *group) for number, groups in enumerate(several) for group in groups]
