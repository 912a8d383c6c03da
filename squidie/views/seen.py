"""A view as a scope sees it, still as the view that it is: for whoever draws it.

What is hidden is empty there: nothing of it is left to be drawn by mistake.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from uuid import UUID

import msgspec

from squidie.views.visibility import redact

if TYPE_CHECKING:
    from squidie.history.masking import Masking
    from squidie.views.visibility import Scope

V = TypeVar("V", bound=msgspec.Struct)
_PLAIN = (datetime, Enum, UUID)


class Seen(NamedTuple):
    """The view as it is drawn, as it is told to programs, and the places in it where values of payloads are."""

    view: Any
    shown: dict[str, Any]
    revealed: tuple[str, ...]


def seen(view: msgspec.Struct, scope: Scope, masking: Masking) -> Seen:
    """What this scope sees of a view."""
    shown, revealed = redact(view, scope, masking)
    return Seen(_again(view, shown), shown, revealed)


def _again(view: V, shown: dict[str, Any]) -> V:
    """The same view with what is shown of it, and nothing where nothing is shown."""
    fields = {name: getattr(view, name) for name in view.__struct_fields__}
    return msgspec.structs.replace(
        view, **{name: _value(was, shown[name]) if name in shown else _nothing(was) for name, was in fields.items()}
    )


def _value(was: Any, shown: Any) -> Any:
    """What is shown in the place of a value, in that value's own type."""
    if isinstance(was, msgspec.Struct):
        return _again(was, shown)
    if isinstance(was, tuple | list) and isinstance(shown, list):
        return tuple(_value(each, other) for each, other in zip(was, shown, strict=True))
    if isinstance(was, dict) and isinstance(shown, dict):
        return {name: _value(was.get(name), value) for name, value in shown.items()}
    return was if isinstance(was, _PLAIN) else shown


def _nothing(was: Any) -> Any:
    if isinstance(was, Enum) or not isinstance(was, str | tuple | list | dict):
        return None
    return type(was)()
