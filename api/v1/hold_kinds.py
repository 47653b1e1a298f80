"""What open holds are for, as this process allowed them: a settlement needn't read it again."""

from __future__ import annotations

import threading
from collections import OrderedDict

from billing.holds import HoldKind

MOST_KEPT = 50_000


class HoldKinds:
    """The kinds of the newest holds, which never change, by account and hold."""

    def __init__(self) -> None:
        self._kinds: OrderedDict[tuple[str, str], HoldKind] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, account_id: str, hold_id: str, kind: HoldKind) -> None:
        """Remembers what a hold is for; the oldest is forgotten when there are too many."""
        with self._lock:
            self._kinds[account_id, hold_id] = kind
            if len(self._kinds) > MOST_KEPT:
                self._kinds.popitem(last=False)

    def find(self, account_id: str, hold_id: str) -> HoldKind | None:
        """What a hold of the account is for; none where it isn't known here."""
        return self._kinds.get((account_id, hold_id))
