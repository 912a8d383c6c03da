"""What may enter the journal, and its exact bytes.

One gate for every value: `canonical(value)` gives back UTF-8 JSON with sorted keys, or refuses with the path of what is
wrong. What it accepts reads back as it was written, to the byte: Postgres keeps the text (`json`, not `jsonb`, which
would turn `1e16` into an integer and `-0.0` into `0.0`).
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

import msgspec

from squidie.errors import PayloadTooLarge, UnstorableValue

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_BODY = 1024 * 1024
MAX_DEPTH = 64
MAX_KEYS = 10_000
MAX_KEY_BYTES = 512
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**63 - 1

NULL = msgspec.Raw(b"null")

_encoder = msgspec.json.Encoder(order="sorted")
_HINTS = {
    "bytes": "encode it as text, for example base64",
    "set": "give a list",
    "frozenset": "give a list",
    "datetime": "give text, for example value.isoformat()",
    "date": "give text, for example value.isoformat()",
    "Decimal": "give text, for example str(value)",
    "UUID": "give text, for example str(value)",
}

_BARE: dict[type, Callable[[Any], Any]] = {str: str.__str__, int: int, dict: dict, list: list, tuple: tuple}
"""What the encoder writes of a subclass: its bare content, whatever it says of itself."""


def canonical(value: Any, *, root: str = "value", limit: int = MAX_BODY) -> msgspec.Raw:
    """The canonical JSON of a value, or `UnstorableValue` / `PayloadTooLarge` naming the path below `root`.

    `limit` is in bytes.
    """
    _check(value, root, 0, [0])
    text = _encoder.encode(value)
    if len(text) > limit:
        raise PayloadTooLarge(root, len(text), limit)
    return msgspec.Raw(text)


def plain(raw: msgspec.Raw | bytes) -> Any:
    """The value that canonical JSON stands for."""
    return msgspec.json.decode(raw)


def _check(value: Any, path: str, depth: int, keys: list[int]) -> None:
    kind = type(value)
    if kind is str:
        _check_text(value, path)
    elif kind is int:
        if not MIN_INTEGER <= value <= MAX_INTEGER:
            raise UnstorableValue(path, "an integer beyond 64 bits", hint="give it as text")
    elif kind is float:
        if not isfinite(value):
            raise UnstorableValue(path, "not a finite number")
    elif kind is bool or value is None:
        return
    elif kind is dict:
        _check_object(value, path, depth + 1, keys)
    elif kind is list or kind is tuple:
        _check_depth(path, depth + 1)
        for index, item in enumerate(value):
            _check(item, f"{path}[{index}]", depth + 1, keys)
    else:
        _check_subclass(value, path, depth, keys)


def _check_subclass(value: Any, path: str, depth: int, keys: list[int]) -> None:
    """A `StrEnum`, an `OrderedDict` or a named tuple is what its base is; anything else has no JSON of its own."""
    for base, bare in _BARE.items():
        if isinstance(value, base):
            _check(bare(value), path, depth, keys)
            if _has_json(value):
                return
    name = type(value).__name__
    raise UnstorableValue(path, f"a value of type {name} has no JSON form", hint=_HINTS.get(name))


def _has_json(value: Any) -> bool:
    try:
        _encoder.encode(value)
    except (TypeError, ValueError):
        return False
    return True


def _check_object(value: dict[Any, Any], path: str, depth: int, keys: list[int]) -> None:
    _check_depth(path, depth)
    keys[0] += len(value)
    if keys[0] > MAX_KEYS:
        raise UnstorableValue(path, f"more than {MAX_KEYS:,} keys in all")
    for key, item in value.items():
        if type(key) is not str:
            raise UnstorableValue(path, f"a key of type {type(key).__name__}; keys are text")
        if not (len(key) <= 128 and key.isascii() and "\0" not in key):
            _check_key(key, path)
        _check(item, f"{path}.{key}", depth, keys)


def _check_key(key: str, path: str) -> None:
    _check_text(key, f"{path} (a key)")
    if len(key.encode()) > MAX_KEY_BYTES:
        raise UnstorableValue(path, f"a key longer than {MAX_KEY_BYTES} bytes")


def _check_text(value: str, path: str) -> None:
    if "\0" in value:
        raise UnstorableValue(path, "text with a NUL character")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise UnstorableValue(path, "text with a lone surrogate") from None


def _check_depth(path: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise UnstorableValue(path.partition("[")[0][:200], f"nested deeper than {MAX_DEPTH} levels")
