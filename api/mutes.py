"""Hearing no more by e-mail: the page behind a mail's link, and the one click of mail readers.

Whoever has the link may use it, signed in or not: the token in it says whose mail of which account
it is, and nobody can make one. A look changes nothing (link checkers look too); RFC 8058's POST
mutes at once. Must not know who is signed in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import flask
from flask import Blueprint, Flask, Response, redirect, request
from flask_wtf.csrf import CSRFProtect
from sqlalchemy import Connection, select
from werkzeug.wrappers import Response as AnyResponse

from api.web_auth import plain_page
from billing.alerts import Channel
from billing.errors import InputError
from data import tables as t
from data.notices.mutes import MUTE_PATH, Mutes, MuteTicket, mute, read_muted, unmute

if TYPE_CHECKING:
    from data.installation import Installation

MUTES = "usage_mutes"  # the extension's name
ONE_CLICK = "One-Click"
WHAT = ("alert", "all", "nothing")  # what a form of the page asks to have muted
CHANNELS = {Channel.EMAIL: "e-mails", Channel.SMS: "SMS"}
blueprint = Blueprint("mutes", __name__)


@dataclass(frozen=True, slots=True)
class _Mutes:
    installation: Installation
    mutes: Mutes


def install_mutes(server: Flask, installation: Installation) -> None:
    """Adds the page. A form of it needs no token against forgery: the link's own is one."""
    server.extensions[MUTES] = _Mutes(installation, Mutes(installation.secret))
    cast("CSRFProtect", server.extensions["csrf"]).exempt(blueprint)
    server.register_blueprint(blueprint)


@blueprint.get(MUTE_PATH)
def _look() -> Response:
    opened, ticket = _opened()
    with opened.installation.database.read() as connection:
        muted = read_muted(connection, ticket)
        account, alert = _names(connection, ticket)
    return plain_page(
        "mute.html", ticket=ticket, muted=muted, account=account, alert=alert,
        channel=CHANNELS[ticket.target.channel], token=request.args.get("token", ""),
        path=MUTE_PATH,
    )  # fmt: skip


@blueprint.post(MUTE_PATH)
def _change() -> AnyResponse:
    opened, ticket = _opened()
    if request.form.get("List-Unsubscribe") == ONE_CLICK:
        _apply(opened, ticket, "alert" if ticket.alert_id else "all")
        return Response("You hear no more of this.\n", mimetype="text/plain")
    what = request.form.get("what", "")
    if what not in WHAT:
        raise InputError("what", what, f"use one of {', '.join(WHAT)}")
    _apply(opened, ticket, what)
    return redirect(flask.url_for("mutes._look", token=request.args.get("token", "")), 303)


def _apply(opened: _Mutes, ticket: MuteTicket, what: str) -> None:
    """Mutes what a form asks for, or nothing of it any more; what is so already writes nothing."""
    installation, every = opened.installation, MuteTicket(ticket.account_id, ticket.target)
    asked = every if what == "all" else ticket
    with installation.database.read() as connection:
        muted = read_muted(connection, ticket)
    is_so = {
        "alert": muted.is_alert if ticket.alert_id else muted.is_all, "all": muted.is_all,
        "nothing": not (muted.is_alert or muted.is_all),
    }[what]  # fmt: skip
    if is_so:
        return
    at, change = installation.clock.now(), unmute if what == "nothing" else mute
    installation.writer.write(lambda connection: change(connection, asked, at))


def _opened() -> tuple[_Mutes, MuteTicket]:
    """What a link says. Errors: ``InputError``."""
    opened = cast("_Mutes", flask.current_app.extensions[MUTES])
    return opened, opened.mutes.open(request.args.get("token", ""))


def _names(connection: Connection, ticket: MuteTicket) -> tuple[str, str]:
    """The account's name and the alert's, as far as they have one."""
    accounts, alerts = t.accounts.c, t.alerts.c
    account = connection.scalar(select(accounts.name).where(accounts.id == ticket.account_id))
    of_account = alerts.account_id == ticket.account_id
    alert = connection.scalar(select(alerts.name).where(alerts.id == ticket.alert_id, of_account))
    return account or "", alert or ""
