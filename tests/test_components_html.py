"""Elements: as strict as Dash's own, and sent as data wherever they only show something."""

import json
from typing import Any

import dash_bootstrap_components as dbc
import pytest
from dash import html as dash_html
from plotly.io.json import to_json_plotly

from components import html


def sent(node: Any) -> Any:
    return json.loads(to_json_plotly(node))


def drawn(tree: Any) -> Any:
    return {"props": {"tree": tree}, "type": "Tree", "namespace": "usage_components"}


def test_they_are_dashs_own_elements():
    made: Any = html.Div(["a", html.B("b")], className="c", **{"data-d": "e"})
    assert (made.className, made.children[0], made.children[1].children) == ("c", "a", "b")
    assert isinstance(made, dash_html.Div)
    assert html.Div().children is None


@pytest.mark.parametrize("name", ["classname", "class", "aria_label", "onClick"])
def test_a_misspelt_property_is_refused(name: str):
    with pytest.raises(TypeError, match=name):
        html.Div("a", **{name: "b"})
    with pytest.raises(AttributeError, match="Dvi"):
        html.Dvi  # noqa: B018


def test_what_only_shows_something_is_data():
    made = html.Ul(
        [html.Li(["<b>", None, 3]), [html.Li(html.A("x", href="/y", disable_n_clicks=True))]],
        className=None,
        role="list",
    )
    assert sent(made) == drawn(
        ["ul", {"role": "list"}, ["li", 0, "<b>", 3], ["li", 0, ["a", {"href": "/y"}, "x"]]]
    )


def test_an_id_and_a_control_stay_components():
    """Dash finds what changes by its id, and draws controls itself; all around them is data."""
    field = dbc.Input(id="field", type="date")
    made = sent(html.Div([html.P("a"), html.Div([html.B("b"), field]), html.P("c", id="p")]))
    first, second, third = made["props"]["children"]
    assert first == drawn(["p", 0, "a"])
    assert (second["type"], second["namespace"]) == ("Div", "dash_html_components")
    assert second["props"]["children"][0] == drawn(["b", 0, "b"])
    assert second["props"]["children"][1]["namespace"] == "dash_bootstrap_components"
    assert third["props"] == {"children": "c", "id": "p"}
