"""From any value to a `Spec`, as far as it goes.

Unknown keys, missing keys and wrong types are issues, and the rest is still looked at.

`msgspec.convert` would stop at the first fault. Here every field is converted by itself; a part that lost what
identifies it is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from squidie.workflow.issues import NAME, Issue
from squidie.workflow.spec import Edge, Node, PayloadField, Retry, Spec, Trigger

LISTS: dict[tuple[type, str], Any] = {
    (Spec, "triggers"): Trigger,
    (Spec, "nodes"): Node,
    (Spec, "edges"): Edge,
    (Spec, "payload"): PayloadField,
    (Trigger, "payload"): PayloadField,
}
PLACES: dict[type, str] = {Node: "steps", Trigger: "triggers", Edge: "edges", PayloadField: "payload"}
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
}
INSTEAD: dict[tuple[type, str], Any] = {
    (Spec, "name"): "Unnamed",
    (Spec, "triggers"): (),
    (Spec, "nodes"): (),
    (Node, "action"): "unnamed:unnamed",
    (PayloadField, "type"): "any",
    (Retry, "max_attempts"): 1,
}
"""What stands in for a required field that could not be read. Without an entry the whole part is left out."""


class _Field(NamedTuple):
    at: tuple[type, str]  # the struct, and the key as it is written
    attribute: str
    kind: Any
    required: bool

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
        return struct(**read) if complete else None

    def _value(self, value: Any, field: _Field, path: str) -> tuple[bool, Any]:
        """Whether the value fits, and what it is."""
        inside = _place(field, path)
        if field.at in LISTS and not (field.at == (Trigger, "payload") and value is None):
            return self._list(value, field, inside)
        if field.at == (Node, "retry") and value is not None:
            found = self.part(value, Retry, inside)
            return found is not None, found
        if field.at == (Node, "input") and isinstance(value, Mapping):
            return True, self._input(value, inside)
        try:
            return True, msgspec.convert(value, field.kind)
        except (msgspec.ValidationError, OverflowError) as error:
            self.issues.append(Issue(inside, field.code, _said(error, field.kind)))
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
    return _join(path, PLACES[LISTS[field.at]] if field.at in LISTS else field.at[1])


def part_path(inside: str, part: Any, struct: type, index: int) -> str:
    """How issues point at one of several parts: by its name where it has one, an edge by its id, else by its place."""
    given = _given(part, struct) or {}
    if struct is Edge:
        words = [given.get("from"), given.get("on", "ok"), given.get("to")]
        named = all(isinstance(word, str) and NAME.match(word) for word in words)
        return f"{inside}.{':'.join(str(word) for word in words)}" if named else f"{inside}[{index}]"
    name = given.get("name")
    return f"{inside}.{name}" if isinstance(name, str) and NAME.match(name) else f"{inside}[{index}]"


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


def _said(error: Exception, kind: Any) -> str:
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return f"is one of {', '.join(kind)}"
    return str(error).partition(" - at ")[0].replace("`", "").lower()
