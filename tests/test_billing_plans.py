"""Plans and metrics: what is shown on which plan, and what each plan opens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.accounts import check_account_id
from billing.errors import InputError
from billing.metrics import METRICS, Service, find_metric, metrics_on_plans
from billing.periods import Period
from billing.plans import PLAN_GATES, Plan, parse_plan
from tests.builders import account, day

NOTHING: frozenset[str] = frozenset()
EVERYTHING = frozenset(metric.id for metric in METRICS)

# The first seed, What You Can See: the metric and the plans it is shown on.
SEED_METRICS = """
ai_dial_attempts              Launch Growth Scale
ai_connected_minutes          Launch Growth Scale
ai_premium_connected_minutes  Launch Growth Scale  (if applicable)
human_dial_attempts           Growth Scale
human_connected_minutes       Growth Scale
inbound_minutes               Launch Growth Scale
sms_credits                   Launch Growth Scale
inbound_sms                   Launch Growth Scale
ai_sms_replies                Growth Scale
voicemail_drops               Launch Growth Scale
ringless_voicemail            Scale
"""
SEED_ROWS = [row.split() for row in SEED_METRICS.strip().splitlines()]
SECOND_SEED = {
    "whatsapp_conversations", "whatsapp_messages", "number_rental", "seat_licences", "agent_hours",
}  # fmt: skip


def shown(*plans: Plan, used: frozenset[str] = NOTHING) -> set[str]:
    return {metric.id for metric in metrics_on_plans(frozenset(plans), used)}


@pytest.mark.parametrize("plan", Plan)
@pytest.mark.parametrize("row", SEED_ROWS, ids=lambda row: row[0])
def test_a_metric_is_shown_exactly_on_the_plans_of_the_seed(row: list[str], plan: Plan):
    metric, *plans = row
    is_on_plan = plan.label in plans
    only_if_used = "(if" in plans
    assert (metric in shown(plan)) == (is_on_plan and not only_if_used)
    assert (metric in shown(plan, used=EVERYTHING)) == is_on_plan


@pytest.mark.parametrize(
    ("plan", "count"), [(Plan.FREE, 0), (Plan.LAUNCH, 6), (Plan.GROWTH, 9), (Plan.SCALE, 10)]
)
def test_how_many_metrics_a_plan_shows(plan: Plan, count: int):
    premium = frozenset({"ai_premium_connected_minutes"})
    assert len(shown(plan)) == count
    assert len(shown(plan, used=premium)) == (count + 1 if count else 0)


def test_nothing_but_the_two_documents_is_in_the_catalogue():
    assert {metric.id for metric in METRICS} == {row[0] for row in SEED_ROWS} | SECOND_SEED


@pytest.mark.parametrize("metric", sorted(SECOND_SEED))
def test_metrics_of_the_second_document_show_once_used(metric: str):
    for plan in (Plan.LAUNCH, Plan.GROWTH, Plan.SCALE):
        assert metric not in shown(plan)
        assert metric in shown(plan, used=frozenset({metric}))
    assert metric not in shown(Plan.FREE, used=frozenset({metric}))


@given(st.sets(st.sampled_from(list(Plan))), st.sets(st.sampled_from(sorted(EVERYTHING))))
def test_several_plans_show_what_any_of_them_shows(plans: set[Plan], used: set[str]):
    together = shown(*plans, used=frozenset(used))
    assert together == {m for plan in plans for m in shown(plan, used=frozenset(used))}
    order = [metric.id for metric in metrics_on_plans(frozenset(plans), frozenset(used))]
    assert order == [metric.id for metric in METRICS if metric.id in together]


@pytest.mark.parametrize(
    ("start", "end", "plans", "human", "ringless"),
    [
        ("2026-01-01", "2026-02-01", "launch", False, False),
        ("2026-01-01", "2026-02-02", "launch growth", True, False),
        ("2026-02-01", "2026-03-01", "growth", True, False),
        ("2026-01-15", "2026-03-02", "launch growth scale", True, True),
        ("2026-03-01", "2026-04-01", "scale", True, True),
        ("2026-03-02", "2026-04-01", "scale", True, True),
        ("2025-01-01", "2025-02-01", "launch", False, False),
    ],
)
def test_a_metric_shows_if_any_plan_within_the_range_had_it(
    start: str, end: str, plans: str, human: bool, ringless: bool
):
    changing = account("launch, growth 2026-02-01, scale 2026-03-01")
    found = changing.plans_in(Period(day(start), day(end)))
    assert found == {Plan(name) for name in plans.split()}
    assert ("human_dial_attempts" in shown(*found)) == human
    assert ("ringless_voicemail" in shown(*found)) == ringless


def test_a_metric_leaves_with_the_plan_after_a_downgrade():
    smaller = account("scale, launch 2026-02-01")
    assert smaller.plans_in(Period(day("2026-02-01"), day("2026-03-01"))) == {Plan.LAUNCH}
    assert smaller.plan_on(day("2026-01-31")) is Plan.SCALE


# The first seed, Limits & Availability: full history, drill-down, date filter, sandbox only.
@pytest.mark.parametrize(
    ("plan", "gates"),
    [
        (Plan.FREE, (False, False, False, True)),
        (Plan.LAUNCH, (True, True, True, False)),
        (Plan.GROWTH, (True, True, True, False)),
        (Plan.SCALE, (True, True, True, False)),
    ],
)
def test_what_a_plan_opens(plan: Plan, gates: tuple[bool, ...]):
    found = PLAN_GATES[plan]
    assert gates == (
        found.has_full_history, found.has_drill_down, found.has_date_filter, found.is_sandbox_only,
    )  # fmt: skip


def test_gates_follow_the_plan_of_the_day():
    upgraded = account("free, launch 2026-02-01")
    assert upgraded.gates_on(day("2026-01-31")).is_sandbox_only
    assert upgraded.gates_on(day("2026-02-01")).has_drill_down


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.id)
def test_a_metric_says_what_it_means_and_how_it_is_counted(metric):
    assert find_metric(metric.id) is metric
    assert metric.meaning.endswith(".")
    assert metric.calculation.endswith(".")
    assert metric.service in Service
    assert metric.direction in {"outbound", "inbound"}
    assert Plan.FREE not in metric.plans
    assert metric.unit.size >= 1


def test_an_unknown_metric_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="ai_dial_attempts"):
        find_metric("fax_pages")


@pytest.mark.parametrize(("text", "plan"), [("growth", Plan.GROWTH), (" Scale ", Plan.SCALE)])
def test_a_plan_is_read_in_any_case(text: str, plan: Plan):
    assert parse_plan(text) is plan


@pytest.mark.parametrize("text", ["", "enterprise", "growth\0"])
def test_an_unknown_plan_is_refused_with_the_known_ones(text: str):
    with pytest.raises(InputError, match="free, launch, growth, scale"):
        parse_plan(text)


@pytest.mark.parametrize("account_id", ["ab", "acme-2", "a" * 64, "--"])
def test_account_ids_are_plain(account_id: str):
    assert check_account_id(account_id) == account_id


@pytest.mark.parametrize("account_id", ["", "a", "a" * 65, "Acme", "a b", "a/b", "*", "acme\n"])
def test_other_account_ids_are_refused(account_id: str):
    with pytest.raises(InputError, match="a-z"):
        check_account_id(account_id)
