"""Background work of a server: APScheduler on a thread of its own, each job safe to repeat.

Of many processes on one ledger only the one that holds the lease ``scheduler`` runs jobs; the
others wait for it. A job asks before it begins and between its steps whether it still may; what
it writes into the ledger is kept only under the lease (data/lease.py).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import Connection, select

from billing.clock import FixedClock
from billing.notices import Writing
from data.accounts import read_account
from data.alerts.book import AlertBooks
from data.alerts.sweeping import sweep_alerts
from data.analytics.lake import LakeConflictError, LakeError
from data.analytics.upkeep import expire, merge
from data.backlog import LONG_TRANSACTION_SECONDS, TAIL_LIMIT_LINES, Backlog, Standing
from data.clock_watch import ClockWatch
from data.clocks import SystemClock
from data.disk import free_bytes
from data.importers.ledger import stop_stale_imports
from data.installation import Installation
from data.lease import DirectWrites, Fenced, Lease, LeaseLostError
from data.ledger.closing import close_due
from data.ledger.expiry import expire_due
from data.ledger.sweeping import Swept, sweep
from data.ledger.telling import tell_limits_reached
from data.nightly import ProofState, is_due, last_proof, prove_and_mend
from data.notices.watching import Measured, is_anything_new, watch
from data.outage import UnavailableError, is_outage, say
from data.outgoing import Outgoing
from data.payments.carrying import Recharger
from data.tables import usage_lines

LEASE = "scheduler"
DEMO_SECONDS = 20
WATCH_SECONDS = 30
EXPIRY_SECONDS = 60
RECHARGE_SECONDS = 2  # a top-up that is due is begun by then
TELL_SECONDS = 1  # a call that reaches its last second is told of by then
ALERT_SECONDS = 60  # what no charge brings to light
SWEEP_SECONDS = 10  # a boundary of a day is noticed by then, whether or not anybody asks
CLOSING_SECONDS = 2 * 60
PROOF_SECONDS = 10 * 60  # between two looks whether the night's proof is due
MERGE_SECONDS = 15 * 60
CLEAN_SECONDS = 60 * 60
MEND_AGAIN_SECONDS = 60 * 60
WARN_AGAIN_SECONDS = 10 * 60
CLOCK_SLACK_SECONDS = 5
AT_ONCE = "close_periods"  # what became due while nothing ran
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class JobRecord:
    """How often a job ran and failed. ``done_at``: when it last went well, or was set up.

    Seconds of the clock that never steps back.
    """

    done_at: float
    runs: int = 0
    failures: int = 0


class _StoppedError(Exception):
    """The server stops: what the job has done so far is whole."""


class Jobs:
    """What runs beside the requests: analytics catch up and stay tidy, credit expires on time."""

    def __init__(
        self, installation: Installation, *, is_demo: bool, writing: Writing | None = None
    ) -> None:
        self._installation = installation
        self._is_demo = is_demo
        self.records: dict[str, JobRecord] = {}
        self.backlog = Backlog(installation.database, lambda: installation.lake)
        self.clock_watch = ClockWatch(installation.clock)
        self._intervals: dict[str, timedelta] = {}
        self._stopping = threading.Event()
        self._warned_at: dict[str, float] = {}
        self._mended_at: float | None = None  # of the clock that never steps back
        on_postgresql = installation.database.dialect == "postgresql"
        self.lease = Lease(
            installation.database,
            DirectWrites(installation.database) if on_postgresql else installation.writer,
            LEASE, on_taken=self._begin_leading, on_lost=self._end_leading,
            on_kept=self._follow_clock,
        )  # fmt: skip
        self._writer = Fenced(self.lease, installation.writer)
        self._alert_books = AlertBooks()
        self._outgoing = Outgoing(installation, self._writer, writing)
        self._scheduler = BackgroundScheduler(
            job_defaults={"max_instances": 1, "coalesce": True, "misfire_grace_time": None},
            timezone="UTC",
        )
        logging.getLogger("apscheduler").setLevel(logging.WARNING)
        self._every(installation.settings.sync_seconds, "sync", self._sync)
        self._every(MERGE_SECONDS, "merge", lambda: merge(installation.lake, go_on=self._go_on))
        self._every(CLEAN_SECONDS, "clean", self._clean)
        self._every(EXPIRY_SECONDS, "expire_credit", self._expire_credit)
        self._every(SWEEP_SECONDS, "sweep_limits", self._sweep_limits)
        self._every(ALERT_SECONDS, "sweep_alerts", self._sweep_alerts)
        self._every(TELL_SECONDS, "tell_webhooks", self._tell)
        self._every(RECHARGE_SECONDS, "recharge", self._recharge)
        self._every(CLOSING_SECONDS, AT_ONCE, self._close_periods)
        self._every(PROOF_SECONDS, "nightly_proof", self._prove)
        self._every(WATCH_SECONDS, "watch", self._watch)
        if is_demo:
            self._every(DEMO_SECONDS, "demo", self._live_demo)

    # --- life ------------------------------------------------------------------------------
    def start(self) -> None:
        """Begins to lead, or to wait for it. The first run of a job comes after its interval.

        Only periods that became due while nothing ran are closed at once.
        """
        self._scheduler.start(paused=True)
        self.lease.start()

    def stop(self) -> None:
        """Ends, waiting for what is running, and lets another process lead at once."""
        self._stopping.set()
        self._outgoing.close()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)
        self.lease.stop()

    # --- how it goes -----------------------------------------------------------------------
    @property
    def is_running(self) -> bool:
        """Whether jobs are being started, here or in another process."""
        return bool(self._scheduler.running) and self.lease.is_alive and self.lease.has_leader

    @property
    def sync_age_seconds(self) -> float:
        """How long ago analytics last had everything; since the start, before the first time.

        In a process that doesn't lead: for how long it has seen lines wait.
        """
        if self.lease.is_held:
            return time.monotonic() - self.records["sync"].done_at
        return self.backlog.still_seconds

    def standing(self) -> Standing:
        """What analytics haven't taken in."""
        return self.backlog.standing()

    def last_proof(self) -> ProofState | None:
        """What the last nightly proof found, whichever process made it."""
        with self._installation.database.read() as connection:
            return last_proof(connection)

    def is_clock_odd(self) -> bool:
        """Whether the clock was stepped of late, or shows what the ledger has behind it."""
        newest = select(usage_lines.c.stored_at).order_by(usage_lines.c.seq.desc()).limit(1)
        with self._installation.database.read() as connection:
            stored_at = connection.scalar(newest)
        return self.clock_watch.is_odd(stored_at)

    # --- leading ---------------------------------------------------------------------------
    def _begin_leading(self) -> None:
        now = SystemClock().now()
        self.records["sync"].done_at = time.monotonic()
        for name, interval in self._intervals.items():
            first = now if name == AT_ONCE else now + interval
            self._scheduler.modify_job(name, next_run_time=first)
        self._scheduler.resume()

    def _end_leading(self) -> None:
        self._scheduler.pause()

    def _follow_clock(self) -> None:
        """Jobs are set for an hour of the day: a clock put back must not keep them waiting."""
        now = SystemClock().now()
        slack = timedelta(seconds=CLOCK_SLACK_SECONDS)
        for job in self._scheduler.get_jobs():
            if job.next_run_time and job.next_run_time > now + self._intervals[job.id] + slack:
                _log.warning("the clock was put back: job %s is set anew", job.id)
                job.modify(next_run_time=now)

    def _may_go_on(self) -> bool:
        return not self._stopping.is_set() and self.lease.is_held

    def _go_on(self) -> None:
        """Between the steps of a job: raises when it must not go on here."""
        if self._stopping.is_set():
            raise _StoppedError
        if not self.lease.is_held:
            raise LeaseLostError(LEASE)

    def _every(self, seconds: int, name: str, work: Callable[[], object]) -> None:
        record = self.records[name] = JobRecord(time.monotonic())
        self._intervals[name] = timedelta(seconds=seconds)

        def run() -> None:
            if self._stopping.is_set() or not self.lease.is_held:
                return
            record.runs += 1
            try:
                work()
            except (_StoppedError, LeaseLostError):
                _log.info("job %s ended early: it goes on where it may", name)
                return
            except Exception as error:
                record.failures += 1
                if is_outage(error) or isinstance(error, LakeError | LakeConflictError):
                    say(f"job {name} is tried again", error)
                    return
                raise  # the scheduler logs it and goes on
            record.done_at = time.monotonic()

        self._scheduler.add_job(run, "interval", seconds=seconds, id=name, name=name)

    # --- jobs ------------------------------------------------------------------------------
    def _sync(self) -> None:
        from data.analytics.sync import sync  # with pyarrow: no start needs it

        installation, rows = self._installation, 0
        is_caught_up = False
        while not is_caught_up:
            self._go_on()
            result = sync(
                installation.database, installation.lake, clock=installation.clock,
                attempts=1,  # it comes again soon, and a stop must not wait for many
            )  # fmt: skip
            rows += result.rows
            is_caught_up = result.is_caught_up
        if rows:
            _log.debug("analytics took in %s rows", rows)

    def _clean(self) -> None:
        """Not by a clock that was put ahead: files of a moment ago would count as old."""
        if now := self.clock_watch.believable():
            expire(self._installation.lake, now)

    def _expire_credit(self) -> None:
        """A demo that is still loading lives in the past: its credit expires as it loads."""
        now = self.clock_watch.believable()
        if now is not None and (not self._is_demo or self._is_demo_loaded()):
            self._writer.write(lambda connection: expire_due(connection, now))

    def _sweep_limits(self) -> None:
        """By a clock that was put ahead too: a pause or a hold that ends too soon is no loss."""
        if not self._is_demo or self._is_demo_loaded():
            installation = self._installation
            swept = sweep(
                installation.database, self._writer, installation.clock.now(), self._go_on
            )
            if swept != Swept():
                _log.info("limits swept: %s", swept)

    def _sweep_alerts(self) -> None:
        """Not by a clock that was put ahead: what was told can't be taken back."""
        now = self.clock_watch.believable()
        if now is not None and (not self._is_demo or self._is_demo_loaded()):
            database = self._installation.database
            count = sweep_alerts(database, self._writer, now, self._alert_books, self._go_on)
            if count:
                _log.info("alerts swept: %s notices", count)

    def _tell(self) -> None:
        """Tells of calls at their limit, and begins with deliveries that are due."""
        installation = self._installation
        tell_limits_reached(installation.database, self._writer, installation.clock.now())
        self._outgoing.deliver(self._may_go_on)

    def _recharge(self) -> None:
        """Carries top-ups out; what the gateway remembers is its own, whoever leads."""
        if not self._is_demo or self._is_demo_loaded():
            installation = self._installation
            recharger = Recharger(
                installation.database, self._writer, installation.clock, installation.gateway
            )
            recharger.run(self._go_on)

    def _close_periods(self) -> None:
        """Closes billing periods that ended long enough ago.

        A demo's days that are missing come in first, so that they count where they belong. An
        import whose process is gone doesn't keep its account's periods open.
        """
        now = self.clock_watch.believable()
        if now is None:
            return
        installation, clock = self._installation, FixedClock(now)
        if self._is_demo:
            from data.demo import extend_demo

            if not self._is_demo_loaded():
                return
            extend_demo(installation.database, clock, installation.pseudonyms)
        else:
            settings = installation.settings
            stop_stale_imports(installation.database, settings.data_dir, now)
        closed = close_due(
            installation.database, self._writer, clock,
            timedelta(hours=installation.settings.close_after_hours),
        )  # fmt: skip
        if closed:
            _log.info("billing periods closed: %s", closed)

    def _prove(self) -> None:
        """The night's proof, if it is due; not of a demo that is still being filled."""
        if self._is_demo and not self._is_demo_loaded():
            return
        if is_due(self.last_proof(), self._installation.clock.now()) or self._is_to_mend():
            state = prove_and_mend(self._installation, self._writer, self._go_on)
            _log.info("nightly proof: %s months, %s differed", state.month_count,
                      len(state.differing))  # fmt: skip

    def _is_to_mend(self) -> bool:
        """Whether analytics can't be read at all, and weren't made again for that of late."""
        try:
            self._installation.lake.position()
        except UnavailableError:  # the catalog's server is away: the store is sound
            return False
        except LakeError:
            now, before = time.monotonic(), self._mended_at
            if before is None or now - before >= MEND_AGAIN_SECONDS:
                self._mended_at = now
                return True
        return False

    def _watch(self) -> None:
        """Says so in the log when analytics fall behind, now and again while they do.

        Admins are told of this and of other troubles once, and once when they are over.
        """
        standing = self.standing()
        self._warn(
            "tail", standing.is_long,
            f"{standing.lines:,} lines or more aren't in analytics, above {TAIL_LIMIT_LINES:,}: "
            "figures stay exact, but pages get slower",
        )  # fmt: skip
        self._warn(
            "transaction", standing.is_held_up,
            f"a transaction of the database has been open for {standing.transaction_seconds:.0f} "
            f"s, above {LONG_TRANSACTION_SECONDS:.0f}: analytics can't take in what came after it",
        )  # fmt: skip
        if self._is_demo and not self._is_demo_loaded():
            return
        installation = self._installation
        measured = Measured(
            free_bytes(installation.settings.data_dir), self.sync_age_seconds,
            installation.settings.sync_seconds, standing, self.last_proof(),
        )  # fmt: skip
        with installation.database.read() as connection:
            is_new = is_anything_new(connection, measured)
        if is_new:
            now = installation.clock.now()
            self._writer.write(lambda connection: watch(connection, measured, now))

    def _warn(self, name: str, is_wrong: bool, message: str) -> None:
        if not is_wrong:
            if self._warned_at.pop(name, None) is not None:
                _log.info("what was warned of is over: %s", name)
            return
        now = time.monotonic()
        if now - self._warned_at.get(name, float("-inf")) >= WARN_AGAIN_SECONDS:
            self._warned_at[name] = now
            _log.warning("%s", message)

    def _is_demo_loaded(self) -> bool:
        from data.demo import read_progress

        with self._installation.database.read() as connection:
            progress = read_progress(connection)
        return progress is not None and progress.is_done

    def _live_demo(self) -> None:
        """New usage of the demo's accounts since the last run, and some in the sandbox."""
        from data.demo import SANDBOX_ACCOUNT, extend_demo, sandbox_tick

        installation = self._installation

        def tick(connection: Connection) -> int:
            account = read_account(connection, SANDBOX_ACCOUNT)
            return sandbox_tick(connection, account, installation.pseudonyms, installation.clock)

        if self._is_demo_loaded():
            extend_demo(installation.database, installation.clock, installation.pseudonyms)
            self._writer.write(tick)
