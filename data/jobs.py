"""Background work of a server: APScheduler on a thread of its own, each job safe to repeat."""

from __future__ import annotations

import logging
from collections.abc import Callable

from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import Connection

from data.accounts import read_account
from data.analytics.sync import expire, merge, sync_all
from data.demo import SANDBOX_ACCOUNT, extend_demo, read_progress, sandbox_tick
from data.installation import Installation
from data.ledger.expiry import expire_due

DEMO_SECONDS = 20
EXPIRY_SECONDS = 60
MERGE_SECONDS = 15 * 60
CLEAN_SECONDS = 60 * 60
_log = logging.getLogger(__name__)


class Jobs:
    """What runs beside the requests: analytics catch up and stay tidy, credit expires on time."""

    def __init__(self, installation: Installation, *, is_demo: bool) -> None:
        self._installation = installation
        self._is_demo = is_demo
        self._scheduler = BackgroundScheduler(
            job_defaults={"max_instances": 1, "coalesce": True, "misfire_grace_time": 60},
            timezone="UTC",
        )
        logging.getLogger("apscheduler").setLevel(logging.WARNING)
        self._every(installation.settings.sync_seconds, self._sync)
        self._every(MERGE_SECONDS, lambda: merge(installation.lake))
        self._every(CLEAN_SECONDS, lambda: expire(installation.lake, installation.clock.now()))
        self._every(EXPIRY_SECONDS, self._expire_credit)
        if is_demo:
            self._every(DEMO_SECONDS, self._live_demo)

    def start(self) -> None:
        """Begins; the first run of each job comes after its first interval."""
        self._scheduler.start()

    def stop(self) -> None:
        """Ends, waiting for what is running."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def _every(self, seconds: int, work: Callable[[], object]) -> None:
        self._scheduler.add_job(work, "interval", seconds=seconds)

    def _sync(self) -> None:
        result = sync_all(
            self._installation.database, self._installation.lake, clock=self._installation.clock
        )
        if result.rows:
            _log.debug("analytics took in %s rows", result.rows)

    def _expire_credit(self) -> None:
        """A demo that is still loading lives in the past: its credit expires as it loads."""
        if not self._is_demo or self._is_demo_loaded():
            now = self._installation.clock.now()
            self._installation.writer.write(lambda connection: expire_due(connection, now))

    def _is_demo_loaded(self) -> bool:
        with self._installation.database.read() as connection:
            progress = read_progress(connection)
        return progress is not None and progress.is_done

    def _live_demo(self) -> None:
        """New usage of the demo's accounts since the last run, and some in the sandbox."""
        installation = self._installation

        def tick(connection: Connection) -> int:
            account = read_account(connection, SANDBOX_ACCOUNT)
            return sandbox_tick(connection, account, installation.pseudonyms, installation.clock)

        if self._is_demo_loaded():
            extend_demo(installation.database, installation.clock, installation.pseudonyms)
            installation.writer.write(tick)
