"""The period bar of the usage pages: every control of it is an address."""

from __future__ import annotations

from billing.metrics import Service, metrics_on_plans
from billing.periods import PRESETS
from billing.queries import Granularity, UsageQuery
from billing.usage import Dimension
from components.links import Choice
from components.period_bar import FilterGroup, FilterOption, PeriodBarView, period_bar
from pages._frame import Visit

MOST_OPTIONS = 200
FILTERS = (
    ("consumer", "consumers", "User or application", Dimension.CONSUMER),
    ("campaign", "campaigns", "Campaign", Dimension.CAMPAIGN),
)


def usage_bar(visit: Visit, query: UsageQuery, path: str, metric: str | None = None) -> object:
    """Presets, steps, custom range, cut, filters and files for one question."""
    earlier = query.stepped(-1, visit.account, visit.today)
    later = query.stepped(1, visit.account, visit.today)
    first_day = visit.scope.visible_from
    return period_bar(
        PeriodBarView(
            presets=tuple(
                Choice(
                    preset.label,
                    path + query.with_preset(preset.id, visit.account, visit.today).search(),
                    query.preset == preset.id,
                )
                for preset in PRESETS
            ),
            period=query.period,
            today=visit.today,
            earlier=path + earlier.search()
            if not first_day or earlier.period.end > first_day
            else None,
            later=path + later.search() if later.period.start <= visit.today else None,
            first_day=first_day,
            granularities=tuple(
                Choice(each.capitalize(), path + query.cut_by(each).search(),
                       query.granularity is each)
                for each in Granularity
            ),
            filters=tuple(_filters(visit, query, path, has_services=metric is None)),
            clear_href=path + query.without_filters().search(),
            exports=_exports(query, metric),
        )
    )  # fmt: skip


def _filters(
    visit: Visit, query: UsageQuery, path: str, *, has_services: bool
) -> list[FilterGroup]:
    groups = []
    if has_services:
        shown = metrics_on_plans(visit.account.plans_in(query.period), visit.used_metrics)
        offered = [service for service in Service if any(m.service == service for m in shown)]
        names = {service.value: service.value for service in offered}
        groups.append(_group(query, path, "service", "Service", query.filters.services, names))
    for name, attribute, label, dimension in FILTERS:
        known = dict(visit.figures.names(visit.scope, dimension))
        active = getattr(query.filters, attribute)
        known |= {item: known.get(item, item) for item in active}
        groups.append(_group(query, path, name, label, active, known))
    return groups


def _group(
    query: UsageQuery, path: str, name: str, label: str, active: tuple[str, ...],
    names: dict[str, str],
) -> FilterGroup:  # fmt: skip
    """One filter's values by name; a link puts a value on or takes it off."""
    items = sorted(names.items(), key=lambda item: (item[0] not in active, item[1].lower()))
    if name == "service":  # few, and in the order of the legend
        items = list(names.items())
    return FilterGroup(
        label,
        tuple(
            FilterOption(
                shown,
                path + query.with_filter(name, _toggled(active, item)).search(),
                item in active,
            )
            for item, shown in items[:MOST_OPTIONS]
        ),
    )


def _toggled(active: tuple[str, ...], item: str) -> list[str]:
    return [each for each in active if each != item] if item in active else [*active, item]


def _exports(query: UsageQuery, metric: str | None) -> tuple[Choice, ...]:
    base = "/export/usage" + (f"/{metric}" if metric else "")
    files = [("Transactions (CSV)", "transactions.csv"), ("Day by day (CSV)", "daily.csv")]
    if metric is None:
        files.append(("Summary by metric (CSV)", "summary.csv"))
    return tuple(Choice(label, f"{base}/{name}{query.search()}") for label, name in files)
