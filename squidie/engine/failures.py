"""An exception as a record fit to be kept: cut to size, known secrets masked, no local variables.

A hostile `str()` still yields a record.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

from squidie.errors import SquidieError, UnstorableValue
from squidie.history.canonical import canonical
from squidie.history.facts import ErrorRecord, FailureCode

if TYPE_CHECKING:
    from types import CodeType, FrameType

    from squidie.history.masking import Masking

MOST_BYTES = 8 * 1024
MOST_FRAMES = 20


def record(
    error: BaseException,
    *,
    kind: FailureCode,
    attempt: int,
    retryable: bool,
    masking: Masking,
    code: str | None = None,
    is_brief: bool = False,
) -> ErrorRecord:
    """What is kept of a failure: where it was raised, as what, by which calls, and what it said.

    A brief record leaves out the last two.
    """
    calls = _calls(error)
    return ErrorRecord(
        kind=kind,
        code=code or kind.value,
        type=cut(masking.text(type(error).__qualname__)),
        message="" if is_brief else said(error, masking),
        details=_details(error, masking),
        origin=cut(f"{calls[-1][0].f_globals.get('__name__', '?')}:{calls[-1][0].f_code.co_qualname}")
        if calls
        else None,
        frames=() if is_brief else tuple(_frame(frame.f_code, line) for frame, line in calls[-MOST_FRAMES:]),
        retryable=retryable,
        attempt=attempt,
    )


def said(error: BaseException, masking: Masking) -> str:
    """What the exception says, whatever its `str()` does. It is masked before it is cut: half a secret is one, too."""
    try:
        text = error.message if isinstance(error, SquidieError) else str(error)
    except Exception:  # noqa: BLE001 - somebody else's code
        return cut(f"(the message of this {type(error).__qualname__} could not be read)")
    return cut(masking.text(text[: 4 * MOST_BYTES]))


def cut(text: str) -> str:
    """At most `MOST_BYTES` of text that can be stored."""
    clean = text[:MOST_BYTES].replace("\0", "\N{SYMBOL FOR NULL}").encode(errors="replace")
    return clean if isinstance(clean, str) else clean[:MOST_BYTES].decode(errors="ignore")


def _calls(error: BaseException) -> list[tuple[FrameType, int]]:
    """The calls between the step and the raise, with their lines; those of the engine are left out."""
    found = traceback.walk_tb(error.__traceback__)
    return [each for each in found if "squidie/engine/" not in each[0].f_code.co_filename.replace("\\", "/")]


def _frame(code: CodeType, line: int) -> str:
    return cut(f"{_short(code.co_filename)}:{line} {code.co_name}")


def _short(filename: str) -> str:
    """A path below its package: where the code was installed is nobody's business."""
    return "/".join(filename.replace("\\", "/").split("/")[-3:])


def _details(error: BaseException, masking: Masking) -> Any:
    try:
        details = getattr(error, "details", None)
        if not isinstance(details, dict) or not details:
            return None
        canonical(details, root="details", limit=MOST_BYTES)
    except UnstorableValue as refused:
        return {"refused": refused.message}
    except Exception:  # noqa: BLE001 - somebody else's code
        return {"refused": "they could not be read"}
    return masking.value(details)
