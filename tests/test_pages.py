"""Pages as plain functions: a layout for an address, read as words, without a browser."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import dash
import pytest

from api.dash_app import build_dash, page_exists
from api.desk import ServerDesk
from billing.access import Membership, Role, Viewer, open_account
from billing.plans import Plan
from billing.usage import Dimension
from data.access.keys import add_key, revoke_key
from data.accounts import NewAccount, add_account, change_plan, read_account
from data.analytics.sync import sync_all
from data.installation import Installation
from data.settings import load_settings
from tests.components_reading import hrefs, rows, with_class, words
from tests.databases import settings_url
from tests.live import NOW, FaultyReader, open_filled, post, usage_of

Render = Callable[..., Any]


class Site:
    """The pages over one installation, seen by whoever a test says."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.reader = FaultyReader(installation.reader)
        self.app = build_dash(installation, is_demo=False)

    def render(
        self, path: str, search: str = "", account: str = "acme", role: Role = Role.OWNER
    ) -> Any:
        """The layout that a browser at that address would get."""
        with self.installation.database.read() as connection:
            found = read_account(connection, account)
        viewer = Viewer("p", "p@acme.example", "Pat", (Membership(account, role),), NOW, account)
        scope = open_account(viewer, found)
        desk = ServerDesk(
            self.installation, lambda: viewer, lambda: scope, lambda: [found], self.reader
        )
        self.app.server.extensions["usage_desk"] = desk
        page = next(
            page
            for page in dash.page_registry.values()
            if page["path"] == path or ((page["path_template"] and "/usage/" in path + "/")
            and page["path"] != "/billing/usage" and path != "/billing/usage")
        )  # fmt: skip
        with self.app.server.app_context():
            return page["layout"](search=search, pathname=path)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("pages")
    clock = folder / "clock"
    clock.write_text(NOW.isoformat())
    settings = load_settings(
        data_dir=folder / "data",
        database_url=settings_url(folder),
        clock_file=clock,
        secret_key="s" * 40,
        _env_file=None,
    )
    installation = open_filled(settings)
    yield Site(installation)
    installation.close()


def test_what_stands_side_by_side_adds_up(site: Site) -> None:
    page = site.render("/billing/usage")
    total = words(with_class(page, "card-big")[0]).split()[3]
    foot = next(row for row in rows(page) if row and row[0] == "Total")
    assert total in foot


def test_presets_steps_and_rows_are_addresses(site: Site) -> None:
    links = hrefs(site.render("/billing/usage", "?period=last_month"))
    assert "/billing/usage?period=today" in links
    assert "/billing/usage?from=2026-09-01&to=2026-10-01" in links
    assert "/billing/usage/sms_credits?period=last_month" in links
    assert "/billing/rates#sms_credits" in links
    assert "/export/usage/transactions.csv?period=last_month" in links


@pytest.mark.parametrize(
    ("failing", "titles"),
    [
        ((Dimension.DAY, Dimension.METRIC), {"Spend", "Cost by day", "Usage by metric"}),
        ((Dimension.CONSUMER,), {"Top consumers"}),
        ("balance", {"Balance", "How long it lasts"}),
    ],
)
def test_a_failing_query_fails_its_own_regions(site: Site, failing: Any, titles: set[str]) -> None:
    site.reader.failing = {failing}
    try:
        page = site.render("/billing/usage")
    finally:
        site.reader.failing = set()
    failed = [words(state) for state in with_class(page, "state")]
    assert len(failed) == len(titles)
    assert all(any(title in text for text in failed) for title in titles)


@pytest.mark.parametrize(
    ("search", "named"),
    [
        ("?period=never", "period=never"),
        ("?from=2026-13-01", "from=2026-13-01"),
        ("?from=2026-11-10&to=2026-11-01", "2026-11-01"),
        ("?from=2020-01-01&to=2026-01-01", "40 months"),
        ("?wat=1", "wat"),
        ("?service=Fax", "service=Fax"),
        ("?" + "x" * 9_000, "too long"),
    ],
)
def test_what_an_address_gets_wrong_is_named(site: Site, search: str, named: str) -> None:
    page = site.render("/billing/usage", search)
    assert named in words(with_class(page, "notices"))
    assert "1 – 30 Nov 2026" in words(page)


def test_a_period_without_usage_says_where_the_latest_lies(site: Site) -> None:
    site.installation.clock._file.write_text("2027-03-05T12:00:00+00:00")  # type: ignore[attr-defined]
    try:
        page = site.render("/billing/usage")
    finally:
        site.installation.clock._file.write_text(NOW.isoformat())  # type: ignore[attr-defined]
    assert "There is no usage since Sun 22 Nov 2026" in words(page)
    assert "/billing/usage?from=2026-11-01&to=2026-12-01" in hrefs(page)


def test_a_running_day_is_not_set_against_a_whole_one(site: Site) -> None:
    page = site.render("/billing/usage", "?period=today")
    assert not with_class(with_class(page, "card-big"), "delta")
    assert with_class(with_class(site.render("/billing/usage"), "card-big"), "delta")


def test_a_cursor_that_is_none_shows_the_first_page(site: Site) -> None:
    page = site.render("/billing/usage/sms_credits", "?cursor=bm9wZQ")
    assert "this is the first one" in words(page)
    assert with_class(page, "line-table")


def test_another_tenants_line_is_not_explained(site: Site) -> None:
    with site.installation.database.read() as connection:
        line = connection.exec_driver_sql(
            "SELECT id FROM usage_lines WHERE account_id = 'globex' LIMIT 1"
        ).scalar_one()
    page = site.render("/billing/usage/sms_credits", f"?line={line}")
    assert not with_class(page, "receipt")


def test_a_metric_of_a_larger_plan_is_locked(site: Site) -> None:
    page = site.render("/billing/usage/human_dial_attempts", account="globex")
    assert with_class(page, "state-locked")
    assert "Launch" in words(page)
    assert "Human Dial Attempts" not in words(with_class(site.render(
        "/billing/usage", account="globex"), "metric-table"))  # fmt: skip


def test_a_free_account_has_its_session_alone(site: Site) -> None:
    page = site.render("/billing/usage", account="tinker")
    assert with_class(page, "state-locked")
    assert not [link for link in hrefs(page) if "period=" in link or "/export/" in link]
    assert with_class(site.render("/billing/usage/sms_credits", account="tinker"), "state-locked")


def test_an_account_without_usage_says_so_everywhere(site: Site) -> None:
    with site.installation.database.write() as connection:
        add_account(
            connection, NewAccount("empty", "Empty", Plan.SCALE, "USD", "UTC"), NOW
        )  # fmt: skip
    page = site.render("/billing/usage", account="empty")
    assert "$0.00" in words(with_class(page, "card-big"))
    (state,) = [each for each in with_class(page, "state") if "Nothing has been" in words(each)]
    assert "Import a price list in" not in words(state)
    assert "usage-dashboard key add --account empty --scope events:write" in words(state)
    assert "usage-dashboard import FILE --account empty" in words(state)
    assert "/api/docs" in hrefs(state)
    assert "nan" not in words(page).lower()


def test_a_new_account_without_prices_is_told_to_import_them_first(site: Site) -> None:
    with site.installation.database.write() as connection:
        add_account(
            connection, NewAccount("priceless", "Priceless", Plan.SCALE, "SEK", "UTC"), NOW
        )  # fmt: skip
    page = words(site.render("/billing/usage", account="priceless"))
    assert "Import a price list in SEK first" in page
    assert "usage-dashboard rates import FILE --currency SEK" in page


def test_settings_say_how_programs_get_in(site: Site) -> None:
    page = site.render("/settings")
    assert "No keys open this account to programs" in words(page)
    assert "usage-dashboard key add --account acme" in words(page)
    assert "/api/docs" in hrefs(page)
    with site.installation.database.write() as connection:
        _, kept = add_key(connection, site.installation.pseudonyms, "acme", ["usage:read"], NOW)
    assert "1 key opens this account" in words(site.render("/settings"))
    with site.installation.database.write() as connection:
        revoke_key(connection, "acme", kept.id, NOW)
    assert "No keys open this account" in words(site.render("/settings"))


def test_what_the_sandbox_did_before_an_upgrade_never_shows(site: Site) -> None:
    with site.installation.database.write() as connection:
        add_account(connection, NewAccount("grown", "Grown", Plan.FREE, "USD", "UTC"), NOW)
    before = [
        replace(event, id=f"s{event.id}", is_sandbox=True, source="sandbox")
        for event in usage_of("globex")[:40]
    ]
    post(site.installation, "grown", before)
    with site.installation.database.write() as connection:
        change_plan(connection, "grown", Plan.LAUNCH, (NOW - timedelta(days=3)).date())
    post(site.installation, "grown", usage_of("globex")[:20])
    sync_all(site.installation.database, site.installation.lake)
    only_paid = site.render("/billing/usage", account="grown")
    with site.installation.database.read() as connection:
        cost, sandbox = connection.exec_driver_sql(
            "SELECT sum(cost_micros) FILTER (WHERE NOT is_sandbox),"
            " sum(cost_micros) FILTER (WHERE is_sandbox)"
            " FROM usage_lines WHERE account_id = 'grown'"
        ).one()
    assert sandbox > 0
    assert f"${cost / 1_000_000:.2f}" in words(with_class(only_paid, "card-big"))


def test_unknown_addresses_are_no_pages(site: Site) -> None:
    assert page_exists("/billing/usage")
    assert page_exists("/billing/usage/sms_credits")
    assert not page_exists("/billing/usage/fax_credits")
    assert not page_exists("/billing/nothing")
    assert "There is no such metric" in words(site.render("/billing/usage/fax_credits"))
    assert "doesn't exist" in words(_not_found(site))


def _not_found(site: Site) -> Any:
    page = next(p for p in dash.page_registry.values() if p["module"].endswith("not_found_404"))
    with site.app.server.app_context():
        return page["layout"](search="")


def test_rates_show_every_metric_of_the_plan_with_a_worked_example(site: Site) -> None:
    page = words(site.render("/billing/rates"))
    for name in ("AI Dial Attempts", "Human Connected Minutes", "SMS Credits", "Inbound SMS"):
        assert name in page
    assert "1 min 35 s" in page
    assert "Ringless Voicemail" not in page  # Scale only
