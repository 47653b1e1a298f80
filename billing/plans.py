"""Plans and what each opens (seed: Limits & Availability)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from billing.errors import InputError


class Plan(StrEnum):
    """The four plans, smallest first."""

    FREE = "free"
    LAUNCH = "launch"
    GROWTH = "growth"
    SCALE = "scale"

    @property
    def label(self) -> str:
        """The name people see."""
        return self.value.capitalize()


@dataclass(frozen=True, slots=True)
class Gates:
    """What a plan opens: the whole history or one session of sandbox usage, and the tools."""

    has_full_history: bool
    has_drill_down: bool
    has_date_filter: bool
    is_sandbox_only: bool


_FULL = Gates(True, True, True, False)

PLAN_GATES: dict[Plan, Gates] = {
    Plan.FREE: Gates(False, False, False, True),
    Plan.LAUNCH: _FULL,
    Plan.GROWTH: _FULL,
    Plan.SCALE: _FULL,
}


def parse_plan(text: str) -> Plan:
    """The plan of that name, in any case; ``InputError`` otherwise."""
    try:
        return Plan(text.strip().lower())
    except ValueError:
        names = ", ".join(Plan)
        raise InputError("plan", text, f"use one of {names}") from None
