"""The API against its own description: whatever is sent, answers are those that it describes.

Schemathesis makes up requests, right and wrong ones, for every call that the description has, and
checks each answer: no fault of the server, nothing undocumented, bodies and headers as described.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from api.v1.throttle import KeyThrottle
from tests.api_client import new_key
from tests.live import Live
from tests.test_api_v1_tenancy import api_of

PROGRAM = Path(sys.executable).parent / "schemathesis"
# Schemathesis expects every value that fits the schema to be accepted. What no schema can say and
# is refused with 422: that `from` comes before `to`, that a cursor is one that was handed out, that
# text is printable, that a subject is the key's account. Such an answer is still a documented one.
# A batch of events is answered 200 with what was rejected in it (or 204 when nothing was), so that
# an event that breaks the schema doesn't refuse the batch it came in.
CONFIGURATION = """
continue-on-failure = true
warnings = false

[generation]
deterministic = true

[checks]
positive_data_acceptance.expected-statuses = [
    "2xx", "3xx", "400", "401", "403", "404", "409", "413", "415", "422", "429",
]

[[operations]]
include-path = "/events"
checks.negative_data_rejection.expected-statuses = ["200", "204", "4xx"]
"""


@pytest.fixture(scope="module")
def live(live: Live) -> Live:
    # The limit on requests is tested elsewhere; here it would answer most of them.
    throttle = KeyThrottle(clock=lambda: time.monotonic() * 100_000)
    api_of(live).state.services.throttle = throttle
    return live


def run(live: Live, folder: Path, phases: str, examples: int) -> None:
    key, _ = new_key(
        live.installation, "acme", "events:write", "events:priced", "usage:read", "wallet:read",
        "wallet:write", "holds:write", "limits:write", "alerts:write",
    )  # fmt: skip
    settings = folder / "schemathesis.toml"
    settings.write_text(CONFIGURATION)
    done = subprocess.run(
        [str(PROGRAM), "--config-file", str(settings), "run", f"{live.url}/api/v1/openapi.json",
         "--header", f"Authorization: Bearer {key}", "--checks", "all", "--phases", phases,
         "--max-examples", str(examples), "--generation-database", "none", "--no-color"],
        capture_output=True, text=True, timeout=900, check=False, cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-15_000:] + done.stderr[-2_000:]


def test_made_up_requests_are_answered_as_described(live, tmp_path):
    run(live, tmp_path, "examples,fuzzing", 6)


@pytest.mark.long
def test_every_bound_of_every_parameter_is_answered_as_described(live, tmp_path):
    run(live, tmp_path, "examples,coverage,fuzzing,stateful", 60)


def test_the_description_is_whole(live):
    described = httpx.get(f"{live.url}/api/v1/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    assert described["servers"] == [{"url": "/api/v1"}]
    assert described["info"]["description"]
    assert described["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    operations = [
        (method, path, operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]
    names = [operation["operationId"] for _, _, operation in operations]
    assert len(set(names)) == len(names)
    for method, path, operation in operations:
        assert operation["summary"], path
        assert operation["description"], path
        assert operation["tags"], path
        assert operation["security"] == [{"HTTPBearer": []}], path
        assert {"401", "403", "404", "422", "429", "500", "503"} <= set(operation["responses"])
        assert ("304" in operation["responses"]) == (method == "get"), path
        if "requestBody" in operation:
            assert {"400", "413"} <= set(operation["responses"]), path
        for parameter in operation.get("parameters", ()):
            assert "null" not in json.dumps(parameter["schema"]), (path, parameter["name"])
            if parameter["in"] != "header":
                assert parameter.get("description"), (path, parameter["name"])
        for status, response in operation["responses"].items():
            assert response["description"], (path, status)
            if status >= "400":
                assert list(response["content"]) == ["application/problem+json"], (path, status)
