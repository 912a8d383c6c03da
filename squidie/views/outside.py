"""Where something stands, for people outside: names and states, and nothing that a person or a step has written.

The sentences of the inside tell which worker has it, what an exception said and why somebody cancelled. These do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from squidie.history.lifecycle import is_terminal
from squidie.views.explain import WAITING_DEPENDENCY, Blocker, Explanation
from squidie.views.reasons import Reason
from squidie.views.rows import RunRow
from squidie.views.snapshot import RunSnapshot
from squidie.views.stuck import StuckGroup
from squidie.views.words import many, span

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from squidie.views.states import State


def words(view: Any) -> str | None:
    """What is said of a view outside; None where there is nothing to say."""
    return _WORDS[type(view)](view)


def _of_run(run: RunSnapshot) -> str:
    if run.reason is None:
        return f"{_ended(run.state)} after {span((run.ended_at or run.at) - run.started_at)}."
    return _said(run.reason, [step.name for step in run.steps if step.reason is run.reason])


def _of_explanation(why: Explanation) -> str:
    """That a step waits for others is said in their names and states already."""
    if why.code == WAITING_DEPENDENCY:
        return why.headline
    if why.code not in set(Reason):
        return f"{_ended(why.state)}."
    reason = Reason(why.code)
    return _said(reason, [each.step for each in why.blockers if each.code is reason and each.step is not None])


def _of_blocker(blocker: Blocker) -> str:
    return _said(blocker.code, [] if blocker.step is None else [blocker.step])


def _of_row(row: RunRow) -> str | None:
    """The step that an open run is at. How one ended others may have put into words."""
    return None if is_terminal(row.status) else row.where.partition(" · ")[0]


def _of_group(group: StuckGroup) -> str:
    return f"{many(group.runs, 'run')}, each of which {PHRASES[group.code]}"


def _ended(state: State) -> str:
    return state.word.capitalize()


def _said(reason: Reason, steps: Sequence[str]) -> str:
    more = f" {len(steps) - 1} more like it." if len(steps) > 1 else ""
    return f"{steps[0] if steps else 'The run'} {PHRASES[reason]}.{more}"


_WORDS: Mapping[type, Callable[[Any], str | None]] = {
    RunSnapshot: _of_run,
    Explanation: _of_explanation,
    Blocker: _of_blocker,
    RunRow: _of_row,
    StuckGroup: _of_group,
}

PHRASES: Mapping[Reason, str] = {
    Reason.ANOMALY: "contradicts itself",
    Reason.DEAD_LETTERED: "is parked",
    Reason.COMPENSATION_STUCK: "is parked",
    Reason.NEEDS_APPROVAL: "waits for approval",
    Reason.NEEDS_RESUME: "is paused",
    Reason.NO_CONSUMER: "waits for a worker",
    Reason.VERSION_MISMATCH: "waits for a worker that has its code",
    Reason.MISSING_CALLABLE: "waits for a worker that has its code",
    Reason.QUEUE_PAUSED: "waits for its queue to be resumed",
    Reason.LEASE_EXPIRED: "was lost by its worker",
    Reason.BROKER_UNREACHABLE: "is due",
    Reason.LATE_PICKUP: "is due",
    Reason.DRAINING: "is stopping",
    Reason.COMPENSATING: "is being undone",
    Reason.RUNNING_LONG: "is running, for longer than usual",
    Reason.RUNNING: "is running",
    Reason.CONCURRENCY_LIMITED: "waits for a slot",
    Reason.RATE_LIMITED: "waits for its turn",
    Reason.QUEUED: "is due",
    Reason.RETRY_BACKOFF: "is tried again soon",
    Reason.DEFERRED: "looks again later",
    Reason.WAITING_SIGNAL: "waits for an event",
    Reason.WAITING_TIMER: "waits for its time",
}
"""The words for each reason; a test holds the table against them."""
