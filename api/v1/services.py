"""What the API's routes work with, found on the application of a request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from fastapi import Request

from api.metrics import Metrics
from api.v1.hold_kinds import HoldKinds
from api.v1.known import KnownCallers
from api.v1.throttle import KeyThrottle
from billing.usage import UsageReader
from data.installation import Installation


@dataclass
class Services:
    """One installation, its reader, how often each key has called, and what is counted."""

    installation: Installation
    reader: UsageReader
    throttle: KeyThrottle = field(default_factory=KeyThrottle)
    metrics: Metrics = field(default_factory=Metrics)
    known: KnownCallers = field(init=False)
    hold_kinds: HoldKinds = field(default_factory=HoldKinds)

    def __post_init__(self) -> None:
        self.known = KnownCallers(self.installation)


def services_of(request: Request) -> Services:
    """The services behind a request."""
    return cast(Services, request.app.state.services)
