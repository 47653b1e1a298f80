"""How the demo's people are made: the ordinary way, with cheap hashes of a published password."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from billing.access import Role
from data.access.people import Passwords, add_membership, add_person


class DemoSignIns:
    """Adds the demo's people; call it as ``load_demo`` asks."""

    def __init__(self, at: datetime) -> None:
        self._at = at
        self._passwords = Passwords(time_cost=1, memory_kib=8192, parallelism=1)

    def __call__(
        self,
        connection: Connection,
        email: str,
        name: str,
        password: str,
        role: str,
        account_id: str,
    ) -> object:
        """One person with one role in one account, or over all."""
        added = add_person(connection, email, name, password, self._at, passwords=self._passwords)
        add_membership(connection, added.person.id, account_id, Role(role))
        return added
