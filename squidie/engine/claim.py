"""Due attempts, taken under a lease: as many as the pace allows, of one queue, of what this worker can run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from squidie import failpoints
from squidie.engine import ids, limited
from squidie.engine.lease import Holding
from squidie.engine.mending import mend
from squidie.engine.tally import Met
from squidie.errors import JournalUnavailable
from squidie.journal import attempts, claims
from squidie.journal.claims import Batch, Claimant
from squidie.journal.heads import Known

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Connection

    from squidie.engine.batch import Verdict
    from squidie.engine.parts import Parts
    from squidie.history.run import Run


class Work:
    """A claim of this process and the run it belongs to, as it stood when the claim was made."""

    __slots__ = ("definition", "holding", "run")

    def __init__(self, holding: Holding, run: Run, definition: str) -> None:
        self.holding = holding
        self.run = run
        self.definition = definition


class Taken(NamedTuple):
    """The work that a claim brought, whether more was `left` that is due, and whether it saw a timer that `rings`."""

    work: list[Work]
    left: bool
    rings: bool


def claim(parts: Parts, queue: str, most: int, *, thorough: bool = True) -> Taken:
    """Claim from one queue.

    Whoever is `thorough` looks at everything before he says that there is nothing; see `watermark`.

    What was taken alone is looked at once more right before it is called (`still_ours`), a batch here: the commit of
    short steps' claims may not have waited for the disk. A member that is called much later, since its process was
    stopped or its mates took their time, is looked at again. Where the answer is lost, the claims are found by the
    token that was drawn for them. What belongs to runs whose histories are damaged is put aside, and keeps nobody from
    claiming what comes after it.
    """
    by = Claimant(
        served=parts.served,
        short=parts.pace.short,
        owner=ids.owner(),
        token_hash=ids.token_hash(),
        lease=parts.settings.lease,
        weights=parts.settings.weights,
    )
    asked_at = time.monotonic()
    try:
        taken, held = take(parts, queue, most, by, thorough=thorough)
    except JournalUnavailable:
        with parts.journal.reading() as connection:
            found = claims.under_token(parts.journal, connection, by.owner, by.token_hash)
        if not found:
            raise
        taken = Batch(tuple(found), left=True)
        held = {claimed.row.lease.claim_id for claimed in found if claimed.row.lease}
    work = [
        Work(Holding(c.row, seen_at=None if held is None else asked_at), c.known.run, c.definition)
        for c in taken.claims
        if c.row.lease and (held is None or c.row.lease.claim_id in held)
    ]
    if taken.damaged:
        mend(parts, taken.damaged, remake=False)
        if not work:
            return claim(parts, queue, most, thorough=thorough)
    parts.known.update({c.row.run_id: c.known for c in taken.claims})
    if work and (lease := work[-1].holding.row.lease) is not None:
        parts.clock.heard(lease.claimed_at)
    parts.renewer.hold([each.holding for each in work])
    parts.tally.note(Met.TAKEOVER, sum(1 for each in work if each.holding.row.lost))
    parts.telling.taken(work)
    return Taken(work, taken.left, parts.timers.told(rings=taken.rings))


def still_ours(parts: Parts, holding: Holding) -> bool:
    """Whether a claim stands: asked right before its step is called, unless it was just now."""
    if holding.is_seen:
        return True
    asked_at = time.monotonic()
    with parts.journal.reading() as connection:
        stands = bool(attempts.still_held(parts.journal, connection, [holding.row]))
    holding.seen_at = asked_at if stands else None
    return stands


def take(parts: Parts, queue: str, most: int, by: Claimant, *, thorough: bool = True) -> tuple[Batch, set[UUID] | None]:
    """Claim, by whoever it is, and look at a batch: the claims that still stand. None for what was taken alone."""
    since = parts.watermarks.since(queue)
    taken, held = _take(parts, queue, most, by, since)
    if since is not None and thorough and not taken.claims and not taken.damaged:
        return _take(parts, queue, most, by, None)
    return taken, held


def _take(parts: Parts, queue: str, most: int, by: Claimant, since: datetime | None) -> tuple[Batch, set[UUID] | None]:
    """One statement and one commit, nothing locked afterwards, unless something is under a limit."""
    with parts.journal.reading() as connection:
        parts.memory.look_if_due(connection)
        failpoints.hit("claim.before_commit")
        if queue not in parts.limited.queues:
            turns, begun = parts.rounds.turns(queue), time.monotonic()
            asks = parts.timers.is_time()
            taken = claims.claim(parts.journal, connection, queue, most, by, turns, since=since, asks=asks)
            if not taken.stands:
                return taken, _looked_at(parts, connection, queue, taken, _Began(since, begun))
            parts.limited.queues.add(queue)
    begun = time.monotonic()
    taken = limited.claim(parts, queue, most, by, since)
    with parts.journal.reading() as connection:
        return taken, _looked_at(parts, connection, queue, taken, _Began(since, begun))


class _Began(NamedTuple):
    """From which due time a claim looked, None for everything, and when it did."""

    since: datetime | None
    at: float


def _looked_at(parts: Parts, connection: Connection, queue: str, taken: Batch, began: _Began) -> set[UUID] | None:
    rows = [claimed.row for claimed in taken.claims]
    parts.rounds.served(queue, rows)
    if parts.watermarks.claimed(queue, began.since, rows, time.monotonic() - began.at):
        last = parts.watermarks.last(queue)
        parts.watermarks.moved(queue, claims.oldest(parts.journal, connection, queue, last))
    if rows:
        failpoints.hit("claim.committed")
    return attempts.still_held(parts.journal, connection, rows) if len(rows) > 1 else None


def handed_over(parts: Parts, verdicts: list[Verdict], asked_at: float) -> list[Work]:
    """The successors that a settle gave this process, claimed already. It is their look, begun at that time."""
    work = []
    for verdict in verdicts:
        held = [row for row in verdict.opened if row.lease is not None]
        if held and verdict.run is not None:
            work += [Work(Holding(row, seen_at=asked_at), verdict.run, verdict.definition) for row in held]
            if verdict.hashes:
                parts.known[verdict.command.run_id] = Known(verdict.hashes[-1], verdict.run)
    parts.renewer.hold([each.holding for each in work])
    parts.telling.taken(work)
    return work
