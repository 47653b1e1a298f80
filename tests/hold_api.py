"""A platform that asks a live server before it works, and an account of its own for each test."""

from datetime import date
from itertools import count
from typing import Any

from billing.lots import LotKind
from billing.plans import Plan
from data.accounts import NewAccount, add_account, read_account
from data.installation import Installation
from data.ledger.posting import Poster
from data.ledger.wallet import Credit, Posting
from tests.api_client import ApiClient
from tests.live import NOW, Live

PRICE = 12_000  # micros of any unit in USD; a minute of talk is one, and so is each dial attempt
TO = "+14155550142"
SCOPES = ("holds:write", "limits:write", "usage:read", "wallet:read", "events:write")
_numbers = count(1)


def open_account(
    installation: Installation, credit_micros: int = 10_000_000, plan: Plan = Plan.SCALE,
    timezone: str = "America/New_York",
) -> str:  # fmt: skip
    """A new account in USD with so much paid credit; its id."""
    account_id = f"tenant-{next(_numbers)}"

    def work(connection: Any) -> None:
        new = NewAccount(account_id, account_id.title(), plan, "USD", timezone, is_demo=True)
        add_account(connection, new, NOW)
        if credit_micros:
            account = read_account(connection, account_id)
            poster = Poster(connection, account, installation.pseudonyms, NOW)
            posting = Posting(NOW, NOW, NOW, date(2026, 11, 1))
            poster.wallet.credit(Credit(LotKind.PAID, credit_micros, "top-up"), posting)
            poster.flush()

    installation.writer.write(work)
    return account_id


class Platform(ApiClient):
    """Asks, settles and gives back, with a key that may also set limits."""

    def __init__(self, live: Live, account_id: str | None = None, **account: Any) -> None:
        self.account_id = account_id or open_account(live.installation, **account)
        super().__init__(live, self.account_id, *SCOPES)

    def post(self, path: str, **body: Any) -> Any:
        """Posts a body; the answer's, with the status it had under ``status``."""
        answer = self.http.post(path, json=body)
        return {"status": answer.status_code, **answer.json()}

    def ask(self, kind: str = "call.human", **more: Any) -> Any:
        """Asks for a hold; ``seconds`` or ``units`` is the estimate."""
        estimate = {name: more.pop(name) for name in ("seconds", "units") if name in more}
        body = {"request_id": f"r-{next(_numbers)}", "kind": kind, "to": TO, **more}
        return self.post("/holds", **body, estimate=estimate)

    def settle(self, hold_id: str, /, **more: Any) -> Any:
        """Settles a call's hold: answered, 60 seconds; ``_id`` and so on are the event's."""
        given = {name[1:]: more.pop(name) for name in list(more) if name.startswith("_")}
        data = {"answered": True, "duration_s": 60, "to": TO, **more}
        event = {"source": "dialler", "id": f"e-{next(_numbers)}", "time": NOW.isoformat()}
        return self.post(f"/holds/{hold_id}/settle", **{**event, **given}, data=data)

    def extend(self, hold_id: str, seconds: int | None = None, request_id: str = "") -> Any:
        """Asks for more seconds."""
        body = {"request_id": request_id or f"r-{next(_numbers)}", "seconds": seconds}
        return self.post(f"/holds/{hold_id}/extend", **body)

    def release(self, hold_id: str) -> Any:
        """Gives a hold back."""
        return self.post(f"/holds/{hold_id}/release")

    def limit(self, *caps: dict[str, Any], **more: Any) -> Any:
        """Sets all limits; the answer's body with its status."""
        body = {"is_on": True, "inbound": "continue", "caps": list(caps), **more}
        answer = self.http.put("/limits", json=body)
        return {"status": answer.status_code, **answer.json()}

    def limits(self) -> dict[tuple[str, str | None], Any]:
        """Each limit as it stands, by kind and campaign."""
        caps = self.get("/limits").json()["caps"]
        return {(each["kind"], each["campaign"]): each for each in caps}

    def balance(self) -> tuple[int, int]:
        """Available and reserved."""
        found = self.get("/balance").json()
        return found["available_micros"], found["reserved_micros"]
