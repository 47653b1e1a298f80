"""Callers that were asked for a moment ago: their key and account, without asking the ledger again.

What another process changes is noticed within ``KNOWN_SECONDS``; a key that this process revokes is
unknown at once. Without this, reading key and account of each request takes more time than
deciding about it (ARCHITECTURE.md).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from billing.access import ALL_ACCOUNTS
from billing.accounts import Account
from billing.errors import NotFoundError
from data.access.keys import KEYS_CHANGED, ApiKey, find_key
from data.accounts import read_account
from data.installation import Installation

KNOWN_SECONDS = 1.0
MOST_KNOWN = 10_000


@dataclass(frozen=True, slots=True)
class Known:
    """A key that is valid, and its account; none for a key over all accounts."""

    key: ApiKey
    account: Account | None


class KnownCallers:
    """Keys by what callers show. ``clock`` gives seconds that never step back."""

    def __init__(
        self, installation: Installation, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._installation = installation
        self._clock = clock
        self._lock = threading.Lock()
        self._found: dict[str, tuple[float, Known]] = {}
        self._is_listening = False
        self._version = 0  # grows when what was read before may be wrong

    def find(self, shown: str) -> Known | None:
        """What was read of a key within the last second; none: read it."""
        found = self._found.get(shown)
        if found is None or self._clock() >= found[0] + KNOWN_SECONDS:
            return None
        return found[1]

    def read(self, shown: str) -> Known | None:
        """A key as the ledger knows it now; none for one that is unknown or revoked."""
        if not self._is_listening:
            self._is_listening = True
            self._installation.writer.subscribe(self._changed)
        version, at = self._version, self._clock()
        with self._installation.database.read() as connection:
            key = find_key(connection, self._installation.pseudonyms, shown)
            if key is None:
                return None
            account = None
            if key.account_id != ALL_ACCOUNTS:
                try:
                    account = read_account(connection, key.account_id)
                except NotFoundError:
                    raise NotFoundError(f"There is no account {key.account_id!r}.") from None
        known = Known(key, account)
        with self._lock:
            if version == self._version:
                if len(self._found) >= MOST_KNOWN:
                    self._found.clear()
                self._found[shown] = (at, known)
        return known

    def _changed(self, changed: frozenset[str]) -> None:
        """On the writer's thread, after a commit."""
        if KEYS_CHANGED in changed:
            with self._lock:
                self._version += 1
                self._found.clear()
