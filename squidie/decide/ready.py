"""Which steps may run now, the timers that bound them, and the rows they are worked from."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from squidie.decide.course import DEADLINE
from squidie.decide.limiting import keys_of
from squidie.history.attempts import OpenAttempt
from squidie.history.bodies import Opening, OpenKind
from squidie.workflow.limits import NO_KEYS, Keys
from squidie.workflow.spec import RUNS_CODE, UNDO, Overdue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime
    from uuid import UUID

    from squidie.decide.course import Course
    from squidie.workflow.spec import Deadline, Spec


def entries(spec: Spec) -> tuple[str, ...]:
    """The steps that nothing leads to: ready at the start."""
    return tuple(node.name for node in spec.nodes if not spec.incoming.get(node.name))


def openings(
    spec: Spec,
    steps: Iterable[str],
    *,
    queue: str,
    priority: int,
    due_at: datetime,
    keys: Callable[[str], Keys] = lambda _step: NO_KEYS,
) -> tuple[Opening, ...]:
    """The first attempts of those of these steps that a worker runs, and the timers of their deadlines.

    Each is on its own queue and with its own priority, or else the run's; `keys` tells under which limits.
    """
    opened: list[Opening] = []
    for step in steps:
        node = spec.by_name[step]
        if node.kind in RUNS_CODE:
            opened.append(opening(spec, step, 1, queue=queue, priority=priority, due_at=due_at, keys=keys(step)))
        if node.deadline is not None:
            opened.append(acts_timer(f"{DEADLINE}{step}", node.deadline, queue, due_at))
    return tuple(opened)


def opening(
    spec: Spec, step: str, attempt: int, *, queue: str, priority: int, due_at: datetime, keys: Keys = NO_KEYS
) -> Opening:
    """One attempt of one step, made due."""
    node = spec.work[step]
    urgency = node.priority if node.priority is not None else priority
    kind = OpenKind.COMPENSATION if step.startswith(UNDO) else OpenKind.STEP
    return Opening(
        step=step,
        attempt=attempt,
        queue=node.queue or queue,
        due_at=due_at,
        priority=urgency,
        kind=kind,
        limit=keys.limit,
        rate=keys.rate,
    )


def reopening(course: Course, step: str, due_at: datetime) -> Opening:
    """The next attempt of a step that has had one."""
    run, spec = course.run, course.spec
    keys = keys_of(spec, run, course.large, step)
    attempt = run.nodes[step].attempt + 1
    return opening(spec, step, attempt, queue=run.queue, priority=run.priority, due_at=due_at, keys=keys)


def timer(step: str, *, queue: str, due_at: datetime, attempt: int = 1) -> Opening:
    """A time at which something happens without a worker."""
    return Opening(step=step, attempt=attempt, queue=queue, due_at=due_at, kind=OpenKind.TIMER)


def acts_timer(step: str, deadline: Deadline, queue: str, since: datetime) -> Opening:
    """When a deadline acts: escalation waits for longer than the deadline itself."""
    late = deadline.escalate_after or 0.0
    seconds = deadline.within + (late if deadline.then is Overdue.ESCALATE else 0.0)
    return timer(step, queue=queue, due_at=since + timedelta(seconds=seconds))


def row(run_id: UUID, spec: Spec, opened: Opening, partition: str | None = None) -> OpenAttempt:
    """The row that appears with an opening in a run of this partition."""
    is_timer = opened.kind is OpenKind.TIMER
    node = None if is_timer else spec.work[opened.step]
    return OpenAttempt(
        run_id=run_id,
        step=opened.step,
        attempt=opened.attempt,
        action="" if node is None else node.action,
        queue=opened.queue,
        priority=opened.priority,
        due_at=opened.due_at,
        alone=node is not None and node.goes_alone,
        kind=opened.kind,
        partition=partition or "",
        limit=opened.limit,
        rate=opened.rate,
    )
