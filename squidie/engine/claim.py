"""Due attempts, taken under a lease: as many as the pace allows, of one queue, of what this worker can run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from squidie import failpoints
from squidie.engine import ids
from squidie.engine.lease import Holding
from squidie.engine.tally import Met
from squidie.errors import JournalUnavailable
from squidie.journal import attempts

if TYPE_CHECKING:
    from uuid import UUID

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


def claim(parts: Parts, queue: str, most: int) -> tuple[list[Work], bool]:
    """Claim from one queue: the work, and whether more was due than was taken.

    One statement, one commit, nothing locked afterwards.

    What was taken alone is looked at once more right before it is called (`still_ours`), a batch here: the commit of
    short steps' claims does not wait for the disk. Where the answer is lost, the claims are found by the token that
    was drawn for them.
    """
    token_hash = ids.token_hash()
    try:
        taken, held = _take(parts, queue, most, token_hash)
    except JournalUnavailable:
        with parts.journal.reading() as connection:
            found = attempts.under_token(parts.journal, connection, ids.owner(), token_hash)
        if not found:
            raise
        taken = attempts.Batch(tuple(found), left=True)
        held = {claimed.row.lease.claim_id for claimed in found if claimed.row.lease}
    work = [
        Work(Holding(c.row, is_seen=held is not None), c.run, c.definition)
        for c in taken.claims
        if c.row.lease and (held is None or c.row.lease.claim_id in held)
    ]
    parts.renewer.hold([each.holding for each in work])
    parts.tally.note(Met.TAKEOVER, sum(1 for each in work if each.holding.row.lost))
    return work, taken.left


def still_ours(parts: Parts, holding: Holding) -> bool:
    """Whether a claim stands that was made alone: asked right before its step is called."""
    if not holding.is_seen:
        with parts.journal.reading() as connection:
            holding.is_seen = bool(attempts.still_held(parts.journal, connection, [holding.row]))
    return holding.is_seen


def _take(parts: Parts, queue: str, most: int, token_hash: bytes) -> tuple[attempts.Batch, set[UUID] | None]:
    """What was claimed, and which of it is still held; None for what was taken alone: that is not known yet."""
    with parts.journal.reading() as connection:
        failpoints.hit("claim.before_commit")
        taken = attempts.claim(
            parts.journal,
            connection,
            queue,
            served=parts.served,
            short=parts.pace.short,
            most=most,
            owner=ids.owner(),
            token_hash=token_hash,
            lease=parts.settings.lease,
        )
        rows = [claimed.row for claimed in taken.claims]
        if rows:
            failpoints.hit("claim.committed")
        if len(rows) <= 1:
            return taken, None
        return taken, attempts.still_held(parts.journal, connection, rows)


def handed_over(parts: Parts, verdicts: list[Verdict]) -> list[Work]:
    """The successors that a settle gave this process, claimed already: the settle is their look."""
    work = []
    for verdict in verdicts:
        held = [row for row in verdict.opened if row.lease is not None]
        if held and verdict.run is not None:
            work += [Work(Holding(row), verdict.run, verdict.definition) for row in held]
    parts.renewer.hold([each.holding for each in work])
    return work
