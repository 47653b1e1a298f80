"""Values of which every usage event makes several: frozen for mypy, cheap to make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(*, kw_only: bool = False) -> Callable[[type[T]], type[T]]:
    """A dataclass that nobody may change: mypy refuses it, nothing stands guard at run time.

    A guard there (``frozen=True``) triples what making one costs: 3.2 instead of 1.1 µs for a
    call. Everything else is made seldom and has it.
    """
    return dataclass(slots=True, unsafe_hash=True, kw_only=kw_only)
