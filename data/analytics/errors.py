"""What may be wrong with the analytics store. The ledger is never affected."""

from __future__ import annotations

from billing.errors import ProductError
from data.outage import UnavailableError


class LakeError(ProductError):
    """The analytics store can't be used; the ledger is not affected."""

    code = "analytics_unusable"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"Analytics can't be read: {reason}. The ledger is not affected: "
            "run `usage-dashboard rebuild` to make analytics again from it."
        )


class LakeLayoutError(LakeError):
    """The store was made by another version of this program and must be made again."""


class LakeForeignError(LakeError):
    """The store was made from another ledger than the one it is opened with."""


class LakeAheadError(LakeError):
    """The store has more than its ledger, which was restored from an older backup."""


class LakeCatalogError(LakeError):
    """The store has no catalog where it belongs: in the ledger's PostgreSQL database."""


class LakeUnreachableError(LakeError, UnavailableError):
    """The catalog's server can't be used right now: the store is sound, later it can be read."""

    code = UnavailableError.code

    def __init__(self, reason: str) -> None:
        self.reason = reason
        ProductError.__init__(
            self, f"Analytics can't be reached right now ({reason}): try again in a moment."
        )


class LakeConflictError(Exception):
    """Somebody else changed the store first; nothing of this change was kept.

    Or the catalog's server went away at the end of it: then whether it was kept shows in the store.
    """


def first_line(said: object) -> str:
    """The first sentence of what a library says, short enough to show."""
    lines = str(said).strip().splitlines()
    return lines[0][:200].rstrip(".") if lines else "unknown"
