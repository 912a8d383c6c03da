"""A step that has failed for good: another way, a person, on as if nothing had happened, or the end of the run."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from squidie.decide import undo
from squidie.decide.branching import error_movement, ok_movement
from squidie.decide.limiting import keys_of
from squidie.decide.ready import openings
from squidie.history.bodies import NOTHING_MOVED, Disposition, Moved
from squidie.history.canonical import NULL
from squidie.history.facts import RunFailed
from squidie.workflow.spec import UNDO, GiveUp, OnStuck

if TYPE_CHECKING:
    from squidie.decide.course import Course
    from squidie.decide.limiting import Just
    from squidie.history.bodies import ErrorRecord, Opening


class GivenUp(NamedTuple):
    """What becomes of it: how the graph moves, which steps are ready, and why the run fails where it does."""

    disposition: Disposition
    moved: Moved = NOTHING_MOVED
    ready: tuple[str, ...] = ()
    fatal: ErrorRecord | None = None
    opens: tuple[Opening, ...] = ()


def given_up(course: Course, step: str, error: ErrorRecord) -> GivenUp:
    """What becomes of a step that has failed for good, or of an undo that has."""
    why = course.run.undo
    if why is None:
        return _of_step(course, step, error)
    if why.order is None:
        return GivenUp(Disposition.FATAL)
    how = course.spec.by_name[step.removeprefix(UNDO)].compensate
    if how is not None and how.on_stuck is OnStuck.CONTINUE:
        return GivenUp(Disposition.TOLERATED, opens=undo.after(course, step))
    return GivenUp(Disposition.PARKED)


def _of_step(course: Course, step: str, error: ErrorRecord) -> GivenUp:
    """A matching error edge first; then what the step declares."""
    spec, run, large = course.spec, course.run, course.large
    routed = error_movement(spec, run, large, step, error)
    if routed is not None:
        return GivenUp(Disposition.ROUTED, *routed, opens=opened(course, routed.ready))
    match spec.by_name[step].on_give_up:
        case GiveUp.PARK:
            return GivenUp(Disposition.PARKED)
        case GiveUp.TOLERATE:
            (moved, ready), wrong = ok_movement(spec, run, large, step, NULL)
            return GivenUp(Disposition.TOLERATED, moved, ready, wrong, opened(course, ready))
        case _:
            return GivenUp(Disposition.FATAL, fatal=error)


def opened(course: Course, ready: tuple[str, ...], just: Just | None = None) -> tuple[Opening, ...]:
    """The attempts and deadlines that appear with these steps; `just` brought a result that the run does not hold."""
    spec, run = course.spec, course.run
    keys = partial(keys_of, spec, run, course.large, just=just)
    return openings(spec, ready, queue=run.queue, priority=run.priority, due_at=course.now, keys=keys)


def end(course: Course, step: str | None, error: ErrorRecord) -> None:
    """The run fails; what it did is undone first where its graph says how.

    What siblings held is ended by the same fact.
    """
    if course.spec.is_undoable:
        undo.begin(course, undo.because(step, error))
        return
    course.add(RunFailed(step=step, error=error, ends=course.ends()))
