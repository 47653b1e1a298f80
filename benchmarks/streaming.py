"""How long a posted event takes until an open browser shows it: balance, table and list.

A real server in a process of its own, a real browser on two pages of one account, one event after
another through the API. Measured once in quiet and once while batches of another load come in
beside it. Times end when the page's own figure has changed, as a script in the page sees it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Page, sync_playwright

from benchmarks.tables import Results, percentile
from billing.access import Role
from billing.lots import LotKind
from billing.metrics import METRICS
from billing.plans import Plan
from billing.rates import Rate
from data.access.keys import add_key
from data.access.people import Passwords, add_membership, add_person
from data.accounts import NewAccount, add_account
from data.identity import new_id
from data.installation import open_installation
from data.ledger.posting import Poster
from data.ledger.price_books import add_rate_list, new_rate_list
from data.ledger.wallet import Credit, Posting
from data.settings import load_settings
from tests import chromium

EVENT_COUNT = 40
FLOOD_SHARE = 3  # as many fewer events are timed while a flood makes each take longer
LOAD_BATCH = 200
LOAD_PAUSE_SECONDS = 0.2
WARM_SECONDS = 2.0
PAUSE_SECONDS = 0.6
PATIENCE_SECONDS = 60
SECRET = "benchmark-" * 4
EMAIL, PASSWORD = "owner@acme.example", "benchmark-password"
ACCOUNT = "acme"
PAGES = {
    "balance in the header, /billing/usage": ("/billing/usage", "#header-balance"),
    "row of the metric, /billing/usage": ("/billing/usage", "#live-metrics"),
    "list of transactions, /billing/usage/sms_credits": (
        "/billing/usage/sms_credits", "#live-transactions"
    ),
}  # fmt: skip
# Notes each change of an element, on the clock that other processes read too.
WATCH = """(selector) => {
  const element = document.querySelector(selector);
  window.seen = window.seen || {};
  new MutationObserver(() => {
    (window.seen[selector] = window.seen[selector] || []).push(Date.now());
  }).observe(element, {subtree: true, childList: true, characterData: true});
}"""


@dataclass(frozen=True, slots=True)
class Served:
    """A server process, and a key to it."""

    url: str
    key: dict[str, str]


def measure(folder: Path, event_count: int = EVENT_COUNT) -> Results:
    """Latencies of ``event_count`` events in quiet and as many under load."""
    rows = []
    with _served(folder) as served, _browser(served) as pages:
        for name, has_load in (("quiet", False), ("bulk beside", True)):
            with _load(served, has_load=has_load) as loaded:
                count = event_count // FLOOD_SHARE if has_load else event_count
                found = _latencies(served, pages, count, name)
            rate = f"{loaded():,.0f}" if has_load else "0"
            for what, seconds in found.items():
                shown = [f"{percentile(seconds, share) * 1000:,.0f}" for share in (0.5, 0.95)]
                rows.append((f"{what} · {name}", *shown, f"{max(seconds) * 1000:,.0f}", rate))
    return Results(
        "From a posted event to the screen",
        ("what changes", "p50 ms", "p95 ms", "longest ms", "events/s beside"),
        tuple(rows),
        (
            f"{event_count} events in quiet and a third as many beside a bulk load into the same "
            "account, posted one by one over HTTP; the time runs from before "
            "the request until the element on the page has changed.",
            "Server, browser with two visible pages, and the load share this machine's cores.",
        ),
    )


# --- measuring ----------------------------------------------------------------------------
def _latencies(
    served: Served, pages: dict[str, Page], count: int, name: str
) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {what: [] for what in PAGES}
    with httpx.Client(headers=served.key, timeout=PATIENCE_SECONDS) as client:
        for number in range(count):
            for page in pages.values():
                page.evaluate("() => { window.seen = {} }")
            begun = time.time()
            answer = client.post(
                f"{served.url}/api/v1/events", json=_message(f"{name} {number}"),
                headers={"Content-Type": "application/cloudevents+json"},
            )  # fmt: skip
            answer.raise_for_status()
            for what, (path, selector) in PAGES.items():
                found[what].append(_first_change(pages[path], selector) / 1000 - begun)
            pages["/billing/usage"].wait_for_timeout(PAUSE_SECONDS * 1000)
    return found


def _first_change(page: Page, selector: str) -> float:
    """When an element changed first, in milliseconds of the common clock."""
    handle = page.wait_for_function(
        "(selector) => (window.seen[selector] || [])[0]", arg=selector,
        timeout=PATIENCE_SECONDS * 1000, polling=20,
    )  # fmt: skip
    return float(handle.json_value())


@contextlib.contextmanager
def _browser(served: Served) -> Iterator[dict[str, Page]]:
    path = chromium.find()
    if path is None:
        raise SystemExit(chromium.MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=chromium.LAUNCH_ARGUMENTS)
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"{served.url}/sign-in")
        page.get_by_label("E-mail").fill(EMAIL)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/billing/usage*")
        pages: dict[str, Page] = {}
        for address, selector in PAGES.values():
            if address not in pages:
                pages[address] = context.new_page()
                pages[address].goto(served.url + address)
            pages[address].wait_for_selector(selector)
            pages[address].evaluate(WATCH, selector)
        page.close()
        next(iter(pages.values())).wait_for_timeout(WARM_SECONDS * 1000)
        yield pages
        browser.close()


@contextlib.contextmanager
def _load(served: Served, *, has_load: bool) -> Iterator[Any]:
    """Batches into the same account, one after another; gives how many events a second."""
    sent, begun, is_over = [0], time.monotonic(), threading.Event()

    def send() -> None:
        kind = {"Content-Type": "application/cloudevents-batch+json", **served.key}
        with httpx.Client(headers=kind, timeout=PATIENCE_SECONDS) as client:
            number = 0
            while not is_over.wait(LOAD_PAUSE_SECONDS):
                batch = [_message(f"load {number} {n}") for n in range(LOAD_BATCH)]
                client.post(f"{served.url}/api/v1/events", json=batch).raise_for_status()
                sent[0] += LOAD_BATCH
                number += 1

    sender = threading.Thread(target=send)
    if has_load:
        sender.start()
    try:
        yield lambda: sent[0] / (time.monotonic() - begun)
    finally:
        is_over.set()
        if has_load:
            sender.join()


def _message(name: str) -> dict[str, Any]:
    return {
        "specversion": "1.0", "type": "usage.sms", "source": "benchmark", "id": name,
        "subject": ACCOUNT, "time": datetime.now(UTC).isoformat(),
        "data": {"direction": "outbound", "kind": "campaign", "segments": 1,
                 "status": "delivered", "campaign": "spring", "consumer": "user:1"},
    }  # fmt: skip


# --- what is served -------------------------------------------------------------------------
@contextlib.contextmanager
def _served(folder: Path) -> Iterator[Served]:
    shown = _prepare(folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if "USAGE_" not in name}
    environment |= {"USAGE_DATA_DIR": str(folder), "USAGE_SECRET_KEY": SECRET}
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).parents[1] / "app.py"), "serve", "--port", str(port)],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the server did not start")
            time.sleep(0.05)
        yield Served(url, {"Authorization": f"Bearer {shown}"})
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def _answers(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{url}/healthz").status_code == 200
    return False


def _prepare(folder: Path) -> str:
    """An account with an owner, prices, credit and a key, which it gives."""
    installation = open_installation(load_settings(data_dir=folder, secret_key=SECRET))
    now = datetime.now(UTC)
    prices = [Rate(new_id(), metric.id, 10_000) for metric in METRICS]
    with installation.database.write() as connection:
        account = add_account(
            connection, NewAccount(ACCOUNT, "Acme", Plan.GROWTH, "USD", "Europe/Lisbon"), now
        )
        added = add_person(connection, EMAIL, "Olive Owner", PASSWORD, now, passwords=Passwords())
        add_membership(connection, added.person.id, ACCOUNT, Role.OWNER)
        listed = new_rate_list("Standard", "USD", None, prices, "default")
        add_rate_list(connection, listed, None, now)
        poster = Poster(connection, account, installation.pseudonyms, now)
        posting = Posting(now, now, now, account.today(now) - timedelta(days=1))
        poster.wallet.credit(Credit(LotKind.PAID, 10_000_000_000, "top-up"), posting)
        poster.flush()
        shown, _ = add_key(connection, installation.pseudonyms, ACCOUNT, ("events:write",), now)
    installation.close()
    return shown
