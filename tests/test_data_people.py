"""People, memberships, passwords, keys and the audit log, on a real database."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import DatabaseError

from billing.access import Role
from billing.errors import InputError, NotFoundError
from billing.plans import Plan
from data import tables as t
from data.access import audit
from data.access.keys import SCOPES, add_key, find_key, read_keys, revoke_key
from data.access.people import (
    Passwords,
    add_membership,
    add_person,
    check_email,
    disable_person,
    find_person,
    remove_membership,
    set_password,
)
from data.accounts import NewAccount, add_account
from data.identity import Pseudonyms, new_id
from tests.builders import NOON, open_truth

QUICK = Passwords(1, 8, 1)
PSEUDONYMS = Pseudonyms("a secret of this test")
PASSWORD = "correct horse battery"


@pytest.fixture
def connection(tmp_path):
    database = open_truth(tmp_path)
    with database.write() as connection:
        for account_id in ("acme", "globex"):
            account = NewAccount(account_id, account_id.title(), Plan.GROWTH, "USD", "UTC")
            add_account(connection, account, NOON)
        yield connection
    database.dispose()


def add(connection, email="ann@acme.example", password: str | None = PASSWORD):
    return add_person(connection, email, "Ann", password, NOON, passwords=QUICK)


def stored_hash(connection, person_id: str) -> str:
    return connection.scalar(select(t.people.c.password_hash).where(t.people.c.id == person_id))


# --- people ----------------------------------------------------------------------------------
def test_a_person_is_found_however_the_address_is_written(connection):
    added = add(connection, "  Ann@ACME.example ")
    assert added.person.email == "ann@acme.example"
    assert added.generated_password is None
    assert find_person(connection, "ANN@acme.EXAMPLE\n") == added.person
    assert find_person(connection, "bob@acme.example") is None


def test_the_same_address_is_taken_once(connection):
    add(connection)
    with pytest.raises(InputError, match="already"):
        add(connection, "ANN@acme.example")


@pytest.mark.parametrize(
    "email",
    ["", "ann", "@acme", "ann@", "a nn@acme.example", "ann@acme@x", "a@b\x00c", "a@b\nc.example",
     "ann@" + "x" * 252, "<ann@acme.example>", "a" * 65 + "@acme.example"],
)  # fmt: skip
def test_what_is_no_address_is_refused(email):
    with pytest.raises(InputError, match="email"):
        check_email(email)


@pytest.mark.parametrize("length", [0, 11, 1025])
def test_a_password_of_the_wrong_length_is_refused_and_not_repeated(connection, length):
    password = "pQ7" * length
    with pytest.raises(InputError) as caught:
        add(connection, password=password[:length])
    assert "12 to 1024" in caught.value.message
    assert "pQ7" not in caught.value.message


def test_a_missing_password_is_made(connection):
    first = add(connection, password=None).generated_password
    bob = add(connection, "bob@acme.example", None)
    second = bob.generated_password
    assert first
    assert second
    assert len(first) >= 20
    assert first != second
    assert QUICK.matches(stored_hash(connection, bob.person.id), second)


def test_disabling_ends_the_sessions_of_that_person_alone(connection):
    people = [add(connection, f"{name}@acme.example").person for name in ("ann", "bob")]
    for person in people:
        connection.execute(
            insert(t.sessions).values(
                token_hash=new_id(), person_id=person.id, created_at=NOON, last_seen_at=NOON,
                expires_at=NOON + timedelta(hours=1),
            )
        )  # fmt: skip
    disable_person(connection, people[0].id, NOON)
    ended = dict(connection.execute(select(t.sessions.c.person_id, t.sessions.c.ended_at)).all())
    assert ended == {people[0].id: NOON, people[1].id: None}
    assert (
        connection.scalar(select(t.people.c.disabled_at).where(t.people.c.id == people[0].id))
        == NOON
    )
    with pytest.raises(NotFoundError):
        disable_person(connection, "nobody", NOON)


def test_another_password_replaces_the_old_one(connection):
    person = add(connection).person
    assert (
        set_password(connection, person.id, "another one entirely", NOON, passwords=QUICK) is None
    )
    made = set_password(connection, person.id, None, NOON, passwords=QUICK)
    assert made
    assert QUICK.matches(stored_hash(connection, person.id), made)
    assert not QUICK.matches(stored_hash(connection, person.id), PASSWORD)


# --- memberships -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("account_id", "role", "is_allowed"),
    [
        ("acme", "owner", True), ("acme", "manager", True), ("*", "support", True),
        ("*", "admin", True), ("acme", "support", False), ("acme", "admin", False),
        ("*", "owner", False), ("*", "manager", False), ("acme", "boss", False),
    ],
)  # fmt: skip
def test_each_role_has_its_place(connection, account_id, role, is_allowed):
    person_id = add(connection).person.id
    if is_allowed:
        add_membership(connection, person_id, account_id, role)
        return
    with pytest.raises(InputError, match="role"):
        add_membership(connection, person_id, account_id, role)


def test_a_membership_needs_its_account_and_person_and_is_held_once(connection):
    person_id = add(connection).person.id
    with pytest.raises(NotFoundError):
        add_membership(connection, person_id, "nowhere", Role.OWNER)
    with pytest.raises(NotFoundError):
        add_membership(connection, "nobody", "acme", Role.OWNER)
    add_membership(connection, person_id, "acme", Role.OWNER)
    with pytest.raises(InputError, match="owner there"):
        add_membership(connection, person_id, "acme", Role.MANAGER)
    remove_membership(connection, person_id, "acme")
    add_membership(connection, person_id, "acme", Role.MANAGER)
    with pytest.raises(NotFoundError):
        remove_membership(connection, person_id, "globex")


# --- passwords -------------------------------------------------------------------------------
def test_a_password_matches_itself_alone():
    stored = QUICK.hash("pässwörd with accents")
    assert stored.startswith("$argon2id$")
    assert QUICK.hash("pässwörd with accents") != stored, "each hash has its own salt"
    assert QUICK.matches(stored, "pässwörd with accents")
    assert QUICK.matches(stored, "pa\u0308sswo\u0308rd with accents"), "typed on another system"
    assert not QUICK.matches(stored, "pässwörd with accents ")
    assert not QUICK.matches(None, "")
    assert not QUICK.matches("broken", "pässwörd with accents")
    assert not QUICK.matches(stored, "x" * 1_000_000)


def test_a_hash_of_other_costs_wants_to_be_made_anew():
    assert not QUICK.needs_rehash(QUICK.hash(PASSWORD))
    assert QUICK.needs_rehash(Passwords(2, 16, 1).hash(PASSWORD))


# --- keys ------------------------------------------------------------------------------------
def test_a_key_is_found_until_it_is_revoked(connection):
    key, kept = add_key(connection, PSEUDONYMS, "acme", ["usage:read", "events:write"], NOON)
    assert find_key(connection, PSEUDONYMS, key) == kept
    assert kept.scopes == ("events:write", "usage:read"), "in the order of the list"
    assert key.startswith(kept.shown_prefix)
    assert len(key) - len(kept.shown_prefix) >= 36
    row = connection.execute(select(t.api_keys)).one()
    assert key not in str(tuple(row))
    assert find_key(connection, Pseudonyms("another installation"), key) is None
    revoke_key(connection, "acme", kept.id, NOON)
    revoke_key(connection, "acme", kept.id, NOON + timedelta(days=1))
    assert find_key(connection, PSEUDONYMS, key) is None
    assert [found.revoked_at for found in read_keys(connection, "acme")] == [NOON]


@pytest.mark.parametrize(
    "shown", ["", "usage_", "usage_unknown", "x" * 5000, "usage_" + "x" * 5000]
)
def test_what_is_no_key_finds_none(connection, shown):
    assert find_key(connection, PSEUDONYMS, shown) is None


def test_a_key_is_revoked_by_its_own_account_alone(connection):
    key, kept = add_key(connection, PSEUDONYMS, "acme", ["usage:read"], NOON)
    with pytest.raises(NotFoundError):
        revoke_key(connection, "globex", kept.id, NOON)
    assert read_keys(connection, "globex") == []
    assert find_key(connection, PSEUDONYMS, key) == kept


@pytest.mark.parametrize(
    ("account_id", "scopes"),
    [("acme", []), ("acme", ["usage:write"]), ("acme", ["support"]), ("acme", ["admin"]),
     ("*", ["usage:read"]), ("*", [])],
)  # fmt: skip
def test_scopes_are_checked(connection, account_id, scopes):
    with pytest.raises(InputError, match="scope"):
        add_key(connection, PSEUDONYMS, account_id, scopes, NOON)


def test_a_key_over_all_and_a_key_of_no_account(connection):
    _, kept = add_key(connection, PSEUDONYMS, "*", SCOPES, NOON)
    assert kept.is_over_all
    with pytest.raises(NotFoundError):
        add_key(connection, PSEUDONYMS, "nowhere", ["usage:read"], NOON)


# --- audit -----------------------------------------------------------------------------------
def test_an_entry_is_kept_and_can_not_be_changed(connection):
    audit.record(connection, NOON, audit.person_actor("7"), "acme", "limit_set", {"b": 1, "a": "é"})
    entry = connection.execute(select(t.audit)).one()
    assert (entry.at, entry.actor, entry.account_id) == (NOON, "person:7", "acme")
    assert json.loads(entry.detail) == {"a": "é", "b": 1}
    for statement in (t.audit.update().values(actor="x"), t.audit.delete()):
        with pytest.raises(DatabaseError, match="append-only"), connection.begin_nested():
            connection.execute(statement)


@pytest.mark.parametrize(
    ("actor", "action", "detail"),
    [
        ("ann@acme.example", "limit_set", {}), ("command", "", {}), ("command", "x" * 65, {}),
        ("command", "x", {"at": NOON}), ("command", "x", {"text": "x" * 10_001}),
        ("command", "x", {"share": float("nan")}),
    ],
)  # fmt: skip
def test_an_entry_names_nobody_and_stays_small(connection, actor, action, detail):
    with pytest.raises(InputError):
        audit.record(connection, NOON, actor, None, action, detail)
