"""Each fact's hash covers the one before: an edit, a gap or a swap inside a stream is named by its seq.

hash = SHA-256(previous hash, "run id/seq/kind/at in microseconds/", body as stored)
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(at: datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (at - EPOCH) // _MICROSECOND


def link(  # noqa: PLR0917 - in the order in which they are hashed
    before: bytes, run_id: UUID, seq: int, kind: str, at: datetime, body: bytes
) -> bytes:
    """The hash of one fact, given the hash of the fact before it (empty for the first)."""
    return sha256(before + f"{run_id}/{seq}/{kind}/{microseconds(at)}/".encode() + body).digest()


def first_broken(run_id: UUID, rows: Iterable[tuple[int, str, datetime, bytes, bytes]]) -> int | None:
    """The first seq whose place or hash does not fit its stream (`seq, kind, at, body, hash` in order), or None."""
    before = b""
    for expected, (seq, kind, at, body, stored) in enumerate(rows, start=1):
        if seq != expected or link(before, run_id, seq, kind, at, body) != stored:
            return expected
        before = stored
    return None
