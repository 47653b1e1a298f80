"""Figures for whoever watches the server, as Prometheus reads them.

One registry an application. Labels are taken from short lists (route templates, event types,
refusal codes), never from what a request says; no account, name or amount is in them.
"""

from __future__ import annotations

import logging
import platform
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import CollectorRegistry, Counter, Histogram, Info, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from data.backlog import MOST_COUNTED_LINES
from data.installation import Installation
from data.jobs import Jobs
from data.ledger.posting import Outcome
from data.writer import Commit

PACKAGE = "usage-dashboard"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
COMMIT_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
COMMIT_ROWS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000)
UNREAD = "unread"  # the type of an event that could not be read
_log = logging.getLogger(__name__)


class Metrics:
    """What is counted in one application; ``text`` is what a scrape gets."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.count_streams: Callable[[], int] | None = None  # set by whoever owns the streams
        ProcessCollector(registry=self.registry)
        Info("usage_build", "What runs here.", registry=self.registry).info(
            {"version": _version(), "python": platform.python_version()}
        )
        self._requests = Counter(
            "usage_http_requests", "Requests answered.", ("method", "route", "status"),
            registry=self.registry,
        )  # fmt: skip
        self._request_seconds = Histogram(
            "usage_http_request_seconds", "Time to a whole answer, streams left out.",
            ("method", "route"), buckets=REQUEST_SECONDS, registry=self.registry,
        )  # fmt: skip
        self._events = Counter(
            "usage_events", "Live events by what became of them; reason is a refusal's code.",
            ("outcome", "type", "reason"), registry=self.registry,
        )  # fmt: skip
        self._lines = Counter(
            "usage_lines_written", "Usage lines made of live events.", registry=self.registry
        )
        self._commit_seconds = Histogram(
            "usage_commit_seconds", "Length of a write transaction.", buckets=COMMIT_SECONDS,
            registry=self.registry,
        )  # fmt: skip
        self._commit_rows = Histogram(
            "usage_commit_rows", "Events and decisions in one write transaction.",
            buckets=COMMIT_ROWS, registry=self.registry,
        )  # fmt: skip
        self._failed_commits = Counter(
            "usage_commits_failed", "Write transactions that were not kept.",
            registry=self.registry,
        )  # fmt: skip

    def count_request(self, method: str, route: str, status: int, seconds: float | None) -> None:
        """One request; ``seconds`` none for a stream, whose length says nothing."""
        self._requests.labels(method, route, f"{status // 100}xx").inc()
        if seconds is not None:
            self._request_seconds.labels(method, route).observe(seconds)

    def count_events(self, types: Sequence[str | None], outcomes: Sequence[Outcome]) -> None:
        """What became of live events, once it is certain; a type is none where none was read."""
        found = Tally(
            (outcome.status, event_type or UNREAD, outcome.error.code if outcome.error else "")
            for event_type, outcome in zip(types, outcomes, strict=True)
        )
        for labels, count in found.items():
            self._events.labels(*labels).inc(count)
        self._lines.inc(sum(outcome.line_count for outcome in outcomes))

    def count_commit(self, commit: Commit) -> None:
        """One write transaction."""
        if not commit.is_kept:
            self._failed_commits.inc()
            return
        self._commit_seconds.observe(commit.seconds)
        self._commit_rows.observe(commit.rows + commit.decisions)

    def watch(self, installation: Installation, jobs: Jobs) -> None:
        """From now on also what the parts of an installation know of themselves."""
        installation.writer.watch(self.count_commit)
        self.registry.register(_Parts(self, installation, jobs))

    def text(self) -> bytes:
        """Everything, in Prometheus' text format."""
        return generate_latest(self.registry)


class _Parts(Collector):
    """Reads queue, analytics, streams and jobs when asked; a part that fails is left out."""

    def __init__(self, metrics: Metrics, installation: Installation, jobs: Jobs) -> None:
        self._metrics = metrics
        self._installation = installation
        self._jobs = jobs

    def describe(self) -> Iterable[Metric]:
        """Nothing is read when it is registered."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The figures of this moment."""
        for part in (self._queue, self._sync, self._leading, self._streams, self._job_runs):
            try:
                yield from part()
            except Exception:  # the other figures are what one looks at now
                _log.exception("figures could not be read for /metrics")

    def _queue(self) -> list[Metric]:
        waiting = GaugeMetricFamily(
            "usage_writer_waiting", "What waits to be written.", labels=("lane",)
        )
        decisions, rows = self._installation.writer.waiting
        waiting.add_metric(("decisions",), decisions)
        waiting.add_metric(("bulk_rows",), rows)
        return [waiting]

    def _sync(self) -> list[Metric]:
        age = GaugeMetricFamily(
            "usage_sync_age_seconds", "Since analytics last had everything.",
            value=self._jobs.sync_age_seconds,
        )  # fmt: skip
        standing = self._jobs.standing()
        lag = GaugeMetricFamily(
            "usage_sync_lag_lines",
            f"Lines of the ledger that analytics lack, counted up to {MOST_COUNTED_LINES}.",
            value=standing.lines,
        )
        oldest = GaugeMetricFamily(
            "usage_oldest_transaction_seconds",
            "For how long a transaction that keeps analytics waiting is open (PostgreSQL).",
            value=standing.transaction_seconds,
        )
        return [age, lag, oldest]

    def _leading(self) -> list[Metric]:
        leads = GaugeMetricFamily(
            "usage_scheduler_leads", "1 in the process that runs the jobs, 0 in the others.",
            value=float(self._jobs.lease.is_held),
        )  # fmt: skip
        proof = self._jobs.last_proof()
        differing = GaugeMetricFamily(
            "usage_proof_differing_months", "Months that the last nightly proof found to differ.",
            value=len(proof.differing) if proof else 0,
        )  # fmt: skip
        return [leads, differing]

    def _streams(self) -> list[Metric]:
        count = self._metrics.count_streams
        if count is None:
            return []
        return [GaugeMetricFamily("usage_streams_open", "Streams being listened to.", count())]

    def _job_runs(self) -> list[Metric]:
        runs = CounterMetricFamily("usage_job_runs", "Background jobs begun.", labels=("job",))
        failures = CounterMetricFamily(
            "usage_job_failures", "Background jobs that failed.", labels=("job",)
        )
        for name, record in self._jobs.records.items():
            runs.add_metric((name,), record.runs)
            failures.add_metric((name,), record.failures)
        return [runs, failures]


def _version() -> str:
    try:
        return version(PACKAGE)
    except PackageNotFoundError:  # run from a checkout that was not installed
        return "unknown"
