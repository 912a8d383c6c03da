"""The words for where a step or a run stands: derived from rows and the clock, never stored.

A live lease is *running*; a lease that is over is *stalled*, whatever a label may say. The rules are a tuple: the first
that holds gives the state.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from squidie.history.lifecycle import RunStatus
from squidie.history.run import NodeStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime


class State(StrEnum):
    """What people are shown, in the terminal, in JSON and in the dashboard."""

    NOT_STARTED = "not_started"
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    RETRYING = "retrying"
    STALLED = "stalled"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"

    @property
    def glyph(self) -> str:
        """Its sign."""
        return _SIGNS[self][0]

    @property
    def ascii(self) -> str:
        """Its sign where only ASCII can be shown."""
        return _SIGNS[self][1]

    @property
    def word(self) -> str:
        """Its name, to be read."""
        return self.value.replace("_", " ")


_SIGNS = {
    State.NOT_STARTED: ("○", "[ ]"),
    State.QUEUED: ("◔", "[.]"),
    State.RUNNING: ("◐", "[>]"),
    State.WAITING: ("◷", "[~]"),
    State.RETRYING: ("↻", "[r]"),
    State.STALLED: ("⚠", "[?]"),
    State.COMPLETED: ("✓", "[x]"),
    State.FAILED: ("✕", "[F]"),
    State.CANCELLED: ("⊖", "[-]"),
    State.SKIPPED: ("⊘", "[/]"),
}


class Work(NamedTuple):
    """One open attempt as its row shows it."""

    due_at: datetime
    attempt: int = 1
    lost: int = 0
    lease_until: datetime | None = None


class Standing(NamedTuple):
    """What the state of a step depends on.

    `node` is None where the graph has not reached it, `work` where no attempt is open.
    """

    node: NodeStatus | None
    work: Work | None
    run_is_open: bool
    now: datetime


def state_of_step(standing: Standing) -> State:
    """The state that the first rule gives."""
    return next(state for holds, state in STEP_RULES if holds(standing))


def state_of_run(status: str, steps: Iterable[State]) -> State:
    """An ended run shows how it ended; an open one the most telling of its steps' states."""
    if status != RunStatus.RUNNING:
        return State(status)
    present = set(steps)
    return next((state for state in OPEN_ORDER if state in present), State.STALLED)


def _not_reached(standing: Standing) -> bool:
    return standing.node is None


def _done(standing: Standing) -> bool:
    return standing.node is NodeStatus.DONE


def _failed(standing: Standing) -> bool:
    return standing.node is NodeStatus.FAILED


def _skipped(standing: Standing) -> bool:
    return standing.node is NodeStatus.SKIPPED


def _withdrawn(standing: Standing) -> bool:
    return not standing.run_is_open


def _held(standing: Standing) -> bool:
    work = standing.work
    return work is not None and work.lease_until is not None and work.lease_until > standing.now


def _unheld(standing: Standing) -> bool:
    """A lease that is over, or an open step without a row: nobody is at it, and a fact has yet to say so."""
    return standing.work is None or standing.work.lease_until is not None


def _due(standing: Standing) -> bool:
    return standing.work is not None and standing.work.due_at <= standing.now


def _tried_before(standing: Standing) -> bool:
    return standing.work is not None and (standing.work.attempt > 1 or standing.work.lost > 0)


def _otherwise(_standing: Standing) -> bool:
    return True


STEP_RULES: tuple[tuple[Callable[[Standing], bool], State], ...] = (
    (_not_reached, State.NOT_STARTED),
    (_done, State.COMPLETED),
    (_failed, State.FAILED),
    (_skipped, State.SKIPPED),
    (_withdrawn, State.CANCELLED),
    (_held, State.RUNNING),
    (_unheld, State.STALLED),
    (_due, State.QUEUED),
    (_tried_before, State.RETRYING),
    (_otherwise, State.WAITING),
)
"""The first rule that holds gives the state of a step."""

OPEN_ORDER = (State.STALLED, State.RUNNING, State.QUEUED, State.RETRYING, State.WAITING)
"""Which of its open steps' states an open run shows."""
