"""The Alerts page's address and form: text into a rule and back, and what can't be taken."""

from dataclasses import replace
from decimal import Decimal
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.amounts import plain_amount
from billing.alert_queries import (
    REFUSALS,
    RULE_FIELDS,
    Edit,
    alerts_address,
    edit_address,
    form_field,
    parse_addresses,
    parse_alerts_search,
    parse_edit,
    parse_phones,
    parse_rule,
    rule_errors,
    rule_fields,
)
from billing.alerts import (
    LARGEST_DAYS,
    LARGEST_PERCENT,
    LARGEST_THRESHOLD_MICROS,
    LARGEST_THRESHOLD_UNITS,
    LONGEST_REPEAT_HOURS,
    AlertKind,
    AlertRule,
    AlertScope,
    Channel,
    Frequency,
    Level,
    Measure,
    Repeat,
    ScopeKind,
    Span,
    Threshold,
    Unit,
    check_rule,
)
from billing.errors import InputError
from billing.metrics import METRICS, Service
from components.alert_forms import number_text
from tests.builders import account

LOW: dict[str, str] = {
    "type": "low_balance", "threshold": "5000", "unit": "money", "by_dashboard": "on",
}  # fmt: skip
USAGE = {**LOW, "type": "usage", "watched": "account", "span": "week"}


def rule(**fields: str) -> AlertRule:
    return parse_rule({**LOW, **fields}, lambda text: text)


def usage(**fields: str) -> AlertRule:
    return rule(**{**USAGE, **fields})


def refused(**fields: str) -> InputError:
    with pytest.raises(InputError) as caught:
        rule(**fields)
    return caught.value


@pytest.mark.parametrize(
    ("fields", "threshold"),
    [
        ({"threshold": "5000"}, Threshold(Unit.MONEY, 5_000_000_000)),
        ({"threshold": " 0 "}, Threshold(Unit.MONEY, 0)),
        ({"threshold": "30", "unit": "percent"}, Threshold(Unit.PERCENT, 30_00)),
        ({"threshold": "7.25 %", "unit": "percent"}, Threshold(Unit.PERCENT, 7_25)),
        ({"threshold": "3", "type": "days_left"}, Threshold(Unit.DAYS, 3)),
        ({"threshold": "3", "type": "days_left", "unit": "percent"}, Threshold(Unit.DAYS, 3)),
    ],
)
def test_a_threshold_is_read_in_its_unit(fields: dict[str, str], threshold: Threshold) -> None:
    assert rule(**fields).threshold == threshold


@pytest.mark.parametrize(
    ("typed", "metric", "base_units"),
    [
        ("10000", "sms_credits", 10_000), ("1.5", "ai_connected_minutes", 90),
        ("1.666667", "ai_connected_minutes", 100), ("0.5", "agent_hours", 1_800),
        ("1.000278", "agent_hours", 3_601),
    ],
)  # fmt: skip
def test_units_are_typed_as_people_count_them(typed: str, metric: str, base_units: int) -> None:
    made = usage(threshold=typed, unit="units", watched=f"metric:{metric}")
    assert made.threshold == Threshold(Unit.UNITS, base_units)
    assert made.measure is Measure.UNITS
    assert made.scope == AlertScope(ScopeKind.METRIC, metric)


@pytest.mark.parametrize(
    ("watched", "campaign", "scope"),
    [
        ("account", "diwali", AlertScope()),
        ("service:Contact Center", "", AlertScope(ScopeKind.SERVICE, "Contact Center")),
        ("metric:sms_credits", "", AlertScope(ScopeKind.METRIC, "sms_credits")),
        ("campaign", " diwali ", AlertScope(ScopeKind.CAMPAIGN, "diwali")),
    ],
)
def test_what_is_watched(watched: str, campaign: str, scope: AlertScope) -> None:
    assert usage(watched=watched, campaign=campaign).scope == scope


def test_what_belongs_to_another_type_is_not_read() -> None:
    made = rule(watched="nonsense", span="year", campaign="x", hours="many")
    assert (made.scope, made.span, made.frequency) == (AlertScope(), None, Frequency())


def test_recipients_numbers_and_channels() -> None:
    made = rule(
        by_email="on", by_sms="on", by_webhook="on", recovery="on",
        recipients="b@acme.example, a@acme.example;\n b@acme.example",
        phones="+91 98450-12345, +1 (415) 555.0100", frequency="every_hours", hours="24",
    )  # fmt: skip
    assert made.emails == ("b@acme.example", "a@acme.example")
    assert made.phones == ("+919845012345", "+14155550100")
    assert made.channels == tuple(Channel)
    assert made.frequency == Frequency(Repeat.HOURS, 24)
    assert made.has_recovery
    assert made.is_on
    assert not rule(state="off").is_on


MILLION = "9" * 1_000_000


@pytest.mark.parametrize(
    ("fields", "field", "fix"),
    [
        ({"type": "moon"}, "type", "use one of low_balance, usage, days_left"),
        ({"threshold": ""}, "threshold", "write an amount such as 5000"),
        ({"threshold": "", "unit": "percent"}, "threshold", "write a percentage such as 30"),
        ({"threshold": "", "type": "days_left"}, "threshold", "write how many days, such as 3"),
        ({"threshold": "-1"}, "threshold", "use zero or more"),
        ({"threshold": "x"}, "threshold", "use a number such as 1250.50"),
        ({"threshold": MILLION}, "threshold", "use a number such as 1250.50"),
        ({"threshold": MILLION, "unit": "percent"}, "threshold", "use a number such as 30"),
        ({"threshold": "1e999", "unit": "percent"}, "threshold", "use a smaller number"),
        ({"threshold": "nan", "unit": "percent"}, "threshold", "use a smaller number"),
        ({"threshold": "10000.01", "unit": "percent"}, "threshold", "use at most 10,000"),
        ({"threshold": "1.234", "unit": "percent"}, "threshold", "use at most two decimals"),
        ({"threshold": "1.5", "type": "days_left"}, "threshold", "use whole days"),
        ({"threshold": "366", "type": "days_left"}, "threshold", "use at most 365"),
        ({**USAGE, "threshold": "0"}, "threshold", "use more than zero"),
        ({"unit": "units"}, "unit", "a balance is counted in money: choose another unit"),
        ({"unit": "days"}, "unit", "choose an amount or a percentage"),
        ({"unit": "euros"}, "unit", "use one of money, units, percent, days"),
        ({**USAGE, "unit": "units", "watched": "service:SMS"}, "unit",
         "choose a single metric above: units of several don’t add up"),
        ({**USAGE, "watched": "moon"}, "watched",
         "choose the account, a service, a metric, a campaign"),
        ({**USAGE, "watched": "metric:moon"}, "scope", "use one of ai_dial_attempts"),
        ({**USAGE, "watched": "campaign", "campaign": " "}, "campaign", "name the campaign"),
        ({**USAGE, "watched": "campaign", "campaign": "a\nb"}, "scope", "name a campaign"),
        ({**USAGE, "span": "year"}, "span", "use one of day, week, month, billing_period"),
        ({"level": "purple"}, "level", "use one of notice, warning, urgent, critical"),
        ({"by_dashboard": ""}, "channels", "choose at least one of"),
        ({"by_email": "on"}, "recipients", "name at least one address for e-mail"),
        ({"by_email": "on", "recipients": "x"}, "recipients", "use an address such as"),
        ({"by_email": "on", "recipients": "a@b.example\r\nBcc:x@y.example"}, "recipients",
         "use an address such as"),
        ({"recipients": " ".join(f"a{n}@b.example" for n in range(21))}, "recipients",
         "use at most 20"),
        ({"by_sms": "on"}, "phones", "name at least one number for SMS"),
        ({"phones": "0123"}, "phones", "use a number such as +14155550100"),
        ({"frequency": "often"}, "frequency", "use one of once_per_episode"),
        ({"frequency": "every_hours", "hours": ""}, "hours", "use whole hours from 1 to 720"),
        ({"frequency": "every_hours", "hours": "721"}, "hours", "use whole hours from 1 to 720"),
        ({"frequency": "every_hours", "hours": "²"}, "hours", "use whole hours from 1 to 720"),
        ({"name": "x" * 256}, "name", "use up to 255 printable characters"),
        ({"name": "a\r\nSubject: b"}, "name", "use up to 255 printable characters"),
        ({"state": "maybe"}, "state", "use on or off"),
    ],
)  # fmt: skip
def test_a_field_that_cant_be_taken_is_named(fields: dict[str, str], field: str, fix: str) -> None:
    error = refused(**fields)
    assert error.field == field
    assert fix in error.fix
    assert form_field(field) in {*RULE_FIELDS, "channels"}, "the form has a place to say it"
    assert len(error.message) < 800, "a hostile value can't flood a message"


def test_all_that_is_wrong_is_said_at_once() -> None:
    fields = {
        **USAGE, "threshold": "x", "watched": "campaign", "by_email": "on", "recipients": "nobody",
        "frequency": "every_hours", "hours": "0", "name": "a\nb", "level": "purple",
    }  # fmt: skip
    found = rule_errors(fields, lambda text: text)
    assert found == {
        "campaign": "name the campaign", "threshold": "use a number such as 1250.50",
        "level": "use one of notice, warning, urgent, critical",
        "hours": "use whole hours from 1 to 720", "name": "use up to 255 printable characters",
        "recipients": "use an address such as name@example.com",
    }  # fmt: skip
    assert rule_errors(LOW, lambda text: text) == {}
    nothing = rule_errors({}, lambda text: text)
    assert set(nothing) == {"type", "threshold", "channels"}


@given(st.dictionaries(st.sampled_from(RULE_FIELDS), st.text(max_size=12)))
def test_whatever_is_typed_has_an_end_and_a_place(fields: dict[str, str]) -> None:
    found = rule_errors(fields, lambda text: text)
    assert set(found) <= {*RULE_FIELDS, "channels"}


def test_an_address_says_what_the_page_shows() -> None:
    assert parse_alerts_search("") == parse_alerts_search("?do=nonsense&refused=x&done=y")
    query = parse_alerts_search("?do=add&step=review&threshold=5&type=usage&other=1")
    assert (query.edit, query.is_reviewing, query.is_filled) == (Edit.ADD, True, True)
    assert query.fields == {"threshold": "5", "type": "usage"}
    assert not parse_alerts_search("?do=add&type=usage").is_filled, "a link is not a sent form"
    done = parse_alerts_search("?done=change&saved=4&about=abc&refused=invalid&notice=n1&cursor=c")
    assert (done.done, done.saved, done.about) == (Edit.CHANGE, "4", "abc")
    assert done.refused == "invalid"
    assert (done.notice_id, done.cursor) == ("n1", "c")
    assert parse_alerts_search(f"?do=change&id=1&{'x' * 10**6}").alert_id == "1"
    assert set(REFUSALS) >= {"changed", "not_found", "other_account", "too_many"}


def test_addresses_of_forms() -> None:
    assert alerts_address() == "/billing/alerts"
    assert alerts_address(cursor=None, notice="n&1") == "/billing/alerts?notice=n%261"
    assert edit_address(Edit.CHANGE, id="7") == "/billing/alerts?do=change&id=7"
    assert parse_edit("test") is Edit.TEST
    with pytest.raises(InputError):
        parse_edit("explode")


def test_lists_are_split_where_people_split_them() -> None:
    assert parse_addresses(" a@b.example ,, c@d.example\n;e@f.example ") == (
        "a@b.example", "c@d.example", "e@f.example",
    )  # fmt: skip
    assert parse_phones("") == ()


# --- every rule through its form ----------------------------------------------------------------
LOCALES = ("en_IN", "en_US", "de_DE", "fr_FR", "de_CH", "hi_IN")
EMAILS = st.lists(st.sampled_from(["a@b.example", "c.d+e@f-g.example"]), unique=True, max_size=2)
PHONES = st.lists(st.sampled_from(["+14155550100", "+919845012345"]), unique=True, max_size=2)
NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), max_size=40).filter(
    lambda text: text.isprintable() and text == text.strip()
)
LARGEST = {
    Unit.MONEY: LARGEST_THRESHOLD_MICROS, Unit.PERCENT: LARGEST_PERCENT,
    Unit.UNITS: LARGEST_THRESHOLD_UNITS, Unit.DAYS: LARGEST_DAYS,
}  # fmt: skip


@st.composite
def rules(draw: st.DrawFn) -> AlertRule:
    """Any rule that can be kept."""
    kind = draw(st.sampled_from(AlertKind))
    unit, scope, span = Unit.DAYS, AlertScope(), None
    if kind is AlertKind.LOW_BALANCE:
        unit = draw(st.sampled_from([Unit.MONEY, Unit.PERCENT]))
    if kind is AlertKind.USAGE:
        span = draw(st.sampled_from(Span))
        scope = draw(
            st.one_of(
                st.just(AlertScope()),
                st.sampled_from(Service).map(lambda one: AlertScope(ScopeKind.SERVICE, one.value)),
                st.sampled_from(METRICS).map(lambda one: AlertScope(ScopeKind.METRIC, one.id)),
                NAMES.filter(bool).map(lambda name: AlertScope(ScopeKind.CAMPAIGN, name)),
            )
        )
        units = [Unit.MONEY, Unit.PERCENT, *[Unit.UNITS][: scope.kind is ScopeKind.METRIC]]
        unit = draw(st.sampled_from(units))
    amount = draw(st.integers(1 if kind is AlertKind.USAGE else 0, LARGEST[unit]))
    emails, phones = tuple(draw(EMAILS)), tuple(draw(PHONES))
    possible = [
        Channel.DASHBOARD, Channel.WEBHOOK, *[Channel.EMAIL] * bool(emails),
        *[Channel.SMS] * bool(phones),
    ]  # fmt: skip
    repeat = draw(st.sampled_from(Repeat))
    hours = draw(st.integers(1, LONGEST_REPEAT_HOURS)) if repeat is Repeat.HOURS else None
    return check_rule(
        AlertRule(
            kind, Threshold(unit, amount), scope,
            Measure.UNITS if unit is Unit.UNITS else Measure.COST, span,
            draw(st.sampled_from(Level)), draw(NAMES),
            tuple(draw(st.lists(st.sampled_from(possible), min_size=1, unique=True))), emails,
            phones, Frequency(repeat, hours), draw(st.booleans()), draw(st.booleans()),
        )
    )  # fmt: skip


@given(rules(), st.sampled_from(LOCALES))
def test_a_rule_comes_back_from_its_form_and_its_address(made: AlertRule, locale: str) -> None:
    owner = replace(account(), locale=locale)

    def written(value: Decimal) -> str:
        return number_text(value, locale)

    address = edit_address(Edit.CHANGE, id="7", step="review", **rule_fields(made, written))
    query = parse_alerts_search(f"?{urlsplit(address).query}")
    assert dict(parse_qsl(urlsplit(address).query))["threshold"] == query.fields["threshold"]
    assert parse_rule(query.fields, lambda text: plain_amount(text, owner)) == made
