"""How long it takes from a charge to the mail that warns of it, and to the browser's stream.

A thousand rules on two hundred accounts, a hundred charges a second over HTTP, each fifth one of
an account crosses a threshold. Server, mail server, callers and listeners share the machine; the
mail server is in this process and notes when it has taken a message.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiosmtpd.controller import Controller

from benchmarks.holding_http import Caller, computed_seconds
from benchmarks.ingesting import start_server
from benchmarks.tables import Results, percentile
from billing.alerts import AlertKind, AlertRule, Channel, Threshold, Unit
from billing.lots import LotKind
from billing.metrics import METRICS
from billing.plans import Plan
from billing.rates import Rate
from data.access.keys import add_key
from data.accounts import NewAccount, add_account
from data.alerts.rules import add_alert
from data.identity import new_id
from data.installation import Installation, open_installation
from data.ledger.price_books import add_rate_list, new_rate_list
from data.ledger.wallet import Credit, OpenWallet, Posting
from data.settings import load_settings

ACCOUNTS, RULES_EACH = 200, 5
CHARGES_PER_SECOND = 100
CHARGES_BETWEEN = 5  # of one account, from one threshold to the next
STREAMS = 20
CALLERS = 16
PRICE_MICROS = 10_000
CREDIT_UNITS = 1_000
PATIENCE_SECONDS = 30
BATCH = 8  # keys that charge: one alone may ask a hundred times a second


@dataclass
class Seen:
    """When each crossing was charged, its mail taken, and its stream told: by account and rule."""

    charged: dict[tuple[int, int], float] = field(default_factory=dict)
    mailed: dict[tuple[int, int], list[float]] = field(default_factory=dict)
    told: dict[int, list[float]] = field(default_factory=dict)


class _Mails:
    """What aiosmtpd calls: notes when a message is taken."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        at = time.time()
        for address in envelope.rcpt_tos:
            account, rule = address.split("@")[0].split("-")[1:]
            self._seen.mailed.setdefault((int(account), int(rule)), []).append(at)
        return "250 taken"


def measure(folder: Path) -> Results:
    """One run: as many crossings as there are rules."""
    folder.mkdir(parents=True, exist_ok=True)
    keys, own_keys = _fill(folder)
    seen = Seen()
    with _mail_server(seen) as port, _environment(port):
        server, url, _ = start_server(folder)
        try:
            computed = computed_seconds(server.pid)
            seconds = asyncio.run(_run(url, keys, own_keys, seen))
            computed = computed_seconds(server.pid) - computed
        finally:
            server.terminate()
            server.wait(PATIENCE_SECONDS)
    return _results(seen, seconds, computed)


def _fill(folder: Path) -> tuple[list[str], list[str]]:
    """Accounts with credit and rules; keys that charge, and one for each account that listens."""
    opened = open_installation(load_settings(data_dir=folder, _env_file=None))
    try:
        now = opened.clock.now()
        rates = [Rate(new_id(), metric.id, PRICE_MICROS) for metric in METRICS]
        with opened.database.write() as connection:
            add_rate_list(
                connection, new_rate_list("All", "USD", None, rates, "default"), None, now
            )
        for number in range(ACCOUNTS):
            _add_account(opened, number, now)
        charging = [_key(opened, "*", ["admin"]) for _ in range(BATCH)]
        return charging, [_key(opened, f"account-{n}", ["usage:read"]) for n in range(STREAMS)]
    finally:
        opened.close()


def _add_account(opened: Installation, number: int, now: datetime) -> None:
    def work(connection: Any) -> None:
        new = NewAccount(f"account-{number}", f"Account {number}", Plan.GROWTH, "USD", "UTC")
        account = add_account(connection, new, now)
        wallet = OpenWallet.open(connection, account)
        wallet.credit(
            Credit(LotKind.PAID, CREDIT_UNITS * PRICE_MICROS, "benchmark"),
            Posting(now, now, now, account.today(now)),
        )
        wallet.flush(now)
        for place in range(RULES_EACH):
            # Not all accounts at once: each fifth charge crosses a threshold, whoever's it is.
            left = CREDIT_UNITS - CHARGES_BETWEEN * place - number % CHARGES_BETWEEN - 1
            rule = AlertRule(
                AlertKind.LOW_BALANCE, Threshold(Unit.MONEY, left * PRICE_MICROS),
                channels=(Channel.EMAIL, Channel.DASHBOARD),
                emails=(f"owner-{number}-{place}@benchmark.example",),
            )  # fmt: skip
            add_alert(connection, account, replace(rule), "person:benchmark", now)

    opened.writer.write(work)


def _key(opened: Installation, account_id: str, scopes: list[str]) -> str:
    now = opened.clock.now()
    return opened.writer.write(
        lambda c: add_key(c, opened.pseudonyms, account_id, scopes, now)
    )[0]  # fmt: skip


@contextmanager
def _mail_server(seen: Seen) -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    controller = Controller(_Mails(seen), hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


@contextmanager
def _environment(port: int) -> Iterator[None]:
    """Settings of the server that is started meanwhile."""
    given = {
        "USAGE_SMTP_URL": f"smtp://127.0.0.1:{port}",
        "USAGE_MAIL_FROM": "alerts@benchmark.example",
    }
    os.environ.update(given)
    try:
        yield
    finally:
        for name in given:
            del os.environ[name]


async def _run(url: str, keys: list[str], own_keys: list[str], seen: Seen) -> float:
    """Charges at their pace; seconds from the first to the last answer."""
    async with _listening(url, own_keys, seen):
        await asyncio.sleep(1)
        waiting: asyncio.Queue[tuple[Caller, int]] = asyncio.Queue()
        for number in range(CALLERS):
            waiting.put_nowait((await Caller.connect(url, keys[number % len(keys)]), number))
        began = time.perf_counter()
        tasks = []
        total = ACCOUNTS * RULES_EACH * CHARGES_BETWEEN
        for number in range(total):
            await asyncio.sleep(max(0, began + number / CHARGES_PER_SECOND - time.perf_counter()))
            tasks.append(asyncio.create_task(_charge(waiting, number, seen)))
        await asyncio.gather(*tasks)
        seconds = time.perf_counter() - began
        until = time.time() + PATIENCE_SECONDS
        while len(seen.mailed) < ACCOUNTS * RULES_EACH and time.time() < until:
            await asyncio.sleep(0.1)
    return seconds


async def _charge(
    waiting: asyncio.Queue[tuple[Caller, int]], number: int, seen: Seen
) -> None:  # fmt: skip
    account, nth = number % ACCOUNTS, number // ACCOUNTS
    if nth % CHARGES_BETWEEN == account % CHARGES_BETWEEN:
        seen.charged[account, nth // CHARGES_BETWEEN] = time.time()
    caller, place = await waiting.get()
    event = {
        "specversion": "1.0", "id": f"message-{number}", "source": "benchmark",
        "type": "usage.sms", "subject": f"account-{account}", "time": datetime.now(UTC).isoformat(),
        "data": {"direction": "outbound", "kind": "transactional", "segments": 1},
    }  # fmt: skip
    await caller.post("/api/v1/events", event, kind="application/cloudevents+json", status=204)
    waiting.put_nowait((caller, place))


@asynccontextmanager
async def _listening(url: str, keys: list[str], seen: Seen) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(_hear(url, key, n, seen)) for n, key in enumerate(keys)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _hear(url: str, key: str, account: int, seen: Seen) -> None:
    """Notes when a stream tells of notices, after the first time, which tells of what there was."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    head = f"GET /stream?event=notifications HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
    writer.write(f"{head}\r\n".encode())
    is_first = True
    for _ in itertools.count():
        line = (await reader.readline()).strip()
        if line == b"event: notifications":
            data = json.loads((await reader.readline()).removeprefix(b"data: "))
            if not is_first and data["notifications"]:
                seen.told.setdefault(account, []).append(time.time())
            is_first = False


def _results(seen: Seen, seconds: float, computed: float) -> Results:
    mails = [
        1000 * (min(times) - seen.charged[key]) for key, times in seen.mailed.items()
    ]  # fmt: skip
    streams = []
    for account, times in seen.told.items():
        for place in range(RULES_EACH):
            charged = seen.charged[account, place]
            after = [at for at in times if at >= charged]
            if after:
                streams.append(1000 * (after[0] - charged))
    doubled = sum(len(times) - 1 for times in seen.mailed.values())
    missing = ACCOUNTS * RULES_EACH - len(seen.mailed)
    assert not missing, f"{missing} mails never came"
    assert not doubled, f"{doubled} mails came twice"
    rows = [
        (name, f"{percentile(found, 0.5):,.0f}", f"{percentile(found, 0.95):,.0f}",
         f"{max(found):,.0f}")
        for name, found in (("mail taken by its server", mails), ("stream told", streams))
    ]  # fmt: skip
    count = ACCOUNTS * RULES_EACH * CHARGES_BETWEEN
    return Results(
        f"From a charge to its warning: {ACCOUNTS * RULES_EACH:,} rules on {ACCOUNTS} accounts",
        ("", "p50 ms", "p95 ms", "longest ms"),
        tuple(rows),
        (
            f"{count:,} charges over HTTP in {seconds:,.1f} s, of which each {CHARGES_BETWEEN}th "
            f"crosses a threshold; {STREAMS} streams. Each warning came, and came once. The server "
            f"computed {computed / seconds:.2f} s a second. Aim: p95 below 2,000 ms.",
        ),
    )  # fmt: skip
