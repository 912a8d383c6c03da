"""Rules for what may start a run."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from squidie.errors import InvalidPayload
from squidie.workflow import cron
from squidie.workflow.checks import places
from squidie.workflow.checks.payload import field_issues
from squidie.workflow.issues import NAME, NAME_RULE, QUEUE, QUEUE_RULE, Issue
from squidie.workflow.payload import admit
from squidie.workflow.spec import POLICIES, Catchup, Trigger, TriggerKind
from squidie.workflow.values import json_problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from squidie.workflow.spec import Spec

MOST_AT_ONCE = 1000
"""Windows that one look opens: one commit."""

LONGEST_JITTER = 24 * 3600.0
_SOME_TIME = datetime(2000, 1, 1, tzinfo=UTC)


def some_trigger(spec: Spec) -> Iterable[Issue]:
    """A workflow that nothing starts is a mistake."""
    if not spec.triggers:
        yield Issue("triggers", "missing_trigger", 'nothing starts it: declare triggers = [manual("start")]')


def names_are_names(spec: Spec) -> Iterable[Issue]:
    """They stand in commands and identities."""
    for path, trigger in places.triggers(spec):
        if not NAME.match(trigger.name):
            yield Issue(f"{path}.name", "invalid_name", NAME_RULE)


def names_are_unique(spec: Spec) -> Iterable[Issue]:
    """A start names its trigger."""
    seen: set[str] = set()
    for path, trigger in places.triggers(spec):
        if trigger.name in seen:
            yield Issue(path, "duplicate_trigger", "another trigger has this name")
        seen.add(trigger.name)


def only_cron_has_a_schedule(spec: Spec) -> Iterable[Issue]:
    """An expression that is never looked at would deceive its reader."""
    for path, trigger in places.triggers(spec):
        told = trigger.expression is not None or trigger.input or _policies(trigger)
        if trigger.kind is TriggerKind.MANUAL and told:
            said = "is manual: an expression, an input or a policy belongs to a cron trigger"
            yield Issue(path, "invalid_trigger", said)


def _policies(trigger: Trigger) -> bool:
    """Whether the trigger says anything about its windows."""
    plain = Trigger(name=trigger.name)
    return any(getattr(trigger, name) != getattr(plain, name) for name in POLICIES)


def policies_make_sense(spec: Spec) -> Iterable[Issue]:
    """What cannot be meant is refused where it is written."""
    for path, trigger in places.triggers(spec):
        if trigger.kind is TriggerKind.CRON:
            for field, why in policy_problems(trigger):
                yield Issue(f"{path}.{field}", "invalid_schedule_policy", why)


def policy_problems(trigger: Trigger) -> Iterator[tuple[str, str]]:
    """The fields of a cron trigger that contradict themselves or each other, each with the reason."""
    most = trigger.catchup_max
    if most is not None and trigger.catchup is not Catchup.ALL:
        yield "catchup_max", 'goes with catchup="all"'
    elif most is not None and not 1 <= most <= MOST_AT_ONCE:
        yield "catchup_max", f"is a whole number from 1 to {MOST_AT_ONCE}"
    if not 0 <= trigger.jitter <= LONGEST_JITTER:
        yield "jitter", "is a duration from 0 to 24h"
    if trigger.partition is not None and not QUEUE.match(trigger.partition):
        yield "partition", QUEUE_RULE
    aware = True
    for field, at in (("starts", trigger.starts), ("ends", trigger.ends)):
        if at is not None and at.tzinfo is None:
            aware = False
            yield field, "is a datetime with a time zone"
    if aware and trigger.starts is not None and trigger.ends is not None and trigger.starts >= trigger.ends:
        yield "ends", "is later than starts"


def expressions_fire(spec: Spec) -> Iterable[Issue]:
    """Five fields or a name, and some day on which they meet."""
    for path, trigger in places.triggers(spec):
        if trigger.kind is TriggerKind.CRON:
            try:
                cron.normalise(trigger.expression or "")
            except ValueError as error:
                yield Issue(f"{path}.expression", "invalid_cron_expression", str(error))


def zones_exist(spec: Spec) -> Iterable[Issue]:
    """By the zone database of this machine."""
    for path, trigger in places.triggers(spec):
        try:
            cron.zone(trigger.timezone)
        except ValueError as error:
            yield Issue(f"{path}.timezone", "invalid_timezone", str(error))


def cron_inputs_satisfy_the_contract(spec: Spec) -> Iterable[Issue]:
    """Nobody is there to be told at three in the morning."""
    for path, trigger in places.triggers(spec):
        if trigger.kind is TriggerKind.CRON:
            yield from _input_issues(spec, trigger, path)


def _input_issues(spec: Spec, trigger: Trigger, path: str) -> Iterable[Issue]:
    code = "incomplete_trigger_input"
    wrong = {name: why for name, value in trigger.input.items() if (why := _not_a_literal(value))}
    yield from (Issue(f"{path}.input.{_shown(name)}", code, why) for name, why in wrong.items())
    if wrong or not _is_readable(spec, trigger):
        return
    try:
        filled = cron.window_input(trigger.input, _SOME_TIME, _SOME_TIME)
        admit(places.contract_of(spec, trigger), filled, now=_SOME_TIME)
    except InvalidPayload as error:
        found = error.details
        yield from (
            Issue(f"{path}.input.{name}", code, "is missing, and its field has no default") for name in found["missing"]
        )
        yield from (
            Issue(f"{path}.input.{_shown(name)}", code, "is no field of the payload") for name in found["unknown"]
        )
        yield from (Issue(f"{path}.input.{name}", code, why) for name, why in found["invalid"].items())


def _is_readable(spec: Spec, trigger: Trigger) -> bool:
    """Whether the contract itself is right; if not, its own issues are enough."""
    return not any(True for field in places.contract_of(spec, trigger) for _ in field_issues(field, "payload"))


def _not_a_literal(value: object) -> str | None:
    source = cron.window_source(value)
    if source is not None and source not in cron.WINDOW:
        return f"a window has {' and '.join(cron.WINDOW)}"
    return json_problem(value)


def _shown(name: str) -> str:
    return name if NAME.match(name) else "?"


RULES = (
    some_trigger,
    names_are_names,
    names_are_unique,
    only_cron_has_a_schedule,
    expressions_fire,
    zones_exist,
    policies_make_sense,
    cron_inputs_satisfy_the_contract,
)
