"""The server: FastAPI in front, the Dash screens mounted last, one process, one port.

Everything that has to be undone is undone in the lifespan, in the order streams, jobs, writer,
analytics, truth: a server may be ended before anything after ``run`` is reached.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import signal
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from types import FrameType

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from api.dash_app import build_dash
from api.hub import Hub
from api.kept_files import KeptFiles
from api.listening import cannot_listen
from api.probes import install_probes
from api.problems import no_answer, problem, unavailable
from api.protection import protect
from api.readiness import Readiness
from api.screens import Screens, compressed
from api.stream import install_stream
from api.v1 import docs
from api.v1.application import build_api
from api.v1.event_shapes import cloud_event
from api.web_auth import security_headers
from billing.accounts import Account
from billing.errors import shorten
from billing.notices import Envelope, Notice, NoticeWords, Writing
from billing.usage import UsageReader
from data.installation import Installation
from data.jobs import Jobs

STOP_SECONDS = 5  # for open requests
UNFINISHED_SECONDS = 1.0  # for a client to send the rest of a request, or to read on
WARM_AFTER_SECONDS = 0.3
# What writes a chart; what syncs; what DuckDB looks at before it takes the first parameter.
WARM_MODULES = ("plotly.io.json", "data.analytics.sync", "pandas")


def build_server(
    installation: Installation,
    *,
    is_demo: bool = False,
    demo_people: Sequence[object] = (),
    reader: UsageReader | None = None,
    on_stop: Callable[[], object] | None = None,
    words: Callable[[Notice, Account | None], NoticeWords] | None = None,
) -> FastAPI:
    """The ASGI application on one installation; it owns the installation from then on.

    ``words``: how notices read; without it no e-mail and no SMS is sent.
    """
    screens = build_dash(installation, is_demo=is_demo, demo_people=demo_people, reader=reader)
    writing = Writing(words, _mail, _sms) if words else None
    jobs = Jobs(installation, is_demo=is_demo, writing=writing)
    api = build_api(installation, reader)
    metrics = api.state.services.metrics
    metrics.watch(installation, jobs)
    readiness = Readiness(installation, jobs)
    hub = Hub(installation)
    metrics.count_streams = lambda: hub.stream_count

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        installation.lake.position()  # opens analytics before the first visitor waits for it
        jobs.start()
        await hub.start()
        warming = asyncio.create_task(_warm_up())
        yield
        warming.cancel()
        with suppress(asyncio.CancelledError):
            await warming
        readiness.is_stopping = True
        if on_stop:
            on_stop()
        await hub.stop()
        jobs.stop()
        installation.close()

    server = FastAPI(
        title="Usage Dashboard", lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None
    )
    server.state.readiness = readiness
    server.state.hub = hub
    server.state.screens = screens
    protect(server, screens.server, installation.settings, metrics)

    _answer_failures(server)
    install_probes(server, readiness, api.state.services)
    install_stream(server, hub, api.state.services, screens.server)

    server.add_api_route(docs.PATH, docs.api_docs)
    server.mount("/api/v1", api)

    @server.api_route("/api/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    def no_such_call(request: Request, path: str) -> JSONResponse:
        """Unknown API addresses never fall through to the screens."""
        return problem(request, 404, "not_found", f"There is no call /api/{shorten(path)}.")

    server.mount("/", KeptFiles(compressed(Screens(screens.server))))
    return server


def _answer_failures(server: FastAPI) -> None:
    """What is answered when no answer could be made."""

    @server.exception_handler(Exception)
    async def failed(request: Request, _: Exception) -> JSONResponse:
        """An answer outside every middleware; the server logs the fault itself."""
        identity = getattr(request.state, "request_id", "")
        headers = {**security_headers(), "X-Request-ID": identity}
        return problem(request, 500, "internal", headers=headers)

    server.add_exception_handler(SQLAlchemyError, unavailable)

    @server.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        """An address that no route can even match, such as one with a line break."""
        return no_answer(request, error)


def _mail(words: NoticeWords, envelope: Envelope) -> bytes:
    from exports.mail import compose  # no start needs it

    return compose(words, envelope)


def _sms(words: NoticeWords, account_name: str) -> str:
    from exports.sms import sms_text

    return sms_text(words, account_name)


async def _warm_up() -> None:
    """Loads, once the server answers, what a start goes without and the first visitor needs.

    A thread that imports takes the interpreter from whoever is to be answered: it begins after
    those who waited for the start.
    """
    await asyncio.sleep(WARM_AFTER_SECONDS)
    await asyncio.to_thread(_load)


def _load() -> None:
    for name in WARM_MODULES:
        importlib.import_module(name)
    cloud_event.rebuild(raise_errors=True)
    gc.collect()
    gc.freeze()  # what is loaded by now stays: collections needn't walk it again


def serve(application: FastAPI, sockets: list[socket.socket], log_level: str) -> None:
    """Serves until told to stop; open requests get a few seconds to end.

    ``sockets``: bound, as from ``listen_at``. Errors: ``InputError`` when another server began to
    listen on one of them in the meantime.
    """
    host, port = sockets[0].getsockname()[:2]
    config = server_config(application, host, port, log_level)
    try:
        for each in sockets:  # here: the event loop would keep a failure to itself
            each.listen(config.backlog)
    except OSError as error:
        raise cannot_listen(error, host, port) from None
    server = StoppingServer(config)

    def told_to_stop(sig: int, _: FrameType | None) -> None:
        """The signal again, once everything has been undone: then it is no failure."""
        if not server.should_exit:
            raise SystemExit(128 + sig)

    for sig in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sig, told_to_stop)
    server.run(sockets)


class StoppingServer(uvicorn.Server):
    """From the moment it is told to stop it isn't ready any more, and its streams end.

    A stream never ends by itself: left open, it would hold up the stop until its time is over.
    """

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal to stop."""
        self._end_streams()
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Lets go whoever neither sends nor reads, so that nobody can hold up a stop."""
        self._end_streams()
        letting_go = asyncio.create_task(self._let_go())
        try:
            await super().shutdown(sockets)
        finally:
            letting_go.cancel()

    async def _let_go(self) -> None:
        await asyncio.sleep(UNFINISHED_SECONDS)
        for connection in list(self.server_state.connections):
            exchange = getattr(connection, "cycle", None)
            is_half_sent = getattr(exchange, "more_body", False)
            flow = getattr(connection, "flow", None)
            if is_half_sent or getattr(flow, "write_paused", False):
                connection.transport.abort()

    def _end_streams(self) -> None:
        state = self.config.app.state  # type: ignore[union-attr]
        state.readiness.is_stopping = True
        state.hub.close()


def server_config(application: FastAPI, host: str, port: int, log_level: str) -> uvicorn.Config:
    """How the server runs, in tests too."""
    return uvicorn.Config(
        application, host=host, port=port, log_level=log_level.lower(), access_log=False,
        timeout_graceful_shutdown=STOP_SECONDS,
        proxy_headers=False,  # else anyone could claim another address and slip the throttle
        server_header=False,
        log_config=None,  # its lines go the way of all others
        http="h11",  # bounds the head of a request; the faster parser takes any amount of it
    )  # fmt: skip
