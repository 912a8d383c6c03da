"""One run's facts against themselves, and against everything that is derived from them; nothing is written.

The chain is followed from the first fact; then the facts are folded, and head, cached state and open work are compared
with what they add up to. Claims aside: a lease is no history.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from squidie.engine.rows import rows_of
from squidie.errors import HistoryError, UnknownFact
from squidie.history.bodies import OpenKind
from squidie.history.fold import fold
from squidie.history.notes import NOTES
from squidie.history.run import FOLD, Run
from squidie.history.soundness import Flaw, Rule, flaw_at_end, flaw_in_fold
from squidie.journal import heads

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from squidie.engine.parts import Parts
    from squidie.history.attempts import AttemptKey, OpenAttempt
    from squidie.journal.rebuild import Look

FROM_FACTS = frozenset({OpenKind.STEP, OpenKind.COMPENSATION, OpenKind.TIMER})
"""Rows that a run's own facts open."""


class Compared(NamedTuple):
    """What a run's facts add up to, and everything that disagrees with it.

    Where the facts themselves cannot be trusted or read, the first flaw is all that is known.
    """

    run: Run | None
    rows: Mapping[AttemptKey, OpenAttempt]
    flaws: tuple[Flaw, ...]

    @property
    def is_readable(self) -> bool:
        """Whether it is known what the facts add up to."""
        return self.run is not None

    @property
    def is_damaged(self) -> bool:
        """Whether nothing may be decided on this history."""
        return any(flaw.rule.is_damage for flaw in self.flaws)


def lacks_state(head: Any) -> bool:
    """Whether a head of an open run has no cached state that this version would use. That is slower, and not wrong."""
    return head.ended_at is None and (head.state is None or head.fold != FOLD)


def compared(parts: Parts, connection: Connection, look: Look) -> Compared:
    """Look at one run."""
    if isinstance(look.flaw, UnknownFact):
        return _only(Flaw(look.head.rev, Rule.UNKNOWN_KIND, look.flaw.message))
    if look.flaw is not None:
        return _only(look.flaw)
    head = look.head
    run = fold((each.at, each.fact) for each in look.facts)
    flaw = flaw_at_end(head.rev, bytes(head.head_hash), [each.hash for each in look.facts]) or flaw_in_fold(run)
    if flaw is not None:
        return _only(flaw)
    try:
        spec = parts.definitions.find(run.definition, connection)
    except HistoryError as error:
        return _only(Flaw(1, Rule.NO_DEFINITION, error.message))
    try:
        rows = rows_of(head.run_id, spec, (each.fact for each in look.facts), run.partition)
    except KeyError as error:
        return _only(Flaw(run.revision, Rule.CONTRADICTION, f"what ended was never opened: {error}"))
    return Compared(run, rows, (*_of_head(look, run), *_of_rows(look, run, rows)))


def _only(flaw: Flaw) -> Compared:
    return Compared(None, {}, (flaw,))


def ended_at(look: Look, run: Run) -> datetime | None:
    """When the run ended, if it has: notes may have been made on it since."""
    if run.is_open:
        return None
    return next(each.at for each in reversed(look.facts) if not isinstance(each.fact, NOTES))


def _of_head(look: Look, run: Run) -> list[Flaw]:
    """Columns that repeat facts, and the cached state, where it is of this fold."""
    head = look.head
    names = ("status", "workflow", "definition", "trigger", "queue", "priority", "partition", "archived")
    said = [name for name in names if getattr(head, name) != getattr(run, name)]
    times = {"ended_at": ended_at(look, run), "rested_at": None if run.is_open else run.at}
    said += [name for name, at in times.items() if getattr(head, name) != at]
    if (head.attributes or None) != (run.attributes or None):
        said.append("attributes")
    if head.state is not None and head.fold == FOLD and not _is_alike(head.state, run):
        said.append("state")
    return [Flaw(run.revision, Rule.STATE_MISMATCH, f"the head's {', '.join(said)} differ from facts")] if said else []


def _is_alike(state: str, run: Run) -> bool:
    try:
        return heads.decode(state) == run
    except msgspec.MsgspecError:
        return False


def _of_rows(look: Look, run: Run, rows: Mapping[AttemptKey, OpenAttempt]) -> list[Flaw]:
    """Rows that are missing, that nobody opened, or that say something else than their facts."""
    lost, ghosts, other = differing(look, rows)
    said = [f"{row.step} {row.attempt} has no row" for row in lost]
    said += [f"the row of {row.step} {row.attempt} belongs to nothing" for row in ghosts]
    said += [f"the row of {row.step} {row.attempt} differs" for row in other]
    return [Flaw(run.revision, Rule.ATTEMPT_MISMATCH, each) for each in said]


def differing(
    look: Look, rows: Mapping[AttemptKey, OpenAttempt]
) -> tuple[list[OpenAttempt], list[OpenAttempt], list[OpenAttempt]]:
    """Rows that are lost, rows that are ghosts, and rows that differ: as facts say, as they are, as they are."""
    there = {row.key: row for row in look.rows if row.kind in FROM_FACTS}
    lost = [row for key, row in rows.items() if key not in there]
    ghosts = [row for key, row in there.items() if key not in rows]
    free = {key: msgspec.structs.replace(row, lease=None) for key, row in there.items()}
    return lost, ghosts, [row for key, row in there.items() if key in rows and free[key] != rows[key]]
