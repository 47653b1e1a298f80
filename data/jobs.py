"""Background work of a server: APScheduler on a thread of its own, each job safe to repeat."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import Connection

from data.accounts import read_account
from data.analytics.sync import expire, merge, sync_all
from data.clocks import SystemClock
from data.demo import SANDBOX_ACCOUNT, extend_demo, read_progress, sandbox_tick
from data.importers.importing import stop_stale_imports
from data.installation import Installation
from data.ledger.closing import close_due
from data.ledger.expiry import expire_due

DEMO_SECONDS = 20
EXPIRY_SECONDS = 60
CLOSING_SECONDS = 2 * 60
MERGE_SECONDS = 15 * 60
CLEAN_SECONDS = 60 * 60
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class JobRecord:
    """How often a job ran and failed. ``done_at``: when it last went well, or was set up.

    Seconds of the clock that never steps back.
    """

    done_at: float
    runs: int = 0
    failures: int = 0


class Jobs:
    """What runs beside the requests: analytics catch up and stay tidy, credit expires on time."""

    def __init__(self, installation: Installation, *, is_demo: bool) -> None:
        self._installation = installation
        self._is_demo = is_demo
        self.records: dict[str, JobRecord] = {}
        self._scheduler = BackgroundScheduler(
            job_defaults={"max_instances": 1, "coalesce": True, "misfire_grace_time": 60},
            timezone="UTC",
        )
        logging.getLogger("apscheduler").setLevel(logging.WARNING)
        self._every(installation.settings.sync_seconds, "sync", self._sync)
        self._every(MERGE_SECONDS, "merge", lambda: merge(installation.lake))
        self._every(
            CLEAN_SECONDS, "clean", lambda: expire(installation.lake, installation.clock.now())
        )
        self._every(EXPIRY_SECONDS, "expire_credit", self._expire_credit)
        self._every(CLOSING_SECONDS, "close_periods", self._close_periods)
        if is_demo:
            self._every(DEMO_SECONDS, "demo", self._live_demo)

    def start(self) -> None:
        """Begins; the first run of each job comes after its first interval.

        Only periods that became due while nothing ran are closed at once.
        """
        self._scheduler.start()
        self._scheduler.modify_job("close_periods", next_run_time=SystemClock().now())

    def stop(self) -> None:
        """Ends, waiting for what is running."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    @property
    def is_running(self) -> bool:
        """Whether jobs are being started."""
        return bool(self._scheduler.running)

    @property
    def sync_age_seconds(self) -> float:
        """How long ago analytics last had everything; since the start, before the first time."""
        return time.monotonic() - self.records["sync"].done_at

    def _every(self, seconds: int, name: str, work: Callable[[], object]) -> None:
        record = self.records[name] = JobRecord(time.monotonic())

        def run() -> None:
            record.runs += 1
            try:
                work()
            except Exception:
                record.failures += 1
                raise  # the scheduler logs it and goes on
            record.done_at = time.monotonic()

        self._scheduler.add_job(run, "interval", seconds=seconds, id=name, name=name)

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

    def _close_periods(self) -> None:
        """Closes billing periods that ended long enough ago.

        A demo's days that are missing come in first, so that they count where they belong. An
        import whose process is gone doesn't keep its account's periods open.
        """
        installation = self._installation
        if self._is_demo:
            if not self._is_demo_loaded():
                return
            extend_demo(installation.database, installation.clock, installation.pseudonyms)
        else:
            settings = installation.settings
            stop_stale_imports(installation.database, settings.data_dir, installation.clock.now())
        closed = close_due(
            installation.database, installation.writer, installation.clock,
            timedelta(hours=installation.settings.close_after_hours),
        )  # fmt: skip
        if closed:
            _log.info("billing periods closed: %s", closed)

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
