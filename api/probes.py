"""What is asked by programs that watch the server: does it answer, is it ready, its figures.

``/healthz`` and ``/readyz`` are open and say next to nothing; ``/metrics`` opens with a key over
all accounts alone.
"""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from api.metrics import CONTENT_TYPE
from api.problems import problem, refusal
from api.readiness import Readiness
from api.v1.callers import open_key
from api.v1.services import Services
from billing.errors import ProductError

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="usage"'}


def install_probes(server: FastAPI, readiness: Readiness, services: Services) -> None:
    """Adds the three addresses."""

    @server.get("/healthz")
    def healthz() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @server.get("/readyz")
    def readyz() -> JSONResponse:
        """Whether requests should be sent here; each part with its state."""
        report = readiness.report()
        return JSONResponse(report.body, status_code=200 if report.is_ready else 503)

    @server.get("/metrics")
    def metrics(request: Request) -> Response:
        """Prometheus' figures."""
        return _figures(request, services)


def _figures(request: Request, services: Services) -> Response:
    """The figures as text; 401 without a key that has the scope support or admin."""
    kind, _, shown = request.headers.get("Authorization", "").partition(" ")
    try:
        key = open_key(services, shown.strip() if kind.lower() == "bearer" else None)
    except ProductError as error:
        return refusal(request, error)
    if not key.is_over_all:
        detail = "This needs a key over all accounts, with the scope support or admin."
        return problem(request, 401, "scope_lacks", detail, headers=CHALLENGE)
    return Response(services.metrics.text(), media_type=CONTENT_TYPE)
