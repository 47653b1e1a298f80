"""Sign-in and protection of the screens: gate, forms, headers, error pages, choice of account.

Everything is closed unless it is listed as open. Must not know what the screens show.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urlencode

import flask
from flask import Blueprint, Flask, Response, g, redirect, request
from flask_wtf.csrf import CSRFError, CSRFProtect, generate_csrf
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.wrappers import Response as AnyResponse

from api.problems import told
from billing.access import AccountScope, Viewer
from billing.accounts import Account
from billing.errors import NotAllowedError, ProductError
from data.access import audit, sessions
from data.access.people import Passwords
from data.access.sessions import SESSION_COOKIE, SignInError
from data.access.throttle import CrowdedError, ThrottledError
from data.logs import note
from data.outage import refusal_of

LARGEST_BODY_BYTES = 1_000_000
LONGEST_NEXT = 2_000
CSRF_COOKIE = "_csrf_token"  # dash-renderer sends its value back as X-CSRFToken
FORM_COOKIE = "usage_form"  # holds what the CSRF token is compared with, and nothing else

HOME, SIGN_IN, SIGN_OUT, ASSETS = "/", "/sign-in", "/sign-out", "/assets/"
OPEN_ENDPOINTS = {
    "auth._sign_in_page", "auth._submit_sign_in", "auth._sign_out", "healthz", "mutes._look",
    "mutes._change",
}  # fmt: skip
ASKED_BY_PROGRAMS = ("/_", "/api/", "/export/", "/stream")  # told 401, not sent to sign in
LIBRARIES = "/_dash-component-suites/"  # Dash's: the same for everybody, and public
MAY_BE_CACHED = (ASSETS, LIBRARIES)

STATUS_BY_CODE = {
    "signed_out": 401, "sign_in_failed": 401, "not_allowed": 403, "plan_lacks": 403,
    "not_found": 404, "throttled": 429, "busy": 503, "unavailable": 503,
    "analytics_unusable": 503,
}  # fmt: skip
SIGNED_OUT = "Your session has ended: sign in again."
OUT_OF_REACH = (
    "The ledger can’t be reached at the moment. Nothing that was recorded is lost, and nothing you "
    "sent was changed. This page comes back by itself."
)
REFRESH_SECONDS = 5
STALE_FORM = "This page was open for too long, or your browser refuses cookies. Try again."
POLICY = (  # the grid brings inline styles; nothing needs unsafe-eval
    "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'; script-src {scripts}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; "
    "worker-src 'self' blob:; manifest-src 'self'"
)

log = logging.getLogger(__name__)
blueprint = Blueprint("auth", __name__, template_folder="templates")


@dataclass(frozen=True)
class _Auth:
    installation: sessions.Opened
    dash_app: Any
    passwords: Passwords
    shown: dict[str, object]  # what every page outside Dash is drawn with
    lock: threading.Lock = field(default_factory=threading.Lock)


def install_auth(
    flask_app: Flask,
    dash_app: Any,
    installation: sessions.Opened,
    *,
    is_demo: bool,
    stylesheets: Sequence[str],
    scripts: Sequence[str] = (),
    demo_people: Sequence[object] = (),
    passwords: Passwords | None = None,
) -> None:
    """Closes a Flask app that a Dash app was built on, and gives it sign-in and sign-out.

    ``dash_app``: anything with ``csp_hashes()``. ``stylesheets``, ``scripts``: same-site addresses
    for the pages outside Dash; the first script is the theme. ``demo_people`` (``email``,
    ``blurb``): shown with the demo's one password on the sign-in page of a demo, else never.
    """
    passwords = passwords or Passwords()
    passwords.matches(None, "")  # so that the first unknown e-mail takes no longer than the rest
    shown: dict[str, object] = {"stylesheets": stylesheets, "scripts": scripts}
    if is_demo:
        from data.demo.people import DEMO_PASSWORD

        shown |= {"demo_people": demo_people, "demo_password": DEMO_PASSWORD}
    flask_app.extensions["usage_auth"] = _Auth(installation, dash_app, passwords, shown)
    flask_app.config.update(
        SECRET_KEY=installation.pseudonyms.token("flask forms"),
        SESSION_COOKIE_NAME=FORM_COOKIE,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=installation.settings.cookie_secure,
        MAX_CONTENT_LENGTH=LARGEST_BODY_BYTES,
        WTF_CSRF_TIME_LIMIT=None,  # a page may stay open as long as its session lasts
    )
    flask_app.register_blueprint(blueprint)  # first, so that the gate answers before CSRF does
    CSRFProtect(flask_app)


def current_viewer() -> Viewer:
    """The person who asks; ``NotAllowedError`` when nobody is signed in."""
    found = _viewer()
    if found is None:
        raise NotAllowedError(SIGNED_OUT, code="signed_out")
    return found


def current_scope() -> AccountScope:
    """The account this request is about: from the session alone, never from what was sent.

    Errors: ``NotAllowedError`` when nobody is signed in or no account is open to them.
    """
    if "account_scope" not in g:
        seen_by = current_viewer()
        if seen_by.sees_all_accounts:  # thousands, of which most requests need one
            with _auth().installation.database.read() as connection:
                g.account_scope = sessions.scope_of(connection, seen_by)
        else:
            g.account_scope = sessions.scope_among(seen_by, current_accounts())
        note(account=g.account_scope.account_id)
    return cast("AccountScope", g.account_scope)


def current_accounts() -> Sequence[Account]:
    """Every account open to the person who asks, by name; read once a request."""
    if "open_accounts" not in g:
        seen_by = current_viewer()
        with _auth().installation.database.read() as connection:
            g.open_accounts = sessions.accounts_of(connection, seen_by)
    return cast("Sequence[Account]", g.open_accounts)


def request_id() -> str:
    """This request's id: the one the server around Flask gave it, else a new one."""
    if "request_id" not in g:
        state = request.environ.get("asgi.scope", {}).get("state") or {}
        g.request_id = state.get("request_id") or secrets.token_hex(8)
    return str(g.request_id)


def safe_next(target: str | None) -> str:
    """A path of this site to go on to; anything a browser might take elsewhere becomes ``/``."""
    if not target or len(target) > LONGEST_NEXT or not target.isprintable():
        return HOME
    if not target.startswith("/") or target.startswith("//") or "\\" in target:
        return HOME
    return HOME if target.split("?")[0] in {SIGN_IN, SIGN_OUT} else target


def plain_page(template: str, status: int = 200, **values: object) -> Response:
    """A page outside Dash, as the sign-in is one. ``template``: of ``api/templates``."""
    return _page(template, status, **values)


def security_headers(script_hashes: Sequence[str] = ()) -> dict[str, str]:
    """What every response carries, the API's too. The hashes: of Dash's own inline scripts."""
    scripts = " ".join(["'self'", *dict.fromkeys(script_hashes)])
    return {
        "Content-Security-Policy": POLICY.format(scripts=scripts),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    }


@blueprint.before_app_request
def _gate() -> AnyResponse | None:
    """Refuses whoever isn't signed in, and what is too large, before anything reads it."""
    if (request.content_length or 0) > LARGEST_BODY_BYTES:
        raise RequestEntityTooLarge
    endpoint = request.endpoint or ""  # not the path: Dash answers every path with its index
    is_asset = request.path.startswith(ASSETS) and endpoint.endswith(".static")
    is_asset = is_asset or endpoint.startswith(LIBRARIES)
    if endpoint in OPEN_ENDPOINTS or is_asset or _viewer() is not None:
        return None
    if request.path.startswith(ASKED_BY_PROGRAMS) or request.method not in {"GET", "HEAD"}:
        return _refuse(401, "signed_out", SIGNED_OUT)
    wanted = safe_next(request.full_path.removesuffix("?"))
    return redirect(SIGN_IN if wanted == HOME else f"{SIGN_IN}?{urlencode({'next': wanted})}")


@blueprint.get(SIGN_IN)
def _sign_in_page() -> AnyResponse:
    if _viewer() is not None:
        return redirect(safe_next(request.args.get("next")), 303)
    return _sign_in_form()


@blueprint.post(SIGN_IN)
def _submit_sign_in() -> AnyResponse:
    auth, form = _auth(), request.form
    email, password, address = form.get("email", ""), form.get("password", ""), request.remote_addr
    old = request.cookies.get(SESSION_COOKIE)
    try:
        token = sessions.sign_in(
            auth.installation, auth.passwords, email, password, address, old_token=old
        )
    except (SignInError, ThrottledError, CrowdedError) as error:
        log.warning("sign-in refused (%s) from %s", error.code, address)
        refused = _sign_in_form(error.message, STATUS_BY_CODE[error.code])
        if not isinstance(error, SignInError):
            refused.headers["Retry-After"] = str(error.retry_after_seconds)
        return refused
    flask.session.clear()  # forms opened before don't work any more
    return _with_session(redirect(safe_next(form.get("next")), 303), token)


@blueprint.post(SIGN_OUT)
def _sign_out() -> AnyResponse:
    opened, token = _auth().installation, request.cookies.get(SESSION_COOKIE, "")

    def end(connection: Any) -> None:
        at = opened.clock.now()
        person_id = sessions.end_session(connection, opened.pseudonyms, token, at)
        if person_id:
            audit.record(connection, at, audit.person_actor(person_id), None, "sign_out", {})

    opened.writer.write(end)
    flask.session.clear()
    return _with_session(redirect(SIGN_IN, 303), "")


@blueprint.post("/session/account")
def _choose_account() -> AnyResponse:
    opened, token = _auth().installation, request.cookies.get(SESSION_COOKIE, "")
    wanted, at = request.form.get("account", ""), opened.clock.now()
    opened.writer.write(lambda c: sessions.choose_account(c, opened.pseudonyms, token, wanted, at))
    return redirect(safe_next(request.form.get("next")), 303)


@blueprint.after_app_request
def _protect(response: Response) -> Response:
    auth = _auth()
    with auth.lock:  # asked each time: Dash adds an inline script with the first request
        hashes = auth.dash_app.csp_hashes()
    response.headers.update(security_headers(hashes))
    response.headers["X-Request-ID"] = request_id()
    if not request.path.startswith(MAY_BE_CACHED):
        response.headers["Cache-Control"] = "no-store"
    if response.mimetype == "text/html":
        secure = auth.installation.settings.cookie_secure
        response.set_cookie(CSRF_COOKIE, generate_csrf(), secure=secure, samesite="Strict")
    return response


@blueprint.app_errorhandler(ProductError)
def _product_error(error: ProductError) -> AnyResponse:
    answer = _refuse(STATUS_BY_CODE.get(error.code, 400), error.code, told(error))
    seconds = getattr(error, "retry_after_seconds", None)
    if seconds is not None:
        answer.headers["Retry-After"] = str(seconds)
    return answer


@blueprint.app_errorhandler(SQLAlchemyError)
def _database_error(error: SQLAlchemyError) -> AnyResponse:
    """An outage of the database; a page asks again by itself until it is over."""
    outage = refusal_of(error)
    if outage is None:
        return _unexpected(error)
    answer = _refuse(503, outage.code, OUT_OF_REACH)
    answer.headers["Retry-After"] = str(outage.retry_after_seconds)
    if request.method == "GET" and answer.mimetype == "text/html":
        answer.headers["Refresh"] = str(REFRESH_SECONDS)
    return answer


@blueprint.app_errorhandler(HTTPException)
def _http_error(error: HTTPException) -> AnyResponse:
    if isinstance(error, CSRFError):
        if request.path == SIGN_IN:
            return _sign_in_form(STALE_FORM, 400)
        return _refuse(400, "stale_form", STALE_FORM)
    return _refuse(error.code or 500, error.name.lower().replace(" ", "_"))


@blueprint.app_errorhandler(Exception)
def _unexpected(error: Exception) -> AnyResponse:
    log.error("request %s failed", request_id(), exc_info=error)
    return _refuse(500, "internal")


def _auth() -> _Auth:
    return cast("_Auth", flask.current_app.extensions["usage_auth"])


def _viewer() -> Viewer | None:
    if "viewer" not in g:
        g.viewer = sessions.resolve(_auth().installation, request.cookies.get(SESSION_COOKIE))
    return cast("Viewer | None", g.viewer)


def _with_session(response: AnyResponse, token: str) -> AnyResponse:
    """The response with the session's cookie; an empty token takes it away."""
    settings = _auth().installation.settings
    age, secure = settings.session_hours * 3600 if token else 0, settings.cookie_secure
    response.set_cookie(
        SESSION_COOKIE, token, max_age=age, secure=secure, httponly=True, samesite="Lax"
    )
    return response


def _refuse(status: int, code: str, message: str = "") -> Response:
    """A plain page for people, a problem document (RFC 9457) for programs; both name the id."""
    is_page = "text/html" in request.headers.get("Accept", "")  # such as a download's link
    if is_page or not request.path.startswith(ASKED_BY_PROGRAMS):
        return _page("problem.html", status, message=message, request_id=request_id())
    title = HTTPStatus(status).phrase
    problem = {"type": "about:blank", "title": title, "status": status, "code": code}
    response = flask.jsonify(problem | {"detail": message or title, "request_id": request_id()})
    response.mimetype = "application/problem+json"
    response.status_code = status
    return response


def _sign_in_form(message: str = "", status: int = 200) -> Response:
    """The sign-in page; after a refusal the typed e-mail and where to go on are still there."""
    kept = {"email": request.form.get("email", ""), "next": safe_next(request.values.get("next"))}
    return _page("sign_in.html", status, message=message, **kept)


def _page(template: str, status: int, **values: object) -> Response:
    text = flask.render_template(template, status=status, **_auth().shown, **values)
    return Response(text, status, mimetype="text/html")
