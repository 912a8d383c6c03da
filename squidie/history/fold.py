"""The fold: facts in, a run out.

`fold(facts)` never raises and never decides: it applies what each fact says of its own consequences. Nonsense (which
only a damaged history can hold) is named in `anomalies`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from squidie.history import fold_attempts, fold_waits
from squidie.history.attributes import merged
from squidie.history.bodies import Opening, OpenKind
from squidie.history.facts import TERMINAL, Fact, RunCancelled, RunCompleted, RunFailed, RunStarted
from squidie.history.fold_attempts import anomaly, mark_unsure, move
from squidie.history.lifecycle import RUN, RunEvent, RunStatus
from squidie.history.notes import NOTES, AttributesChanged, RunArchived, RunUnarchived
from squidie.history.run import INLINE_SUM, UNSETTLED, NodeRun, NodeStatus, Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime
    from typing import Any

    from squidie.history.bodies import Closing


def fold(facts: Iterable[tuple[datetime, Fact]], run: Run | None = None) -> Run:
    """The run after these facts, each with its `at`.

    They start from nothing, or from the run they follow, which is left as it was.
    """
    after = Run() if run is None else _copy(run)
    for at, fact in facts:
        after.revision += 1
        after.at = at
        _evolve(after, fact)
    return after


def _copy(run: Run) -> Run:
    return msgspec.structs.replace(run, nodes=dict(run.nodes), edges=dict(run.edges), timers=dict(run.timers))


def _evolve(run: Run, fact: Fact) -> None:
    """One more fact, in place on a copy of our own."""
    if run.revision > 1 and not run.is_open:
        _after_the_end(run, fact)
        return
    if run.revision == 1 and not isinstance(fact, RunStarted):
        anomaly(run, f"{fact.kind} before the start")
    EVOLVE[type(fact)](run, fact)
    for ended in fact.ends:
        mark_unsure(run, ended.step)
    for closing in fact.closes:
        _close(run, closing, fact)
    for opening in fact.opens:
        _open(run, opening)
    if run.is_open and not isinstance(fact, TERMINAL):
        _stand(run)


def _after_the_end(run: Run, fact: Fact) -> None:
    """Only notes may follow, and they open nothing."""
    if isinstance(fact, NOTES) and not (fact.opens or fact.closes or fact.ends):
        EVOLVE[type(fact)](run, fact)
    else:
        anomaly(run, f"{fact.kind} after the end")


def _stand(run: Run) -> None:
    """Where an open run stands: being undone, waiting for people alone, or running."""
    if run.undo is not None:
        event = RunEvent.COMPENSATE
    else:
        event = RunEvent.PAUSE if _waits_for_people(run) else RunEvent.PROGRESS
    run.status = RUN[run.status][event]


def _waits_for_people(run: Run) -> bool:
    """Whether something is open, and goes on by people alone. What was reached last is mostly open: it comes first."""
    waits = False
    for node in reversed(run.nodes.values()):
        if node.status in UNSETTLED:
            if not node.is_manual:
                return False
            waits = True
    return waits


def _start(run: Run, fact: RunStarted) -> None:
    if run.revision != 1:
        anomaly(run, "a second start")
    run.workflow, run.definition, run.trigger = fact.workflow, fact.definition, fact.trigger
    run.queue, run.priority, run.partition = fact.queue, fact.priority, fact.partition
    run.attributes = fact.attributes
    run.starter = fact.by.actor if fact.by is not None else None
    run.trace, run.started_at = fact.trace, run.at
    if len(fact.payload) <= INLINE_SUM:
        run.payload = fact.payload
    if fact.schedule is not None:
        run.schedule = msgspec.Raw(msgspec.json.encode(fact.schedule))
    for carried in fact.carried:
        fold_attempts.carry(run, carried)
    move(run, fact.moved)


def _end(run: Run, fact: RunCompleted | RunFailed | RunCancelled) -> None:
    """Of an open run only."""
    if isinstance(fact, RunCompleted):
        if run.open_steps:
            anomaly(run, f"completed with {', '.join(run.open_steps)} open")
        event, run.output = RunEvent.COMPLETE, fact.output
    elif isinstance(fact, RunFailed):
        event, run.error, run.step = RunEvent.FAIL, fact.error, fact.step
    else:
        event, run.reason = RunEvent.CANCEL, fact.reason
    if event not in RUN[run.status]:
        anomaly(run, f"{run.status}, and then {fact.kind}")
    run.status = RUN[run.status].get(event, RUN[RunStatus.RUNNING][event])
    run.timers.clear()
    for name, node in run.nodes.items():
        if node.is_open:
            run.nodes[name] = fold_waits.touched(run, node, fact)


def _change(run: Run, fact: AttributesChanged) -> None:
    run.attributes = merged(run.attributes or {}, fact.changes) or None


def _archive(run: Run, fact: RunArchived | RunUnarchived) -> None:
    if run.is_open:
        anomaly(run, f"{fact.kind} before the end")
    run.archived = isinstance(fact, RunArchived)


def _open(run: Run, opening: Opening) -> None:
    if opening.kind is OpenKind.TIMER:
        run.timers[opening.step] = opening.attempt
        return
    before = run.nodes.get(opening.step)
    if before is not None and not before.is_open:
        anomaly(run, f"{opening.step} was opened after it had ended")
    elif opening.attempt != (before.attempt + 1 if before is not None else 1):
        anomaly(run, f"{opening.step} was opened out of turn")
    first = before.first_due_at if before is not None and before.first_due_at else opening.due_at
    past = before.past if before is not None else None
    run.nodes[opening.step] = NodeRun(NodeStatus.OPEN, opening.attempt, first_due_at=first, past=past)


def _close(run: Run, closing: Closing, fact: Fact) -> None:
    """What was open was taken away; where the fact has settled the node itself, that stands."""
    if closing.kind is OpenKind.TIMER:
        if run.timers.pop(closing.step, None) is None:
            anomaly(run, f"the timer of {closing.step} was closed while not open")
        return
    node = run.nodes.get(closing.step)
    if node is None or (not node.is_open and node.seq != run.revision):
        anomaly(run, f"{closing.step} was closed while not open")
    elif node.is_open:
        withdrawn = msgspec.structs.replace(node, status=NodeStatus.WITHDRAWN, seq=run.revision)
        run.nodes[closing.step] = fold_waits.touched(run, withdrawn, fact)


EVOLVE: dict[type, Callable[[Run, Any], None]] = {
    **fold_attempts.EVOLVE,
    **fold_waits.EVOLVE,
    RunStarted: _start,
    RunCompleted: _end,
    RunFailed: _end,
    RunCancelled: _end,
    AttributesChanged: _change,
    RunArchived: _archive,
    RunUnarchived: _archive,
}
"""What each kind of fact does to a run; a test holds the table against the union of facts."""
