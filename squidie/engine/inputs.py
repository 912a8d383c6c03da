"""What a step sees: the payload, the start's context, and the outputs of the steps before it on its paths.

Nothing else, whatever siblings do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from squidie.decide.retry import RETRY_LATER
from squidie.errors import CorruptHistory
from squidie.history.canonical import NULL, plain
from squidie.history.run import NodeStatus
from squidie.journal import facts
from squidie.workflow.steps import StepContext

if TYPE_CHECKING:
    from uuid import UUID

    import msgspec

    from squidie.engine.lease import Holding
    from squidie.engine.parts import Parts
    from squidie.history.attempts import OpenAttempt
    from squidie.history.run import Run
    from squidie.workflow.spec import Node, Spec


class Roots(dict[str, Any]):
    """The roots of a step's input paths, each read when it is first asked for."""

    def __init__(self, parts: Parts, row: OpenAttempt, run: Run, spec: Spec) -> None:
        super().__init__()
        self._parts = parts
        self._row = row
        self._run = run
        self._spec = spec

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

    def _read(self, root: str) -> Any:
        run = self._run
        if root == "payload":
            return plain(run.payload if run.payload != NULL else self._first_payload())
        if root == "schedule" and run.schedule != NULL:
            return plain(run.schedule)
        return plain(self._output(root))

    def outputs(self) -> dict[str, Any]:
        """The outputs of every step before this one, by name."""
        done = (
            name
            for name in self._spec.before(self._row.step)
            if name in self._run.nodes and self._run.nodes[name].status is NodeStatus.DONE
        )
        return {self._spec.by_name[name].output_name: self[self._spec.by_name[name].output_name] for name in done}

    def _output(self, output: str) -> msgspec.Raw:
        for name in self._spec.before(self._row.step):
            node = self._run.nodes.get(name)
            if self._spec.by_name[name].output_name == output and node is not None and node.status is NodeStatus.DONE:
                return node.output if node.output is not None else self._large(name)
        raise KeyError(output)

    def _large(self, name: str) -> msgspec.Raw:
        journal = self._parts.journal
        with journal.reading() as connection:
            found = facts.outputs(journal, connection, self._row.run_id, self._run, [name])
        if name not in found:
            raise CorruptHistory(
                f"the output of {name} is not in its fact", details={"run_id": str(self._row.run_id), "step": name}
            )
        return found[name]

    def _first_payload(self) -> msgspec.Raw:
        with self._parts.journal.reading() as connection:
            return facts.first(self._parts.journal, connection, self._row.run_id).payload


def context(holding: Holding, run: Run, node: Node, roots: Roots) -> StepContext:
    """What a step may know of where it stands."""
    row = holding.row
    policy = node.retry
    return StepContext(
        run_id=row.run_id,
        workflow=run.workflow,
        step=row.step,
        attempt=row.attempt,
        max_attempts=policy.max_attempts if policy else RETRY_LATER.max_attempts if row.attempt > 1 else 1,
        idempotency_key=idempotency_key(row.run_id, row.step),
        claim_id=row.lease.claim_id if row.lease else None,
        payload=roots["payload"],
        outputs=roots.outputs(),
        schedule=plain(run.schedule),
        signals=holding.signals,
    )


def idempotency_key(run_id: UUID, step: str) -> str:
    """One per run and step: the same for every attempt, takeover and redelivery."""
    return f"{run_id}/{step}"
