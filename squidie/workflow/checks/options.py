"""Which options go with which kind of node, and rules for the kinds that run no code: waits, logs, people, events."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

import msgspec

from squidie.workflow.checks import places
from squidie.workflow.checks.payload import field_issues
from squidie.workflow.durations import LONGEST
from squidie.workflow.issues import Issue
from squidie.workflow.spec import Lapse, Node, NodeKind, Spec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

EVERY = frozenset({"name", "kind"})
OPTIONS: dict[NodeKind, frozenset[str]] = {
    NodeKind.STEP: frozenset({
        "action", "input", "output", "retry", "timeout", "grace", "deadline", "queue", "priority", "limit",
        "rate", "compensate", "irreversible", "replayable", "transactional", "on_give_up", "on_cancel",
    }),
    NodeKind.WAIT: frozenset({"duration", "until"}),
    NodeKind.LOG: frozenset({"action", "message", "level"}),
    NodeKind.PAUSE: frozenset({"output", "due", "then"}),
    NodeKind.APPROVAL: frozenset({"output", "role", "quorum", "due", "then", "escalate", "form", "exclude"}),
    NodeKind.EVENT: frozenset({"output", "event", "correlation", "correlation_from", "timeout"}),
}  # fmt: skip
"""What each kind of node may say of itself, besides its name."""

LAPSES = {
    NodeKind.PAUSE: (Lapse.FAIL, Lapse.RESUME),
    NodeKind.APPROVAL: (Lapse.REJECT, Lapse.APPROVE, Lapse.ESCALATE),
}
"""What may happen when nobody decided in time; the first, if nothing is said."""
STARTER = "starter"
MAX_TEXT, MAX_KEY, MAX_ROLE, MAX_QUORUM = 10_000, 255, 64, 100
LONGER_THAN_ZERO = "is a duration longer than zero, of at most 36,500 days"


def options_fit_the_kind(spec: Spec) -> Iterable[Issue]:
    """An option that is never looked at would deceive its reader."""
    for path, node in places.steps(spec):
        for name in _said(node) - OPTIONS[node.kind] - EVERY:
            if name == "transactional":
                said = f"is for steps: a node of the kind {node.kind} runs no code of yours"
                yield Issue(f"{path}.{name}", "invalid_transactional", said)
            else:
                words = ", ".join(sorted(OPTIONS[node.kind] - {"action"}))
                yield Issue(f"{path}.{name}", "option_not_allowed", f"a node of the kind {node.kind} has {words}")


def _said(node: Node) -> set[str]:
    """The options that have another value than their default."""
    return {name for name, default in _DEFAULTS if getattr(node, name) != default}


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


_DEFAULTS = tuple((each.name, _default(each)) for each in msgspec.structs.fields(Node))


def waits_end(spec: Spec) -> Iterable[Issue]:
    """For a time or until one; never for nothing."""
    for path, node in _of(spec, NodeKind.WAIT):
        if (node.duration is None) is (node.until is None):
            yield Issue(path, "invalid_duration", 'waits for a duration ("4h30m") or until the time at a path: say one')
        elif node.duration is not None and not lasts(node.duration):
            yield Issue(f"{path}.duration", "invalid_duration", LONGER_THAN_ZERO)


def logs_say_something(spec: Spec) -> Iterable[Issue]:
    """An empty line helps nobody."""
    for path, node in _of(spec, NodeKind.LOG):
        if not _is_text(node.message, MAX_TEXT):
            yield Issue(f"{path}.message", "invalid_message", f"is text of 1 to {MAX_TEXT:,} characters")


def people_can_decide(spec: Spec) -> Iterable[Issue]:
    """Who, how many, until when, and what if they do not."""
    for path, node in places.steps(spec):
        if node.kind in LAPSES:
            yield from _lapse(path, node)
        if node.kind is NodeKind.APPROVAL:
            yield from _approval(path, node)


def _lapse(path: str, node: Node) -> Iterator[Issue]:
    if node.due is not None and not lasts(node.due):
        yield Issue(f"{path}.due", "invalid_duration", LONGER_THAN_ZERO)
    if node.then is not None and node.then not in LAPSES[node.kind]:
        said = f"of a node of the kind {node.kind} is one of {', '.join(LAPSES[node.kind])}"
        yield Issue(f"{path}.then", "invalid_approval", said)
    elif node.then is not None and node.due is None:
        yield Issue(f"{path}.then", "invalid_approval", "says what happens when it is due: say due= as well")


def _approval(path: str, node: Node) -> Iterator[Issue]:
    wrong = [
        ("role", node.role is not None and not _is_text(node.role, MAX_ROLE), f"is text of 1 to {MAX_ROLE} characters"),
        ("quorum", not 1 <= node.quorum <= MAX_QUORUM, f"is a number of people, from 1 to {MAX_QUORUM}"),
        ("exclude", tuple(node.exclude) not in {(), (STARTER,)}, f'names whom to keep out: "{STARTER}", once'),
    ]
    yield from (Issue(f"{path}.{field}", "invalid_approval", said) for field, is_wrong, said in wrong if is_wrong)
    if (node.escalate is not None) is not (node.then is Lapse.ESCALATE):
        yield Issue(f"{path}.escalate", "invalid_approval", "says who is asked next: it goes with then=escalate")
    elif node.escalate is not None:
        yield from _escalation(f"{path}.escalate", node)
    for place, field in places.fields(f"{path}.form", node.form or ()):
        yield from field_issues(field, place)
    yield from _twice(f"{path}.form", node)


def _escalation(path: str, node: Node) -> Iterator[Issue]:
    after = node.escalate
    if after is None:
        return
    if not _is_text(after.role, MAX_ROLE):
        yield Issue(f"{path}.role", "invalid_approval", f"is text of 1 to {MAX_ROLE} characters")
    if after.due is not None and not lasts(after.due):
        yield Issue(f"{path}.due", "invalid_duration", LONGER_THAN_ZERO)
    if after.then not in (Lapse.REJECT, Lapse.APPROVE):
        yield Issue(f"{path}.then", "invalid_approval", "is reject or approve: there is one escalation")


def _twice(path: str, node: Node) -> Iterator[Issue]:
    names = [field.name for field in node.form or ()]
    for name in dict.fromkeys(each for each in names if names.count(each) > 1):
        yield Issue(f"{path}.{name}", "invalid_payload_field", "the form has this field twice")


def events_are_known(spec: Spec) -> Iterable[Issue]:
    """By a name, without which the node's own is meant, and by what tells one from another."""
    for path, node in _of(spec, NodeKind.EVENT):
        if node.event is not None and not _is_text(node.event, MAX_KEY):
            yield Issue(f"{path}.event", "invalid_event", f"names the event: text of 1 to {MAX_KEY} characters")
        if node.correlation is not None and node.correlation_from is not None:
            yield Issue(path, "invalid_event", "has a correlation and a path to one: say one of them")
        elif node.correlation is not None and not _is_text(node.correlation, MAX_KEY):
            yield Issue(f"{path}.correlation", "invalid_event", f"is text of 1 to {MAX_KEY} characters")
        if node.timeout is not None and not lasts(node.timeout):
            yield Issue(f"{path}.timeout", "invalid_timeout", LONGER_THAN_ZERO)


def lasts(duration: float, *, allow_zero: bool = False) -> bool:
    """Whether this is a duration that one can wait for."""
    return isfinite(duration) and duration <= LONGEST and (duration > 0 or (allow_zero and duration == 0))


def _of(spec: Spec, kind: NodeKind) -> Iterator[tuple[str, Node]]:
    return ((path, node) for path, node in places.steps(spec) if node.kind is kind)


def _is_text(text: str, longest: int) -> bool:
    """Text that the journal takes, and that shows something."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return bool(text.strip()) and "\0" not in text and len(text) <= longest


RULES = (options_fit_the_kind, waits_end, logs_say_something, people_can_decide, events_are_known)
