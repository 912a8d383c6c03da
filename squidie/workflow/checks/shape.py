"""From any value to a `Spec`, as far as it goes.

Unknown keys, missing keys and wrong types are issues, and the rest is still looked at.

`msgspec.convert` would stop at the first fault. Here every field is converted by itself; a part that lost what
identifies it is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple, get_args

import msgspec

from squidie.workflow.durations import seconds
from squidie.workflow.issues import NAME, Issue
from squidie.workflow.options import Limit, Rate
from squidie.workflow.spec import (
    LOG_ACTION,
    Compensate,
    Condition,
    Deadline,
    Edge,
    Escalation,
    Node,
    NodeKind,
    Outcome,
    PayloadField,
    Retry,
    Spec,
    Trigger,
)
from squidie.workflow.values import is_union, json_problem

LISTS: dict[tuple[type, str], Any] = {
    (Spec, "triggers"): Trigger,
    (Spec, "nodes"): Node,
    (Spec, "edges"): Edge,
    (Spec, "payload"): PayloadField,
    (Trigger, "payload"): PayloadField,
    (Node, "form"): PayloadField,
}
PARTS: dict[tuple[type, str], Any] = {
    (Spec, "deadline"): Deadline,
    (Node, "retry"): Retry,
    (Node, "deadline"): Deadline,
    (Node, "limit"): Limit,
    (Node, "rate"): Rate,
    (Node, "compensate"): Compensate,
    (Node, "escalate"): Escalation,
    (Compensate, "retry"): Retry,
    (Edge, "when"): Condition,
}
MAPS = {(Node, "input"), (Compensate, "input")}
PLACES: dict[tuple[type, str], str] = {(Spec, "nodes"): "steps"}
"""Where issues point, where that is not the field's own name."""
DURATIONS = {
    (Node, "timeout"), (Node, "grace"), (Node, "duration"), (Node, "due"), (Retry, "min"), (Retry, "max"),
    (Retry, "within"), (Deadline, "within"), (Deadline, "due_soon"), (Deadline, "escalate_after"), (Escalation, "due"),
    (Trigger, "jitter"), (Rate, "per"),
}  # fmt: skip
CODES: dict[tuple[type, str], str] = {
    (Spec, "name"): "invalid_name",
    (Spec, "version"): "invalid_version",
    (Spec, "payload"): "invalid_payload_contract",
    (Spec, "triggers"): "missing_trigger",
    (Spec, "nodes"): "missing_steps",
    (Trigger, "expression"): "invalid_cron_expression",
    (Trigger, "timezone"): "invalid_timezone",
    (Trigger, "input"): "incomplete_trigger_input",
    (Trigger, "payload"): "invalid_payload_contract",
    (Trigger, "catchup"): "invalid_schedule_policy",
    (Trigger, "catchup_max"): "invalid_schedule_policy",
    (Trigger, "overlap"): "invalid_schedule_policy",
    (Trigger, "jitter"): "invalid_schedule_policy",
    (Trigger, "starts"): "invalid_schedule_policy",
    (Trigger, "ends"): "invalid_schedule_policy",
    (Trigger, "partition"): "invalid_schedule_policy",
    (Node, "name"): "invalid_name",
    (Node, "kind"): "unknown_step_kind",
    (Node, "action"): "missing_action",
    (Node, "input"): "unknown_input_path",
    (Node, "output"): "invalid_name",
    (Node, "queue"): "invalid_name",
    (Node, "priority"): "invalid_priority",
    (Node, "retry"): "invalid_retry",
    (Node, "timeout"): "invalid_timeout",
    (Node, "grace"): "invalid_timeout",
    (Node, "deadline"): "invalid_deadline",
    (Node, "limit"): "invalid_limit",
    (Node, "rate"): "invalid_limit",
    (Node, "compensate"): "invalid_compensation",
    (Node, "transactional"): "invalid_transactional",
    (Node, "duration"): "invalid_duration",
    (Node, "until"): "unknown_input_path",
    (Node, "message"): "invalid_message",
    (Node, "level"): "invalid_level",
    **{(Node, name): "invalid_approval" for name in ("role", "quorum", "then", "escalate", "form", "exclude")},
    (Node, "due"): "invalid_duration",
    (Node, "event"): "invalid_event",
    (Node, "correlation"): "invalid_event",
    (Node, "correlation_from"): "unknown_input_path",
    (Spec, "deadline"): "invalid_deadline",
    (Compensate, "action"): "missing_action",
    (Compensate, "input"): "unknown_input_path",
    (Compensate, "retry"): "invalid_retry",
    (Compensate, "queue"): "invalid_name",
    (Escalation, "due"): "invalid_duration",
    (Edge, "when"): "invalid_condition",
    (Edge, "recovery"): "invalid_recovery",
    (Edge, "from"): "unknown_edge_source",
    (Edge, "to"): "unknown_edge_target",
    (Edge, "on"): "invalid_outcome",
    (PayloadField, "type"): "unknown_payload_type",
    (PayloadField, "default"): "invalid_payload_default",
}
OTHERWISE: dict[type, str] = {
    Spec: "invalid_spec",
    Trigger: "invalid_trigger",
    Node: "option_not_allowed",
    Edge: "invalid_spec",
    PayloadField: "invalid_payload_field",
    Retry: "invalid_retry",
    Deadline: "invalid_deadline",
    Limit: "invalid_limit",
    Rate: "invalid_limit",
    Compensate: "invalid_compensation",
    Escalation: "invalid_approval",
    Condition: "invalid_condition",
}
INSTEAD: dict[tuple[type, str], Any] = {
    (Spec, "name"): "Unnamed",
    (Spec, "triggers"): (),
    (Spec, "nodes"): (),
    (Node, "action"): "unnamed:unnamed",
    (Node, "duration"): 1.0,
    (Node, "until"): "payload",
    (PayloadField, "type"): "any",
    (Retry, "max_attempts"): 1,
    (Compensate, "action"): "unnamed:unnamed",
    (Condition, "path"): "payload",
}
"""What stands in for a field that could not be read. Without an entry a part that requires it is left out."""


class _Field(NamedTuple):
    at: tuple[type, str]  # the struct, and the key as it is written
    attribute: str
    kind: Any
    required: bool

    @property
    def may_be_none(self) -> bool:
        """Whether null says that nothing is said."""
        return is_union(self.kind) and type(None) in get_args(self.kind)

    @property
    def code(self) -> str:
        return CODES.get(self.at, OTHERWISE[self.at[0]])


@lru_cache(maxsize=16)
def _fields(struct: type) -> dict[str, _Field]:
    found = msgspec.structs.fields(struct)
    return {each.encode_name: _Field((struct, each.encode_name), each.name, each.type, each.required) for each in found}


def read_shape(value: Any) -> tuple[Spec | None, tuple[Issue, ...]]:
    """The spec as far as it can be read, and an issue for each part that cannot."""
    reader = _Reader()
    return reader.part(value, Spec, ""), tuple(reader.issues)


class _Reader:
    """Reads parts into structs, and notes what it could not read."""

    def __init__(self) -> None:
        self.issues: list[Issue] = []

    def part(self, value: Any, struct: type, path: str) -> Any:
        """One struct from a mapping, or from an instance whose values nobody has checked.

        None if it lost what it is known by.
        """
        given = _given(value, struct)
        if given is None:
            said = f"is no object but a value of type {type(value).__name__}"
            self.issues.append(Issue(path or "spec", OTHERWISE[struct], said))
            return None
        fields = _fields(struct)
        self.issues += [_unknown(key, path) for key in given if key not in fields]
        read: dict[str, Any] = {}
        complete = True
        for key, field in fields.items():
            fits, found = self._value(given[key], field, path) if key in given else (False, None)
            if fits:
                read[field.attribute] = found
            elif field.required:
                if key not in given:
                    self.issues.append(Issue(_place(field, path), field.code, "is missing"))
                complete &= field.at in INSTEAD
                read[field.attribute] = INSTEAD.get(field.at)
            elif key in given and field.at in INSTEAD:
                read[field.attribute] = INSTEAD[field.at]
        if struct is Node and read.get("kind") is NodeKind.LOG and "action" not in given:
            read["action"] = LOG_ACTION  # the only one there is: a document need not say it
        return struct(**read) if complete else None

    def _value(self, value: Any, field: _Field, path: str) -> tuple[bool, Any]:
        """Whether the value fits, and what it is."""
        inside = _place(field, path)
        if value is None and field.may_be_none:
            return True, None
        if field.at in LISTS:
            return self._list(value, field, inside)
        if field.at in PARTS:
            found = self.part(value, PARTS[field.at], inside)
            return found is not None, found
        if field.at in MAPS and isinstance(value, Mapping):
            return True, self._input(value, inside)
        return self._plain(value, field, inside)

    def _plain(self, value: Any, field: _Field, inside: str) -> tuple[bool, Any]:
        if field.at[0] is Condition and (why := json_problem(value)):  # it stands in the ids of edges
            self.issues.append(Issue(inside, field.code, f"is {why}"))
            return field.attribute != "path", None
        try:
            return True, msgspec.convert(value, field.kind)
        except (msgspec.ValidationError, OverflowError) as error:
            self.issues.append(Issue(inside, field.code, _said(error, field, value)))
            return False, None

    def _list(self, value: Any, field: _Field, inside: str) -> tuple[bool, Any]:
        member = LISTS[field.at]
        if not isinstance(value, list | tuple):
            self.issues.append(Issue(inside, field.code, "is no list"))
            return False, None
        read = [self.part(each, member, part_path(inside, each, member, index)) for index, each in enumerate(value)]
        return True, tuple(each for each in read if each is not None)

    def _input(self, value: Mapping[Any, Any], inside: str) -> dict[str, str]:
        said = "is no path: literals are not accepted, write the text of a path"
        fits = {name: source for name, source in value.items() if isinstance(name, str) and isinstance(source, str)}
        self.issues += [Issue(_join(inside, name), "unknown_input_path", said) for name in value if name not in fits]
        return fits


def _place(field: _Field, path: str) -> str:
    return _join(path, PLACES.get(field.at, field.at[1]))


def part_path(inside: str, part: Any, struct: type, index: int) -> str:
    """How issues point at one of several parts: by its name where it has one, an edge by its id, else by its place."""
    if struct is Edge:
        words = [_word(part, key, attribute) for key, attribute in (("from", "source"), ("on", "on"), ("to", "target"))]
        words[1] = Outcome.OK if words[1] is None else words[1]
        named = all(isinstance(word, str) and NAME.match(word) for word in words)
        return f"{inside}.{':'.join(map(str, words))}" if named else f"{inside}[{index}]"
    name = _word(part, "name", "name")
    return f"{inside}.{name}" if isinstance(name, str) and NAME.match(name) else f"{inside}[{index}]"


def _word(part: Any, key: str, attribute: str) -> Any:
    """What a part says of itself, be it a mapping or an instance."""
    return part.get(key) if isinstance(part, Mapping) else getattr(part, attribute, None)


def _given(value: Any, struct: type) -> Mapping[Any, Any] | None:
    if isinstance(value, struct):
        return {
            key: getattr(value, field.attribute)
            for key, field in _fields(struct).items()
            if getattr(value, field.attribute) is not msgspec.UNSET
        }
    return value if isinstance(value, Mapping) else None


def _unknown(key: Any, path: str) -> Issue:
    return Issue(_join(path, key), "unknown_field", "is no field that is known here")


def _join(path: str, key: Any) -> str:
    """A key that is no name is not repeated: it may be anything."""
    shown = key if isinstance(key, str) and NAME.match(key) else "?"
    return f"{path}.{shown}" if path else shown


def _said(error: Exception, field: _Field, value: Any) -> str:
    """What is wrong with a value, without it."""
    words = [
        each for each in (field.kind, *get_args(field.kind)) if isinstance(each, type) and issubclass(each, StrEnum)
    ]
    if words:
        return f"is one of {', '.join(words[0])}"
    if field.at in DURATIONS and isinstance(value, str):
        return _no_seconds(value)
    return str(error).partition(" - at ")[0].replace("`", "").lower()


def _no_seconds(text: str) -> str:
    try:
        seconds(text, allow_zero=True)
    except ValueError as error:
        return str(error)
    return "is a number of seconds in a spec"
