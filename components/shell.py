"""The frame around every page: navigation, account switcher, header with the live balance.

Ids are stable because the balance is updated in place: see ``ShellIds``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from components import format as fmt
from components import html
from components.balance import BalanceView, balance_popover
from components.bell import bell
from components.links import attributes, hidden_text, icon, link, popover, searchable


@dataclass(frozen=True, slots=True)
class NavItem:
    """One place to go, with the group it stands in."""

    id: str
    label: str
    href: str
    group: str


NAVIGATION: tuple[NavItem, ...] = (
    NavItem("usage", "Usage", "/billing/usage", "Explore"),
    NavItem("services", "Services", "/billing/services", "Explore"),
    NavItem("compare", "Compare", "/billing/compare", "Explore"),
    NavItem("outlook", "Outlook", "/billing/outlook", "Explore"),
    NavItem("balance", "Balance", "/billing/balance", "Control"),
    NavItem("limits", "Spending limits", "/billing/limits", "Control"),
    NavItem("alerts", "Alerts", "/billing/alerts", "Control"),
    NavItem("reports", "Reports", "/billing/reports", "Records"),
    NavItem("rates", "Usage rates", "/billing/rates", "Records"),
    NavItem("support", "Support desk", "/support", "Records"),
    NavItem("settings", "Settings", "/settings", "Records"),
)


@dataclass(frozen=True, slots=True)
class AccountChoice:
    """An account one may look at; ``detail`` is ``Growth · INR · Asia/Kolkata``."""

    id: str
    name: str
    detail: str


@dataclass(frozen=True, slots=True)
class Person:
    """Who is signed in; ``role`` in words for people."""

    name: str
    email: str
    role: str

    @property
    def initials(self) -> str:
        """One or two letters for the round mark."""
        words = self.name.split() or self.email.split("@")
        return "".join(word[0] for word in (words[0], *words[1:][-1:])).upper()


@dataclass(frozen=True, slots=True)
class Crumb:
    """One step of the way to this page; the last has no link."""

    label: str
    href: str | None = None


@dataclass(frozen=True, slots=True)
class LiveView:
    """What a page says of itself so that assets/80-live.js can keep it current.

    ``address``: the page with its query. ``place``: how far into the ledger it was read.
    """

    address: str
    place: str


@dataclass(frozen=True, slots=True)
class ShellView:
    """What the frame shows. ``pages``: ids of ``NAVIGATION`` that exist for this person.

    ``current``: the id of the page shown. ``balance``: none where there is no wallet to show.
    ``badges``: a number to show beside a page. ``banner``: the region of what is paused.
    ``unread_count``: of this person's notices; none: it could not be read.
    """

    pages: tuple[str, ...]
    current: str | None
    crumbs: tuple[Crumb, ...]
    account: AccountChoice | None
    accounts: tuple[AccountChoice, ...]
    person: Person
    balance: BalanceView | None = None
    badges: tuple[tuple[str, int], ...] = ()
    live: LiveView | None = None
    banner: Any = None
    unread_count: int | None = None


def shell(content: Any, view: ShellView) -> html.Div:
    """A whole page: frame and content."""
    return html.Div(
        [
            html.A("Skip to content", href="#main", className="skip-link", disable_n_clicks=True),
            _navigation(view),
            html.Div(className="drawer-backdrop", **attributes(data_drawer_close="true")),
            html.Div(
                [
                    _header(view),
                    html.Div(view.banner, className="banners", **attributes(aria_live="polite")),
                    html.Main(content, id="main", className="main", tabIndex=-1),
                ],
                className="page",
            ),
        ],
        className="app",
        **_live(view),
    )


def _live(view: ShellView) -> dict[str, Any]:
    if view.live is None or view.account is None:
        return {}
    return attributes(
        data_live_view=view.live.address,
        data_live_place=view.live.place,
        data_live_account=view.account.id,
    )


def _navigation(view: ShellView) -> html.Nav:
    shown = [item for item in NAVIGATION if item.id in view.pages]
    groups = dict.fromkeys(item.group for item in shown)
    badges = dict(view.badges)
    return html.Nav(
        [
            html.Div(
                [
                    link([html.Span(className="brand-mark"), "Usage Dashboard"], "/", "brand"),
                    html.Button(
                        icon("close"),
                        type="button",
                        className="icon-button drawer-close",
                        **attributes(data_drawer_close="true", aria_label="Close menu"),
                    ),
                ],
                className="side-head",
            ),
            *(
                html.Div(
                    [
                        html.Div(group, className="nav-group", id=f"nav-group-{group.lower()}"),
                        html.Ul(
                            [
                                html.Li(_nav_link(item, view.current, badges.get(item.id)))
                                for item in shown
                                if item.group == group
                            ],
                            **attributes(aria_labelledby=f"nav-group-{group.lower()}"),
                        ),
                    ]
                )
                for group in groups
            ),
            _account_switcher(view),
        ],
        id="side",
        className="side",
        **attributes(aria_label="Main"),
    )


def _nav_link(item: NavItem, current: str | None, badge: int | None) -> html.A:
    content: list[Any] = [icon(item.id), item.label]
    if badge:
        content.append(html.Span(str(badge), className="nav-badge"))
    is_current = "page" if item.id == current else None
    return link(content, item.href, "side-link", current=is_current)


def _account_switcher(view: ShellView) -> html.Div | html.Details | None:
    account = view.account
    if account is None:
        return None
    name = html.Span(
        [html.B(account.name), html.Span(account.detail, className="account-detail")],
        className="account-name",
    )
    if len(view.accounts) <= 1:
        return html.Div(html.Div(name, className="account-button"), className="account")
    return popover(
        [hidden_text("Account: "), name, icon("updown")],
        _account_list(view, account),
        title="Switch account",
        class_name="account pop-up",
        button_class="account-button",
        element_id="account-switcher",
    )


def _account_list(view: ShellView, current: AccountChoice) -> list[Any]:
    rows = [
        html.Li(
            html.Button(
                [
                    html.Span(
                        [html.B(choice.name), html.Span(choice.detail, className="account-detail")],
                        className="account-name",
                    ),
                    icon("check") if choice.id == current.id else None,
                ],
                type="button",
                className="menu-item",
                disable_n_clicks=True,
                **attributes(
                    data_post="/session/account",
                    data_field_account=choice.id,
                    aria_current="true" if choice.id == current.id else "false",
                ),
            )
        )
        for choice in view.accounts
    ]
    return searchable(html.Ul(rows, className="menu-list"), "Find an account", len(rows))


def _header(view: ShellView) -> html.Header:
    return html.Header(
        [
            html.Button(
                icon("menu"),
                type="button",
                className="icon-button drawer-open",
                disable_n_clicks=True,
                **attributes(
                    data_drawer_open="true",
                    aria_label="Open menu",
                    aria_controls="side",
                    aria_expanded="false",
                ),
            ),
            _crumbs(view.crumbs),
            html.Div(className="spacer"),
            balance_popover(view.balance) if view.balance else None,
            bell(view.unread_count),
            html.Button(
                icon("theme"),
                type="button",
                className="icon-button",
                disable_n_clicks=True,
                title="Light or dark",
                **attributes(data_theme_toggle="true", aria_label="Switch between light and dark"),
            ),
            _person_menu(view.person),
        ],
        className="top",
    )


def _crumbs(crumbs: tuple[Crumb, ...]) -> html.Nav:
    items = [
        html.Li(
            link(crumb.label, crumb.href)
            if crumb.href
            else html.Span(crumb.label, **attributes(aria_current="page"))
        )
        for crumb in crumbs
    ]
    return html.Nav(html.Ol(items), className="crumbs", **attributes(aria_label="Breadcrumb"))


def _person_menu(person: Person) -> html.Details:
    return popover(
        [html.Span(person.initials, **attributes(aria_hidden="true")), hidden_text("Your account")],
        [
            html.Div(
                [
                    html.B(person.name),
                    html.Span(person.email),
                    html.Span(person.role.capitalize()),
                ],
                className="person",
            ),
            html.Button(
                [icon("sign-out"), "Sign out"],
                type="button",
                className="menu-item",
                disable_n_clicks=True,
                **attributes(data_post="/sign-out"),
            ),
        ],
        title="You",
        class_name="pop-end",
        button_class="avatar",
        element_id="person-menu",
    )


def page_head(title: str, detail: str | None = None, actions: Any = None) -> html.Div:
    """The one heading of a page, what it is about in a few words, and its actions."""
    return html.Div([html.H1(title), html.P(detail) if detail else None, actions], className="head")


def period_detail(label: str, kind: str | None, days_left: int | None, locale: str) -> str:
    """What stands beside the heading: ``1 – 30 Nov 2026 · billing period, 8 days left``."""
    left = f"{fmt.days_text(days_left, locale)} left" if days_left else None
    notes = ", ".join(note for note in (kind, left) if note)
    return f"{label} · {notes}" if notes else label
