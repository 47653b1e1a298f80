"""The Dash application on its Flask server: assets, pages, and the addresses beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dash
from dash import html
from dash._pages import _path_to_page  # the router's own rule, so that both agree
from flask import Flask, Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from api.alert_forms import ALERTS, alert_forms
from api.callbacks import install_callback_check
from api.desk import ServerDesk
from api.downloads import DESK, downloads
from api.joined_assets import FIRST_SCRIPT, SCRIPTS, STYLES, joined_assets, marked
from api.left import install_left
from api.limit_forms import LIMITS, limit_forms
from api.mutes import install_mutes
from api.notice_forms import NOTICES, notice_forms
from api.page_parts import install_page_parts
from api.recharge_forms import RECHARGES, recharge_forms
from api.wallet_forms import MOVEMENTS, wallet_forms
from api.web_auth import current_accounts, current_scope, current_viewer, install_auth
from api.webhook_forms import WEBHOOKS, webhook_forms
from billing.metrics import METRIC_BY_ID, METRICS
from billing.usage import UsageReader
from data.installation import Installation

ROOT = Path(__file__).parent.parent
CATCH_ALL = "/<path:path>"
KNOWN_METRIC = METRICS[0].id
YEAR_SECONDS = 31_536_000
REDIRECTS = {"/": "/billing/usage", "/billing": "/billing/usage"}
JOINED = ".*"  # Dash links none of the assets by itself
# What Dash puts into every page and this product does without: help for browsers older than those
# that its style sheets need, and the table of Dash's own.
UNUSED_SCRIPTS = ("/deps/polyfill@", "/dash_table/")


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
    app = _App(
        "usage-dashboard",
        server=server,  # type: ignore[arg-type]  # a Flask app is what it takes
        use_pages=True,
        pages_folder=str(ROOT / "pages"),
        assets_folder=str(ROOT / "assets"),
        assets_ignore=JOINED,
        external_stylesheets=[BOOTSTRAP, STYLES.address],
        external_scripts=[PLOTLY, SCRIPTS.address],
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
        stylesheets=[BOOTSTRAP, STYLES.address],
        scripts=[FIRST_SCRIPT.address, SCRIPTS.address],
        demo_people=demo_people,
    )
    server.extensions[DESK] = ServerDesk(
        installation, current_viewer, current_scope, current_accounts, reader
    )
    server.extensions[MOVEMENTS] = installation.movements
    server.extensions[LIMITS] = installation
    server.extensions[RECHARGES] = installation
    server.extensions[ALERTS] = installation
    server.extensions[WEBHOOKS] = installation
    server.extensions[NOTICES] = installation
    settings = installation.settings
    install_left(server, installation.secret, installation.clock, is_secure=settings.cookie_secure)
    server.register_blueprint(joined_assets)
    server.register_blueprint(downloads)
    server.register_blueprint(wallet_forms)
    server.register_blueprint(limit_forms)
    server.register_blueprint(recharge_forms)
    server.register_blueprint(alert_forms)
    server.register_blueprint(webhook_forms)
    server.register_blueprint(notice_forms)
    install_mutes(server, installation)
    server.before_request(_redirect)
    install_callback_check(server, app)
    install_page_parts(server, installation)
    server.after_request(_keep_assets)
    server.after_request(_page_status)
    app._setup_server()  # type: ignore[no-untyped-call]
    return app


class _App(dash.Dash):
    """Dash with an index that names only what the product uses, the earliest first."""

    def interpolate_index(self, **parts: Any) -> str:  # type: ignore[override]
        """The first document of every page."""
        lines = parts["scripts"].splitlines()
        used = [line for line in lines if not any(name in line for name in UNUSED_SCRIPTS)]
        parts["scripts"] = "\n".join(used)
        if request.path.startswith(CHARTS):
            parts["css"] += f"\n{CHART_AHEAD}"
        made: str = super().interpolate_index(**parts)  # type: ignore[no-untyped-call]
        return made


BOOTSTRAP = marked("vendor/bootstrap.min.css")
PLOTLY = marked("vendor/plotly-basic.min.js")
FONT = marked("vendor/inter-latin.woff2")
# What draws a chart is asked for by another script, and a font by a style sheet: named here, they
# are on their way before those are. Browsers remark on what is fetched so and then not needed.
CHARTS = "/billing/usage"
CHART_AHEAD = (
    '<link rel="preload" as="script" href="/_dash-component-suites/dash/dcc/async-graph.js">'
)
INDEX = f"""<!DOCTYPE html>
<html lang="en">
<head>
{{%metas%}}
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{%title%}}</title>
<script src="{FIRST_SCRIPT.address}" data-page></script>
<link rel="icon" type="image/svg+xml" href="{marked("favicon.svg")}">
{{%css%}}
<link rel="preload" as="font" type="font/woff2" href="{FONT}" crossorigin>
</head>
<body>
{{%app_entry%}}
<footer>{{%config%}}{{%scripts%}}{{%renderer%}}</footer>
</body>
</html>
"""


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
