"""The Dash application on its Flask server: assets, pages, and the addresses beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import dash
from dash import html
from dash._pages import _path_to_page  # the router's own rule, so that both agree
from flask import Flask, Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from api.callbacks import install_callback_check
from api.desk import ServerDesk
from api.downloads import DESK, downloads
from api.wallet_forms import MOVEMENTS, wallet_forms
from api.web_auth import current_scope, current_viewer, install_auth
from billing.metrics import METRIC_BY_ID, METRICS
from billing.usage import UsageReader
from data.installation import Installation

ROOT = Path(__file__).parent.parent
CATCH_ALL = "/<path:path>"
KNOWN_METRIC = METRICS[0].id
YEAR_SECONDS = 31_536_000
REDIRECTS = {"/": "/billing/usage", "/billing": "/billing/usage"}
# Not put at the end of every page by Dash: the theme is set in the head, before anything shows.
IGNORED_ASSETS = r".*\.(br|gz|json|woff2)$|05-theme\.js"


def build_dash(
    installation: Installation,
    *,
    is_demo: bool,
    demo_people: Sequence[object] = (),
    reader: UsageReader | None = None,
) -> dash.Dash:
    """The whole web side of the product, ready to be mounted.

    ``reader`` replaces the installation's own, for tests of failing regions.
    """
    server = Flask("usage-dashboard", static_folder=None)
    app = dash.Dash(
        "usage-dashboard",
        server=server,  # type: ignore[arg-type]  # a Flask app is what it takes
        use_pages=True,
        pages_folder=str(ROOT / "pages"),
        assets_folder=str(ROOT / "assets"),
        assets_ignore=IGNORED_ASSETS,
        assets_path_ignore=["vendor", "docs"],
        external_stylesheets=[_vendor("bootstrap.min.css")],
        external_scripts=[_vendor("plotly-basic.min.js")],
        title="Usage Dashboard",
        update_title="",
        suppress_callback_exceptions=True,
        routing_callback_inputs={
            "search": dash.State("_pages_location", "search"),
            "pathname": dash.State("_pages_location", "pathname"),
        },
        use_async=False,
        include_pages_meta=False,  # it would repeat the host that the request named
    )
    app.layout = html.Div(dash.page_container, id="root")
    app.index_string = INDEX
    install_auth(
        server,
        app,
        installation,
        is_demo=is_demo,
        stylesheets=[_vendor("bootstrap.min.css"), *_own("*.css")],
        scripts=_own("*.js"),
        demo_people=demo_people,
    )
    server.extensions[DESK] = ServerDesk(installation, current_viewer, current_scope, reader)
    server.extensions[MOVEMENTS] = installation.movements
    server.register_blueprint(downloads)
    server.register_blueprint(wallet_forms)
    server.before_request(_redirect)
    install_callback_check(server, app)
    server.after_request(_keep_assets)
    server.after_request(_page_status)
    app._setup_server()  # type: ignore[no-untyped-call]
    return app


INDEX = """<!DOCTYPE html>
<html lang="en">
<head>
{%metas%}
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{%title%}</title>
<script src="/assets/05-theme.js"></script>
{%favicon%}
{%css%}
</head>
<body>
{%app_entry%}
<footer>{%config%}{%scripts%}{%renderer%}</footer>
</body>
</html>
"""


def _vendor(name: str) -> str:
    """The address of a front-end file that was installed, marked by its version."""
    file = ROOT / "assets" / "vendor" / name
    return f"/assets/vendor/{name}?m={int(file.stat().st_mtime)}"


def _own(pattern: str) -> list[str]:
    """Addresses of the product's own assets, in the order they apply."""
    return [
        f"/assets/{path.name}?m={int(path.stat().st_mtime)}"
        for path in sorted((ROOT / "assets").glob(pattern))
    ]


def _redirect() -> AnyResponse | None:
    target = REDIRECTS.get(request.path)
    return redirect(target) if target else None


def _keep_assets(response: Response) -> Response:
    """A fingerprinted asset never changes: browsers keep it for a year."""
    if request.path.startswith("/assets/") and request.args.get("m") and response.status_code < 400:
        response.cache_control.no_cache = None
        response.cache_control.public = True
        response.cache_control.max_age = YEAR_SECONDS
        response.cache_control.immutable = True
    return response


def _page_status(response: Response) -> Response:
    """Dash answers any address with its index; one that is no page is not found."""
    rule = request.url_rule.rule if request.url_rule else ""
    if rule == CATCH_ALL and response.status_code == 200 and not page_exists(request.path):
        response.status_code = 404
    return response


def page_exists(path: str) -> bool:
    """Whether an address is one of the pages, an existing metric's included."""
    page, variables = _path_to_page(path.strip("/"))  # type: ignore[no-untyped-call]
    return bool(page) and (variables or {}).get("metric_id", KNOWN_METRIC) in METRIC_BY_ID
