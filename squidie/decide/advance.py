"""What follows when a step has ended: its successors, or the end of the run."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import msgspec

from squidie.decide import failing, undo, waits
from squidie.decide.branching import ok_movement
from squidie.decide.course import deadline_closing
from squidie.decide.limiting import Just
from squidie.history.facts import AttemptCompleted, RunCompleted
from squidie.history.graph import is_finished
from squidie.history.run import GOOD, INLINE_SUM
from squidie.workflow.spec import END, UNDO, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from squidie.decide.commands import Complete
    from squidie.decide.course import Course
    from squidie.history.bodies import Claim
    from squidie.history.run import Run
    from squidie.workflow.spec import Spec

_encoder = msgspec.json.Encoder(order="sorted")


def complete(course: Course, command: Complete, claim: Claim) -> None:
    """The step ended well: its ok edges are taken, and the run completes when nothing is open any more."""
    run, spec, step = course.run, course.spec, command.step
    if run.undo is not None:
        undo.complete(course, command, claim)
        return
    (moved, ready), wrong = ok_movement(spec, run, course.large, step, command.output)
    opens = failing.opened(course, ready, Just(step, command.output))
    done = AttemptCompleted(
        step=step,
        attempt=command.attempt,
        claim=claim,
        output=command.output,
        unread=step not in spec.read_later,
        moved=moved,
        opens=opens,
        closes=deadline_closing(run, step),
    )
    if wrong is None and not is_finished(run, but=step, opened=ready) and waits.are_none(spec, ready):
        course.last(done)  # by far the most common course
        return
    course.add(done)
    if wrong is not None:
        failing.end(course, step, wrong)
        return
    proceed(course, ready)


def proceed(course: Course, ready: Iterable[str]) -> None:
    """Begin those of the ready nodes that wait for something, and end the run where nothing is open any more.

    What waits may find at once what it waits for: an event that came early makes others ready.
    """
    todo = deque(ready)
    while todo and course.run.is_open and course.run.undo is None:
        todo.extend(waits.begin(course, todo.popleft()))
    if course.run.is_open and course.run.undo is None and not course.run.open_steps:
        course.add(completed(course))


def completed(course: Course) -> RunCompleted:
    """The end of a run that went well: the leaf's output, or an object of the leaves' outputs by name."""
    spec, run = course.spec, course.run
    values = {
        spec.by_name[leaf].output_name: run.nodes[leaf].output or course.large[leaf] for leaf in _leaves(spec, run)
    }
    if not values:
        return RunCompleted()
    if sum(len(value) for value in values.values()) > INLINE_SUM:
        return RunCompleted(leaves=tuple(values))
    if len(values) == 1:
        return RunCompleted(output=next(iter(values.values())))
    return RunCompleted(output=msgspec.Raw(_encoder.encode(values)))


def _leaves(spec: Spec, run: Run) -> list[str]:
    """The nodes with which a path of this run ended well."""
    done = {name for name, node in run.nodes.items() if node.status in GOOD and not name.startswith(UNDO)}
    return [name for name in spec.leaves if name in done and not _goes_on(spec, run, name)]


def _goes_on(spec: Spec, run: Run, step: str) -> bool:
    edges = spec.outgoing[step]
    return any(edge.on is Outcome.OK and edge.target != END and run.edges.get(edge.id, False) for edge in edges)
