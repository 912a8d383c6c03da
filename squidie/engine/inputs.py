"""What a step sees: the payload, the start's context, the error it handles, and the outputs of the steps before it.

Nothing else, whatever siblings do. A step that undoes another sees what that one saw, its arguments and its result.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from squidie.decide.retry import RETRY_LATER
from squidie.engine.reported import trace_of
from squidie.errors import CorruptHistory
from squidie.history.bodies import ErrorRecord
from squidie.history.canonical import NULL, plain
from squidie.history.facts import (
    AttemptDeadLettered,
    AttemptFailed,
    DeadlinePassed,
    EventLapsed,
    PauseResolved,
    RunStarted,
)
from squidie.history.run import GOOD, NodeStatus
from squidie.journal import facts
from squidie.workflow.limits import key
from squidie.workflow.mapping import MissingPath, lookup, parse_path
from squidie.workflow.spec import UNDO, Outcome
from squidie.workflow.steps import StepContext

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from squidie.engine.lease import Holding
    from squidie.engine.parts import Parts
    from squidie.history.attempts import OpenAttempt
    from squidie.history.facts import Fact
    from squidie.history.run import NodeRun, Run
    from squidie.workflow.spec import Node, Spec


class Roots(dict[str, Any]):
    """The roots of a step's input paths, each read when it is first asked for."""

    def __init__(self, parts: Parts, run_id: UUID, run: Run, spec: Spec, step: str) -> None:
        super().__init__()
        self._parts = parts
        self._run_id = run_id
        self._run = run
        self._spec = spec
        self._step = step.removeprefix(UNDO)
        self._undoes = step.startswith(UNDO)
        names = (*spec.before(self._step), *((self._step,) if self._undoes else ()))
        good = (name for name in names if name in run.nodes and run.nodes[name].status in GOOD)
        self._producers = {spec.by_name[name].output_name: name for name in good}

    def __missing__(self, root: str) -> Any:
        value = self[root] = self._read(root)
        return value

    def __contains__(self, root: object) -> bool:
        if dict.__contains__(self, root):
            return True
        try:
            self[str(root)]
        except KeyError:
            return False
        return True

    def get(self, root: str, default: Any = None) -> Any:
        """The root's value, read now if it was not yet."""
        try:
            return self[root]
        except KeyError:
            return default

    def outputs(self) -> dict[str, Any]:
        """The outputs of every step before this one, by name; of a step to be undone its own too."""
        return {output: self[output] for output in self._producers}

    def _read(self, root: str) -> Any:
        run = self._run
        if self._undoes and root in ("input", "output", "error"):
            return self._of_undo(root)
        if root == "payload":
            return plain(run.payload if run.payload != NULL else self._first_payload())
        if root == "schedule" and run.schedule != NULL:
            return plain(run.schedule)
        if root == "error" and "error" not in self._producers:
            return self._handled()
        return plain(self._output(root))

    def _of_undo(self, root: str) -> Any:
        if root == "input":
            return arguments(
                self._spec.by_name[self._step],
                Roots(self._parts, self._run_id, self._run, self._spec, self._step),
            )
        if root == "output":
            return plain(self._output(self._spec.by_name[self._step].output_name))
        why = self._run.undo.error if self._run.undo is not None else None
        return None if why is None else as_seen(why)

    def _output(self, output: str) -> msgspec.Raw:
        name = self._producers[output]
        node = self._run.nodes[name]
        if node.status is NodeStatus.TOLERATED:
            return NULL
        return node.output if node.output is not None else self._large(name)

    def _large(self, name: str) -> msgspec.Raw:
        journal = self._parts.journal
        with journal.reading() as connection:
            found = facts.outputs(journal, connection, self._run_id, self._run, [name])
        if name not in found:
            raise CorruptHistory(
                f"the output of {name} is not in its fact", details={"run_id": str(self._run_id), "step": name}
            )
        return found[name]

    def _first_payload(self) -> msgspec.Raw:
        with self._parts.journal.reading() as connection:
            return facts.first(self._parts.journal, connection, self._run_id).payload

    def _handled(self) -> dict[str, Any]:
        """The error of the step whose error edge led here. Raises `KeyError` where none did."""
        taken = (
            edge.source
            for edge in self._spec.incoming[self._step]
            if edge.on is Outcome.ERROR and self._run.edges.get(edge.id)
        )
        source = next(taken, None)
        node = self._run.nodes.get(source) if source is not None else None
        if source is None or node is None or node.status is not NodeStatus.FAILED:
            raise KeyError("error")
        kept = node.output
        return as_seen(
            msgspec.json.decode(kept, type=ErrorRecord) if kept is not None else self._recorded(source, node)
        )

    def _recorded(self, source: str, node: NodeRun) -> ErrorRecord:
        journal = self._parts.journal
        with journal.reading() as connection:
            stream = facts.read(journal, connection, self._run_id)
        found = _error_of(stream[node.seq - 1].fact, source) if len(stream) >= node.seq else None
        if found is None:
            raise CorruptHistory(
                f"the error of {source} is not in its fact", details={"run_id": str(self._run_id), "step": source}
            )
        return found


def _error_of(fact: Fact, step: str) -> ErrorRecord | None:
    """The error with which the step ended, as the fact that ended it tells."""
    match fact:
        case AttemptFailed() | AttemptDeadLettered() | PauseResolved() | EventLapsed() | DeadlinePassed():
            return fact.error
        case RunStarted():
            return next((carried.error for carried in fact.carried if carried.step == step), None)
        case _:
            return None


def as_seen(error: ErrorRecord) -> dict[str, Any]:
    """A recorded error as step code sees it: every field there is, also those that have nothing to say."""
    found = {name: getattr(error, name) for name in error.__struct_fields__}
    return {**found, "kind": error.kind.value, "code": error.code or error.kind.value, "frames": list(error.frames)}


def arguments(node: Node, roots: Roots) -> dict[str, Any]:
    """What the step was given, but for its context, as JSON: bound again, and thus the same. Raises `MissingPath`."""
    found = {}
    for parameter, text in node.input.items():
        path = parse_path(text)
        if path.root == "ctx":
            continue
        try:
            found[parameter] = lookup(path, roots, parameter=parameter)
        except MissingPath:
            if not path.optional:
                raise
    return found


def check_limits(node: Node, row: OpenAttempt, roots: Roots) -> None:
    """Raise what is wrong with the path of a limit, if the attempt could not be put under it when it was opened."""
    for name, part, found in (("limit", node.limit, row.limit), ("rate", node.rate, row.rate)):
        if part is not None and not found and part.by is not None:
            key(part, lookup(parse_path(part.by), roots, parameter=name))


def context(holding: Holding, run: Run, node: Node, roots: Roots | None, session: Any = None) -> StepContext:
    """What a step may know of where it stands; without roots, nothing of what went before."""
    row = holding.row
    node_run = run.nodes.get(row.step)
    base = node_run.history.base if node_run is not None else 0
    return StepContext(
        run_id=row.run_id,
        workflow=run.workflow,
        step=row.step,
        attempt=row.attempt,
        max_attempts=base + _budget(node, row.attempt - base),
        base=base,
        idempotency_key=idempotency_key(row.run_id, row.step),
        claim_id=row.lease.claim_id if row.lease else None,
        queue=row.queue,
        payload={} if roots is None else roots["payload"],
        outputs={} if roots is None else roots.outputs(),
        error=None if roots is None else roots.get("error"),
        schedule=plain(run.schedule),
        trace={"traceparent": trace_of(*row.key, run).traceparent},
        deadline=_deadline(holding, node_run, node),
        timeout=node.timeout,
        session=session,
        signals=holding.signals,
    )


def _budget(node: Node, attempt: int) -> int:
    if node.retry is not None:
        return node.retry.max_attempts
    return RETRY_LATER.max_attempts if attempt > 1 else 1


def _deadline(holding: Holding, node_run: NodeRun | None, node: Node) -> datetime | None:
    """When the attempt's time is over, or the step's, whichever comes first."""
    found = []
    if node.timeout is not None and holding.row.lease is not None:
        found.append(holding.row.lease.claimed_at + timedelta(seconds=node.timeout))
    if node.deadline is not None and node_run is not None and node_run.first_due_at is not None:
        found.append(node_run.first_due_at + timedelta(seconds=node.deadline.within))
    return min(found, default=None)


def idempotency_key(run_id: UUID, step: str) -> str:
    """One per run and step, and another for its undo: the same for every attempt, takeover and redelivery."""
    return f"{run_id}/{step}"
