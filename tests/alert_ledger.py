"""A real ledger with alerts, charged through the one writer as live events are."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from billing.alerts import (
    Alert,
    AlertKind,
    AlertRule,
    AlertScope,
    Channel,
    Level,
    ScopeKind,
    Span,
    Threshold,
    Unit,
)
from billing.movements import Action, Movement
from data import tables as t
from data.alerts.book import AlertBooks
from data.alerts.rules import add_alert, change_alert, install_recommended, remove_alert
from data.alerts.sweeping import sweep_alerts
from data.identity import Pseudonyms
from data.ledger.intake import Intake
from tests.builders import UNIT_PRICE_MICROS, sms
from tests.hold_ledger import Holding

OWNER = "owner@acme.example"
ACTOR = "person:ada"
EMAIL = (Channel.EMAIL, Channel.DASHBOARD)
_ids = count(1)


class Alerted(Holding):
    """A ledger with alerts."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.intake = Intake(self.writer, self.clock, Pseudonyms("test-secret"))

    def spend(
        self, segments: int = 1, account_id: str = "acme", when: datetime | None = None, **rest: Any
    ) -> None:
        """Charges a live message of so many units of ``UNIT_PRICE_MICROS``."""
        event = sms(f"live-{next(_ids)}", when or self.clock.at, segments, **rest)
        (future,) = self.intake.submit(account_id, [event], self.clock.at)
        (outcome,) = future.result(30)
        assert outcome.status == "accepted", outcome.error

    def top_up(self, units: int, account_id: str = "acme") -> None:
        """Adds credit as a person does."""
        micros = units * UNIT_PRICE_MICROS
        self.move(Movement(Action.TOP_UP, micros, "top-up"), account_id=account_id)

    def history(self, *units: int, account_id: str = "acme") -> None:
        """Usage of the months before this one, the latest last, each on its first day."""
        for back, each in enumerate(reversed(units), 1):
            month = (self.clock.at.replace(day=1) - timedelta(days=27 * back)).replace(day=1)
            self.post(
                sms(f"old-{next(_ids)}", month, each), received_at=None, account_id=account_id
            )

    def alert(self, rule: AlertRule, account_id: str = "acme") -> Alert:
        """Adds a rule."""
        account = self.accounts[account_id]
        return self.writer.write(lambda c: add_alert(c, account, rule, ACTOR, self.clock.at))

    def change(self, alert: Alert, rule: AlertRule, version: int | None = None) -> Alert:
        """Changes a rule."""
        account = self.accounts[alert.account_id]
        return self.writer.write(
            lambda c: change_alert(c, account, alert.id, rule, version, ACTOR, self.clock.at)
        )

    def remove(self, alert: Alert) -> None:
        """Removes a rule."""
        account = self.accounts[alert.account_id]
        self.writer.write(lambda c: remove_alert(c, account, alert.id, None, ACTOR, self.clock.at))

    def install(self, *emails: str, account_id: str = "acme") -> tuple[Alert, ...]:
        """Installs the recommended levels."""
        account = self.accounts[account_id]
        return self.writer.write(
            lambda c: install_recommended(c, account, emails, ACTOR, self.clock.at)
        )

    def sweep_alerts(self) -> int:
        """What a sweep tells; the next one has nothing left to tell."""
        told = sweep_alerts(self.database, self.writer, self.clock.at, AlertBooks())
        assert sweep_alerts(self.database, self.writer, self.clock.at, AlertBooks()) == 0
        return told

    def told(self, account_id: str = "acme") -> list[tuple[str, str]]:
        """Every notice, oldest first: its kind without the front, and its level."""
        rows = sorted(self.rows(t.notices, account_id), key=lambda row: (row.created_at, row.id))
        return [(row.kind.removeprefix("alert."), row.level) for row in rows]

    def facts(self, account_id: str = "acme") -> list[dict[str, Any]]:
        """The facts of every notice, oldest first."""
        rows = sorted(self.rows(t.notices, account_id), key=lambda row: (row.created_at, row.id))
        return [json.loads(row.facts) for row in rows]

    def episodes(self, account_id: str = "acme") -> list[tuple[int | None, str | None]]:
        """Every episode, oldest first: the figure at which it began, and why it ended."""
        rows = sorted(self.rows(t.alert_episodes, account_id), key=lambda r: (r.started_at, r.id))
        return [(row.value, row.end_cause) for row in rows]

    def sends(self, account_id: str = "acme") -> list[tuple[str, str, str]]:
        """Every delivery: channel, address and state."""
        return sorted(
            (row.channel, row.address, row.state) for row in self.rows(t.notice_sends, account_id)
        )


def low(units: int, **rest: Any) -> AlertRule:
    """Warns when the balance falls to so many units."""
    threshold = Threshold(Unit.MONEY, units * UNIT_PRICE_MICROS)
    return AlertRule(AlertKind.LOW_BALANCE, threshold, **{"level": Level.WARNING, **rest})


def usage(units: int, span: str = "day", scope: str = "", **rest: Any) -> AlertRule:
    """Warns when so many units were spent; ``scope``: ``"campaign spring"``."""
    threshold = Threshold(Unit.MONEY, units * UNIT_PRICE_MICROS)
    if scope:
        kind, scope_id = scope.split(" ", 1)
        rest["scope"] = AlertScope(ScopeKind(kind), scope_id)
    return AlertRule(AlertKind.USAGE, threshold, span=Span(span), **rest)


def proved_alerts(folder: Path) -> Iterator[Alerted]:
    """One account with a hundred units of paid credit; the ledger proves itself at the end."""
    with Alerted(folder) as opened:
        opened.add()
        opened.credit(100 * UNIT_PRICE_MICROS)
        yield opened
        assert opened.broken() == []
