"""How far a demo has been loaded: one row in ``facts``, one in ``imports``.

Both change in the transaction that writes the usage they speak of, so a demo that was killed
goes on exactly where it stopped: nothing is missing and nothing comes twice.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from data import tables as t
from data.demo.people import EVERY_ACCOUNT
from data.demo.schedule import Parameters
from data.identity import new_id

FACT = "demo"
MAP = "demo"
EVENTS_PER_100_LINES = 83  # what the traffic usually comes to; the true total replaces it


@dataclass(slots=True)
class AccountState:
    """What one account's next batch depends on, besides the wallet.

    ``until``: everything known by this instant is in. ``spent``: micros by local day (ISO), the
    last eight days. ``card``: ``works``, ``in debt`` since ``debt_since``, or ``mended``.
    """

    until: datetime
    top_ups: int = 0
    grants: int = 0
    spent: dict[str, int] = field(default_factory=dict)
    card: str = "works"
    debt_since: datetime | None = None


@dataclass(slots=True)
class DemoState:
    """The demo of one installation."""

    parameters: Parameters
    import_id: str
    accounts: dict[str, AccountState]
    is_complete: bool = False


@dataclass(frozen=True, slots=True)
class DemoProgress:
    """How much of the demo is in. Rows are events; the total is an estimate until it is done."""

    rows_read: int
    rows_total: int
    is_done: bool

    @property
    def percent(self) -> int:
        """0 to 100; 100 only when it is done."""
        if self.is_done:
            return 100
        return min(99, 100 * self.rows_read // max(self.rows_total, 1))


def read_progress(connection: Connection) -> DemoProgress | None:
    """How far loading is; none where there is no demo."""
    row = connection.execute(
        select(t.imports.c.rows_read, t.imports.c.rows_total, t.imports.c.status)
        .where(t.imports.c.map == MAP)
        .order_by(t.imports.c.started_at, t.imports.c.id)
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    return DemoProgress(row.rows_read, row.rows_total or 0, row.status == "done")


def read_state(connection: Connection) -> DemoState | None:
    """The demo's state; none where there is no demo."""
    text = connection.scalar(select(t.facts.c.value).where(t.facts.c.name == FACT))
    if text is None:
        return None
    stored = json.loads(text)
    parameters = stored["parameters"]
    return DemoState(
        parameters=Parameters(**{**parameters, "end": _instant(parameters["end"])}),
        import_id=stored["import_id"],
        accounts={
            account_id: AccountState(
                **{
                    **state,
                    "until": _instant(state["until"]),
                    "debt_since": state["debt_since"] and _instant(state["debt_since"]),
                }
            )
            for account_id, state in stored["accounts"].items()
        },
        is_complete=stored["is_complete"],
    )


def add_state(connection: Connection, state: DemoState, at: datetime) -> None:
    """Writes the first state and the row that shows the progress."""
    connection.execute(insert(t.facts).values(name=FACT, value=_text(state)))
    connection.execute(
        insert(t.imports).values(
            id=state.import_id, account_id=EVERY_ACCOUNT, map=MAP, file_name="demo",
            status="running", rows_total=state.parameters.lines * EVENTS_PER_100_LINES // 100,
            rows_read=0, rows_accepted=0, rows_duplicate=0, rows_rejected=0, started_at=at,
        )
    )  # fmt: skip


def save_state(
    connection: Connection, state: DemoState, counts: dict[str, int] | None = None
) -> None:
    """Writes a changed state; ``counts``: events by outcome (accepted, duplicate, refused)."""
    connection.execute(update(t.facts).where(t.facts.c.name == FACT).values(value=_text(state)))
    if not counts:
        return
    columns = t.imports.c
    connection.execute(
        _row(state).values(
            rows_read=columns.rows_read + sum(counts.values()),
            rows_accepted=columns.rows_accepted + counts.get("accepted", 0),
            rows_duplicate=columns.rows_duplicate + counts.get("duplicate", 0),
            rows_rejected=columns.rows_rejected + counts.get("refused", 0),
        )
    )


def mark_running(connection: Connection, state: DemoState) -> None:
    """Says that days are being added, so that nothing is alerted or paused meanwhile."""
    connection.execute(_row(state).values(status="running", finished_at=None))


def mark_done(connection: Connection, state: DemoState, at: datetime) -> None:
    """Says that everything is in; the true total replaces the estimate."""
    connection.execute(
        _row(state).values(status="done", rows_total=t.imports.c.rows_read, finished_at=at)
    )


def first_state(parameters: Parameters, begins: dict[str, datetime]) -> DemoState:
    """The state of a demo without usage. ``begins``: each account's first instant."""
    accounts = {account_id: AccountState(until=at) for account_id, at in begins.items()}
    return DemoState(parameters, new_id(), accounts)


def _row(state: DemoState) -> Any:
    return update(t.imports).where(t.imports.c.id == state.import_id)


def _text(state: DemoState) -> str:
    return json.dumps(asdict(state), default=datetime.isoformat, sort_keys=True)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
