"""How much a limit or a rate still lets pass: slots that are counted, tokens that come back with time."""

from __future__ import annotations

from typing import NamedTuple

_NEARLY = 1e-9
"""What floating point may lack of a whole token."""


class Bucket(NamedTuple):
    """A limit (`per` is None) with the slots that are held, or a rate with the tokens it had `since` seconds ago.

    Tokens that were never taken are None: it is full.
    """

    n: int
    held: int = 0
    per: float | None = None
    burst: int = 0
    tokens: float | None = None
    since: float = 0.0


class Room(NamedTuple):
    """What is left under a key: slots for more claims, or tokens, of which one more comes each `pause` seconds."""

    slots: int
    tokens: float | None = None
    pause: float | None = None

    def less(self, taken: int) -> Room:
        """What is left when so many claims have been made."""
        if self.tokens is None:
            return Room(max(0, self.slots - taken))
        tokens = self.tokens - taken
        return Room(int(tokens + _NEARLY), tokens, self.pause)

    @property
    def wait(self) -> float | None:
        """Seconds until the next token comes; None where there is one, or where none will."""
        if self.tokens is None or self.pause is None or self.tokens >= 1:
            return None
        return (1 - self.tokens) * self.pause


def room(bucket: Bucket) -> Room:
    """What a limit or a rate lets pass at this moment. A lower limit than what is held lets nothing pass."""
    if bucket.per is None:
        return Room(max(0, bucket.n - bucket.held))
    pause = bucket.per / bucket.n if bucket.n else None
    tokens = float(bucket.burst)
    if bucket.tokens is not None:
        came = max(0.0, bucket.since) / pause if pause else 0.0
        tokens = min(tokens, bucket.tokens + came)
    return Room(int(tokens + _NEARLY) if bucket.n else 0, tokens, pause)
