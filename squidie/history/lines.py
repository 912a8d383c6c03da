"""Text of somebody else's, made fit for one line of a log or a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from squidie.history.masking import Masking

_CONTROLS = {number: f"\\x{number:02x}" for number in (*range(32), *range(127, 160)) if number != ord("\n")}
_TURNS = {number: f"\\u{number:04x}" for number in (0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))}
_UNSEEN = str.maketrans({**_CONTROLS, **_TURNS, ord("\t"): " "})


def visible(text: str) -> str:
    """Text of somebody else's: what would steer a terminal, or turn its lines around, is told by its number."""
    return text.translate(_UNSEEN)


def one_line(text: str, most: int = 160) -> str:
    """The beginning of a text of any length, in one line."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def named(actor: Any, masking: Masking) -> str:
    """Who it was, in one line: text as it is, anything else as JSON; secrets masked."""
    actor = masking.value(actor)
    if isinstance(actor, str):
        return visible(one_line(actor))
    try:
        return visible(one_line(msgspec.json.encode(actor).decode()))
    except (TypeError, ValueError, RecursionError):
        return f"a {type(actor).__name__}"
