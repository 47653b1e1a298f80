"""Dash's HTML components with a lean constructor: a page is made of thousands of them.

They are Dash's own classes and refuse the same misspelt names. What Dash's generated constructors
do beside that (they list all names anew for each element and try every prefix for every name) made
a third of a page's time. A property that is none is not sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dash import html as _dash

if TYPE_CHECKING:
    from dash.html import *  # noqa: F403

_WILDCARDS = ("data-", "aria-")


class _Lean:
    """Comes before a Dash component among the bases of a class."""

    _known: frozenset[str]
    _type: str
    _namespace: str
    children: Any = None

    def __init__(self, children: Any = None, **properties: Any) -> None:
        for name in properties.keys() - self._known:
            if not name.startswith(_WILDCARDS):
                raise TypeError(f"{self._type} has no property {name!r}")
        self.__dict__.update(properties)
        if children is not None:
            self.children = children

    def to_plotly_json(self) -> dict[str, Any]:
        """The element as the browser's side of Dash takes it."""
        return {
            "props": {name: value for name, value in vars(self).items() if value is not None},
            "type": self._type,
            "namespace": self._namespace,
        }


def _lean(dash_class: type) -> type:
    made = vars(dash_class())
    names = {
        "__module__": dash_class.__module__,  # Dash finds an element's scripts by it
        "__doc__": dash_class.__doc__,
        "_known": frozenset(made["_prop_names"]) - {"children"},
        "_prop_names": made["_prop_names"],
        "_valid_wildcard_attributes": made["_valid_wildcard_attributes"],
        "available_properties": made["available_properties"],
        "available_wildcard_properties": made["available_wildcard_properties"],
        "_children_props": dash_class._children_props,  # type: ignore[attr-defined]
        "_namespace": dash_class._namespace,  # type: ignore[attr-defined]
        "_type": dash_class._type,  # type: ignore[attr-defined]
    }
    return type(dash_class)(dash_class.__name__, (_Lean, dash_class), names)


def __getattr__(name: str) -> Any:
    """An element by its name in Dash, made when it is first used."""
    if name not in _dash.__all__:  # type: ignore[attr-defined]
        raise AttributeError(f"there is no HTML element {name!r}")
    made = globals()[name] = _lean(getattr(_dash, name))
    return made
