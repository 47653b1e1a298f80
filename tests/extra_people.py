"""People whom a test adds to a server's accounts, with the password of all test people."""

from sqlalchemy import Connection

from billing.access import Role
from data.access.people import add_membership, add_person
from tests.live import NOW, PASSWORD, QUICK


def add_people(connection: Connection, *people: tuple[str, str, Role]) -> None:
    """E-mail, account (``*``: all) and role of each."""
    for email, account_id, role in people:
        added = add_person(connection, email, role.value, PASSWORD, NOW, passwords=QUICK)
        add_membership(connection, added.person.id, account_id, role)
