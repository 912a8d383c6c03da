"""Rules for how long things may take: timeouts of attempts, deadlines of steps and of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from squidie.workflow.checks import places
from squidie.workflow.checks.options import LONGER_THAN_ZERO, lasts
from squidie.workflow.issues import Issue
from squidie.workflow.spec import Deadline, NodeKind, Overdue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from squidie.workflow.spec import Spec

CODE = "invalid_deadline"
RUN = "run"
"""What the timer of the whole run's deadline goes by."""


def timeouts_last(spec: Spec) -> Iterable[Issue]:
    """An attempt gets some time, and then perhaps none to say goodbye."""
    for path, node in places.steps(spec):
        if node.kind is NodeKind.STEP and node.timeout is not None and not lasts(node.timeout):
            yield Issue(f"{path}.timeout", "invalid_timeout", LONGER_THAN_ZERO)
        if node.grace is not None and not lasts(node.grace, allow_zero=True):
            yield Issue(f"{path}.grace", "invalid_timeout", "is a duration of at most 36,500 days, not negative")


def deadlines_make_sense(spec: Spec) -> Iterable[Issue]:
    """Of the run and of each step."""
    yield from _deadline(spec.deadline, "deadline")
    for path, node in places.steps(spec):
        yield from _deadline(node.deadline, f"{path}.deadline")
        if node.name == RUN and node.deadline is not None:
            yield Issue(f"{path}.deadline", CODE, "of a step named run reads as the run's own: give it another name")


def _deadline(deadline: Deadline | None, path: str) -> Iterator[Issue]:
    if deadline is None:
        return
    soon, after = deadline.due_soon, deadline.escalate_after
    if not lasts(deadline.within):
        yield Issue(f"{path}.within", CODE, LONGER_THAN_ZERO)
    elif soon is not None and not 0 < soon < deadline.within:
        yield Issue(f"{path}.due_soon", CODE, "is a duration longer than zero, and less than within")
    if after is not None and not lasts(after, allow_zero=True):
        yield Issue(f"{path}.escalate_after", CODE, "is a duration of at most 36,500 days, not negative")
    elif after is not None and deadline.then is not Overdue.ESCALATE:
        yield Issue(f"{path}.escalate_after", CODE, 'goes with then="escalate"')


def what_is_waited_for_can_be_read(spec: Spec) -> Iterable[Issue]:
    """A payload field whose type is no time is none when it is read either."""
    for path, node in places.steps(spec):
        for option, code, kinds in _READ:
            strange = [kind for kind in _types(spec, getattr(node, option)) if kind not in kinds]
            if strange:
                yield Issue(f"{path}.{option}", code, f"leads to a field of the type {strange[0]}, not {kinds[0]}")


def _types(spec: Spec, text: str | None) -> set[str]:
    """The types of the payload field that a path leads to, one for each contract that declares it."""
    root, _, name = (text or "").partition(".")
    contracts = (places.contract_of(spec, trigger) for trigger in spec.triggers)
    return {each.type for contract in contracts for each in contract if root == "payload" and each.name == name}


_READ = (
    ("until", "invalid_duration", ("string", "any")),
    ("correlation_from", "invalid_event", ("string", "integer", "any")),
)

RULES = (timeouts_last, deadlines_make_sense, what_is_waited_for_can_be_read)
