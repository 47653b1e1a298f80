"""What the ledger has after the analytics' positions, kept while an account gets nothing new.

A page that is looked at again, by the same person or another, walks the same new lines again. Their
sums are those of before as long as the account's last line and last receipt are. Must not know
how sums are made.
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
from data.tables import receipts, usage_lines

NAME = "newer lines"
Asked = Sequence[tuple[Positions, Question]]


def remembered_sums(
    lately: Remembered,
    connection: Connection,
    view: View,
    asked: Asked,
    read: Callable[[], list[Groups]],
) -> list[Groups]:
    """What ``read`` gives for each question, or gave while the account's ledger was the same.

    The ledger is looked at on ``connection`` before ``read`` reads on it: what is kept may be
    newer than the place that it is kept under, which nobody asks for then.
    """
    matters = any(is_by_status(question.by, question.filters) for _, question in asked)
    place = newest(connection, view, has_receipts=matters)
    parameters = {"view": view, "asked": tuple(asked), "place": place}
    _, rows = lately.ask(NAME, parameters, lambda: (place, _flat(read())))
    found: list[Groups] = [[] for _ in asked]
    for number, key, sums in rows:
        found[number].append((key, sums))
    return found


def newest(connection: Connection, view: View, *, has_receipts: bool) -> Positions:
    """The last ``seq`` of the account's lines and, if asked for, of its receipts, 0 for none.

    Rows of one account are committed in order of ``seq``.
    """
    tables = (usage_lines, receipts) if has_receipts else (usage_lines,)
    parts = [
        select(func.max(each.c.seq)).where(each.c.account_id == view.account_id).scalar_subquery()
        for each in tables
    ]
    row = connection.execute(select(*parts)).one()
    return Positions(row[0] or 0, (row[1] or 0) if has_receipts else 0)


def _flat(several: Sequence[Groups]) -> Rows:
    return [(number, *group) for number, groups in enumerate(several) for group in groups]
