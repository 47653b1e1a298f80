"""Whole lines of the ledger, with the names of their campaign and consumer and their event's id."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

from sqlalchemy import CTE, ColumnElement, Connection, Row, Select, Table, and_, func, select

from billing.metrics import METRIC_BY_ID
from billing.periods import Period
from billing.queries import Filters
from billing.usage import UsageLine
from data.analytics.lake import Positions
from data.database import Database
from data.ledger.standing import standing
from data.reading.visibility import Key, View, passes
from data.tables import campaigns, consumers, events, receipts, usage_lines

STREAM_ROWS = 1_000
_lines = usage_lines.c
_COLUMNS = (
    _lines.seq, _lines.id, _lines.event_id, _lines.source, events.c.id.label("source_id"),
    _lines.metric, _lines.service, _lines.direction, _lines.agent, _lines.status, _lines.reason,
    _lines.campaign_id, campaigns.c.name.label("campaign"), _lines.consumer_id,
    consumers.c.name.label("consumer"), _lines.occurred_at, _lines.received_at,
    _lines.stored_at, _lines.booked_on, _lines.corrects_period, _lines.base_units,
    _lines.pulses, _lines.talk_seconds, _lines.rate_id, _lines.connect_fee_micros,
    _lines.cost_micros, _lines.currency, _lines.reverses_line_id, _lines.is_sandbox,
    _lines.flags, events.c.counterparty_prefix, _lines.kind, _lines.status.label("rated_status"),
)  # fmt: skip
_FLAGS = -4  # one text in the ledger, words in a line
_FROM = (
    usage_lines.outerjoin(
        events,
        and_(events.c.event_id == _lines.event_id, events.c.account_id == _lines.account_id),
    )
    .outerjoin(
        campaigns,
        and_(campaigns.c.account_id == _lines.account_id, campaigns.c.id == _lines.campaign_id),
    )
    .outerjoin(
        consumers,
        and_(consumers.c.account_id == _lines.account_id, consumers.c.id == _lines.consumer_id),
    )
)


def whole_lines(receipts_to: int | None = None) -> Select[Any]:
    """A statement for whole lines as they stand, to be narrowed; ``to_line`` reads its rows.

    ``receipts_to``: the place of the last receipt that counts; none: all do.
    """
    status = standing(up_to=receipts_to)
    columns = [status if column is _lines.status else column for column in _COLUMNS]
    return select(*columns).select_from(_FROM)


def to_line(row: Row[*tuple[Any, ...]]) -> UsageLine:
    """One row of ``whole_lines`` as a line."""
    values: list[Any] = list(row)
    values[_FLAGS] = tuple((values[_FLAGS] or "").split())
    return UsageLine(*values)


def lines_by_seq(connection: Connection, view: View, seqs: Sequence[int]) -> list[UsageLine]:
    """The visible lines of these places in the ledger, in the order given."""
    if not seqs:
        return []
    rows = connection.execute(whole_lines().where(_lines.seq.in_(seqs), view.shows(usage_lines)))
    by_seq = {row.seq: row for row in rows}
    return [to_line(by_seq[seq]) for seq in seqs if seq in by_seq]


def metrics_of(connection: Connection, view: View) -> list[str]:
    """Every metric the account has lines of, in order: one index seek each, not a scan."""
    found = _metrics(view)
    statement = select(found.c.metric).where(found.c.metric.is_not(None))
    return list(connection.scalars(statement.order_by(found.c.metric)))


def _metrics(view: View) -> CTE:
    """One row for each metric that the account has lines of, and one without any."""

    def least(*after: ColumnElement[bool]) -> Select[Any]:
        return select(func.min(_lines.metric).label("metric")).where(
            _lines.account_id == view.account_id, _lines.is_sandbox.is_(view.is_sandbox), *after
        )

    found = least().cte("found", recursive=True)
    following = least(_lines.metric > found.c.metric).correlate(found).scalar_subquery()
    return found.union_all(select(following).where(found.c.metric.is_not(None)))


def metrics_passing(connection: Connection, view: View, filters: Filters) -> Sequence[str]:
    """The metrics whose lines a filter may let pass: each is one stretch of the index.

    A filter by service looks only at its own metrics by the catalogue, because walking another
    service's whole history finds nothing. A metric the catalogue lacks is always looked at.
    """
    metrics = filters.metrics or metrics_of(connection, view)
    if not filters.services:
        return metrics
    return [
        metric
        for metric in metrics
        if metric not in METRIC_BY_ID or METRIC_BY_ID[metric].service in filters.services
    ]


def used_metrics(connection: Connection, view: View) -> list[tuple[str, date, date]]:
    """Every metric with lines that may be seen, and the first and last booked day of those.

    One statement with a few index steps a metric.
    """
    found = _metrics(view)

    def day(order: ColumnElement[date]) -> ColumnElement[date]:
        return (
            select(_lines.booked_on)
            .where(view.shows(usage_lines), _lines.metric == found.c.metric)
            .order_by(order)
            .limit(1)
            .correlate(found)
            .scalar_subquery()
        )

    days = (day(_lines.booked_on.asc()), day(_lines.booked_on.desc()))
    statement = select(found.c.metric, *days).where(found.c.metric.is_not(None))
    rows = connection.execute(statement.order_by(found.c.metric))
    return [(metric, first, last) for metric, first, last in rows if first is not None]


def stream(database: Database, view: View, period: Period, filters: Filters) -> Iterator[UsageLine]:
    """Every visible line of a period in order of booked day, instant and seq.

    The ledger as of the first line asked for, read in pieces of ``STREAM_ROWS`` a metric, each
    in a short transaction of its own: neither memory nor a snapshot is held for the whole.
    """
    with database.read() as connection:
        newest = Positions(*(_newest(connection, table, view) for table in (usage_lines, receipts)))
        metrics = metrics_passing(connection, view, filters)
    one_metric_each = [
        _stream_metric(database, newest, view, period, filters, metric) for metric in metrics
    ]
    yield from heapq.merge(
        *one_metric_each, key=lambda line: (line.booked_on, line.occurred_at, line.seq)
    )


def _stream_metric(
    database: Database,
    newest: Positions,
    view: View,
    period: Period,
    filters: Filters,
    metric: str,
) -> Iterator[UsageLine]:
    status = standing(up_to=newest.receipts)
    wanted = (
        whole_lines(newest.receipts)
        .where(passes(usage_lines, filters, status), _lines.metric == metric)
        .where(_lines.seq <= newest.lines)
        .order_by(_lines.booked_on, _lines.occurred_at, _lines.seq)
        .limit(STREAM_ROWS)
    )
    last: Key | None = None
    while True:
        piece = wanted.where(view.shows_in(usage_lines, period, after=last))
        with database.read() as connection:
            lines = [to_line(row) for row in connection.execute(piece)]
        yield from lines
        if len(lines) < STREAM_ROWS:
            return
        last = lines[-1].booked_on, lines[-1].occurred_at, lines[-1].seq


def _newest(connection: Connection, table: Table, view: View) -> int:
    """The last ``seq`` of the account: its rows are committed in that order."""
    own = table.c.account_id == view.account_id
    return int(connection.scalar(select(func.max(table.c.seq)).where(own)) or 0)
