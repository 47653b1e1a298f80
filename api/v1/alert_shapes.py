"""What the calls of alerts take and answer with, made of the product's values."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import Field

from api.v1.limit_shapes import LARGEST_VERSION
from api.v1.shapes import Currency, Micros, Shape
from api.v1.wallet_shapes import Body
from billing.alert_standing import AlertBacktest, AlertStanding, AlertView
from billing.alert_steps import Phase
from billing.alerts import (
    LARGEST_THRESHOLD_MICROS,
    LONGEST_ADDRESS,
    LONGEST_REPEAT_HOURS,
    MOST_ADDRESSES,
    WHOLE,
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
)
from billing.limits import limit

FIGURE = "Micros, the metric's base units, or whole days, as `figure_unit` says."
Email = Annotated[
    str, Field(min_length=1, max_length=LONGEST_ADDRESS, examples=["owner@acme.example"])
]
Phone = Annotated[str, Field(min_length=1, max_length=20, examples=["+14155550100"])]
Emails = Annotated[
    list[Email], Field(max_length=MOST_ADDRESSES, description="Who is told by e-mail.")
]
Phones = Annotated[list[Phone], Field(max_length=MOST_ADDRESSES, description="Who is told by SMS.")]
Channels = Annotated[
    list[Channel],
    Field(
        min_length=1, max_length=len(Channel), examples=[["email", "dashboard"]],
        description="Webhooks are told under the topics `alert.*`.",
    ),
]  # fmt: skip
Name = Annotated[str, Field(max_length=limit("name"), description="Empty: called by what it says.")]
Version = Annotated[
    int | None,
    Field(
        strict=True, ge=1, le=LARGEST_VERSION,
        description="The one that was read: refused with 409 when there is a newer one.",
    ),
]  # fmt: skip


class ThresholdBody(Body):
    """From where on it alarms: at it and below for a balance or days left, above for usage."""

    unit: Unit = Field(
        description="`money`: micros; `units`: base units of the metric; `percent`: hundredths of "
        "a percent of average monthly usage; `days`."
    )
    amount: int = Field(
        strict=True, ge=0, le=LARGEST_THRESHOLD_MICROS, examples=[3000],
        description="In that unit: 3000 of `percent` is 30 %.",
    )  # fmt: skip


class ScopeBody(Body):
    """Whose usage counts."""

    kind: ScopeKind
    id: str = Field(
        "", max_length=limit("name"), examples=["renewals"],
        description="A service, a metric or a campaign; empty for the whole account.",
    )  # fmt: skip


class FrequencyBody(Body):
    """How often an alarm is told."""

    repeat: Repeat
    hours: int | None = Field(
        None, strict=True, ge=1, le=LONGEST_REPEAT_HOURS, description="Of `every_hours` alone."
    )


class AlertBody(Body):
    """One alert. ``span`` and ``measure`` are of usage alone."""

    kind: AlertKind = Field(description="What it looks at.")
    threshold: ThresholdBody
    scope: ScopeBody | None = Field(None, description="Left out: the whole account.")
    measure: Measure = Field(Measure.COST, description="`units`: of a single metric.")
    span: Span | None = Field(None, description="Over which local days usage is counted.")
    level: Level = Field(Level.NOTICE, description="Of several crossed, the most severe is told.")
    name: Name = ""
    channels: Channels = Field(default_factory=lambda: [Channel.DASHBOARD])
    recipients: Emails = Field(default_factory=list)
    phones: Phones = Field(default_factory=list)
    frequency: FrequencyBody = FrequencyBody(repeat=Repeat.EPISODE)
    has_recovery: bool = Field(False, strict=True, description="Tell also when it is over.")
    is_on: bool = Field(True, strict=True)

    def rule(self) -> AlertRule:
        """The rule."""
        return AlertRule(
            self.kind, _threshold(self.threshold), _scope(self.scope), self.measure, self.span,
            self.level, self.name, tuple(self.channels), tuple(self.recipients),
            tuple(self.phones), _frequency(self.frequency), self.has_recovery, self.is_on,
        )  # fmt: skip


class AlertChangeBody(Body):
    """What is to be different; what is left out stays. Null takes ``scope`` or ``span`` away."""

    kind: AlertKind | None = None
    threshold: ThresholdBody | None = None
    scope: ScopeBody | None = None
    measure: Measure | None = None
    span: Span | None = None
    level: Level | None = None
    name: Name | None = None
    channels: Channels | None = None
    recipients: Emails | None = None
    phones: Phones | None = None
    frequency: FrequencyBody | None = None
    has_recovery: bool | None = Field(None, strict=True)
    is_on: bool | None = Field(None, strict=True)
    version: Version = None

    def changed(self, rule: AlertRule) -> AlertRule:
        """The rule with what was sent."""
        sent = self.model_fields_set
        return AlertRule(
            self.kind or rule.kind,
            _threshold(self.threshold) if self.threshold else rule.threshold,
            _scope(self.scope) if "scope" in sent else rule.scope,
            self.measure or rule.measure,
            self.span if "span" in sent else rule.span,
            self.level or rule.level,
            rule.name if self.name is None else self.name,
            rule.channels if self.channels is None else tuple(self.channels),
            rule.emails if self.recipients is None else tuple(self.recipients),
            rule.phones if self.phones is None else tuple(self.phones),
            _frequency(self.frequency) if self.frequency else rule.frequency,
            rule.has_recovery if self.has_recovery is None else self.has_recovery,
            rule.is_on if self.is_on is None else self.is_on,
        )


class RecommendedBody(Body):
    """Whom the recommended levels tell, besides the dashboard."""

    recipients: Emails = Field(default_factory=list)


class ThresholdShape(Shape):
    """A threshold as it was given."""

    unit: Unit
    amount: int


class ScopeShape(Shape):
    """Whose usage counts. ``id`` is empty for the whole account."""

    kind: ScopeKind
    id: str


class FrequencyShape(Shape):
    """How often an alarm is told."""

    repeat: Repeat
    hours: int | None


class AlertShape(Shape):
    """One alert, its figure now beside its threshold, and where it stands."""

    id: str
    version: int
    kind: AlertKind
    threshold: ThresholdShape
    scope: ScopeShape
    measure: Measure
    span: Span | None
    level: Level
    action: str = Field(description="What to do at that level; empty for a mere notice.")
    name: str
    channels: list[Channel]
    recipients: list[str]
    phones: list[str]
    frequency: FrequencyShape
    has_recovery: bool
    is_on: bool
    phase: Phase = Field(description="`waiting`: there is no complete month to average yet.")
    figure_unit: Unit = Field(description="Of `value` and `threshold_value`; never `percent`.")
    value: int | None = Field(
        description=f"The figure now. {FIGURE} None: no money ever moved, or nothing is spent."
    )
    threshold_value: int | None = Field(
        description="From which figure on it alarms: a percentage's too. None: no average yet."
    )
    window_start: date | None = Field(description="First local day that is counted, of usage.")
    alarm_since: datetime | None
    told_at: datetime | None = Field(description="When people were last told of an alarm.")
    created_at: datetime
    updated_at: datetime
    currency: Currency


class AlertsShape(Shape):
    """Every alert, oldest first, and what percentages are of."""

    alerts: list[AlertShape]
    average_micros: Micros | None = Field(description="Of a month's usage; none: no whole month.")
    average_months: int = Field(description="How many complete months it is the average of.")
    channels: list[Channel] = Field(description="By which this installation can send.")
    version: int = Field(description="Grows with every change of any alert.")
    currency: Currency
    as_of: datetime


class InstalledShape(Shape):
    """The recommended alerts that were added, the mildest first; none where all were there."""

    added: list[AlertShape]


class TestedAlertShape(Shape):
    """A test on its way: its deliveries are those of this notification."""

    notification_id: str


class BacktestDayShape(Shape):
    """A day's figure and threshold; of a balance the lowest of the day, of usage the last."""

    day: date
    value: int | None
    threshold: int | None


class AlertBacktestShape(Shape):
    """What an alert would have done over the last 90 days."""

    from_: date = Field(alias="from")
    to: date
    times: int = Field(description="On how many days it would have fired.")
    fired_on: list[date] = Field(description="Those local days, oldest first.")
    figure_unit: Unit
    days: list[BacktestDayShape]
    currency: Currency


def alert_shape(view: AlertView, currency: str) -> AlertShape:
    """An alert as the API says it."""
    alert, rule, reading = view.alert, view.alert.rule, view.reading
    return AlertShape(
        id=alert.id, version=alert.version, kind=rule.kind,
        threshold=ThresholdShape(unit=rule.threshold.unit, amount=rule.threshold.amount),
        scope=ScopeShape(kind=rule.scope.kind, id=rule.scope.id), measure=rule.measure,
        span=rule.span, level=rule.level, action=rule.level.action, name=rule.name,
        channels=list(rule.channels), recipients=list(rule.emails), phones=list(rule.phones),
        frequency=FrequencyShape(repeat=rule.frequency.repeat, hours=rule.frequency.hours),
        has_recovery=rule.has_recovery, is_on=rule.is_on, phase=view.phase,
        figure_unit=figure_unit(rule), value=reading.value, threshold_value=reading.threshold,
        window_start=reading.window_on, alarm_since=view.alarm_since, told_at=view.told_at,
        created_at=alert.created_at, updated_at=alert.updated_at, currency=currency,
    )  # fmt: skip


def alerts_shape(standing: AlertStanding, currency: str) -> AlertsShape:
    """How an account's alerts stand, as the API says it."""
    return AlertsShape(
        alerts=[alert_shape(each, currency) for each in standing.alerts],
        average_micros=standing.average_micros, average_months=standing.average_months,
        channels=[each for each in Channel if each in standing.channels],
        version=standing.version, currency=currency, as_of=standing.as_of,
    )  # fmt: skip


def alert_backtest_shape(found: AlertBacktest, currency: str) -> AlertBacktestShape:
    """A backtest as the API says it."""
    return AlertBacktestShape(
        **{"from": found.period.start}, to=found.period.end, times=len(found.fired_on),
        fired_on=list(found.fired_on), figure_unit=figure_unit(found.rule),
        days=[
            BacktestDayShape(day=each.day, value=each.value, threshold=each.threshold)
            for each in found.days
        ],
        currency=currency,
    )  # fmt: skip


def figure_unit(rule: AlertRule) -> Unit:
    """What a rule's figure is counted in; a percentage is of money."""
    if rule.kind is AlertKind.DAYS_LEFT:
        return Unit.DAYS
    return Unit.UNITS if rule.measure is Measure.UNITS else Unit.MONEY


def _threshold(body: ThresholdBody) -> Threshold:
    return Threshold(body.unit, body.amount)


def _scope(body: ScopeBody | None) -> AlertScope:
    return AlertScope(body.kind, body.id) if body else WHOLE


def _frequency(body: FrequencyBody) -> Frequency:
    return Frequency(body.repeat, body.hours)
