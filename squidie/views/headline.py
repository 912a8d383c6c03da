"""One sentence for each run: what it is at, since when, who acts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from squidie.views.states import State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, timedelta

    from squidie.views.snapshot import StepView

    Times = tuple[datetime, datetime | None, datetime]

_UNITS = ((86400, "d"), (3600, "h"), (60, "m"))


def span(length: timedelta) -> str:
    """A duration as people read it in a table: `0.12s`, `41s`, `18m`, `2h14m`, `3d4h`."""
    seconds = max(0.0, length.total_seconds())
    if seconds < 10:
        return f"{seconds:.2g}s" if seconds >= 0.1 else f"{seconds * 1000:.0f}ms"
    whole = round(seconds)
    for index, (size, unit) in enumerate(_UNITS):
        if whole >= size:
            below, word = (_UNITS[index + 1]) if index < 2 else (1, "s")
            rest = whole % size // below
            return f"{whole // size}{unit}" + (f"{rest}{word}" if rest and (index < 2 or whole < 600) else "")
    return f"{whole}s"


def headline(state: State, steps: Sequence[StepView], error: dict[str, Any] | None, *, run_at: Times) -> str:
    """The sentence for a run in this state."""
    step = next((each for each in steps if each.state is state), None)
    started, ended, now = run_at
    if state in _ENDED:
        return _ENDED[state](error or {}, span((ended or now) - started))
    if step is None:
        return "Nothing is open and nothing has ended: the journal contradicts itself."
    others = sum(each.state is state for each in steps) - 1
    return _OPEN[state](step, now) + (f" {others} more like it." if others else "")


def _completed(_error: dict[str, Any], took: str) -> str:
    return f"Completed in {took}."


def _failed(error: dict[str, Any], took: str) -> str:
    step = f"{error['step']} failed" if error.get("step") else "Failed"
    return f"{step} after {took}: {first_line(error)}"


def _cancelled(error: dict[str, Any], took: str) -> str:
    return f"Cancelled after {took}: {first_line(error)}"


def _running(step: StepView, now: datetime) -> str:
    since = f" for {span(now - step.claimed_at)}" if step.claimed_at else ""
    return f"{step.name} is running{since} on {step.owner}."


def _stalled(step: StepView, now: datetime) -> str:
    if step.lease_until is None:
        return f"{step.name} is open and no work is due for it: the journal contradicts itself."
    ago = span(now - step.lease_until)
    return f"{step.name} is held by {step.owner}, which stopped renewing {ago} ago; the next sweep takes it over."


def _queued(step: StepView, now: datetime) -> str:
    age = span(now - step.due_at) if step.due_at else "a while"
    return f"{step.name} has been due on queue {step.queue} for {age}; it starts as soon as a worker is free."


def _retrying(step: StepView, now: datetime) -> str:
    why = f" failed with {first_line(step.error)}" if step.error else " was lost by its worker"
    within = span(step.due_at - now) if step.due_at else "a while"
    return f"{step.name}{why}; try {step.attempt}/{step.max_attempts} in {within}."


def _waiting(step: StepView, now: datetime) -> str:
    if step.due_at is None:
        return f"{step.name} waits."
    return f"{step.name} waits until {step.due_at:%Y-%m-%d %H:%M:%S} UTC (in {span(step.due_at - now)})."


def first_line(error: dict[str, Any] | None) -> str:
    """An error in a few words: its type, and the first line of what it says."""
    error = error or {}
    message = str(error.get("message") or "").partition("\n")[0]
    kind = str(error.get("type") or "").rpartition(".")[2].rpartition(":")[2]
    return f"{kind}: {message}" if kind and message else kind or message or "no reason given"


_ENDED: dict[State, Callable[[dict[str, Any], str], str]] = {
    State.COMPLETED: _completed,
    State.FAILED: _failed,
    State.CANCELLED: _cancelled,
}
_OPEN: dict[State, Callable[[StepView, datetime], str]] = {
    State.RUNNING: _running,
    State.STALLED: _stalled,
    State.QUEUED: _queued,
    State.RETRYING: _retrying,
    State.WAITING: _waiting,
}
