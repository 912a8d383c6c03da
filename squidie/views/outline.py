"""What a payload is like, and nothing of what it says: names, types and sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from squidie.history.masking import Masking

_PLAIN = {bool: "boolean", int: "integer", float: "number", type(None): "null"}


def outline(value: Any, masking: Masking) -> dict[str, Any]:
    """`type`, and `size` where it has one: fields, items, characters. An object has the outlines of its `fields`.

    Of a list only its size is told: its items may be anything, and many. Raises `KeyError` for what is not JSON.
    """
    if isinstance(value, dict):
        fields = {masking.known(str(name)): outline(each, masking) for name, each in value.items()}
        return {"type": "object", "size": len(value), "fields": fields}
    if isinstance(value, list | tuple):
        return {"type": "array", "size": len(value)}
    if isinstance(value, str):
        return {"type": "string", "size": len(value)}
    return {"type": _PLAIN[type(value)]}
