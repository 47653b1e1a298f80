"""What the API's routes work with, found on the application of a request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from fastapi import Request

from api.v1.throttle import KeyThrottle
from billing.usage import UsageReader
from data.installation import Installation


@dataclass
class Services:
    """One installation, its reader, and how often each key has called."""

    installation: Installation
    reader: UsageReader
    throttle: KeyThrottle = field(default_factory=KeyThrottle)


def services_of(request: Request) -> Services:
    """The services behind a request."""
    return cast(Services, request.app.state.services)
