"""How an account's limits and pauses are told: its money, its zone, its campaigns' names."""

from __future__ import annotations

from collections.abc import Sequence

from billing.limit_standing import LimitStanding
from billing.pauses import Pause
from billing.usage import Dimension
from components.limit_words import Telling
from pages._frame import Visit


def telling_of(
    visit: Visit, standing: LimitStanding, pauses: Sequence[Pause] = (), *, is_whole: bool = False
) -> Telling:
    """Names are read only where campaigns are told of; ``is_whole``: in any case."""
    has_campaign = is_whole or bool(standing.limits.budgets)
    return telling(visit, (*standing.pauses, *pauses), has_campaign=has_campaign)


def telling(visit: Visit, pauses: Sequence[Pause], *, has_campaign: bool = False) -> Telling:
    """The same for pauses alone."""
    names = {}
    if has_campaign or any(pause.reason.campaign for pause in pauses):
        names = dict(visit.figures.names(visit.scope, Dimension.CAMPAIGN))
    return Telling(visit.account.currency, visit.account.locale, visit.zone, names)
