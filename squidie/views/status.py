"""The whole deployment in one look: how many runs stand where, what needs a person, who works, what is late."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from squidie.decide.windows import ON_TIME
from squidie.history.lifecycle import RunStatus, is_terminal
from squidie.journal.schedules import all_of
from squidie.views.fleet import QueueView, fleet
from squidie.views.listing import counts
from squidie.views.states import State
from squidie.views.stuck import STUCK, StuckGroup, explain_many

if TYPE_CHECKING:
    from squidie.journal.store import Journal


class ScheduleGlance(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule that is on, and when it opens its next window; `late` says that this should have been."""

    name: str
    next_at: datetime
    late: bool


MOST = 10_000
"""So many open runs are looked at one by one, a second's worth or two."""


class StateCount(msgspec.Struct, frozen=True):
    """How many open runs are in a state."""

    state: State
    runs: int


class EndCount(msgspec.Struct, frozen=True):
    """How many runs have ended in this way."""

    status: RunStatus
    runs: int


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How things are. `ended` counts what has ended in 24 hours by its status, `states` the open runs by their state.

    Of very many open runs the newest are looked at, `looked_at` of them.

    `waiting` is what does not go on by itself, the most pressing first; `queues` are those with open work or without a
    consumer though something is due there.
    """

    open: int
    looked_at: int
    states: tuple[StateCount, ...]
    ended: tuple[EndCount, ...]
    waiting: tuple[StuckGroup, ...]
    workers: int
    beats: int
    lost: int
    queues: tuple[QueueView, ...]
    schedules: tuple[ScheduleGlance, ...]
    dead_letters: int
    at: datetime

    @property
    def needs_somebody(self) -> int:
        """How many open runs do not go on by themselves."""
        return sum(group.runs for group in self.waiting)


def status(journal: Journal) -> Status:
    """How things are now, part by part."""
    everything = explain_many(journal, everything=True, most=MOST)
    heads = counts(journal)
    states = Counter[State]()
    for group in everything.groups:
        states[group.code.state] += group.runs
    working = fleet(journal)
    with journal.looking() as connection:
        schedules = [each for each in all_of(journal, connection) if each.state == "on" and each.next_at]
    glances = [
        ScheduleGlance(name=each.name, next_at=each.next_at, late=working.at - each.next_at > ON_TIME)
        for each in schedules
        if each.next_at is not None
    ]
    return Status(
        open=sum(number for how, number in heads.items() if not is_terminal(how)),
        looked_at=everything.open,
        states=tuple(StateCount(state, states[state]) for state in State if states[state]),
        ended=tuple(EndCount(how, n) for how, n in heads.items() if n and is_terminal(how)),
        waiting=tuple(group for group in everything.groups if group.code.state in STUCK),
        workers=len(working.alive("worker")),
        beats=len(working.alive("beat")),
        lost=len(working.lost),
        queues=tuple(queue for queue in working.queues if queue.open or queue.parked or queue.paused is not None),
        schedules=tuple(sorted(glances, key=lambda each: each.next_at)),
        dead_letters=working.dead_letters,
        at=working.at,
    )
