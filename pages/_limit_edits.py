"""Changing a limit on the Spending limits page: the form of an address, then what it would do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from billing.caps import LONGEST_OVERRIDE, Cap, CapKind, Limits, Override, check_override
from billing.errors import InputError, ProductError
from billing.limit_queries import (
    HARD,
    OFF,
    ON,
    SOFT,
    Edit,
    LimitsQuery,
    changed_limits,
    form_field,
    limits_address,
    parse_cap,
    parse_key,
    parse_override,
)
from billing.limit_review import Effect, effect_of
from billing.limit_standing import Backtest, may_change
from billing.pauses import BALANCE, Due, Pause
from billing.periods import zone
from components import format as fmt
from components import limit_forms, states
from components.backtest import backtest
from components.limit_words import (
    Telling,
    bound_text,
    cap_name,
    cap_text,
    stands_still,
    until_text,
)
from components.review import Note, ReviewView, review
from pages._frame import Visit
from pages._telling import telling_of

AMOUNT_EXAMPLE = 5_000  # grouped in every locale, so that one sees how it is written
ROLE_REFUSED = "Limits are for the owner to change."


def edit_region(visit: Visit, query: LimitsQuery) -> Any:
    """The form of the address, or its review when what was typed can be taken."""
    if not may_change(visit.scope.role):
        return states.refused("Not for your role", ROLE_REFUSED)
    query = _with_campaign_id(visit, query)
    errors: dict[str, str] = {}
    if query.is_reviewing or query.edit in {Edit.REMOVE, Edit.SWITCH}:
        try:
            return _review(visit, query)
        except InputError as error:
            errors[form_field(error.field)] = error.fix
        except ProductError as error:
            errors[""] = error.message
    return _form(visit, query, errors)


def _with_campaign_id(visit: Visit, query: LimitsQuery) -> LimitsQuery:
    """A campaign that was typed by its name, by its id."""
    typed = query.campaign
    names = _telling(visit).campaigns if typed else {}
    ids = [campaign for campaign, name in names.items() if name == typed]
    if not typed or typed in names or len(ids) != 1:
        return query
    return replace(query, fields={**query.fields, "campaign": ids[0]})


def _telling(visit: Visit) -> Telling:
    return telling_of(visit, visit.limit_standing, is_whole=True)


def _plain(visit: Visit, text: str) -> str:
    return visit.desk.plain_amount(text, visit.account)


# --- forms -------------------------------------------------------------------------------------
def _form(visit: Visit, query: LimitsQuery, errors: Mapping[str, str]) -> Any:
    limits, telling = visit.limit_standing.limits, _telling(visit)
    example = fmt.number(AMOUNT_EXAMPLE, visit.account.locale, 2, least_decimals=2)
    assert query.edit is not None, "asked for only then"
    view = limit_forms.FormView(query.edit, query.fields, telling, example, errors)
    if query.edit is Edit.INBOUND:
        return limit_forms.inbound_form(view, limits.inbound)
    if query.edit is Edit.OVERRIDE:
        return _override_form(visit, view)
    if query.edit is Edit.CAP and query.kind is not None:
        present = _present(limits, query.kind, query.campaign)
        if present is not None:
            filled = {**_filled(present, visit.account.locale), **query.fields}
            view = replace(view, fields=filled)
        is_new = present is None
        return limit_forms.cap_form(view, query.kind, is_new=is_new)
    return states.refused("There is no such form", next(iter(errors.values()), "Choose a limit."))


def _present(limits: Limits, kind: CapKind, campaign: str) -> Cap | None:
    return next((cap for cap in limits.caps if cap.key == (kind, campaign)), None)


def _filled(cap: Cap, locale: str) -> dict[str, str]:
    """A limit's form as it is set."""
    amount = cap.limit_micros
    return {
        "amount": limit_forms.amount_text(amount, locale) if amount is not None else "",
        "seconds": str(cap.limit_seconds) if cap.limit_seconds else "",
        "mode": HARD if cap.is_hard else SOFT, "state": ON if cap.is_on else OFF,
    }  # fmt: skip


def _override_form(visit: Visit, view: limit_forms.FormView) -> Any:
    pause = visit.desk.limits.pause(visit.scope, view.fields.get("pause", ""))
    if pause.ended_at is not None or pause.reason.rule == BALANCE:
        return states.refused("Nothing to override", "This pause is over, or no cap made it.")
    name = cap_name(CapKind(pause.reason.rule), pause.reason.campaign, view.telling)
    ends_at = pause.until_at or visit.account.zones.start_of(visit.today + timedelta(days=1))
    ends_at = min(ends_at, visit.now + LONGEST_OVERRIDE)
    view = replace(view, fields={"until": _local(ends_at, visit.zone), **view.fields})
    return limit_forms.override_form(view, name, visit.zone)


def _local(instant: datetime, zone_name: str) -> str:
    """An instant as a field for date and time holds it."""
    return instant.astimezone(zone(zone_name)).strftime("%Y-%m-%dT%H:%M")


# --- reviews -----------------------------------------------------------------------------------
def _review(visit: Visit, query: LimitsQuery) -> Any:
    if query.edit is Edit.OVERRIDE:
        return review(_override_review(visit, query), limit_forms.PLACE)
    return review(_change_review(visit, query), limit_forms.PLACE)


def _change_review(visit: Visit, query: LimitsQuery) -> ReviewView:
    standing, telling, edit = visit.limit_standing, _telling(visit), query.edit
    assert edit is not None, "asked for only then"
    wanted = changed_limits(edit, query.fields, standing.limits, lambda text: _plain(visit, text))
    tried: Backtest | None = None
    if edit is Edit.CAP:
        cap = parse_cap(query.fields, lambda text: _plain(visit, text))
        tried = visit.desk.limits.backtest(visit.scope, cap)
        title, sentence, button = _cap_words(standing.limits, cap, telling)
        known = cap.campaign in telling.campaigns or not cap.campaign
    else:
        title, sentence, button = _other_words(edit, query, wanted, telling)
        known = True
    effect = effect_of(standing, wanted, tried, visit.account.zones)
    notes = list(_effect_notes(effect, telling))
    if not known:
        notes.append((f"No usage names the campaign “{query.campaign}” yet: check its id.", "soon"))
    return ReviewView(
        edit, title, sentence, tuple(notes), query.fields, visit.account.id,
        standing.limits.version, button, _back(query),
        backtest(tried, telling) if tried else None,
    )  # fmt: skip


def _cap_words(limits: Limits, cap: Cap, telling: Telling) -> tuple[str, str, str]:
    """Title, sentence and button of a cap that is set or changed."""
    name = cap_name(cap.kind, cap.campaign, telling)
    before = _present(limits, cap.kind, cap.campaign)
    is_call = cap.kind is CapKind.PER_CALL
    text = bound_text(cap, telling) if is_call and cap.is_on else cap_text(cap, telling)
    sentence = f"{name}: {text}."
    if before is not None and before != cap:
        sentence += f" It was {cap_text(before, telling)}."
    if before == cap:
        sentence += " That is how it is set."
    if not limits.is_on:
        sentence += " Spending limits are off, so it does nothing until they are turned on."
    return name, sentence, "Save"


def _other_words(
    edit: Edit, query: LimitsQuery, wanted: Limits, telling: Telling
) -> tuple[str, str, str]:
    if edit is Edit.SWITCH and wanted.is_on:
        sentence = "Turns every cap that is on into force: work is held against them again."
        return "Turn spending limits on", sentence, "Turn on"
    if edit is Edit.SWITCH:
        sentence = (
            "Turns all limits off: nothing is denied or paused by a cap. What is spent is still "
            "counted, and the caps are kept."
        )
        return "Turn spending limits off", sentence, "Turn off"
    if edit is Edit.INBOUND:
        sentence = f"{limit_forms.INBOUND_WORDS[wanted.inbound]}."
        return "Inbound at zero balance", sentence, "Save"
    kind, campaign = parse_key(query.fields)
    name = cap_name(kind, campaign, telling)
    return f"Remove: {name}", "What was spent is still counted; nothing bounds it.", "Remove"


def _effect_notes(effect: Effect, telling: Telling) -> list[Note]:
    """What saving does at once."""
    notes: list[Note] = []
    for due in effect.begun:
        what, until = stands_still(due, telling), until_text(due, telling)
        spent = telling.sum(due.spent_micros)
        notes.append(
            (f"Saving pauses at once: {what} {until}, as {spent} is spent already.", "soon")
        )
    for pause in effect.ended:
        still: tuple[Pause | Due, ...] = (*effect.kept, *effect.begun)
        others = [
            each for each in still
            if each.reason.campaign in {"", pause.reason.campaign}
        ]  # fmt: skip
        what = stands_still(pause, telling)
        if others:
            notes.append((f"{what} would still be paused {until_text(others[0], telling)}.",
                          "soon"))  # fmt: skip
        else:
            notes.append((f"Saving lets go on at once: {what}.", "plain"))
    return notes


def _override_review(visit: Visit, query: LimitsQuery) -> ReviewView:
    telling, limits = _telling(visit), visit.limit_standing.limits
    asked = parse_override(query.fields, visit.account.zones, lambda text: _plain(visit, text))
    pause = visit.desk.limits.pause(visit.scope, asked.pause_id)
    if pause.ended_at is not None or pause.reason.window is None:
        raise ProductError("This pause is over, or no cap made it: there is nothing to override.")
    kind, campaign = CapKind(pause.reason.rule), pause.reason.campaign
    given = Override(
        "", kind, campaign, asked.reason, "", visit.now, asked.ends_at, asked.limit_micros
    )
    _check(visit, given, limits, telling)
    most = f", up to {telling.money(asked.limit_micros)}" if asked.limit_micros else ""
    name = cap_name(kind, campaign, telling)
    sentence = (
        f"{stands_still(pause, telling)} may go over the limit until "
        f"{telling.at(asked.ends_at)}{most}."
    )
    return ReviewView(
        Edit.OVERRIDE, f"Override: {name}", sentence,
        ((f"Reason: “{asked.reason.strip()}”", "plain"),), query.fields, visit.account.id,
        limits.version, "Override", _back(query),
    )  # fmt: skip


def _check(visit: Visit, given: Override, limits: Limits, telling: Telling) -> None:
    """The rule's own check, its refusals in the words of the form."""
    longest = visit.now + LONGEST_OVERRIDE
    try:
        check_override(given, limits, visit.now, longest)
    except InputError as error:
        fix = error.fix
        if error.field == "until":
            fix = f"use a time after now and up to {telling.at(longest)}"
        if error.field == "limit_micros":
            cap = limits.cap(given.kind, given.campaign)
            least = telling.money(cap.limit_micros or 0) if cap else "zero"
            fix = f"use more than the cap, {least}, or leave it empty for no bound"
        raise InputError(error.field, error.value, fix) from None


def _back(query: LimitsQuery) -> str | None:
    """The form that a review came from; none where there was none."""
    if query.edit in {Edit.REMOVE, Edit.SWITCH} or query.edit is None:
        return None
    return limits_address(do=query.edit.value, **query.fields)
