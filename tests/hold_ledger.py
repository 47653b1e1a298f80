"""A real ledger whose holds are decided through the one writer, with limits that tests set."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

from billing.caps import Cap, CapKind, Inbound, Limits
from billing.events import UsageEvent
from billing.holds import HoldKind, HoldRequest
from data import tables as t
from data.identity import Pseudonyms
from data.ledger.deciding import Decisions
from data.ledger.hold_answers import Extend, Release, Settle
from data.ledger.limits import set_limits
from tests.builders import call, sms
from tests.wallet_ledger import Wallet

_ids = count(1)


class Holding(Wallet):
    """A ledger with decisions."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.decisions = Decisions(self.writer, self.clock, Pseudonyms("test-secret"))

    def ask(self, kind: str = "sms", amount: int | None = None, **rest: Any) -> dict[str, Any]:
        """Asks for a hold; gives the answer."""
        account_id = rest.pop("account_id", "acme")
        request_id = rest.pop("request_id", f"request-{next(_ids)}")
        request = HoldRequest(request_id, HoldKind(kind), amount=amount, **rest)
        return self.decisions.submit(account_id, request).result(30)

    def extend(
        self, hold_id: str, seconds: int | None = None, request_id: str | None = None
    ) -> dict[str, Any]:
        """Asks for more seconds."""
        request_id = request_id or f"request-{next(_ids)}"
        return self.decisions.submit("acme", Extend(hold_id, request_id, seconds)).result(30)

    def settle(self, hold_id: str, event: UsageEvent | None = None, **rest: Any) -> dict[str, Any]:
        """Settles a hold by a call of ``seconds``, or a message of ``segments``."""
        if event is None:
            make = call if "seconds" in rest else sms
            event = make(f"event-{next(_ids)}", self.clock.at, hold_id=hold_id, **rest)
        return self.decisions.submit("acme", Settle(event, self.clock.at)).result(30)

    def release(self, hold_id: str) -> dict[str, Any]:
        """Gives a hold back."""
        return self.decisions.submit("acme", Release(hold_id)).result(30)

    def limit(self, *caps: Cap, account_id: str = "acme", **rest: Any) -> None:
        """Sets the limits of an account."""
        limits = Limits(caps, is_on=rest.get("is_on", True),
                        inbound=Inbound(rest.get("inbound", "continue")))  # fmt: skip
        self.writer.write(
            lambda c: set_limits(c, self.accounts[account_id], limits, "person:ada", self.clock.at)
        )

    def pauses(self, account_id: str = "acme") -> list[tuple[str, str, str | None]]:
        """Every pause, oldest first: rule, campaign, and why it ended."""
        rows = sorted(self.rows(t.pauses, account_id), key=lambda row: (row.started_at, row.id))
        return [(row.rule, row.campaign_id, row.end_cause) for row in rows]

    def counter(self, kind: str, campaign: str = "") -> tuple[int, int]:
        """Spent and reserved of the newest window of a kind."""
        rows = [
            row for row in self.rows(t.cap_counters, "acme")
            if (row.kind, row.campaign_id) == (kind, campaign)
        ]  # fmt: skip
        newest = max(rows, key=lambda row: row.start_on, default=None)
        return (newest.spent_micros, newest.reserved_micros) if newest else (0, 0)


def cap(kind: str, limit_micros: int | None, **rest: Any) -> Cap:
    """A hard cap that is on."""
    return Cap(CapKind(kind), limit_micros, **rest)


def proved_holding(folder: Path) -> Iterator[Holding]:
    """One account with a hundred units of paid credit; the ledger proves itself at the end."""
    with Holding(folder) as opened:
        opened.add()
        opened.credit(1_000_000)
        yield opened
        assert opened.broken() == []
