"""One opened installation: settings, clock, truth, analytics, writer.

Commands and the server open it the same way; ``close`` undoes it in the right order.
"""

from __future__ import annotations

import secrets
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from billing.alerts import Channel
from billing.clock import Clock
from billing.errors import InputError
from billing.money import MICROS_PER_UNIT
from billing.recharges import Gateway
from data.alerts.changing import AlertDesk
from data.analytics.lake import Lake, LakeError
from data.analytics.opening import open_lake
from data.announcing import announce_changes
from data.backup.unfinished import refuse_unfinished
from data.clocks import open_clock
from data.database import Database, open_database
from data.identity import Pseudonyms
from data.ledger.deciding import Decisions
from data.ledger.intake import Intake
from data.ledger.limiting import Limiting
from data.ledger.movements import Movements
from data.migrate import migrate
from data.payments.reader import LedgerRechargesReader
from data.payments.saving import Recharging
from data.payments.test_gateway import TestGateway
from data.reading.alerts_reader import AlertsReader
from data.reading.limits_reader import LimitsReader
from data.reading.usage_reader import LedgerReader
from data.reading.wallet_reader import LedgerWalletReader
from data.settings import MASK, Settings
from data.webhooks.endpoints import Endpoints
from data.webhooks.reader import WebhooksReader
from data.writer import Writer

SECRET_FILE = "secret.key"
SHORTEST_SECRET = 16


@dataclass
class Installation:
    """Everything a command or the server works with."""

    settings: Settings
    clock: Clock
    database: Database
    secret: str
    _writer: Writer | None = field(default=None, init=False)
    _lake: Lake | None = field(default=None, init=False)
    _opening: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    @property
    def lake(self) -> Lake:
        """The analytics store, opened when first asked for (it costs most of a second).

        One that another version of this program made is made again from the ledger first.
        """
        with self._opening:
            if self._lake is None:
                self._lake = open_lake(self.settings.data_dir, self.database, self.clock)
            return self._lake

    def open_lake_beside(self) -> None:
        """Begins to open the analytics store on a thread, while the caller does something else."""

        def begin() -> None:
            with suppress(LakeError):  # whoever asks for the store next is told
                _ = self.lake

        threading.Thread(target=begin, name="open-lake", daemon=True).start()

    @cached_property
    def reader(self) -> LedgerReader:
        """Reads usage exactly: lake, then the truth's tail."""
        return LedgerReader(self.database, self.lake, self.clock)

    @cached_property
    def pseudonyms(self) -> Pseudonyms:
        """Keyed hashes under this installation's secret."""
        return Pseudonyms(self.secret)

    @property
    def writer(self) -> Writer:
        """The process's one writer thread."""
        if self._writer is None:
            self._writer = Writer(self.database)
        return self._writer

    @cached_property
    def intake(self) -> Intake:
        """Takes live events in."""
        return Intake(self.writer, self.clock, self.pseudonyms)

    @cached_property
    def decisions(self) -> Decisions:
        """Decides about holds."""
        return Decisions(self.writer, self.clock, self.pseudonyms)

    @cached_property
    def limits(self) -> Limiting:
        """Changes spending limits."""
        return Limiting(self.writer, self.clock)

    @cached_property
    def limits_reader(self) -> LimitsReader:
        """Reads limits, pauses and holds."""
        return LimitsReader(self.database, self.clock, lambda: self.reader)

    @cached_property
    def alerts(self) -> AlertDesk:
        """Changes alerts."""
        return AlertDesk(self.writer, self.clock)

    @cached_property
    def alerts_reader(self) -> AlertsReader:
        """Reads alerts, and what people were told."""
        channels = {Channel.DASHBOARD, Channel.WEBHOOK}
        if self.settings.smtp_url:
            channels.add(Channel.EMAIL)
        if self.settings.sms_url:
            channels.add(Channel.SMS)
        return AlertsReader(self.database, self.clock, lambda: self.reader, frozenset(channels))

    @cached_property
    def endpoints(self) -> Endpoints:
        """Changes the endpoints of webhooks."""
        may_be_plain = self.settings.allow_private_webhooks
        return Endpoints(self.secret, may_be_plain=may_be_plain)

    @cached_property
    def webhooks_reader(self) -> WebhooksReader:
        """Reads webhooks and their deliveries."""
        return WebhooksReader(self.database)

    @cached_property
    def gateway(self) -> Gateway:
        """Takes payments."""
        return TestGateway(self.database, self.writer, self.clock)

    @cached_property
    def recharging(self) -> Recharging:
        """Changes auto-recharge."""
        return Recharging(self.writer, self.clock, self.gateway)

    @cached_property
    def recharges_reader(self) -> LedgerRechargesReader:
        """Reads auto-recharge and its tries."""
        return LedgerRechargesReader(self.database, self.clock, self.gateway)

    @cached_property
    def movements(self) -> Movements:
        """Moves money by hand."""
        return Movements(self.writer, self.clock, self._approval_limit_micros)

    @cached_property
    def wallet_reader(self) -> LedgerWalletReader:
        """Reads wallet entries, lots and waiting requests."""
        return LedgerWalletReader(self.database, self.clock, self._approval_limit_micros)

    @property
    def _approval_limit_micros(self) -> int:
        return self.settings.approval_limit * MICROS_PER_UNIT

    def close(self) -> None:
        """Drains the writer, then closes analytics and the truth."""
        if self._writer:
            self._writer.close()
        if self._lake is not None:
            self._lake.close()
        self.database.dispose()


def open_installation(settings: Settings, *, is_demo: bool = False) -> Installation:
    """Opens the truth, migrated to the newest schema.

    Errors: ``InputError`` for a clock file outside a demo, or an address that can't be used.
    """
    if settings.clock_file and not is_demo:
        raise InputError(
            "USAGE_CLOCK_FILE", settings.clock_file, "leave it out: only demos and tests may set it"
        )
    refuse_unfinished(settings.data_dir)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    database = open_database(settings.truth_url)
    migrate(database)
    refuse_unfinished(settings.data_dir)  # one that began meanwhile would move the file away
    announce_changes(database)
    return Installation(settings, open_clock(settings.clock_file), database, _secret(settings))


def refuse_own_secret(settings: Settings) -> None:
    """Outside a demo a server needs a secret of its own; ``InputError`` says how to set one."""
    if settings.secret_key is None:
        file = settings.data_dir / SECRET_FILE
        known = f'"$(cat {file})"' if file.exists() else "a long random text"
        raise InputError("USAGE_SECRET_KEY", "(not set)", f"set it to {known} before serving")


def _secret(settings: Settings) -> str:
    """The secret in effect: the setting, else one made once and kept in the data directory.

    Errors: ``InputError`` when the setting is too short, or differs from the secret under which
    this directory's numbers and keys were hashed.
    """
    file = settings.data_dir / SECRET_FILE
    kept = file.read_text().strip() if file.exists() else None
    if settings.secret_key is None:
        if kept is None:
            _write_private(file, secrets.token_urlsafe(48))
            kept = file.read_text().strip()
        return kept
    secret = settings.secret_key.get_secret_value()
    if len(secret) < SHORTEST_SECRET:
        raise InputError("USAGE_SECRET_KEY", MASK, f"use at least {SHORTEST_SECRET} characters")
    if kept is not None and kept != secret:
        raise InputError(
            "USAGE_SECRET_KEY", MASK, f"use the one this data was made with, kept in {file}"
        )
    return secret


def _write_private(file: Path, text: str) -> None:
    """Writes a file only its owner can read; a file that appeared meanwhile is kept."""
    part = file.with_suffix(f".{secrets.token_hex(4)}")
    part.touch(mode=0o600)
    part.write_text(text)
    try:
        file.hardlink_to(part)
    except FileExistsError:
        pass
    finally:
        part.unlink()
