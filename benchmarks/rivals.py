"""What the usage page is measured against: a static page and a plain Dash page of the same figures.

``python -m benchmarks.rivals product|static|dash FOLDER PORT`` serves one of them from the folder
of an installation, in a process of its own. The static page has every answer ready in a file and
draws it with the same charting library: about the least that a browser can do. The Dash page is
what its tutorial leads to: a callback for each region, a query in each, the libraries as they come.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dash
import uvicorn
from a2wsgi import WSGIMiddleware
from dash import Input, Output, dcc, html
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.server import StoppingServer, build_server, server_config
from benchmarks.big_lake import BIG, NOW
from billing.clock import FixedClock
from components import format as fmt
from components.chart_view import SERVICE_COLOURS
from data.analytics.catalog import FileCatalog
from data.analytics.generation import connect
from data.analytics.lake import FOLDER
from data.analytics.pointer import CURRENT, current_generation
from data.installation import open_installation
from data.settings import effective_settings, load_settings

HOST, SECRET = "127.0.0.1", "benchmark-" * 4
LOCALE, CURRENCY = "en_US", "USD"
VENDOR = Path(__file__).parent.parent / "assets" / "vendor"
TODAY = NOW.date()
PERIODS = {
    "This month": (TODAY.replace(day=1), TODAY + timedelta(days=1)),
    "Last month": ((TODAY.replace(day=1) - timedelta(days=1)).replace(day=1), TODAY.replace(day=1)),
}
YEAR_AGO = TODAY - timedelta(days=395)
COLUMNS = "account_id, booked_on, metric, service, consumer_id, base_units, cost_micros"
NEWEST = "newest.csv"  # lines that the analytics haven't got, with these columns
_OF = f"""FROM (SELECT {COLUMNS} FROM lake.lines UNION ALL SELECT {COLUMNS} FROM newest)
    WHERE account_id = $account AND booked_on >= $start AND booked_on < $end"""
TOTAL = f"SELECT sum(cost_micros)::BIGINT {_OF}"
BY_DAY = f"SELECT booked_on, service, sum(cost_micros)::BIGINT {_OF} GROUP BY ALL ORDER BY ALL"
BY_METRIC = f"""SELECT metric, count(*)::BIGINT, sum(base_units)::BIGINT, sum(cost_micros)::BIGINT
    {_OF} GROUP BY ALL ORDER BY 4 DESC"""
TOP = f"""SELECT consumer_id, count(*)::BIGINT, sum(cost_micros)::BIGINT {_OF}
    GROUP BY ALL ORDER BY 3 DESC LIMIT 5"""
BY_MONTH = f"""SELECT strftime(booked_on, '%Y-%m'), sum(cost_micros)::BIGINT {_OF}
    GROUP BY ALL ORDER BY ALL"""
Rows = list[tuple[Any, ...]]


class Answers:
    """The page's queries on the analytics of an installation."""

    def __init__(self, folder: Path) -> None:
        lake = folder / FOLDER
        name = current_generation(lake, CURRENT)
        assert name, "the folder has analytics"
        self._connection = connect(lake / name, FileCatalog(), 2, "1GB")
        newest = f"SELECT * FROM read_csv('{folder / NEWEST}')"
        self._connection.execute(f"CREATE TABLE newest AS {newest}")

    def rows(self, sql: str, start: date, end: date) -> Rows:
        """The rows of one query for the large account."""
        given = {"account": BIG, "start": start, "end": end}
        return self._connection.cursor().execute(sql, given).fetchall()


def money(micros: int) -> str:
    """An amount as the product writes it."""
    return fmt.money(micros, CURRENCY, LOCALE)


def figure(rows: Rows) -> dict[str, Any]:
    """Cost by day, stacked by service."""
    services = [name for name in SERVICE_COLOURS if any(row[1] == name for row in rows)]
    bars = [
        {
            "type": "bar", "name": name, "marker": {"color": SERVICE_COLOURS[name]},
            "x": [row[0].isoformat() for row in rows if row[1] == name],
            "y": [row[2] / 1e6 for row in rows if row[1] == name],
        }
        for name in services
    ]  # fmt: skip
    return {"data": bars, "layout": {"barmode": "relative", "margin": {"t": 8}}}


def tables(answers: Answers, start: date, end: date) -> list[list[list[str]]]:
    """The text of the tables below the chart: metrics, consumers, months."""
    return [
        [[row[0], f"{row[1]:,}", f"{row[2]:,}", money(row[3])]
         for row in answers.rows(BY_METRIC, start, end)],
        [[row[0], f"{row[1]:,}", money(row[2])] for row in answers.rows(TOP, start, end)],
        [[row[0], money(row[1])]
         for row in answers.rows(BY_MONTH, YEAR_AGO, TODAY + timedelta(days=1))],
    ]  # fmt: skip


# --- static ---------------------------------------------------------------------------------
STATIC = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Usage</title>
<link rel="stylesheet" href="/bootstrap.css"><script src="/plotly.js"></script></head><body>
<nav>{links}</nav><h2 id="headline"></h2><div id="chart" style="height:300px"></div>
<div id="tables"></div><script>
const show = async (name) => {{
  const shown = await (await fetch('/data/' + encodeURIComponent(name))).json();
  document.getElementById('headline').textContent = shown.headline;
  document.getElementById('tables').innerHTML = shown.tables;
  Plotly.react('chart', shown.figure.data, shown.figure.layout, {{displayModeBar: false}});
}};
for (const each of document.querySelectorAll('button')) each.onclick = () => show(each.textContent);
show('{first}');
</script></body></html>"""


def static_page(answers: Answers) -> Starlette:
    """Files in memory, compressed once, kept by the browser."""
    files: dict[str, tuple[bytes, str, str | None]] = {
        "/plotly.js": ((VENDOR / "plotly-basic.min.js.br").read_bytes(), "text/javascript", "br"),
        "/bootstrap.css": ((VENDOR / "bootstrap.min.css.br").read_bytes(), "text/css", "br"),
    }
    for name, (start, end) in PERIODS.items():
        total = answers.rows(TOTAL, start, end)[0][0]
        shown = {
            "headline": money(total),
            "figure": figure(answers.rows(BY_DAY, start, end)),
            "tables": "".join(map(_table_text, tables(answers, start, end))),
        }
        files[f"/data/{name}"] = (json.dumps(shown).encode(), "application/json", None)
    links = "".join(f"<button>{name}</button>" for name in PERIODS)
    page = STATIC.format(links=links, first=next(iter(PERIODS)))
    files["/"] = (page.encode(), "text/html", None)

    async def answer(request: Request) -> Response:
        if request.url.path not in files:
            return Response(status_code=404)
        content, kind, encoding = files[request.url.path]
        headers = {"content-encoding": encoding} if encoding else {}
        return Response(content, media_type=kind, headers=headers)

    return Starlette(routes=[Route("/{path:path}", answer)])


def _table_text(rows: Sequence[Sequence[str]]) -> str:
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>{body}</table>"


# --- plain Dash -----------------------------------------------------------------------------
def dash_page(answers: Answers) -> Any:
    """A Dash application with a callback for each region."""
    app = dash.Dash("plain", suppress_callback_exceptions=True)
    app.layout = html.Div(
        [
            dcc.RadioItems(list(PERIODS), next(iter(PERIODS)), id="preset"),
            html.H2(id="headline"),
            dcc.Graph(id="chart", config={"displayModeBar": False}),
            *(html.Div(id=name) for name in ("metrics", "consumers", "months")),
        ]
    )

    def region(name: str, prop: str, build: Callable[[date, date], Any]) -> None:
        app.callback(Output(name, prop), Input("preset", "value"))(
            lambda preset: build(*PERIODS[preset])
        )

    region("headline", "children", lambda s, e: money(answers.rows(TOTAL, s, e)[0][0]))
    region("chart", "figure", lambda s, e: figure(answers.rows(BY_DAY, s, e)))
    region("metrics", "children", _only(answers, BY_METRIC))
    region("consumers", "children", _only(answers, TOP))
    whole = (YEAR_AGO, TODAY + timedelta(days=1))
    region("months", "children", lambda *_: _only(answers, BY_MONTH)(*whole))
    wsgi: Any = app.server
    return WSGIMiddleware(wsgi, 8)


def _only(answers: Answers, sql: str) -> Callable[[date, date], Any]:
    """A table of one query, its last column money."""
    return lambda start, end: html.Table(
        [
            html.Tr([*(html.Td(str(cell)) for cell in row[:-1]), html.Td(money(row[-1]))])
            for row in answers.rows(sql, start, end)
        ]
    )


# --- the product ----------------------------------------------------------------------------
def serve_product(folder: Path, port: int) -> None:
    """As ``usage-dashboard serve`` does, but on the day that the made lines end."""
    given = load_settings(data_dir=folder, secret_key=SECRET, sync_seconds=3600, _env_file=None)
    installation = open_installation(effective_settings(given, HOST, port))
    installation.clock = FixedClock(NOW)
    application = build_server(installation, is_demo=False)
    StoppingServer(server_config(application, HOST, port, "warning")).run()


def main(kind: str, folder: str, port: str) -> None:
    """Serves one of the three until it is told to stop."""
    if kind == "product":
        serve_product(Path(folder), int(port))
        return
    answers = Answers(Path(folder))
    page = static_page(answers) if kind == "static" else dash_page(answers)
    uvicorn.run(page, host=HOST, port=int(port), log_level="warning")


if __name__ == "__main__":
    main(*sys.argv[1:])
