"""What failed the same way: a fingerprint over what failures have in common, whatever ids and numbers they mention."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from squidie.history.bodies import ErrorRecord

LONGEST = 1000
"""Characters of a message that are compared."""

_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_MOMENT = r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)?"
_HEX = r"0[xX][0-9a-fA-F]+|(?=[0-9a-fA-F]*\d)(?=[0-9a-fA-F]*[a-fA-F])[0-9a-fA-F]{8,}"
_NUMBER = r"\d+(?:[.,]\d+)*"
_VARYING = re.compile(rf"(?<![0-9A-Za-z])(?:({_UUID}|{_HEX})|({_MOMENT}))(?![0-9A-Za-z])|{_NUMBER}")


def general(message: str) -> str:
    """A message without what differs from one failure to the next: ids, times and numbers."""
    return _VARYING.sub(_named, message[:LONGEST])


def alike(workflow: str, step: str, error: ErrorRecord) -> str:
    """What names all failures of this kind: sixteen hex digits."""
    parts = (workflow, step, error.kind.value, error.code, error.type, error.origin or "", general(error.message))
    return sha256("\x1f".join(parts).encode()).hexdigest()[:16]


def _named(found: re.Match[str]) -> str:
    if found[1]:
        return "<id>"
    return "<time>" if found[2] else "<n>"
