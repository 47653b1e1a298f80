"""Reads component trees for tests: every component, its words, its links."""

from collections.abc import Iterator
from typing import Any

from dash.development.base_component import Component


def walk(tree: Any) -> Iterator[Any]:
    """Every component of a tree, in reading order."""
    if isinstance(tree, list | tuple):
        for child in tree:
            yield from walk(child)
    elif isinstance(tree, Component):
        yield tree
        yield from walk(getattr(tree, "children", None))


def words(tree: Any) -> str:
    """All text of a tree, no-break spaces as spaces."""
    return " ".join(" ".join(_texts(tree)).replace("\N{NO-BREAK SPACE}", " ").split())


def _texts(tree: Any) -> Iterator[str]:
    if isinstance(tree, list | tuple):
        for child in tree:
            yield from _texts(child)
    elif isinstance(tree, Component):
        yield from _texts(getattr(tree, "children", None))
    elif tree is not None:
        yield str(tree)


def of_kind(tree: Any, name: str) -> list[Any]:
    """The components of one kind: ``Tr``, ``A``, ``Graph``."""
    return [part for part in walk(tree) if type(part).__name__ == name]


def with_class(tree: Any, name: str) -> list[Any]:
    """The components that carry a class."""
    return [part for part in walk(tree) if name in (getattr(part, "className", "") or "").split()]


def hrefs(tree: Any) -> list[str]:
    """Where the links of a tree lead, in reading order."""
    return [link.href for link in of_kind(tree, "A")]


def rows(tree: Any) -> list[list[str]]:
    """The cells of every table row as words."""
    return [[words(cell) for cell in row.children] for row in of_kind(tree, "Tr")]
