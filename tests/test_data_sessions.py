"""Sessions and the choice of account, on a real database with a real writer."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from billing.access import Role, Viewer
from billing.clock import FixedClock
from billing.errors import NotAllowedError, NotFoundError
from billing.plans import Plan
from data import tables as t
from data.access.people import (
    Passwords,
    add_membership,
    add_person,
    disable_person,
    remove_membership,
)
from data.access.sessions import (
    LONGEST_IDLE,
    SignInError,
    accounts_of,
    choose_account,
    end_session,
    find_session,
    resolve,
    scope_of,
    sign_in,
    start_session,
)
from data.accounts import NewAccount, add_account
from data.identity import Pseudonyms
from data.installation import Installation
from data.settings import Settings
from tests.builders import NOON, open_truth
from tests.databases import of_sqlite

PASSWORD = "correct horse battery"
EMAIL = "ann@acme.example"
HERE, THERE = "192.0.2.1", "198.51.100.7"
QUICK = Passwords(1, 8, 1)


@pytest.fixture
def opened(tmp_path):
    settings = Settings(data_dir=tmp_path, session_hours=12)
    opened = Installation(settings, FixedClock(NOON), open_truth(tmp_path), "a secret of this test")
    with opened.database.write() as connection:
        for account_id in ("globex", "acme"):
            account = NewAccount(account_id, account_id.title(), Plan.GROWTH, "USD", "UTC")
            add_account(connection, account, NOON)
    add(opened, EMAIL, "acme", Role.OWNER)
    yield opened
    opened.close()


def add(opened, email, account_id=None, role=Role.OWNER) -> str:
    with opened.database.write() as connection:
        person = add_person(connection, email, email, PASSWORD, NOON, passwords=QUICK).person
        if account_id:
            add_membership(connection, person.id, account_id, role)
    return person.id


def enter(opened, email=EMAIL, password=PASSWORD, address=HERE, passwords=QUICK, **rest) -> str:
    return sign_in(opened, passwords, email, password, address, **rest)


def fail(opened, times, email=EMAIL, address=HERE):
    for _ in range(times):
        with pytest.raises(SignInError):
            enter(opened, email, "wrong password", address)


def ann(opened) -> str:
    return read(opened, select(t.people.c.id).where(t.people.c.email == EMAIL))


def read(opened, query):
    with opened.database.read() as connection:
        return connection.scalar(query)


def write(opened, work, *values):
    return opened.writer.write(lambda connection: work(connection, *values))


def choose(opened, token, account_id):
    write(opened, choose_account, opened.pseudonyms, token, account_id, opened.clock.now())


def who(opened, token) -> Viewer:
    viewer = resolve(opened, token)
    assert viewer
    return viewer


def scope(opened, token):
    with opened.database.read() as connection:
        return scope_of(connection, who(opened, token))


def last_seen(opened):
    return read(opened, select(func.max(t.sessions.c.last_seen_at)))


# --- sessions --------------------------------------------------------------------------------
def test_a_sign_in_stands_for_its_person(opened):
    viewer = resolve(opened, enter(opened))
    assert viewer is not None
    assert (viewer.person_id, viewer.email) == (ann(opened), EMAIL)
    assert viewer.role_in("acme") is Role.OWNER
    assert viewer.role_in("globex") is None
    assert viewer.session_started_at == NOON


def test_every_sign_in_has_a_token_of_its_own_and_ends_the_one_before(opened):
    first = enter(opened)
    second = enter(opened, old_token=first)
    third = enter(opened)
    assert len({first, second, third}) == 3
    assert len(first) >= 43, "256 bits"
    assert resolve(opened, first) is None
    assert resolve(opened, second)
    assert resolve(opened, third)


def test_a_token_that_somebody_planted_opens_nothing(opened):
    token = enter(opened, old_token="planted by somebody else")
    assert token != "planted by somebody else"
    assert resolve(opened, "planted by somebody else") is None


@pytest.mark.parametrize("token", [None, "", "x", "x" * 5000, "\0", "é"])
def test_what_is_no_token_is_nobody(opened, token):
    assert resolve(opened, token) is None


def test_the_stored_hash_is_no_token(opened):
    token = enter(opened)
    stored = read(opened, select(t.sessions.c.token_hash))
    assert stored != token
    assert resolve(opened, stored) is None


def test_a_session_ends_with_its_hours_however_busy(opened):
    token = enter(opened)
    for _ in range(11):
        opened.clock.at += timedelta(hours=1)
        assert resolve(opened, token)
    opened.clock.at = NOON + timedelta(hours=12) - timedelta(seconds=1)
    assert resolve(opened, token)
    opened.clock.at = NOON + timedelta(hours=12)
    assert resolve(opened, token) is None


def test_a_session_ends_when_nobody_uses_it(opened):
    token = enter(opened)
    opened.clock.at = NOON + LONGEST_IDLE - timedelta(seconds=1)
    assert resolve(opened, token)
    opened.clock.at += LONGEST_IDLE
    assert resolve(opened, token) is None


def test_being_here_is_noted_at_most_once_a_minute(opened):
    token = enter(opened)
    opened.clock.at = NOON + timedelta(seconds=59)
    resolve(opened, token)
    assert last_seen(opened) == NOON
    opened.clock.at = NOON + timedelta(seconds=61)
    resolve(opened, token)
    assert last_seen(opened) == NOON + timedelta(seconds=61)


def test_a_full_writer_does_not_sign_anybody_out(opened):
    token = enter(opened)
    opened.clock.at += timedelta(minutes=5)
    opened.writer.close()
    assert resolve(opened, token)


def test_sign_out_and_disabling_end_it_at_once(opened):
    tokens = [enter(opened) for _ in range(3)]
    assert write(opened, end_session, opened.pseudonyms, tokens[0], NOON) == ann(opened)
    assert write(opened, end_session, opened.pseudonyms, tokens[0], NOON) is None
    assert [bool(resolve(opened, token)) for token in tokens] == [False, True, True]
    write(opened, disable_person, ann(opened), NOON)
    assert [resolve(opened, token) for token in tokens] == [None] * 3
    with pytest.raises(SignInError):
        enter(opened)
    with pytest.raises(SignInError):
        write(opened, start_session, opened.pseudonyms, ann(opened), NOON, 12)


def test_sessions_long_over_are_forgotten(opened):
    enter(opened)
    opened.clock.at = NOON + timedelta(days=31)
    enter(opened)
    assert read(opened, select(func.count()).select_from(t.sessions)) == 1


def test_an_old_hash_is_made_anew_at_the_next_sign_in(opened):
    dearer = Passwords(2, 16, 1)
    enter(opened, passwords=dearer)
    stored = read(opened, select(t.people.c.password_hash).where(t.people.c.email == EMAIL))
    assert not dearer.needs_rehash(stored)
    assert resolve(opened, enter(opened, passwords=dearer))


def test_the_audit_log_names_the_sign_in_and_no_address(opened):
    enter(opened)
    with opened.database.read() as connection:
        entry = connection.execute(select(t.audit)).one()
    assert (entry.actor, entry.action) == (f"person:{ann(opened)}", "sign_in")
    assert EMAIL not in str(tuple(entry))
    assert HERE not in str(tuple(entry))


@of_sqlite
def test_no_secret_reaches_the_files(opened, tmp_path):
    token = enter(opened)
    with pytest.raises(SignInError):
        enter(opened, "stranger@nowhere.example", "a wrong but private password", THERE)
    stored = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert EMAIL.encode() in stored, "this looks where things are"
    for secret in (token, PASSWORD, "a wrong but private password", "stranger@nowhere", THERE):
        assert secret.encode() not in stored


# --- the account -----------------------------------------------------------------------------
def test_the_first_account_by_name_is_open_until_another_is_chosen(opened):
    both = add(opened, "both@acme.example", "globex", Role.MANAGER)
    write(opened, add_membership, both, "acme", Role.OWNER)
    token = enter(opened, "both@acme.example")
    assert (scope(opened, token).account_id, scope(opened, token).role) == ("acme", Role.OWNER)
    choose(opened, token, "globex")
    assert (scope(opened, token).account_id, scope(opened, token).role) == ("globex", Role.MANAGER)
    write(opened, remove_membership, both, "globex")
    assert scope(opened, token).account_id == "acme", "a right that is lost is lost at once"
    write(opened, remove_membership, both, "acme")
    with pytest.raises(NotAllowedError):
        scope(opened, token)


def test_a_closed_account_is_not_the_first(opened):
    token = enter(opened, add(opened, "s@x.example", "*", Role.SUPPORT) and "s@x.example")
    write(opened, lambda c: c.execute(update(t.accounts).where(t.accounts.c.id == "acme")
                                      .values(closed_at=NOON)))  # fmt: skip
    assert scope(opened, token).account_id == "globex"
    choose(opened, token, "acme")
    assert scope(opened, token).account_id == "acme"


@pytest.mark.parametrize("account_id", ["globex", "nowhere", "", "*", "\0", "acme' OR 1=1"])
def test_other_accounts_look_like_none(opened, account_id):
    token = enter(opened)
    with pytest.raises(NotFoundError) as caught:
        choose(opened, token, account_id)
    assert caught.value.message == f"There is no account {account_id!r} that you may see."
    assert scope(opened, token).account_id == "acme"


def test_support_opens_every_account_that_there_is(opened):
    add(opened, "support@x.example", "*", Role.SUPPORT)
    token = enter(opened, "support@x.example")
    viewer = who(opened, token)
    with opened.database.read() as connection:
        assert [account.id for account in accounts_of(connection, viewer)] == ["acme", "globex"]
    choose(opened, token, "globex")
    assert scope(opened, token).role is Role.SUPPORT
    for account_id in ("nowhere", "*", "\0"):
        with pytest.raises(NotFoundError):
            choose(opened, token, account_id)
    last = select(t.audit.c.account_id).order_by(t.audit.c.seq.desc()).limit(1)
    assert read(opened, last) == "globex", "whom support looked at is in the log"


def test_a_choice_belongs_to_one_session(opened):
    add(opened, "support@x.example", "*", Role.SUPPORT)
    first, second = (enter(opened, "support@x.example") for _ in range(2))
    choose(opened, first, "globex")
    assert scope(opened, second).account_id == "acme"
    with pytest.raises(NotAllowedError):
        choose(opened, "no session", "acme")


def test_find_session_needs_the_same_secret(opened):
    token = enter(opened)
    with opened.database.read() as connection:
        assert find_session(connection, opened.pseudonyms, token, NOON)
        assert find_session(connection, Pseudonyms("another"), token, NOON) is None
