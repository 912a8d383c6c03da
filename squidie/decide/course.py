"""A decision on its way: the facts so far, and the run as they leave it.

One fact may make others follow in the same commit: a step ends, a pause opens, an event that came early is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from squidie.history.bodies import Closing, Ended, OpenKind
from squidie.history.facts import AttemptCompleted, EventReceived, PauseResolved, RunStarted
from squidie.history.fold import fold
from squidie.history.run import NodeStatus

if TYPE_CHECKING:
    from datetime import datetime

    from squidie.decide.commands import Situation
    from squidie.history.attempts import OpenAttempt
    from squidie.history.bodies import Receipt
    from squidie.history.facts import Fact
    from squidie.history.run import Run, Waiting
    from squidie.workflow.spec import Spec

DEADLINE = "deadline:"
DRAIN = "drain:run"
RUN_SCOPE = "run"


class Course:
    """The facts of one decision. `by` goes to the first of them."""

    def __init__(self, situation: Situation, by: Receipt | None = None) -> None:
        self.situation = situation
        self.run: Run = situation.run
        self.large: dict[str, msgspec.Raw] = dict(situation.large)
        self.facts: list[Fact] = []
        self._by = by

    @property
    def spec(self) -> Spec:
        """The graph that the run keeps."""
        return self.situation.spec

    @property
    def now(self) -> datetime:
        """The database's clock."""
        return self.situation.now

    def add(self, fact: Fact) -> None:
        """One more fact; the run is now as it leaves it."""
        if self._by is not None:
            fact, self._by = msgspec.structs.replace(fact, by=self._by), None
        self.last(fact)
        self.run = fold([(self.situation.moment, fact)], self.run)

    def last(self, fact: Fact) -> None:
        """A fact after which nothing looks at the run any more."""
        self.facts.append(fact)
        self.large.update(brought(fact))

    def waiting(self, step: str) -> Waiting:
        """What a node that holds no worker waits for."""
        found = self.run.nodes[step].waiting
        assert found is not None  # noqa: S101 - only asked of such a node, once it has begun
        return found

    def rows(self) -> list[OpenAttempt]:
        """The rows that were there when this began and have not been settled since, in a lasting order."""
        open_now = [row for row in self.situation.rows.values() if self._is_open(row)]
        return sorted(open_now, key=lambda row: (row.step, row.attempt))

    def _is_open(self, row: OpenAttempt) -> bool:
        if row.kind is OpenKind.TIMER:
            return self.run.timers.get(row.step) == row.attempt
        node = self.run.nodes.get(row.step)
        return node is not None and node.status is NodeStatus.OPEN and node.attempt == row.attempt

    def ends(self) -> tuple[Ended, ...]:
        """Every claim of the run that is still held, as a fact that ends them must name it."""
        held = [row for row in self.rows() if row.lease is not None]
        return tuple(
            Ended(step=row.step, attempt=row.attempt, claim=row.lease.ended(self.run.nodes[row.step].claims + 1))
            for row in held
            if row.lease is not None
        )


def brought(fact: Fact) -> dict[str, msgspec.Raw]:
    """What a fact brings that later decisions of the same commit may read, be it too large for the state."""
    match fact:
        case AttemptCompleted() | PauseResolved():
            return {fact.step: fact.output}
        case EventReceived():
            return {fact.step: fact.payload}
        case RunStarted():
            return {"payload": fact.payload, **{each.step: each.output for each in fact.carried}}
        case _:
            return {}


def timer_closing(run: Run, timer: str) -> tuple[Closing, ...]:
    """What takes a timer away, if it runs."""
    attempt = run.timers.get(timer)
    return () if attempt is None else (Closing(step=timer, attempt=attempt, kind=OpenKind.TIMER),)


def deadline_closing(run: Run, step: str) -> tuple[Closing, ...]:
    """A step that has ended has no deadline any more."""
    return timer_closing(run, f"{DEADLINE}{step}") if run.timers else ()
