"""The words for where a step or a run stands: derived from rows and the clock, never stored."""

from __future__ import annotations

from enum import StrEnum

from squidie.history.bodies import Undoing
from squidie.history.lifecycle import RunStatus, is_terminal


class State(StrEnum):
    """What people are shown, in the terminal, in JSON and in the dashboard."""

    NOT_STARTED = "not_started"
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    RETRYING = "retrying"
    PAUSED = "paused"
    STALLED = "stalled"
    COMPLETED = "completed"
    FAILED = "failed"
    COMPENSATED = "compensated"
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
    State.PAUSED: ("⏸", "[!]"),
    State.STALLED: ("⚠", "[?]"),
    State.COMPLETED: ("✓", "[x]"),
    State.FAILED: ("✕", "[F]"),
    State.COMPENSATED: ("↩", "[c]"),
    State.CANCELLED: ("⊖", "[-]"),
    State.SKIPPED: ("⊘", "[/]"),
}


def state_of_end(status: RunStatus, compensation: Undoing) -> State:
    """An ended run shows how it ended; a failed one whose undo has finished is compensated."""
    if status is RunStatus.FAILED and compensation is Undoing.FINISHED:
        return State.COMPENSATED
    return State(status.value) if is_terminal(status) else State.STALLED
