"""Auto-recharge set by people and keys: the one use case behind the API's call and the page's form.

Who may is asked here, so that no way leads around it. One transaction holds a change with its
audit entry and the top-up that it makes due. Must not know who shows the answer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from billing.access import AccountScope
from billing.clock import Clock
from billing.recharges import (
    Gateway,
    RechargeSettings,
    SettingsChangedError,
    check_settings,
    require_change,
)
from data.access.audit import record
from data.accounts import read_account
from data.ledger.wallet import OpenWallet
from data.payments.asking import ask_if_due
from data.payments.book import read_settings, save_settings
from data.writer import Writer


class Recharging:
    """Changes what is set, in the writer."""

    def __init__(self, writer: Writer, clock: Clock, gateway: Gateway) -> None:
        self._writer = writer
        self._clock = clock
        self._gateway = gateway

    def save(
        self, scope: AccountScope, actor: str, settings: RechargeSettings,
        version: int | None = None,
    ) -> RechargeSettings:  # fmt: skip
        """Replaces what is set; a top-up that is due now is asked for at once.

        Declines before a change keep nothing from being tried after it. ``version``: the one that
        was read, so that nobody's change is lost unseen; none: whatever it is. Errors:
        ``NotAllowedError``; ``InputError`` naming a field; ``SettingsChangedError``; ``BusyError``.
        """
        require_change(scope.role)
        checked = check_settings(settings, scope.account.currency, self._gateway.methods)

        def work(connection: Connection) -> RechargeSettings:
            now = self._clock.now()
            account = read_account(connection, scope.account_id)
            wallet = OpenWallet.open(connection, account)  # its lock keeps others out meanwhile
            before = read_settings(connection, account.id)
            if version not in {None, before.version}:
                raise SettingsChangedError(
                    f"Auto-recharge was changed meanwhile (version {before.version}): read it "
                    "and try again."
                )
            kept = replace(checked, version=before.version + 1)
            save_settings(connection, account.id, kept, now)
            detail = {"before": _plain(before), "after": _plain(kept)}
            record(connection, now, actor, account.id, "recharge.set", detail)
            ask_if_due(connection, account, wallet.posted_micros, now)
            return kept

        return self._writer.write(work)


def _plain(settings: RechargeSettings) -> dict[str, Any]:
    return {
        "is_on": settings.is_on, "threshold_micros": settings.threshold_micros,
        "mode": settings.mode.value, "amount_micros": settings.amount_micros,
        "daily_ceiling_micros": settings.daily_ceiling_micros, "method": settings.method,
        "version": settings.version,
    }  # fmt: skip
