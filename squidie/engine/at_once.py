"""Outcomes settled by one statement, without a lock before it: most of them, while nobody else is at their runs.

Whoever has read or written a run last knows how it stands. What it decides on that is written only if Postgres finds
the head as it is known, by the hash of its last fact, and the time that was counted here to be the time: then the
decision is the one that `transact` would have made under the lock. Otherwise nothing is written, and `transact` is
asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from squidie import failpoints
from squidie.decide.commands import Complete, needs_all_rows
from squidie.engine.batch import Batch
from squidie.engine.clocks import BEHIND
from squidie.engine.transact import ring_for
from squidie.journal import at_once, facts
from squidie.journal.heads import Head

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from squidie.decide.commands import Settling
    from squidie.engine.batch import Handover, Verdict
    from squidie.engine.parts import Parts
    from squidie.workflow.spec import Spec


def settle_at_once(parts: Parts, commands: Sequence[Settling], handover: Handover | None) -> list[Verdict] | None:
    """The verdicts, all of them good; None where nothing was written.

    Raises `JournalUnavailable` as `transact` does, and `DBAPIError` where a crash of the database has erased a claim.
    """
    now = parts.clock.now()
    if now is None or not parts.tries.are_due():
        return None
    stands = _stands(parts, commands)
    if stands is None:
        return None
    verdicts = _write(parts, commands, stands, now, handover)
    parts.tries.ended(well=verdicts is not None)
    return verdicts


class _Stand(NamedTuple):
    """How a run stands, and its graph."""

    head: Head
    spec: Spec


def _stands(parts: Parts, commands: Sequence[Settling]) -> dict[UUID, _Stand] | None:
    """How these runs stand, if all that is to be decided on is at hand."""
    stands: dict[UUID, _Stand] = {}
    for command in commands:
        if not isinstance(command, Complete) or command.row is None or command.row.limit:
            return None
        if parts.renewer.has_renewed(command.claim_id):
            return None  # its row knows better how long the lease is
        if command.run_id not in stands:
            stand = _stand(parts, command)
            if stand is None:
                return None
            stands[command.run_id] = stand
    return stands


def _stand(parts: Parts, command: Complete) -> _Stand | None:
    known = parts.known.get(command.run_id)
    if known is None or not known.run.is_open:
        return None
    spec = parts.definitions.at_hand(known.run.definition)
    if spec is None or needs_all_rows(command, known.run, spec) or facts.is_beside_state(known.run, spec):
        return None
    return _Stand(Head(command.run_id, known.run.revision, known.hash, known.run), spec)


def _write(
    parts: Parts, commands: Sequence[Settling], stands: dict[UUID, _Stand], now: datetime, handover: Handover | None
) -> list[Verdict] | None:
    hashes = {run_id: stand.head.hash for run_id, stand in stands.items()}
    heads = {run_id: stand.head for run_id, stand in stands.items()}
    rows = {command.key: command.row for command in commands if isinstance(command, Complete) and command.row}
    batch = Batch(heads, rows, now, limits=parts.limits, handover=handover)
    verdicts = [batch.judge(command, stands[command.run_id].spec, {}) for command in commands]
    if any(verdict.error is not None for verdict in verdicts):
        return None
    changes = batch.finish(verdicts)
    with parts.journal.reading() as connection:
        if not parts.journal.is_set_up(connection):
            return None
        failpoints.hit("settle.locked")
        failpoints.hit("settle.before_commit")
        is_written, told = at_once.settle(parts.journal, connection, changes, hashes, now, BEHIND)
    if not is_written:
        parts.clock.forget()
        return None
    parts.clock.heard(told)
    parts.memory.note(changes.stand)
    parts.journal.committed("settle.committed")
    batch.leave_what_is_paused(verdicts)
    parts.telling.written(verdicts)
    ring_for(parts, verdicts, now)
    return verdicts
