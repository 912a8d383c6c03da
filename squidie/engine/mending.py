"""What is derived from facts, made again from them; and what is derived from damaged facts, put aside.

Everything is looked at once more under the head's lock: what is written is what the facts say at that moment. A row
that is right stays as it is, with its claim; one that is not is made anew, and its holder's outcome is refused once.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from squidie.engine.comparing import compared, differing, ended_at, lacks_state
from squidie.engine.transact import announce
from squidie.errors import JournalBusy
from squidie.history.attempts import OpenAttempt
from squidie.journal import attempts, rebuild
from squidie.journal.heads import encode as encode_state
from squidie.journal.rebuild import Rebuilt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from squidie.engine.comparing import Compared
    from squidie.engine.parts import Parts
    from squidie.journal.rebuild import Look

log = logging.getLogger("squidie.verify")

SHARE = 64


class Mended(NamedTuple):
    """Runs whose derived part was made again, open runs that were put aside, and runs that somebody held too long."""

    rebuilt: frozenset[UUID] = frozenset()
    set_aside: frozenset[UUID] = frozenset()
    busy: frozenset[UUID] = frozenset()

    def and_(self, more: Mended) -> Mended:
        """Both."""
        return Mended(self.rebuilt | more.rebuilt, self.set_aside | more.set_aside, self.busy | more.busy)


def mend(parts: Parts, runs: Sequence[UUID], *, remake: bool) -> Mended:
    """Put aside those of these runs that are damaged; with `remake`, make again what differs of the others.

    A share a commit; what somebody holds is tried alone afterwards. Bells ring for what has become due.
    """
    done = Mended()
    for start in range(0, len(runs), SHARE):
        share = runs[start : start + SHARE]
        locked, mended = _mend(parts, share, remake=remake)
        done = done.and_(mended)
        for run_id in (each for each in share if each not in locked):
            done = done.and_(_alone(parts, run_id, remake=remake))
    return done


def _alone(parts: Parts, run_id: UUID, *, remake: bool) -> Mended:
    try:
        return _mend(parts, [run_id], remake=remake)[1]
    except JournalBusy:
        return Mended(busy=frozenset({run_id}))


def _mend(parts: Parts, runs: Sequence[UUID], *, remake: bool) -> tuple[set[UUID], Mended]:
    """Those that could be locked, and what became of them."""
    journal = parts.journal
    changes, opened = Rebuilt(), list[OpenAttempt]()
    rebuilt, damaged = set[UUID](), set[UUID]()
    with journal.transaction() as connection:
        locked = set(rebuild.lock(journal, connection, runs))
        now, _ = attempts.decisive(journal, connection, {}, locked)
        for look, found in _looked_at(parts, connection, locked):
            if found.is_damaged:
                damaged.add(look.head.run_id)
                log.error("run %s is put aside, its history is damaged: %s", look.head.run_id, found.flaws[0])
            elif remake and _needs(look, found):
                rebuilt.add(look.head.run_id)
                opened += _remade(changes, look, found)
        aside = rebuild.set_aside(journal, connection, damaged) if damaged else []
        changes.write(journal, connection)
    announce(parts, opened, now, None)
    return locked, Mended(frozenset(rebuilt), frozenset(aside))


def _looked_at(parts: Parts, connection: Connection, runs: set[UUID]) -> list[tuple[Look, Compared]]:
    looks = rebuild.looks(parts.journal, connection, runs) if runs else []
    return [(look, compared(parts, connection, look)) for look in looks]


def _needs(look: Look, found: Compared) -> bool:
    """Whether anything is to be written: what differs, or a state that is missing or of another fold."""
    return found.is_readable and (bool(found.flaws) or lacks_state(look.head))


def _remade(changes: Rebuilt, look: Look, found: Compared) -> list[OpenAttempt]:
    """What is to be written for one run; the rows that are due again."""
    assert found.run is not None  # noqa: S101 - asked by the caller
    lost, ghosts, other = differing(look, found.rows)
    for row in (*ghosts, *other):
        changes.drop(row)
    opened = [*lost, *(found.rows[row.key] for row in other)]
    for row in opened:
        changes.fill(row)
    changes.keep(look.head, found.run, encode_state(found.run), ended_at(look, found.run))
    return opened
