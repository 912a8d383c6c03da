"""What must come of a run, worked out before it starts: a pure function of its program and of its fate."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evidence.programs import MIDDLE, Choice, Fan, Halt, Held, Task
from squidie.workflow.spec import UNDO

if TYPE_CHECKING:
    from evidence.programs import Block, Deed, Fate, Shape

FAILED_FOR_GOOD, LOST_TOO_OFTEN = "step_failed", "claims_exhausted"


@dataclass
class Totals:
    """What the journal, the ledger and the host's table must say of a run in the end.

    `failed` counts failures by step, `defers` is how often a step asks to be called later at most: a call whose claim
    was lost has been counted by the ledger, and is not deferred any more.
    """

    status: str = "completed"
    completed: set[str] = field(default_factory=set)
    failed: dict[str, int] = field(default_factory=dict)
    letters: set[tuple[str, str]] = field(default_factory=set)
    ledger: dict[str, int] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    defers: dict[str, int] = field(default_factory=dict)


def predicted(shape: Shape, fate: Fate) -> Totals:
    """Walk through the blocks until one of them ends the run."""
    walk = _Walk(fate)
    for block in shape.blocks:
        if not walk.goes_through(block):
            break
    return walk.totals


class _Walk:
    """A run that is played in the head."""

    def __init__(self, fate: Fate) -> None:
        self.totals = Totals()
        self._fate = fate
        self._undoable: list[str] = []

    def goes_through(self, block: Block) -> bool:
        """Whether the run goes on behind it."""
        match block:
            case Task():
                return self._play(block)
            case Fan(arms, join):
                return all(map(self._play, arms)) and self._play(join)
            case Choice(asks, over, under):
                self._play(asks)
                return self._play(over if self._fate.deeds[asks.name].value > MIDDLE else under)
            case Halt():
                rejected = block.otherwise if not self._fate.yes[block.name] else None
                return self._play(rejected) if rejected is not None else True
            case Held(name):
                self.totals.ledger[name] = self._fate.deeds[name].amount
                self.totals.status = "cancelled"
                return False

    def _play(self, task: Task) -> bool:
        deed = self._fate.deeds[task.name]
        self._enter(task.name, deed)
        if deed.ends == "well":
            self.totals.completed.add(task.name)
            if task.booked:
                self.totals.rows[task.name] = deed.amount
            if task.undo:
                self._undoable.append(task.name)
            return True
        if deed.ends == "badly":
            self.totals.failed[task.name] = deed.fails + 1
        if deed.ends == "dies":
            self.totals.letters.add((task.name, LOST_TOO_OFTEN))
        if task.rescue is not None:
            return self._play(Task(task.rescue))
        if deed.ends == "badly":
            self.totals.letters.add((task.name, FAILED_FOR_GOOD))
        self.totals.status = "failed"
        for name in self._undoable:
            self._play(Task(f"{UNDO}{name}"))
        return False

    def _enter(self, name: str, deed: Deed) -> None:
        self.totals.ledger[name] = deed.amount
        if deed.fails:
            self.totals.failed[name] = deed.fails
        if deed.defers:
            self.totals.defers[name] = deed.defers
