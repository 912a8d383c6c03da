"""The identity of a definition.

The same graph of the same actions has the same fingerprint, wherever and in whatever order it was written.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from squidie.workflow.checks.options import LAPSES
from squidie.workflow.spec import Spec, mark

if TYPE_CHECKING:
    from collections.abc import Iterable

    from squidie.workflow.spec import Edge


def fingerprint(spec: Spec) -> str:
    """The SHA-256 of the canonical spec, as 64 hexadecimal digits; worked out once and kept with the spec."""
    found: str | None = spec.__dict__.get("fingerprint")
    if found is None:
        found = spec.__dict__["fingerprint"] = sha256(canonical(spec)).hexdigest()
    return found


def canonical(spec: Spec) -> bytes:
    """The spec without what decides nothing: no description, and one order where order means nothing.

    The first trigger stays the first: it is the default. Of the branches for one outcome of a step the order decides,
    of the edges in one it does not, nor does it matter where the fallback stands.

    What has its default is left out, written or not, so that a field which a later version adds leaves the
    fingerprints of today as they are.
    """
    read = Spec.from_json(spec.to_json())  # through JSON, so that 30 and 30.0 seconds are one
    plain: dict[str, Any] = _plain(read)
    plain.pop("description", None)
    plain["nodes"] = _by_name(map(_node, plain["nodes"]))
    plain["edges"] = _edges(read)
    plain["payload"] = _by_name(plain.get("payload", []))
    plain["triggers"] = [_trigger(trigger) for trigger in plain["triggers"]]
    return msgspec.json.encode(plain, order="sorted")


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if not isinstance(value, msgspec.Struct):
        return value
    fields = ((each, getattr(value, each.name)) for each in msgspec.structs.fields(type(value)))
    return {each.encode_name: _plain(found) for each, found in fields if not _is_default(each, found)}


def _is_default(field: msgspec.structs.FieldInfo, value: Any) -> bool:
    if field.default_factory is not msgspec.NODEFAULT:
        return bool(value == field.default_factory())
    return value is msgspec.UNSET or (field.default is not msgspec.NODEFAULT and bool(value == field.default))


def _edges(spec: Spec) -> list[dict[str, Any]]:
    """The edges by source, outcome, branch and target."""
    places: dict[tuple[str, str], dict[str, int]] = {}

    def place(edge: Edge) -> tuple[str, str, int, str, str]:
        branch = mark(edge.when) if edge.when else ""
        return edge.source, edge.on, places[edge.source, edge.on][branch], edge.target, edge.recovery or ""

    for edge in spec.edges:
        known = places.setdefault((edge.source, edge.on), {"": 0})
        known.setdefault(mark(edge.when) if edge.when else "", len(known))
    return [_plain(edge) for edge in sorted(spec.edges, key=place)]


def _node(node: dict[str, Any]) -> dict[str, Any]:
    for same in ("output", "event"):
        if node.get(same) == node["name"]:
            node.pop(same)
    if node.get("then") == LAPSES.get(node.get("kind", ""), ("",))[0]:
        node.pop("then", None)
    if form := node.get("form"):
        node["form"] = _by_name(form)
    rate = node.get("rate", {})
    if rate.get("burst") == rate.get("n"):
        rate.pop("burst", None)
    for part in (node, node.get("compensate", {})):
        if retry := part.get("retry"):
            part["retry"] = {key: sorted(value) if key in ("on", "never") else value for key, value in retry.items()}
    return node


def _trigger(trigger: dict[str, Any]) -> dict[str, Any]:
    return trigger | ({"payload": _by_name(trigger["payload"])} if trigger.get("payload") else {})


def _by_name(parts: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(parts, key=lambda part: str(part["name"]))
