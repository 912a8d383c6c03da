"""The one place that throws dice: run ids, claim ids, tokens, jitter.

Ids and tokens are drawn, never counted: a number can be given out twice.
"""

from __future__ import annotations

import os
import random
import secrets
import socket
import time
from hashlib import sha256
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMESPACE = UUID("6f1f1d0e-3a55-5c0e-9d0b-5b1d7f0c9a3e")
BOOT = "SQUIDIE_BOOT"
LOT = 64

_HOST = socket.gethostname().replace(":", "_")[:64]


def run_id() -> UUID:
    """A UUIDv7: 48 bits of time, so that neighbours in time are neighbours in the index, and 74 of chance."""
    drawn = int.from_bytes(secrets.token_bytes(10))
    stamp = time.time_ns() // 1_000_000
    return UUID(int=(stamp << 80) | (0x7 << 76) | ((drawn >> 68) << 64) | (0b10 << 62) | (drawn & (1 << 62) - 1))


def keyed_run_id(*identity: str | None) -> UUID:
    """The run id that an idempotency identity always gives: with it, asking twice makes one run."""
    return uuid5(NAMESPACE, "\x1f".join("\x00" if part is None else part for part in identity))


def claim_ids() -> Iterator[UUID]:
    """Claim ids for one settle, drawn in lots: to ask the system for each would cost more than the rest of a claim.

    Never kept beyond it: what a process has drawn ahead, its forked children would draw again.
    """
    while True:
        drawn = secrets.token_bytes(16 * LOT)
        for start in range(0, len(drawn), 16):
            yield UUID(bytes=drawn[start : start + 16], version=4)


def request_id() -> str:
    """Names one call of a verb, so that an ambiguous commit can be told from somebody else's."""
    return secrets.token_hex(8)


def trace_id() -> str:
    """Names a trace of what this process does: those of runs are derived, not drawn."""
    return secrets.token_hex(16)


def span_id() -> str:
    """Names a span in it."""
    return secrets.token_hex(8)


def token_hash() -> bytes:
    """The SHA-256 of a fresh 256-bit token.

    The holder keeps this process's memory only; nothing else ever sees the token.
    """
    return sha256(secrets.token_bytes(32)).digest()


def dice() -> float:
    """A number in [0, 1)."""
    return random.random()  # noqa: S311 - jitter, not a secret


def jittered(seconds: float, fraction: float = 0.2) -> float:
    """The duration, plus or minus a fraction of it."""
    return seconds * (1.0 - fraction + 2.0 * fraction * dice())


def boot() -> str:
    """What names this tree of worker processes.

    It is drawn once and inherited by every child, so that a parent can name a dead child's claims.
    """
    found = os.environ.get(BOOT)
    if not found:
        found = os.environ[BOOT] = secrets.token_hex(4)
    return found


def begin_tree() -> None:
    """Name this process and those it will fork anew, whatever it has inherited.

    Two trees of one name could take each other's claims for those of a dead child, once a pid is used again.
    """
    os.environ[BOOT] = secrets.token_hex(4)


def owner(pid: int | None = None) -> str:
    """Who holds a claim: `host:pid:boot`."""
    return f"{_HOST}:{pid or os.getpid()}:{boot()}"


def host() -> str:
    """The machine's name, as owners spell it."""
    return _HOST
