"""The files of ``data/views``: their text, their parameters, their rows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

VIEWS = Path(__file__).parent.parent / "views"
_PARAMETER = re.compile(r"\$([a-z_0-9]+)")


@cache
def view(name: str) -> str:
    """The text of one file of ``data/views``, its header left out."""
    lines = (VIEWS / f"{name}.sql").read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.startswith("--"))


@cache
def view_parameters(name: str) -> frozenset[str]:
    """The names of the parameters of one file of ``data/views``."""
    return frozenset(_PARAMETER.findall(view(name)))


def run_view(
    cursor: duckdb.DuckDBPyConnection, name: str, parameters: Mapping[str, Any]
) -> list[tuple[Any, ...]]:
    """Rows of one file of ``data/views``; parameters it doesn't have are left out."""
    taken = {key: parameters[key] for key in view_parameters(name)}
    return cursor.execute(view(name), taken).fetchall()
