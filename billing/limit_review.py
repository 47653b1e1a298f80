"""What a change of limits would do at once, told before it is made.

Uses the same rule as the change itself. Must not know how the change is asked for or stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from billing.caps import Counted, Limits, Window
from billing.limit_standing import Backtest, LimitStanding, window_of
from billing.pauses import BALANCE, Due, Pause, due_pauses
from billing.periods import ZoneHistory

_ANY_CREDIT = 1  # whether the balance has run out is no matter of limits


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change would pause, what it would let go on, and what would stay paused."""

    begun: tuple[Due, ...] = ()
    ended: tuple[Pause, ...] = ()
    kept: tuple[Pause, ...] = ()


def effect_of(
    standing: LimitStanding, wanted: Limits, tried: Backtest | None, zones: ZoneHistory
) -> Effect:
    """What pauses if ``wanted`` comes into force now.

    ``tried``: the backtest of a limit that isn't set yet, which knows what its present window has
    where that is enough to pause it.
    """
    now = standing.as_of
    due = due_pauses(wanted, _counts(standing, tried, now, zones), _ANY_CREDIT, now, zones)
    by_name = {each.reason.name: each for each in due}
    present = {pause.reason.name: pause for pause in standing.pauses}
    kept = {
        name: pause for name, pause in present.items() if name in by_name or name[0] == BALANCE
    }  # fmt: skip
    return Effect(
        tuple(each for name, each in by_name.items() if name not in present),
        tuple(pause for name, pause in present.items() if name not in kept),
        tuple(kept.values()),
    )


def _counts(
    standing: LimitStanding, tried: Backtest | None, now: datetime, zones: ZoneHistory
) -> dict[Window, Counted]:
    counts: dict[Window, Counted] = {}
    if tried is not None:
        window = window_of(tried.cap, zones.local_day(now))
        for hit in tried.hits:
            if hit.window == window:
                counts[hit.window] = Counted(hit.spent_micros)
    for gauge in standing.gauges:
        if gauge.window is not None:
            counts[gauge.window] = Counted(
                gauge.spent_micros, gauge.reserved_micros, gauge.least_micros
            )
    return counts
