"""A small web app around real sign-in: one Dash page, one callback, some faults, and a browser.

Used by the tests of `api/web_auth.py`; everything in it is real but the page's content.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dash
from dash import Dash, Input, Output, dcc, html
from flask import Flask

from api.web_auth import current_scope, current_viewer, install_auth
from billing.access import Role
from billing.clock import FixedClock
from billing.errors import InputError, NotFoundError
from billing.plans import Plan
from data.access.people import Passwords, add_membership, add_person
from data.accounts import NewAccount, add_account
from data.installation import Installation
from data.settings import Settings
from tests.builders import NOON, open_truth

PASSWORD = "correct horse battery"
EMAIL, BOB, SUPPORT, LONER = (f"{name}@x.example" for name in ("ann", "bob", "support", "loner"))
QUICK = Passwords(1, 8, 1, slots=2, waiting=20)
FAULT = "a detail that no page may show"


@contextmanager
def installed(folder: Path, **rest: Any) -> Iterator[Installation]:
    """Two accounts and four people: an owner, a manager, support, and one without an account."""
    settings = Settings(data_dir=folder, **rest)
    truth = open_truth(folder)
    opened = Installation(settings, FixedClock(NOON), truth, "a secret of this test")
    with truth.write() as connection:
        for account_id in ("acme", "globex"):
            account = NewAccount(account_id, account_id.title(), Plan.GROWTH, "USD", "UTC")
            add_account(connection, account, NOON)
        people: list[tuple[str, str, Role | None]] = [
            (EMAIL, "acme", Role.OWNER), (BOB, "globex", Role.MANAGER),
            (SUPPORT, "*", Role.SUPPORT), (LONER, "", None),
        ]  # fmt: skip
        for email, account_id, role in people:
            person = add_person(connection, email, email, PASSWORD, NOON, passwords=QUICK).person
            if role:
                add_membership(connection, person.id, account_id, role)
    yield opened
    opened.close()


@contextmanager
def built(opened: Installation, **rest: Any) -> Iterator[Flask]:
    """A Flask app with one Dash page, one callback that answers for the account, and faults."""
    app = Flask(__name__)
    server: Any = app  # Dash takes a Flask app, which its types don't say
    others = dict(dash.page_registry)  # one for all apps of a process
    dash.page_registry.clear()
    screens = Dash(__name__, server=server, use_pages=True, pages_folder="", use_async=False)
    dash.register_page("auth_test", path="/", layout=html.P("home"))
    screens.layout = html.Div([dash.page_container, dcc.Input(id="in"), html.P(id="out")])

    @screens.callback(Output("out", "children"), Input("in", "value"))
    def answer(value):
        if value == "break":
            raise RuntimeError(FAULT)
        return f"{current_viewer().email} {current_scope().account_id} {value}"

    @app.get("/broken")
    def broken():
        raise RuntimeError(FAULT)

    @app.get("/missing")
    def missing():
        raise NotFoundError("There is no <call> of this name.")

    @app.get("/wrong")
    def wrong():
        raise InputError("from", "<script>", "use a date")

    @app.get("/whose")
    def whose():
        return current_scope().account_id

    given = {"is_demo": False, "stylesheets": ["/assets/x.css"], "passwords": QUICK, **rest}
    install_auth(app, screens, opened, **given)
    yield app
    dash.page_registry.clear()
    dash.page_registry.update(others)


def found(pattern: str, text: str) -> str:
    """The first group of a pattern that must be there."""
    match = re.search(pattern, text)
    assert match, f"{pattern} is not in {text}"
    return match[1]


class Browser:
    """Keeps cookies and sends the CSRF token, as the pages do."""

    def __init__(self, app: Flask, address: str = "192.0.2.1") -> None:
        self.client = app.test_client()
        self.client.environ_base["REMOTE_ADDR"] = address
        self.get = self.client.get

    def cookie(self, name: str) -> str | None:
        found = self.client.get_cookie(name)
        return found.value if found else None

    def post(self, path: str, **form: str):
        token = self.cookie("_csrf_token")
        return self.client.post(path, data={"csrf_token": token or "", **form})

    def sign_in(self, email: str = EMAIL, password: str = PASSWORD, **rest: str):
        self.get("/sign-in")
        return self.post("/sign-in", email=email, password=password, **rest)

    def callback(self, value: str = "hello", token: str | None = None):
        token = self.cookie("_csrf_token") if token is None else token
        body = {
            "output": "out.children",
            "outputs": {"id": "out", "property": "children"},
            "inputs": [{"id": "in", "property": "value", "value": value}],
            "changedPropIds": ["in.value"],
        }
        headers = {"X-CSRFToken": token} if token else {}
        return self.client.post("/_dash-update-component", json=body, headers=headers)
