"""Background work of a server: APScheduler on a thread of its own."""

from __future__ import annotations

import logging

from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import Connection

from data.accounts import read_account
from data.demo import SANDBOX_ACCOUNT, extend_demo, read_progress, sandbox_tick
from data.installation import Installation
from data.sync import sync_all

DEMO_SECONDS = 20
_log = logging.getLogger(__name__)


class Jobs:
    """What runs beside the requests: analytics catch up; a demo stays alive."""

    def __init__(self, installation: Installation, *, is_demo: bool) -> None:
        self._installation = installation
        self._scheduler = BackgroundScheduler(
            job_defaults={"max_instances": 1, "coalesce": True, "misfire_grace_time": 60},
            timezone="UTC",
        )
        every = self._scheduler.add_job
        every(self._sync, "interval", seconds=installation.settings.sync_seconds, id="sync")
        if is_demo:
            every(self._live_demo, "interval", seconds=DEMO_SECONDS, id="demo")

    def start(self) -> None:
        """Begins; the first run of each job comes after its first interval."""
        self._scheduler.start()

    def stop(self) -> None:
        """Ends, waiting for what is running."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def _sync(self) -> None:
        result = sync_all(self._installation.database, self._installation.lake)
        if result.rows:
            _log.debug("analytics took in %s rows", result.rows)

    def _live_demo(self) -> None:
        installation = self._installation

        def tick(connection: Connection) -> int:
            account = read_account(connection, SANDBOX_ACCOUNT)
            return sandbox_tick(connection, account, installation.pseudonyms, installation.clock)

        with installation.database.read() as connection:
            progress = read_progress(connection)
        if progress and progress.is_done:
            extend_demo(installation.database, installation.clock, installation.pseudonyms)
            installation.writer.write(tick)
