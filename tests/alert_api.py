"""An account of its own on a live server, and a program that sets its alerts."""

from typing import Any

from sqlalchemy import select

from data import tables as t
from tests.api_client import ApiClient, sms
from tests.hold_api import PRICE, SCOPES, open_account
from tests.live import Live

OWNER = "owner@tenant.example"


class Warned(ApiClient):
    """An account of its own, with a key that may set alerts."""

    def __init__(self, live: Live, credit: int = 100 * PRICE, **account: Any) -> None:
        self.live = live
        self.account_id = open_account(live.installation, credit, **account)
        super().__init__(live, self.account_id, *SCOPES, "alerts:write")

    def post(self, path: str, **body: Any) -> Any:
        """Posts a body; the answer's, with the status it had under ``status``."""
        answer = self.http.post(path, json=body)
        return {"status": answer.status_code, **answer.json()}

    def patch(self, alert: Any, **body: Any) -> Any:
        """Changes an alert."""
        answer = self.http.patch(f"/alerts/{alert['id']}", json=body)
        return {"status": answer.status_code, **answer.json()}

    def add(
        self, kind: str = "low_balance", unit: str = "money", amount: Any = 0, **more: Any
    ) -> Any:
        """Adds an alert."""
        return self.post("/alerts", kind=kind, threshold={"unit": unit, "amount": amount}, **more)

    def send_sms(self, segments: int = 1, **more: Any) -> None:
        """Work of so many units."""
        sent = self.send_one(sms(_subject=self.account_id, segments=segments, **more))
        assert sent.status_code == 204, sent.text

    def told(self) -> list[tuple[str, str]]:
        """Kinds and levels of what people were told, newest first."""
        page = self.get("/notifications").json()["notifications"]
        return [(each["kind"], each["level"]) for each in page]

    def noted(self) -> list[Any]:
        """The audit log's entries of the account."""
        with self.live.installation.database.read() as connection:
            return list(
                connection.execute(
                    select(t.audit)
                    .where(t.audit.c.account_id == self.account_id)
                    .order_by(t.audit.c.seq)
                )
            )
