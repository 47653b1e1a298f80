"""Pictures of every screen of a demo, in ``screenshots/``: desktop and phone, light and dark.

``python -m scripts.screenshots [--readme]``; with ``--readme`` also renews docs/usage.png.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from data.demo import DEMO_PASSWORD
from tests import chromium

ROOT = Path(__file__).parents[1]
OUTPUT = ROOT / "screenshots"
OWNER, FREE = "owner@acme.example", "owner@tinkerlab.example"
SETTLE_MS = 1_200  # charts are drawn, fonts are there
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
PAGES = {
    "usage": "/billing/usage",
    "usage-week": "/billing/usage?period=last_period&by=week",
    "metric": "/billing/usage/ai_connected_minutes",
    "balance": "/billing/balance",
    "limits": "/billing/limits",
    "limits-review": (
        "/billing/limits?do=cap&kind=daily&amount=4000&mode=hard&state=on&step=review"
    ),
    "alerts": "/billing/alerts",
    "alerts-review": (
        "/billing/alerts?do=add&type=low_balance&threshold=30&unit=percent&level=warning"
        "&by_dashboard=on&recovery=on&step=review"
    ),
    "rates": "/billing/rates",
    "settings": "/settings",
    "not-found": "/billing/nothing",
    "api-docs": "/api/docs",
}


def main() -> None:
    """Makes a small demo in a temporary folder, serves it, takes the pictures, removes it."""
    OUTPUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "USAGE_DATA_DIR": folder, "USAGE_LOG_LEVEL": "ERROR"}
        program = [sys.executable, str(ROOT / "app.py")]
        subprocess.run([*program, "demo"], env=environment, check=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = subprocess.Popen(
            [*program, "serve", "--demo", "--port", str(port)], env=environment
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(f"{url}/healthz")
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=chromium.find(), args=chromium.LAUNCH_ARGUMENTS
                )
                _take(browser, url)
        finally:
            server.terminate()
            server.wait(timeout=20)
    if "--readme" in sys.argv:
        (OUTPUT / "usage-light-desktop.png").replace(ROOT / "docs" / "usage.png")


def _wait(url: str) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(url, timeout=2)  # noqa: S310
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return
    sys.exit("the server did not answer within 30 s")


def _take(browser: Browser, url: str) -> None:
    for scheme in ("light", "dark"):
        for size, (width, height) in SIZES.items():
            context = browser.new_context(
                viewport={"width": width, "height": height}, color_scheme=scheme
            )
            page = context.new_page()
            page.goto(f"{url}/sign-in")
            _save(page, f"sign-in-{scheme}-{size}")
            _sign_in(page, OWNER)
            for name, path in PAGES.items():
                page.goto(url + path)
                _save(page, f"{name}-{scheme}-{size}")
            page.goto(url + PAGES["metric"])
            page.locator(".line-table tbody a").first.click()
            page.get_by_role("heading", name="Explain this charge").wait_for()
            _save(page, f"explain-{scheme}-{size}")
            context.close()
            context = browser.new_context(
                viewport={"width": width, "height": height}, color_scheme=scheme
            )
            page = context.new_page()
            page.goto(f"{url}/sign-in")
            _sign_in(page, FREE)
            _save(page, f"free-{scheme}-{size}")
            context.close()


def _sign_in(page: Page, email: str) -> None:
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(DEMO_PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("heading", level=1, name="Usage").wait_for()


def _save(page: Page, name: str) -> None:
    page.wait_for_load_state("load")  # never idle: the stream stays open
    page.get_by_role("heading").first.wait_for()
    page.wait_for_timeout(SETTLE_MS)
    page.screenshot(path=OUTPUT / f"{name}.png", full_page=True)


if __name__ == "__main__":
    main()
