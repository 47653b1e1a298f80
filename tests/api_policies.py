"""Who is answered what by each call of the API: what tests/test_api_v1_tenancy.py asks of all.

A call that isn't in ``ROUTES`` fails there, until somebody has written down which scope it takes
and who else is answered what.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from tests.api_client import call
from tests.live import NOW


@dataclass(frozen=True)
class Policy:
    """Who is answered what. ``own``: the account's own key (of a call for staff: an administrator's
    that names the account); ``stolen``: another account's key that uses acme's ids; ``free``: one
    of a Free account for its own; ``unnamed``: one over all that names no account. ``support``:
    a support key that names it; none: as ``own`` where it reads, else 403. ``body``: what is sent.
    """

    scope: str
    own: int = 200
    stolen: int = 200
    free: int = 200
    unnamed: int = 422
    support: int | None = None
    body: Any = None
    or_scope: str | None = None  # that opens it as well

    @property
    def scopes(self) -> tuple[str, ...]:
        """Every scope that opens it."""
        return (self.scope, self.or_scope) if self.or_scope else (self.scope,)

    @property
    def is_for_staff(self) -> bool:
        """Whether no key of an account may do it."""
        return self.scope == "support"

    @property
    def answer_to_support(self) -> int:
        """What a support key that names the account is answered."""
        if self.support is not None:
            return self.support
        return self.own if {"usage:read", "wallet:read", "support"} & set(self.scopes) else 403


def staff(own: int = 200, support: int | None = None, **body: Any) -> Policy:
    """A call for keys over all accounts alone."""
    return Policy("support", own, 403, 403, 422, own if support is None else support, body or None)


DETAIL = Policy("usage:read", stolen=404, free=403)
OF_A_HOLD: dict[str, Any] = {"stolen": 404, "free": 404}
DAILY = {"kind": "daily", "limit_micros": 1_000_000}
NO_PAUSE = Policy("limits:write", own=404, stolen=404, free=404, body={
    "reason": "a fair", "until": (NOW + timedelta(hours=1)).isoformat(),
})  # fmt: skip
LOW_BALANCE: dict[str, Any] = {
    "kind": "low_balance", "threshold": {"unit": "money", "amount": 0},
}  # fmt: skip
ALERTS_READ = Policy("usage:read", or_scope="alerts:write")
ROUTES = {
    ("POST", "/events"): Policy(
        "events:write", own=204, stolen=403, free=403, unnamed=204, body=call(_id="tenancy"),
    ),
    ("GET", "/usage"): Policy("usage:read"),
    ("GET", "/transactions"): Policy("usage:read", free=403),
    ("GET", "/transactions/{id}"): DETAIL,
    ("GET", "/transactions/{id}/explanation"): DETAIL,
    ("GET", "/calls/{event:path}"): DETAIL,
    ("GET", "/messages/{event:path}"): DETAIL,
    ("GET", "/rates"): Policy("usage:read"),
    ("GET", "/balance"): Policy("wallet:read"),
    ("GET", "/wallet/entries"): Policy("wallet:read"),
    ("POST", "/wallet/top-ups"): Policy("wallet:write", body={"amount_micros": 1}),
    ("GET", "/wallet/auto-recharge"): Policy("wallet:read", or_scope="wallet:write"),
    ("PUT", "/wallet/auto-recharge"): Policy("wallet:write", body={
        "is_on": False, "threshold_micros": 0, "mode": "fixed_amount", "amount_micros": 0,
        "daily_ceiling_micros": 0,
    }),
    ("GET", "/wallet/recharges"): Policy("wallet:read", or_scope="wallet:write"),
    ("POST", "/holds"): Policy("holds:write", body={
        "request_id": "tenancy", "kind": "sms", "to": "+14155550142",
    }),
    ("GET", "/holds"): Policy("holds:write", or_scope="wallet:read"),
    ("GET", "/holds/{hold_id}"): Policy("holds:write", or_scope="wallet:read", **OF_A_HOLD),
    ("POST", "/holds/{hold_id}/extend"): Policy(
        "holds:write", body={"request_id": "more"}, **OF_A_HOLD,
    ),
    ("POST", "/holds/{hold_id}/settle"): Policy("holds:write", body={
        "source": "dialler", "id": "settled", "time": NOW.isoformat(),
        "data": {"answered": True, "duration_s": 60, "to": "+14155550142"},
    }, **OF_A_HOLD),
    ("POST", "/holds/{hold_id}/release"): Policy("holds:write", or_scope="support", **OF_A_HOLD),
    ("GET", "/limits"): Policy("usage:read", or_scope="limits:write"),
    ("PUT", "/limits"): Policy(
        "limits:write", body={"is_on": True, "inbound": "continue", "caps": []},
    ),
    ("POST", "/limits/backtest"): Policy("usage:read", or_scope="limits:write", body=DAILY),
    ("GET", "/pauses"): Policy("usage:read", or_scope="limits:write"),
    ("POST", "/pauses/{pause_id}/override"): NO_PAUSE,
    ("DELETE", "/pauses/{pause_id}/override"): replace(NO_PAUSE, body=None),
    ("GET", "/alerts"): ALERTS_READ,
    ("POST", "/alerts"): Policy(
        "alerts:write", own=201, stolen=201, free=403, body=LOW_BALANCE,
    ),
    ("POST", "/alerts/recommended"): Policy("alerts:write", free=403, body={}),
    ("POST", "/alerts/backtest"): replace(ALERTS_READ, free=403, body=LOW_BALANCE),
    ("GET", "/alerts/{alert_id}"): replace(ALERTS_READ, **OF_A_HOLD),
    ("PATCH", "/alerts/{alert_id}"): Policy(
        "alerts:write", stolen=404, free=403, body={"name": "tenancy"},
    ),
    ("POST", "/alerts/{alert_id}/test"): replace(
        NO_PAUSE, scope="alerts:write", body=None, free=403,
    ),
    ("DELETE", "/alerts/{alert_id}"): replace(NO_PAUSE, scope="alerts:write", body=None),
    ("GET", "/notifications"): ALERTS_READ,
    ("GET", "/notifications/{notification_id}/deliveries"): replace(ALERTS_READ, **OF_A_HOLD),
    ("GET", "/webhooks"): Policy("account:write"),
    ("POST", "/webhooks"): Policy(
        "account:write", own=201, stolen=201, free=201,
        body={"url": "https://platform.example/hooks"},
    ),
    **{
        call: replace(NO_PAUSE, scope="account:write", body=None)  # theirs: test_api_v1_webhooks
        for call in (
            ("GET", "/webhooks/{webhook_id}"), ("DELETE", "/webhooks/{webhook_id}"),
            ("POST", "/webhooks/{webhook_id}/rotate"), ("POST", "/webhooks/{webhook_id}/test"),
            ("GET", "/webhooks/{webhook_id}/deliveries"),
            ("POST", "/webhooks/deliveries/{delivery_id}/replay"),
            ("GET", "/webhooks/deliveries/{delivery_id}/attempts"),
        )
    },
    ("PATCH", "/webhooks/{webhook_id}"): replace(
        NO_PAUSE, scope="account:write", body={"is_on": False}
    ),
}  # fmt: skip
# For support and administrators alone, whatever an account's own key may do: test_api_v1_wallet.
STAFF = {
    ("POST", "/wallet/grants"), ("POST", "/wallet/adjustments"), ("POST", "/wallet/refunds"),
    ("GET", "/approvals"), ("POST", "/approvals/{approval_id}/approve"),
    ("POST", "/approvals/{approval_id}/reject"),
}  # fmt: skip
OPEN = {("GET", "/openapi.json"), ("HEAD", "/openapi.json")}
