"""What a region shows when it has no figures: loading, empty, failed, not on the plan; and notices.

The watermark under a set of figures says their zone and the instant they are complete to.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from billing.metrics import Metric
from billing.periods import Period
from billing.plans import Plan
from components import format as fmt
from components import html
from components.links import Choice, attributes, icon, link

Tone = Literal["soon", "info", "error"]
SKELETON_ROWS = 6


def skeleton(kind: Literal["cards", "chart", "table"]) -> html.Div:
    """The shape of what comes."""
    hidden = attributes(aria_hidden="true")
    if kind == "cards":
        card = [html.Div(className="skeleton-line"), html.Div(className="skeleton-line "
                "skeleton-figure"), html.Div(className="skeleton-line")]  # fmt: skip
        return html.Div(
            [html.Div(card, className="card") for _ in range(3)], className="cards", **hidden
        )
    if kind == "chart":
        block = html.Div(className="skeleton-block")
        return html.Div(block, className="card chart", **hidden)
    row = html.Div([html.Div(className="skeleton-line") for _ in range(3)],
                   className="skeleton-row")  # fmt: skip
    return html.Div([row] * SKELETON_ROWS, className="card card-table", **hidden)


def empty(
    title: str, text: str, action: Choice | None = None, icon_name: str = "empty"
) -> html.Div:
    """Nothing to show, and what to do next."""
    way_out = link(action.label, action.href, "btn") if action and action.href else None
    return html.Div(
        [icon(icon_name), html.H2(title), html.P(text), way_out], className="card state"
    )


def nothing_used(account_id: str, currency: str, *, has_prices: bool) -> html.Div:
    """An account without any usage: the ways in which it comes, and what they still need."""
    docs = html.A("POST /events", href="/api/docs", disable_n_clicks=True)
    send = [
        html.B("Send events"), " as calls and messages happen: make a key with ",
        html.Code(f"usage-dashboard key add --account {account_id} --scope events:write"),
        ", then call ", docs, ".",
    ]  # fmt: skip
    bring = [
        html.B("Import a log"), " of earlier calls or messages: ",
        html.Code(f"usage-dashboard import FILE --account {account_id} --map NAME"), ".",
    ]  # fmt: skip
    price = [
        html.B(f"Import a price list in {currency} first"),
        ": there is none for this account yet, and usage without a price is refused. ",
        html.Code(f"usage-dashboard rates import FILE --currency {currency}"),
    ]  # fmt: skip
    steps = [send, bring] if has_prices else [price, send, bring]
    return html.Div(
        [
            icon("empty"),
            html.H2("Nothing has been used yet"),
            html.P("Usage shows here as soon as it arrives."),
            html.Ul([html.Li(step) for step in steps], className="next-steps"),
        ],
        className="card state",
    )


OTHERS_STAY = "The other figures on this page are not affected."
ANALYTICS_OUT = (
    "The figures can’t be read at the moment. The ledger is not affected: usage is still recorded, "
    "nothing is lost, and the people who run this have been told."
)
OUT_OF_REACH = "What it is read from can’t be reached at the moment. It comes back by itself."


def failed(
    title: str, retry_href: str, error_id: str | None = None, *, why: str = OTHERS_STAY
) -> html.Div:
    """A region, named by ``title``, that failed while others stay: says so, offers another try.

    ``error_id`` finds the failure in the log.
    """
    return html.Div(
        [
            icon("warning"),
            html.H2(f"{title} could not be loaded"),
            html.P(why),
            # A plain link: only a real request asks the server again at the same address.
            html.A("Retry", href=retry_href, className="btn", disable_n_clicks=True),
            html.P(["Error ", html.Code(error_id)], className="error-id") if error_id else None,
        ],
        className="card state state-failed",
        role="alert",
    )


def refused(title: str, message: str) -> html.Div:
    """Something that may not be seen or isn't there, in the sentence the rules give."""
    return html.Div([icon("lock"), html.H2(title), html.P(message)], className="card state")


def locked(title: str, text: str, gains: Sequence[str] = ()) -> html.Div:
    """Not on the plan: why, and what the paid plan would add."""
    listing = [html.Li([icon("check"), html.Span(gain)]) for gain in gains]
    return html.Div(
        [
            icon("lock"),
            html.H2(title),
            html.P(text),
            html.Div([html.H3("A paid plan adds"), html.Ul(listing)], className="gains")
            if gains
            else None,
        ],
        className="card state state-locked",
    )


def sandbox_locked() -> html.Div:
    """Why a Free account sees only this session, and what a paid plan adds."""
    return locked(
        "The Free plan shows this session’s sandbox usage",
        "Sandbox calls and messages cost nothing; the amounts below are what they would cost.",
        (
            "Your whole usage history, from the day the paid plan starts",
            "Any range of days, filters, and comparison with the period before",
            "Every metric opened down to single transactions, each charge explained",
        ),
    )


def not_on_plan(metric: Metric, plan: Plan) -> html.Div:
    """A metric that the account's plan doesn't have: which plans do."""
    plans = [each.label for each in Plan if each in metric.plans]
    listed = plans[0] if len(plans) == 1 else f"{', '.join(plans[:-1])} and {plans[-1]}"
    word = "plan" if len(plans) == 1 else "plans"
    return locked(
        f"{metric.name} isn’t on the {plan.label} plan",
        f"It comes with the {listed} {word}. {metric.meaning}",
    )


def standalone(message: str) -> html.Div:
    """A whole page for somebody who has no account to look at."""
    button = html.Button(
        "Sign out",
        type="button",
        className="btn",
        disable_n_clicks=True,
        **attributes(data_post="/sign-out"),
    )
    card = html.Div(
        [icon("lock"), html.H1("Nothing to show here"), html.P(message), button],
        className="card state",
    )
    return html.Div(html.Main(card, id="main", tabIndex=-1), className="auth")


def pair(first: Any, second: Any) -> html.Div:
    """Two regions side by side, one below the other where there is no room."""
    return html.Div([html.Div(first), html.Div(second)], className="columns")


def course(timeline: Any, days: Any) -> html.Div:
    """A chart with its days beside it, one below the other where there is no room."""
    return html.Div([html.Div(timeline), html.Div(days)], className="columns columns-course")


def notice(text: Any, tone: Tone = "soon", extra: Any = None) -> html.Div:
    """One sentence over the figures. ``soon``: mind this; ``info``: good to know; ``error``."""
    name = "info" if tone == "info" else "warning"
    return html.Div(
        [icon(name), html.Div(text), extra],
        className="notice" if tone == "soon" else f"notice notice-{tone}",
    )


def notices(texts: Sequence[Any], tone: Tone = "soon") -> html.Div | None:
    """What had to be ignored in the address, or other sentences; nothing when there are none."""
    if not texts:
        return None
    one = texts[0] if len(texts) == 1 else html.Ul([html.Li(text) for text in texts])
    return html.Div(notice(one, tone), className="notices", role="status")


def loading_notice(percent: int) -> html.Div:
    """The demo's data is still arriving; figures grow until it has."""
    text = "Data is still loading: figures grow until it is complete."
    bar = html.Div(
        html.Span(className="progress-fill", style={"width": f"{percent}%"}),
        className="progress-track",
        role="progressbar",
        **attributes(
            aria_label="Loaded",
            aria_valuenow=str(percent),
            aria_valuemin="0",
            aria_valuemax="100",
        ),
    )
    words = [text, html.B(f" {percent} %")]
    return html.Div(notice(words, "info", bar), className="notices")


def watermark(complete_to: datetime, zone: str, period: Period | None = None) -> html.P:
    """What stands under figures: the days shown, the instant they are complete to, the zone."""
    days = f"{fmt.period_label(period)} · " if period else ""
    return html.P(
        [
            days,
            "Complete to ",
            html.Time(fmt.clock_time(complete_to, zone), dateTime=complete_to.isoformat()),
            f" · days in {zone}",
        ],
        className="watermark",
    )
