"""The server: FastAPI in front, the Dash screens mounted last, one process, one port.

Everything that has to be undone is undone in the lifespan, in the order jobs, writer, analytics,
truth: code after ``uvicorn.run`` would never run on SIGTERM.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from sqlalchemy import text

from api.dash_app import build_dash
from api.problems import problem
from api.protection import Protection
from api.screens import Screens
from api.v1.application import build_api
from api.web_auth import security_headers
from billing.errors import shorten
from billing.usage import UsageReader
from data.installation import Installation
from data.jobs import Jobs

STOP_SECONDS = 5
_log = logging.getLogger(__name__)


def build_server(
    installation: Installation,
    *,
    is_demo: bool = False,
    demo_people: Sequence[object] = (),
    reader: UsageReader | None = None,
    on_stop: Callable[[], object] | None = None,
) -> FastAPI:
    """The ASGI application on one installation; it owns the installation from then on."""
    screens = build_dash(installation, is_demo=is_demo, demo_people=demo_people, reader=reader)
    jobs = Jobs(installation, is_demo=is_demo)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        installation.lake.position()  # opens analytics before the first visitor waits for it
        jobs.start()
        gc.collect()
        gc.freeze()  # what is loaded by now stays: collections needn't walk it again
        yield
        if on_stop:
            on_stop()
        jobs.stop()
        installation.close()

    server = FastAPI(
        title="Usage Dashboard", lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None
    )
    server.add_middleware(Protection)

    @server.exception_handler(Exception)
    async def failed(request: Request, _: Exception) -> JSONResponse:
        """An answer outside every middleware; the server logs the fault itself."""
        identity = getattr(request.state, "request_id", "")
        headers = {**security_headers(), "X-Request-ID": identity}
        return problem(request, 500, "internal", headers=headers)

    @server.get("/healthz")
    def healthz() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @server.get("/readyz")
    def readyz() -> JSONResponse:
        """Truth and analytics answer; names the one that doesn't."""
        failed = [name for name, check in _checks(installation).items() if not _passes(check)]
        return JSONResponse(
            {"status": "failed" if failed else "ok", "failed": failed},
            status_code=503 if failed else 200,
        )

    server.mount("/api/v1", build_api(installation, reader))

    @server.api_route("/api/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    def no_such_call(request: Request, path: str) -> JSONResponse:
        """Unknown API addresses never fall through to the screens."""
        return problem(request, 404, "not_found", f"There is no call /api/{shorten(path)}.")

    server.mount("/", Screens(screens.server))
    return server


def serve(application: FastAPI, host: str, port: int, log_level: str) -> None:
    """Serves until told to stop; open requests get a few seconds to end."""
    uvicorn.Server(server_config(application, host, port, log_level)).run()


def server_config(application: FastAPI, host: str, port: int, log_level: str) -> uvicorn.Config:
    """How the server runs, in tests too."""
    return uvicorn.Config(
        application, host=host, port=port, log_level=log_level.lower(), access_log=False,
        timeout_graceful_shutdown=STOP_SECONDS,
        proxy_headers=False,  # else anyone could claim another address and slip the throttle
        server_header=False,
        http="h11",  # bounds the head of a request; the faster parser takes any amount of it
    )  # fmt: skip


def _checks(installation: Installation) -> dict[str, Callable[[], object]]:
    def truth() -> object:
        with installation.database.read() as connection:
            return connection.execute(text("SELECT 1")).scalar()

    return {"ledger": truth, "analytics": installation.lake.position}


def _passes(check: Callable[[], object]) -> bool:
    try:
        check()
    except Exception:  # readiness reports what is down and goes on
        _log.exception("readiness check failed")
        return False
    return True
