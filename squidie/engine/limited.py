"""Claims where something is under a limit or a rate: look which have room, take their rows, look again, claim.

The second look is a statement of its own, behind the locks: it sees every claim that was made under them. Nobody waits
here. A limit that somebody else is just claiming under is passed over, and he rings if it lets more pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from squidie.decide.rooms import room
from squidie.journal import claims, limits
from squidie.journal.claims import ALL, OPEN, Claimant, Gate
from squidie.workflow.limits import declared

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from squidie.decide.rooms import Room
    from squidie.engine.parts import Parts
    from squidie.journal.limits import Waiting

MOST_GATES = 256
"""How many limits with room one claim looks at; where there are more, the next claim goes on behind them."""


class Limited:
    """What this process knows of limits: on which queues there are any, and where it last stopped looking."""

    def __init__(self) -> None:
        self.queues: set[str] = set()
        self.looked: dict[str, tuple[str, str]] = {}
        self.has_declared = False


class _Look(NamedTuple):
    """What was found, under locks, at one time."""

    found: Sequence[Waiting]
    rooms: Mapping[str, Room]
    now: datetime | None

    def gates(self) -> list[Gate]:
        """What may be claimed: under no limit, and under those that have room."""
        gates = [OPEN]
        for each in self.found:
            known = [key for key in (each.limit, each.rate) if key]
            if all(key in self.rooms and self.rooms[key].slots for key in known):
                gates.append(Gate(each.limit, each.rate, self._slots(each.limit), self._slots(each.rate)))
        return gates

    def _slots(self, key: str) -> int:
        return self.rooms[key].slots if key else ALL


def claim(parts: Parts, queue: str, most: int, by: Claimant, since: datetime | None = None) -> claims.Batch:
    """Claim from a queue on which something is under a limit, within one transaction."""
    pauses: list[float] = []
    with parts.journal.transaction() as connection:
        look = _look(parts, connection, queue)
        turns = parts.rounds.turns(queue)
        asks = parts.timers.is_time()
        batch = claims.claim(parts.journal, connection, queue, most, by, turns, look.gates(), since, asks=asks)
        pauses = _take(parts, connection, look, [claimed.row.rate for claimed in batch.claims])
    if not batch.is_limited:
        parts.limited.queues.discard(queue)
    for pause in pauses:
        parts.bells.ring_in(queue, pause)
    return batch


def _look(parts: Parts, connection: Connection, queue: str) -> _Look:
    journal, known = parts.journal, parts.limited
    after = known.looked.pop(queue, ("", ""))
    found = limits.survey(journal, connection, queue, after, MOST_GATES)
    if after > ("", "") and len(found) < MOST_GATES:
        found += limits.survey(journal, connection, queue, ("", ""), MOST_GATES - len(found))
        found = list(dict.fromkeys(found))
    if len(found) >= MOST_GATES:
        known.looked[queue] = found[-1][:2]
    if not found:
        return _Look((), {}, None)
    if not known.has_declared:
        for workflow in parts.registry.workflows:
            limits.declare(journal, connection, declared(parts.registry.spec(workflow)))
        known.has_declared = True
    held = limits.hold(journal, connection, found)
    buckets, now = limits.buckets(journal, connection, held) if held else ({}, None)
    return _Look(found, {key: room(bucket) for key, bucket in buckets.items()}, now)


def _take(parts: Parts, connection: Connection, look: _Look, taken: Sequence[str]) -> list[float]:
    """Take a token for each claim under a rate; the seconds until the next one comes, where there is none left."""
    rates = {key: room.less(taken.count(key)) for key, room in look.rooms.items() if room.tokens is not None}
    left = {key: room.tokens for key, room in rates.items() if key in taken and room.tokens is not None}
    if left and look.now is not None:
        limits.take(parts.journal, connection, left, look.now)
    return [wait for room in rates.values() if (wait := room.wait) is not None]
