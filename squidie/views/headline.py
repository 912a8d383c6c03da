"""One sentence for each run: what it is at, since when, who acts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from squidie.history.bodies import Cause, Undoing
from squidie.views.reasons import Reason
from squidie.views.sentences import SENTENCES
from squidie.views.states import State
from squidie.views.words import first_line, many, moment, span

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from squidie.views.snapshot import UndoView
    from squidie.views.steps import StepView

__all__ = ["Glance", "first_line", "headline", "span"]


class Glance(NamedTuple):
    """What the sentence is made from. `reason` is None for a run that has ended."""

    state: State
    reason: Reason | None
    steps: Sequence[StepView]
    error: dict[str, Any] | None
    undo: UndoView | None
    compensation: Undoing
    drains_until: datetime | None
    started_at: datetime
    ended_at: datetime | None
    now: datetime
    anomalies: tuple[str, ...] = ()


def headline(run: Glance) -> str:
    """The sentence for a run that stands like this."""
    if run.reason is None:
        return _ENDED[run.state](run, span((run.ended_at or run.now) - run.started_at))
    if run.anomalies:
        return f"The journal contradicts itself ({run.anomalies[0]}). Nothing is claimed meanwhile."
    if run.reason in _WHOLE:
        return _WHOLE[run.reason](run)
    alike = [step for step in run.steps if step.reason is run.reason]
    if not alike:
        return "Nothing is open and nothing has ended: the journal contradicts itself."
    more = f" {len(alike) - 1} more like it." if len(alike) > 1 else ""
    return SENTENCES[run.reason](alike[0], run.now) + _while_undoing(run) + more


def _completed(_run: Glance, took: str) -> str:
    return f"Completed in {took}."


def _failed(run: Glance, took: str) -> str:
    error = run.error or {}
    step = f"{error['step']} failed" if error.get("step") else "Failed"
    return f"{step} after {took}: {first_line(error)}{_as_undone(run)}"


def _cancelled(run: Glance, took: str) -> str:
    return f"Cancelled after {took}: {first_line(run.error)}{_as_undone(run)}"


def _as_undone(run: Glance) -> str:
    undo = run.undo
    if undo is None or run.compensation is Undoing.NONE:
        return ""
    if run.compensation is Undoing.FINISHED:
        return f"; {many(undo.done, 'step')} undone"
    return f"; its undo is incomplete: {_progress(undo)}"


def _draining(run: Glance) -> str:
    held = [step for step in run.steps if step.state is State.RUNNING]
    over = f", until {moment(run.drains_until, run.now)} at the latest" if run.drains_until else ""
    return f"Stopping{_because(run)}: {many(len(held), 'claimed step')} can still finish{over}; then undoing begins."


def _compensating(run: Glance) -> str:
    current = next((step for step in run.steps if step.kind == "compensation" and step.reason is not None), None)
    at = f"; {current.name} is {current.state.word}" if current is not None else ""
    return f"The run is being undone{_because(run)}: {_progress(run.undo)}{at}."


def _because(run: Glance) -> str:
    undo = run.undo
    if undo is None:
        return ""
    if undo.cause is Cause.CANCELLED:
        return f" because it was cancelled ({undo.reason})" if undo.reason else " because it was cancelled"
    return f" because {undo.step or 'it'} failed"


def _progress(undo: UndoView | None) -> str:
    if undo is None or undo.total is None:
        return "nothing is undone yet"
    return f"{undo.done} of {many(undo.total, 'step')} undone"


def _while_undoing(run: Glance) -> str:
    """What is in the way of an undo is told with how far the undo is."""
    return f" The run is being undone{_because(run)}: {_progress(run.undo)}." if run.undo is not None else ""


_ENDED: dict[State, Callable[[Glance, str], str]] = {
    State.COMPLETED: _completed,
    State.FAILED: _failed,
    State.COMPENSATED: _failed,
    State.CANCELLED: _cancelled,
}
_WHOLE: dict[Reason, Callable[[Glance], str]] = {Reason.DRAINING: _draining, Reason.COMPENSATING: _compensating}
