"""What every test shares: how hypothesis searches, and a running server for those who ask."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from data.proof.verify import verify
from tests import databases
from tests.api_client import ApiClient
from tests.live import Live, LiveServer

# "ci" tries the same examples in every run, so a red test is red for everyone. "explore" looks for
# new ones: HYPOTHESIS_PROFILE=explore make test.
settings.register_profile(
    "ci",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=100,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("explore", deadline=None, max_examples=1000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


# They wait for servers, kills and clocks: begun first, none of them is alone at the end of a run
# on two processes (which takes files in this order with --no-loadscope-reorder).
LONGEST = (
    "test_data_sync", "test_data_backup_postgresql", "test_api_faults_postgresql",
    "test_data_lease", "test_data_booking_live", "test_data_lake_postgresql",
    "test_api_faults_analytics", "test_data_lake_outages", "test_api_v1_ingest_crash",
    "test_real_logs", "test_data_backup", "test_data_roles", "test_data_newer", "test_data_storm",
    "test_app_commands", "test_api_faults_clock", "test_data_nightly", "test_data_demo_loading",
    "test_data_closing", "test_data_verify", "test_api_workers", "test_api_stop",
    "test_data_import_export", "test_data_readings", "test_data_jobs", "test_data_backup_live",
    "test_data_reader", "test_api_v1_holds_race",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the longest files first; within a file the order stays."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


def pytest_sessionfinish() -> None:
    """A worker process of a test run ends without what is registered for an exit."""
    databases.end_of_run()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """One a module, not started: a module that needs more in it overrides this and fills it."""
    server = LiveServer(tmp_path_factory.mktemp("live"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def live(server: LiveServer) -> Iterator[Live]:
    """The server, running; whatever the tests did, its ledger still proves itself afterwards."""
    live = server.start()
    yield live
    report = verify(live.installation.database, live.installation.lake)
    assert report.passed, [check for check in report.checks if not check.passed]


@pytest.fixture(scope="module")
def acme(live: Live) -> Iterator[ApiClient]:
    """A program of acme's: it may send events and read everything."""
    client = ApiClient(live, "acme")
    yield client
    client.close()
