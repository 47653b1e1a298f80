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


def pytest_sessionfinish() -> None:
    """A worker process of a test run ends without what is registered for an exit."""
    databases.stop_server()


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
