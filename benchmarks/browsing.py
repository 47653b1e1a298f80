"""How fast the usage page opens and changes in a browser, beside a static and a plain Dash page.

Each page is served by a process of its own from the same analytics and driven in turns by one
Chromium. A page is open when its headline and its bars are there; a change of the period is over
when both have changed. Viewers are the requests of such changes, replayed.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, BrowserContext, Page, Request, sync_playwright
from sqlalchemy import text

from benchmarks import rivals
from benchmarks.big_lake import EMAIL, PASSWORD, fill
from benchmarks.tables import Results, percentile
from data.database import Database
from tests import chromium

LINE_COUNT = 10_000_000
ROUNDS, CHANGES = 5, 6
PRESETS = ("Last month", "This month")
VIEWERS = (1, 2, 4, 8, 16, 32, 64, 128)
VIEWING_SECONDS = 6.0
PAUSES = (0.0, 1.0)
MOST_SECONDS = 1.0
PATIENCE_SECONDS = 60
IGNORED = ("/stream", ".svg", ".ico")  # what a browser holds open, or has kept
ROOT = Path(__file__).parent.parent
# What a page shows: the headline, and the shapes of its bars.
STATE = """(selector) => [
  (document.querySelector(selector) || {}).textContent || '',
  [...document.querySelectorAll('.barlayer .point path')].map((bar) => bar.getAttribute('d'))
    .join(),
]"""
IS_OPEN = f"(selector) => ({STATE})(selector).every((part) => part)"
CHANGE = f"""([selector, label]) => new Promise((resolve, reject) => {{
  const state = () => ({STATE})(selector);
  const before = state(), begun = performance.now();
  const named = (each) => each.textContent.trim() === label;
  [...document.querySelectorAll('a, button, label')].find(named).click();
  const look = () => {{
    const now = state(), passed = performance.now() - begun;
    if (now.every((part, i) => part && part !== before[i])) resolve(passed);
    else if (passed > 30000) reject(new Error('nothing changed'));
    else requestAnimationFrame(look);
  }};
  look();
}})"""


@dataclass(frozen=True, slots=True)
class Contender:
    """A page under test: how it is served, and where its headline is."""

    name: str
    kind: str
    path: str
    headline: str


CONTENDERS = (
    Contender(
        "this product", "product", "/billing/usage?period=this_month", ".card-big .fig-value"
    ),
    Contender("static page", "static", "/", "#headline"),
    Contender("plain Dash page", "dash", "/", "#headline"),
)


@dataclass(slots=True)
class Found:
    """Milliseconds, bytes and requests of one contender; viewers by pause."""

    cold: list[float] = field(default_factory=list)
    change: list[float] = field(default_factory=list)
    bytes: int = 0
    requests: int = 0
    headlines: list[str] = field(default_factory=list)
    viewers: dict[float, int] = field(default_factory=dict)


def measure(folder: Path, line_count: int = LINE_COUNT) -> Results:
    """Everything of every contender, in turns."""
    ledger = fill(folder, line_count, secret_key=rivals.SECRET)
    _export_newest(ledger.installation.database, folder / rivals.NEWEST)
    ledger.installation.close()
    path = chromium.find()
    if path is None:
        raise SystemExit(chromium.MISSING)
    found = {each.name: Found() for each in CONTENDERS}
    with contextlib.ExitStack() as stack:
        urls = {each.name: stack.enter_context(_served(folder, each)) for each in CONTENDERS}
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=path, args=chromium.LAUNCH_ARGUMENTS
            )
            state = _signed_in(browser, urls["this product"])
            for number in range(ROUNDS + 1):  # the first one warms everything up
                for each in CONTENDERS:
                    seen = Found() if number == 0 else found[each.name]
                    _browse(browser, each, urls[each.name], state, seen)
            views = {
                each.name: _captured(browser, each, urls[each.name], state) for each in CONTENDERS
            }
            browser.close()
        for each in CONTENDERS:
            for pause in PAUSES:
                found[each.name].viewers[pause] = asyncio.run(_viewers(views[each.name], pause))
    first = found[CONTENDERS[0].name].headlines
    assert all(each.headlines == first for each in found.values()), "all show the same figures"
    return _results(found, line_count)


def _export_newest(database: Database, file: Path) -> None:
    """What only the ledger has, for those who read the analytics alone."""
    with database.read() as connection, file.open("w", newline="", encoding="utf-8") as out:
        rows = connection.execute(text(f"SELECT {rivals.COLUMNS} FROM usage_lines"))
        writer = csv.writer(out)
        writer.writerow(rivals.COLUMNS.split(", "))
        writer.writerows(tuple(row) for row in rows)


def _browse(browser: Browser, contender: Contender, url: str, state: Any, found: Found) -> None:
    """One cold load and some changes, in a browser that has nothing kept."""
    with _page(browser, state) as (context, page):
        session = context.new_cdp_session(page)
        session.send("Network.enable")
        received = {"bytes": 0, "requests": 0}

        def count(event: dict[str, Any]) -> None:
            received["bytes"] += int(event["encodedDataLength"])
            received["requests"] += 1

        session.on("Network.loadingFinished", count)
        begun = time.perf_counter()
        _open(page, contender, url)
        found.cold.append((time.perf_counter() - begun) * 1000)
        page.wait_for_timeout(500)
        found.bytes, found.requests = received["bytes"], received["requests"]
        found.headlines = [page.evaluate(STATE, contender.headline)[0]]
        for label in PRESETS * (CHANGES // len(PRESETS)):
            found.change.append(page.evaluate(CHANGE, [contender.headline, label]))
            page.wait_for_timeout(200)
        page.evaluate(CHANGE, [contender.headline, PRESETS[0]])
        found.headlines.append(page.evaluate(STATE, contender.headline)[0])


def _open(page: Page, contender: Contender, url: str) -> None:
    page.goto(url + contender.path, wait_until="commit")
    page.wait_for_function(IS_OPEN, arg=contender.headline, polling="raf")


@contextlib.contextmanager
def _page(browser: Browser, state: Any) -> Iterator[tuple[BrowserContext, Page]]:
    context = browser.new_context(storage_state=state)
    try:
        yield context, context.new_page()
    finally:
        context.close()


def _signed_in(browser: Browser, url: str) -> Any:
    """The cookies of somebody who has signed in."""
    with _page(browser, None) as (context, page):
        page.goto(f"{url}/sign-in")
        page.get_by_label("E-mail").fill(EMAIL)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/billing/usage*")
        return context.storage_state()


# --- viewers --------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Sent:
    """One request of a change of the period, as the browser sent it."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None


def _captured(browser: Browser, contender: Contender, url: str, state: Any) -> list[list[Sent]]:
    """For each of the two presets the requests that it takes."""
    views = []
    with _page(browser, state) as (_, page):
        _open(page, contender, url)
        page.wait_for_timeout(500)
        for label in PRESETS:
            seen: list[Request] = []

            def note(request: Request, seen: list[Request] = seen) -> None:
                seen.append(request)

            page.on("request", note)
            page.evaluate(CHANGE, [contender.headline, label])
            page.wait_for_timeout(300)
            page.remove_listener("request", note)
            views.append([_sent(each) for each in seen if _is_part(each.url)])
    return views


def _is_part(url: str) -> bool:
    """Whether a request is one of a change, and none of what goes on beside it."""
    return url.startswith("http") and not url.split("?", maxsplit=1)[0].endswith(IGNORED)


def _sent(request: Request) -> Sent:
    headers = {
        name: value
        for name, value in request.all_headers().items()
        if not name.startswith(":") and name != "content-length"
    }
    return Sent(request.method, request.url, headers, request.post_data_buffer)


async def _viewers(views: list[list[Sent]], pause_seconds: float) -> int:
    """How many may look at once so that 95 % of their changes take less than a second."""
    enough = 0
    for count in VIEWERS:
        seconds: list[float] = []
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(timeout=PATIENCE_SECONDS, limits=limits) as client:
            end = time.monotonic() + VIEWING_SECONDS
            await asyncio.gather(
                *(_view(client, views, n, pause_seconds, end, seconds) for n in range(count))
            )
        if percentile(seconds, 0.95) >= MOST_SECONDS:
            break
        enough = count
    return enough


async def _view(
    client: httpx.AsyncClient, views: list[list[Sent]], number: int, pause_seconds: float,
    end: float, seconds: list[float],
) -> None:  # fmt: skip
    await asyncio.sleep(number * 0.02)  # nobody clicks on the same instant
    for view in cycle(views):
        if time.monotonic() >= end:
            return
        begun = time.monotonic()
        answers = await asyncio.gather(*(
            client.request(each.method, each.url, headers=each.headers, content=each.body)
            for each in view
        ))  # fmt: skip
        assert all(answer.status_code in (200, 204) for answer in answers)
        seconds.append(time.monotonic() - begun)
        await asyncio.sleep(pause_seconds)


# --- what is served -------------------------------------------------------------------------
@contextlib.contextmanager
def _served(folder: Path, contender: Contender) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = {name: value for name, value in os.environ.items() if "USAGE_" not in name}
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.rivals", contender.kind, str(folder), port],
        cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{contender.name} did not start")
            time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def _answers(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(url).status_code < 500
    return False


def _results(found: dict[str, Found], line_count: int) -> Results:
    rows = []
    for name, each in found.items():
        shown = [
            f"{percentile(times, share):,.0f}"
            for times in (each.cold, each.change)
            for share in (0.5, 0.95)
        ]
        viewers = [f"{each.viewers[pause]}" for pause in PAUSES]
        rows.append((name, *shown, f"{each.bytes / 1e6:.2f}", str(each.requests), *viewers))
    base = found[CONTENDERS[0].name]
    for other in CONTENDERS[1:]:
        rival = found[other.name]
        ratios = [
            f"{percentile(mine, 0.5) / percentile(theirs, 0.5):.2f}"
            for mine, theirs in ((base.cold, rival.cold), (base.change, rival.change))
        ]
        cells = (ratios[0], "", ratios[1], "", f"{base.bytes / rival.bytes:.2f}", "", "", "")
        rows.append((f"this product ÷ {other.name}", *cells))
    return Results(
        "The usage page in a browser",
        ("", "cold load, p50 ms", "p95 ms", "change of period, p50 ms", "p95 ms", "MB", "requests",
         "viewers without a pause", "viewers with a second's pause"),
        tuple(rows),
        (
            f"{line_count / 1e6:g} million lines, {ROUNDS} cold loads of each page in turns and "
            f"{ROUNDS * CHANGES} changes of the period. Server, browser and viewers share this "
            "machine's cores. All three showed the same headline for both periods.",
            "Viewers: how many may change the period over and over, so that 95 % of changes are "
            f"answered within {MOST_SECONDS:g} s; their requests as the browser sent them.",
        ),
    )  # fmt: skip
