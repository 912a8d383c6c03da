"""An open attempt as its row shows it: pure data that decisions look at.

A row is a lease, not history; the facts say what it must repeat.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from squidie.history.bodies import Claim, OpenKind

AttemptKey = tuple[UUID, str, int]
"""Run, step and attempt number."""


class Lease(msgspec.Struct, frozen=True, gc=False):
    """Who holds an attempt, until when; `token_hash` is the SHA-256 of a secret that only the holder knows."""

    claim_id: UUID
    token_hash: bytes
    owner: str
    claimed_at: datetime
    lease_until: datetime

    def ended(self, n: int) -> Claim:
        """The claim as the fact that ends it tells of it; `n` counts the claims made on the attempt."""
        return Claim(
            id=str(self.claim_id), n=n, owner=self.owner, claimed_at=self.claimed_at, lease_until=self.lease_until
        )


class OpenAttempt(msgspec.Struct, frozen=True, gc=False):
    """One row: work that is due or claimed under a lease, or a timer.

    `alone`: never to be claimed in a batch. `limit` and `rate` are the keys under which its claims are counted; the
    empty text is none, and so it is for the partition. Within a run the names of steps and timers are distinct.
    """

    run_id: UUID
    step: str
    attempt: int
    action: str
    queue: str
    priority: int
    due_at: datetime
    lost: int = 0
    alone: bool = False
    lease: Lease | None = None
    kind: OpenKind = OpenKind.STEP
    partition: str = ""
    limit: str = ""
    rate: str = ""

    @property
    def is_limited(self) -> bool:
        """Whether its claims are counted."""
        return bool(self.limit or self.rate)

    @property
    def key(self) -> AttemptKey:
        """What names the attempt."""
        return (self.run_id, self.step, self.attempt)

    def given_back(self, due_at: datetime, *, lost: bool) -> OpenAttempt:
        """The row after its claim has ended without an outcome."""
        return msgspec.structs.replace(self, lease=None, due_at=due_at, lost=self.lost + lost)

    def until(self, lease_until: datetime) -> OpenAttempt:
        """The row after its lease was renewed."""
        lease = msgspec.structs.replace(self.lease, lease_until=lease_until) if self.lease is not None else None
        return msgspec.structs.replace(self, lease=lease)

    def held(self, lease: Lease) -> OpenAttempt:
        """The row under a lease."""
        return msgspec.structs.replace(self, lease=lease)
