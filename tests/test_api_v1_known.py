"""Callers known from a moment ago: no read for each request, and no key that was revoked."""

from __future__ import annotations

from api.v1.hold_kinds import HoldKinds
from api.v1.known import KNOWN_SECONDS, KnownCallers
from billing.holds import HoldKind
from data.access.keys import add_key, revoke_key
from tests.builders import NOON
from tests.live import Live


def test_a_key_is_read_once_a_second_and_its_revocation_noticed_at_once(live: Live):
    opened = live.installation
    shown, key = opened.writer.write(
        lambda c: add_key(c, opened.pseudonyms, "acme", ["usage:read"], NOON)
    )
    at = [0.0]
    known = KnownCallers(opened, lambda: at[0])
    assert known.find(shown) is None
    assert known.read(shown) == known.find(shown)
    at[0] = KNOWN_SECONDS - 0.01
    assert known.find(shown) is not None
    at[0] = KNOWN_SECONDS
    assert known.find(shown) is None
    assert known.read(shown) is not None
    opened.writer.write(lambda c: revoke_key(c, "acme", key.id, NOON))
    assert known.find(shown) is None
    assert known.read(shown) is None
    assert known.find(shown) is None, "nothing is remembered of a key that is none"


def test_what_another_process_revokes_is_noticed_within_a_second(live: Live):
    opened = live.installation
    shown, key = opened.writer.write(
        lambda c: add_key(c, opened.pseudonyms, "acme", ["usage:read"], NOON)
    )
    at = [0.0]
    known = KnownCallers(opened, lambda: at[0])
    known.read(shown)
    with opened.database.write() as connection:  # past this process's writer
        revoke_key(connection, "acme", key.id, NOON)
    assert known.find(shown) is not None
    at[0] = KNOWN_SECONDS
    assert known.find(shown) is None
    assert known.read(shown) is None


def test_kinds_of_holds_belong_to_their_account(monkeypatch):
    monkeypatch.setattr("api.v1.hold_kinds.MOST_KEPT", 2)
    kinds = HoldKinds()
    kinds.keep("acme", "a", HoldKind.SMS)
    assert kinds.find("globex", "a") is None
    kinds.keep("acme", "b", HoldKind.CALL_AI)
    kinds.keep("acme", "c", HoldKind.CALL_AI)
    assert (kinds.find("acme", "a"), kinds.find("acme", "c")) == (None, HoldKind.CALL_AI)
