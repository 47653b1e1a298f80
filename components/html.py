"""Dash's HTML elements, made and sent with less than a tenth of the work.

They are Dash's own classes and refuse the same misspelt names. Two things differ. What Dash's
generated constructors do for each element made a third of a page's time, and is done once for each
class. And in the browser each Dash component watches the state of the whole page, so that a page
of a thousand took seconds to change: an element that only shows something, having no id and no
control below it, is sent as data inside one component, which ``assets/03-tree.js`` draws.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dash import html as _dash

if TYPE_CHECKING:
    from dash.html import *  # noqa: F403

_WILDCARDS = ("data-", "aria-")
_KEPT_TREE = "_kept_tree"
_NOT_DRAWN = frozenset({"children", "n_clicks", "disable_n_clicks", _KEPT_TREE})
_NAMESPACE, _TYPE = "usage_components", "Tree"

Tree = list[Any]  # tag, properties or 0, texts and trees


class _Lean:
    """Comes before a Dash component among the bases of a class."""

    _known: frozenset[str]
    _type: str
    _tag: str
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
        """The element as the browser's side takes it; a property that is none is not sent."""
        tree = _drawn(self)
        if tree is not None:
            return {"props": {"tree": tree}, "type": _TYPE, "namespace": _NAMESPACE}
        properties = {
            name: value
            for name, value in vars(self).items()
            if value is not None and name != _KEPT_TREE
        }
        return {"props": properties, "type": self._type, "namespace": self._namespace}


def _drawn(element: _Lean) -> Tree | None:
    """The element with everything below it as data; none where something has to be a component.

    Kept with the element: whatever is above one that can't be drawn is tried first, with all of
    it below. An element is asked only when its page is finished.
    """
    values = vars(element)
    kept: Tree | None = values.get(_KEPT_TREE)
    if kept is not None:
        return kept
    if values.get("id") is not None:
        return None
    properties = {
        name: value
        for name, value in values.items()
        if value is not None and name not in _NOT_DRAWN
    }
    tree: Tree = [element._tag, properties or 0]
    if not _add(tree, element.children):
        return None
    values[_KEPT_TREE] = tree
    return tree


def _add(tree: Tree, children: Any) -> bool:
    """Puts children at the end of a tree; whether all of them could be."""
    if children is None:
        return True
    if isinstance(children, str | int | float):
        tree.append(children)
        return True
    if isinstance(children, _Lean):
        below = _drawn(children)
        if below is None:
            return False
        tree.append(below)
        return True
    if not isinstance(children, list | tuple):
        return False
    for each in children:  # noqa: SIM110  # a page has thousands of them
        if not _add(tree, each):
            return False
    return True


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
        "_tag": dash_class._type.lower(),  # type: ignore[attr-defined]
    }
    return type(dash_class)(dash_class.__name__, (_Lean, dash_class), names)


def __getattr__(name: str) -> Any:
    """An element by its name in Dash, made when it is first used."""
    if name not in _dash.__all__:  # type: ignore[attr-defined]
        raise AttributeError(f"there is no HTML element {name!r}")
    made = globals()[name] = _lean(getattr(_dash, name))
    return made
