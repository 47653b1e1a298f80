"""Mutes: whoever gets a mail may ask to hear no more, without signing in.

A link carries who is meant, sealed: nobody can make one, or read an address out of it. What is
muted can be heard again by the same link. Must not know HTTP.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from billing.alerts import Channel, Target
from billing.errors import InputError
from data import tables as t
from data.access.audit import record
from data.sealed import SealError, Seals

MUTE_PATH = "/notices/mute"  # of the link; its token is the parameter ``token``
PURPOSE = "mutes"
ACTOR = "recipient"  # by a link in what was sent: nobody signed in
LONGEST_TOKEN = 2_000
EVERY_ALERT = ""
_mutes = t.notice_mutes.c


@dataclass(frozen=True, slots=True)
class MuteTicket:
    """Who may mute what: one address, one account's notices, perhaps of one alert only."""

    account_id: str
    target: Target
    alert_id: str = EVERY_ALERT


@dataclass(frozen=True, slots=True)
class Muted:
    """What is muted for a ticket's address: its alert, and all of the account."""

    is_alert: bool
    is_all: bool


class Mutes:
    """Makes links' tokens and reads them again."""

    def __init__(self, secret: str) -> None:
        self._seals = Seals(secret, PURPOSE)

    def token(self, ticket: MuteTicket) -> str:
        """What a link carries; fit for an address as it is."""
        channel, address = ticket.target
        parts = [ticket.account_id, channel.value, address, ticket.alert_id]
        return self._seals.seal(json.dumps(parts, separators=(",", ":"))).rstrip("=")

    def open(self, token: str) -> MuteTicket:
        """What a token says. Errors: ``InputError`` for one that was altered or cut."""
        whole = token + "=" * (-len(token) % 4)
        fix = "open the link again as it stands in the mail"
        if len(token) > LONGEST_TOKEN or not token.isascii():
            raise InputError("token", "(not shown)", fix)
        try:
            account_id, channel, address, alert_id = json.loads(self._seals.open(whole))
        except SealError:
            raise InputError("token", "(not shown)", fix) from None
        return MuteTicket(account_id, Target(Channel(channel), address), alert_id)


def read_muted(connection: Connection, ticket: MuteTicket) -> Muted:
    """What is muted now."""
    channel, address = ticket.target
    found = set(
        connection.scalars(
            select(_mutes.alert_id).where(
                _mutes.account_id == ticket.account_id, _mutes.channel == channel.value,
                _mutes.address == address, _mutes.alert_id.in_({EVERY_ALERT, ticket.alert_id}),
            )
        )
    )  # fmt: skip
    return Muted(bool(ticket.alert_id) and ticket.alert_id in found, EVERY_ALERT in found)


def mute(connection: Connection, ticket: MuteTicket, at: datetime) -> bool:
    """Nothing more of it goes to the address; whether that is new. In the audit log."""
    muted = read_muted(connection, ticket)
    if muted.is_alert if ticket.alert_id else muted.is_all:
        return False
    connection.execute(insert(t.notice_mutes).values(**_key(ticket), muted_at=at))
    _record(connection, ticket, "notice.muted", at)
    return True


def unmute(connection: Connection, ticket: MuteTicket, at: datetime) -> bool:
    """The address hears of its account again, of everything; whether anything was muted."""
    every = MuteTicket(ticket.account_id, ticket.target)
    count = 0
    for each in {ticket, every}:
        key = _key(each)
        gone = connection.execute(
            delete(t.notice_mutes).where(*(_mutes[name] == value for name, value in key.items()))
        )
        count += gone.rowcount
    if count:
        _record(connection, ticket, "notice.unmuted", at)
    return bool(count)


def _key(ticket: MuteTicket) -> dict[str, str]:
    channel, address = ticket.target
    return {
        "account_id": ticket.account_id, "channel": channel.value, "address": address,
        "alert_id": ticket.alert_id,
    }  # fmt: skip


def _record(connection: Connection, ticket: MuteTicket, action: str, at: datetime) -> None:
    detail = {"channel": ticket.target.channel.value, "alert_id": ticket.alert_id}
    account_id = None if ticket.account_id == "*" else ticket.account_id
    record(connection, at, ACTOR, account_id, action, detail)
