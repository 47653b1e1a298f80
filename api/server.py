"""The server: FastAPI in front, the Dash screens mounted last, one process, one port.

Everything that has to be undone is undone in the lifespan, in the order jobs, writer, analytics,
truth: code after ``uvicorn.run`` would never run on SIGTERM.
"""

from __future__ import annotations

import gc
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import uvicorn
from a2wsgi import WSGIMiddleware
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import text

from api.dash_app import build_dash
from api.web_auth import security_headers
from billing.usage import UsageReader
from data.installation import Installation
from data.jobs import Jobs

SCREEN_THREADS = 8
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

    @server.middleware("http")
    async def protect(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        """An id for every request, and the protecting headers on every answer."""
        request.state.request_id = secrets.token_hex(8)
        answer = await call_next(request)
        for name, value in security_headers().items():
            answer.headers.setdefault(name, value)
        answer.headers.setdefault("X-Request-ID", request.state.request_id)
        return answer

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

    @server.api_route("/api/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    def no_such_call(path: str) -> JSONResponse:
        """Unknown API addresses never fall through to the screens."""
        problem = {
            "type": "about:blank", "title": "Not found", "status": 404, "code": "not_found",
            "detail": f"There is no call /api/{path[:80]}.",
        }  # fmt: skip
        return JSONResponse(problem, 404, media_type="application/problem+json")

    server.mount("/", WSGIMiddleware(screens.server, workers=SCREEN_THREADS))  # type: ignore[arg-type]
    return server


def serve(application: FastAPI, host: str, port: int, log_level: str) -> None:
    """Serves until told to stop; open requests get a few seconds to end."""
    config = uvicorn.Config(
        application, host=host, port=port, log_level=log_level.lower(), access_log=False,
        timeout_graceful_shutdown=STOP_SECONDS,
        proxy_headers=False,  # else anyone could claim another address and slip the throttle
        server_header=False,
    )  # fmt: skip
    uvicorn.Server(config).run()


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
