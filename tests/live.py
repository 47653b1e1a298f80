"""A real server on a real installation, in this process, with three tenants and known usage.

``Live.fail_reads_by`` makes chosen queries fail, so that a test can watch a region fail alone.
"""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydantic import SecretStr

from api.listening import listen_at
from api.page_parts import PARTS
from api.server import StoppingServer, build_server, server_config
from billing.access import AccountScope, Role
from billing.events import CallEvent, SmsEvent, UsageEvent
from billing.lots import LotKind
from billing.metrics import METRICS
from billing.periods import Period
from billing.plans import Plan
from billing.queries import Filters
from billing.rates import Rate
from billing.usage import Dimension, Question, Reading, UsageReader
from components.notice_words import words
from data.access.people import Passwords, add_membership, add_person
from data.accounts import NewAccount, add_account, read_account
from data.analytics.sync import sync_all
from data.identity import new_id
from data.installation import Installation, open_installation
from data.ledger.posting import Poster
from data.ledger.price_books import add_rate_list, new_rate_list
from data.ledger.wallet import Credit, Posting
from data.settings import Settings, load_settings
from tests.databases import kept_folder, settings_url

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
PASSWORD = "browser-test-password"
OWNER, OTHER, FREE, SUPPORT = (
    "owner@acme.example", "owner@globex.example", "owner@tinker.example", "support@usage.example",
)  # fmt: skip
QUICK = Passwords(time_cost=1, memory_kib=8192, parallelism=1)


@dataclass
class FaultyReader:
    """The real reader, but reads that group by one of ``failing`` raise."""

    real: UsageReader
    failing: set[Any] = field(default_factory=set)

    def usage(
        self, scope: AccountScope, period: Period, by: Sequence[Dimension], filters: Filters
    ) -> Reading:
        """The real answer, unless it is to fail."""
        if tuple(by) in self.failing:
            raise OSError("analytics are out of reach")
        return self.real.usage(scope, period, by, filters)

    def readings(self, scope: AccountScope, questions: Sequence[Question]) -> tuple[Reading, ...]:
        """The real answers, unless one of them is to fail."""
        if any(each.by in self.failing for each in questions):
            raise OSError("analytics are out of reach")
        return self.real.readings(scope, questions)

    def __getattr__(self, name: str) -> Any:
        if name in self.failing:
            raise OSError(f"{name} is out of reach")
        return getattr(self.real, name)


@dataclass
class Live:
    """A running server: where it is, what stands behind it."""

    url: str
    installation: Installation
    reader: FaultyReader
    clock_file: Path
    application: FastAPI


class LiveServer:
    """Starts and stops uvicorn on a thread of the test process."""

    def __init__(
        self, folder: Path, *, database_url: str | None = None, sync_seconds: int = 3600
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.clock_file = folder / "clock.txt"
        self.clock_file.write_text(NOW.isoformat())
        settings = load_settings(
            data_dir=folder / "data",
            database_url=database_url or settings_url(folder / "data"),
            clock_file=self.clock_file, secret_key="s" * 40, sync_seconds=sync_seconds,
            _env_file=None,
        )  # fmt: skip
        self.installation = open_filled(settings)
        self.reader = FaultyReader(self.installation.reader)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.application = build_server(
            self.installation, is_demo=False, reader=self.reader, words=words
        )
        self._forget_when_reads_fail()
        self._server = StoppingServer(
            server_config(self.application, "127.0.0.1", self.port, "warning")
        )
        self._thread = threading.Thread(target=self._run)

    def _forget_when_reads_fail(self) -> None:
        """No page is given again that was made before a test changed what fails."""
        shared = self.application.state.screens.server.extensions[PARTS]
        real, known = shared.version, set(self.reader.failing)

        def version() -> Any:
            nonlocal known
            if known != self.reader.failing:
                known = set(self.reader.failing)
                shared.forget()
            return real()

        shared.version = version

    def start(self) -> Live:
        """Gives the address once the server answers."""
        self._thread.start()
        deadline = time.monotonic() + 30
        while not self._server.started:
            assert time.monotonic() < deadline, "the server did not start within 30 s"
            threading.Event().wait(0.02)
        url = f"http://127.0.0.1:{self.port}"
        return Live(url, self.installation, self.reader, self.clock_file, self.application)

    def _run(self) -> None:
        with listen_at("127.0.0.1", self.port) as sockets:
            self._server.run(sockets)

    def stop(self) -> None:
        """Stops it and waits."""
        self._server.should_exit = True
        self._thread.join(timeout=20)
        assert not self._thread.is_alive(), "the server did not stop within 20 s"


def open_filled(settings: Settings) -> Installation:
    """An installation in a new folder with what ``fill`` puts in.

    Files are a copy of what was made once a run, so they are all of one ledger; databases of a
    server are filled each.
    """
    if settings.database_url is None:
        shutil.copytree(_filled_files(settings.secret_key), settings.data_dir, dirs_exist_ok=True)
    installation = open_installation(settings, is_demo=True)
    if settings.database_url is not None:
        fill(installation)
    return installation


@cache
def _filled_files(secret: SecretStr | None) -> Path:
    folder = kept_folder("filled")
    installation = open_installation(
        load_settings(data_dir=folder, secret_key=secret, _env_file=None)
    )
    fill(installation)
    installation.close()
    return folder


def fill(installation: Installation) -> None:
    """Three tenants, their people, one price list a currency and eighty days of usage."""
    with installation.database.write() as connection:
        for new in (
            NewAccount("acme", "Acme Outreach", Plan.GROWTH, "INR", "Asia/Kolkata",
                       locale="en_IN", is_demo=True),
            NewAccount("globex", "Globex", Plan.LAUNCH, "USD", "America/New_York", is_demo=True),
            NewAccount("tinker", "Tinker Lab", Plan.FREE, "AUD", "Australia/Sydney",
                       locale="en_AU", is_demo=True),
        ):  # fmt: skip
            add_account(connection, new, NOW)
        for email, account_id, role in (
            (OWNER, "acme", Role.OWNER),
            (OTHER, "globex", Role.OWNER),
            (FREE, "tinker", Role.OWNER),
            (SUPPORT, "*", Role.SUPPORT),
        ):
            added = add_person(
                connection, email, email.split("@")[0].title(), PASSWORD, NOW, passwords=QUICK
            )
            add_membership(connection, added.person.id, account_id, role)
        for currency, price in (("INR", 600_000), ("USD", 12_000), ("AUD", 20_000)):
            add_rate_list(connection, _price_list(currency, price), None, NOW)
    for account_id in ("acme", "globex"):
        post(installation, account_id, usage_of(account_id))
    sync_all(installation.database, installation.lake)


def post(installation: Installation, account_id: str, events: Sequence[UsageEvent]) -> None:
    """Posts events into one account, with a top-up the first time."""
    with installation.database.write() as connection:
        account = read_account(connection, account_id)
        poster = Poster(connection, account, installation.pseudonyms, NOW)
        if poster.wallet.posted_micros == 0:
            posting = Posting(NOW, NOW, NOW, date(2026, 9, 1))
            poster.wallet.credit(Credit(LotKind.PAID, 2_900_000_000, "top-up"), posting)
            ends = NOW + timedelta(days=20)
            grant = Credit(LotKind.PROMOTIONAL, 50_000_000, "welcome credit", ends)
            poster.wallet.credit(grant, posting)
        outcomes = poster.post(events, NOW)
        assert {outcome.status for outcome in outcomes} <= {"accepted", "duplicate"}
        poster.flush()


def usage_of(account_id: str) -> list[UsageEvent]:
    """Usage that depends on nothing but its index: calls, some unanswered, and messages."""
    agent: Any = "human" if account_id == "acme" else "ai"
    events: list[UsageEvent] = []
    for n in range(640):
        common: dict[str, Any] = {
            "source": "test", "id": f"{account_id}-{n}",
            "occurred_at": NOW - timedelta(hours=3 * n, minutes=n % 60),
            "campaign": ("diwali", "renewal", "winback")[n % 3], "consumer": f"user:{n % 4}",
            "counterparty": f"9190000{n:05d}",
        }  # fmt: skip
        if n % 4 == 3:
            events.append(SmsEvent(direction="outbound", segments=1 + n % 3, **common))
        else:
            events.append(
                CallEvent(
                    direction="outbound", agent=agent, is_answered=n % 4 != 1,
                    duration_seconds=0 if n % 4 == 1 else 20 + n % 300, outcome="no answer"
                    if n % 4 == 1 else None, **common,
                )
            )  # fmt: skip
    return events


def _price_list(currency: str, price: int) -> Any:
    rates = [
        Rate(
            new_id(), metric.id, price, metric.unit.size, "",
            60 if metric.unit.base == "second" else 1, 60 if metric.unit.base == "second" else 1,
        )
        for metric in METRICS
    ]  # fmt: skip
    return new_rate_list(f"Standard {currency}", currency, None, rates, "default")
