"""What a run that begins at some step of another takes over: everything that is not after that step.

What ended is carried with its result and not run again; what had not ended, and is ready, begins anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from squidie.decide.branching import ok_movement
from squidie.errors import InvalidTransition, StepNotFound
from squidie.history.bodies import Carried, ErrorRecord, Moved
from squidie.history.canonical import NULL
from squidie.history.fold_attempts import move
from squidie.history.run import NodeStatus
from squidie.workflow.spec import UNDO, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from squidie.history.run import Run
    from squidie.workflow.spec import Edge, Spec


class Plan(NamedTuple):
    """The parts of a fork, and the steps that run again."""

    carried: tuple[Carried, ...]
    moved: Moved
    begins: tuple[str, ...]
    again: frozenset[str]


def plan(spec: Spec, run: Run, run_id: UUID, step: str, results: Mapping[str, msgspec.Raw | ErrorRecord]) -> Plan:
    """How a run goes on from this step. The source has ended, or the step is parked.

    `results` tells how each ended step ended: its output, or the error with which it failed.
    """
    if step not in spec.by_name:
        raise StepNotFound(run_id, step)
    _check_source(run, step)
    after = _after(spec, step)
    kept = _Kept(spec, run, results, [node.name for node in spec.nodes if node.name not in after])
    begins = tuple(node.name for node in spec.nodes if kept.is_ready(node.name))
    if step not in begins:
        raise InvalidTransition("a step", "not reached", "be forked from: what leads to it has not ended")
    undone = [each for each in (*kept.carried, *kept.skipped) if f"{UNDO}{each}" in run.nodes]
    if undone:
        raise InvalidTransition("a run", "undone", f"be forked at {step}: begin at {undone[0]}, or replay it")
    again = frozenset(spec.by_name) - kept.carried.keys() - set(kept.skipped)
    return Plan(tuple(kept.carried.values()), kept.moved(), begins, again)


def _check_source(run: Run, step: str) -> None:
    if not run.is_open:
        return
    node = run.nodes.get(step)
    if node is None or node.status is not NodeStatus.PARKED:
        raise InvalidTransition("a run", run.status, f"be forked: it has not ended, and {step} is not parked")


def _after(spec: Spec, step: str) -> set[str]:
    """The step and everything that any path leads to from it."""
    found, todo = {step}, [step]
    while todo:
        targets = {edge.target for edge in spec.outgoing.get(todo.pop(), ())} - found
        found |= targets
        todo.extend(targets)
    return found


class _Kept:
    """The ended part of the source: its steps with their results, and how it moved the graph."""

    def __init__(
        self, spec: Spec, run: Run, results: Mapping[str, msgspec.Raw | ErrorRecord], steps: list[str]
    ) -> None:
        self.spec = spec
        self.carried: dict[str, Carried] = {}
        self.skipped: list[str] = []
        self.edges: dict[str, bool] = {}
        self._run = msgspec.structs.replace(run, nodes=dict(run.nodes), edges=dict(run.edges))
        self._results = results
        for name in _in_order(spec, steps):
            self._take(name)

    def is_ready(self, step: str) -> bool:
        """Whether it begins: not carried, and everything that leads to it is settled and lets it."""
        if step in self.carried or step in self.skipped:
            return False
        incoming = self.spec.incoming.get(step, ())
        settled = [self.edges.get(edge.id) for edge in incoming]
        return not incoming or (None not in settled and any(settled))

    def moved(self) -> Moved:
        """The edges and steps that count as settled from the start."""
        return Moved(
            taken=tuple(edge for edge, took in self.edges.items() if took),
            skipped_edges=tuple(edge for edge, took in self.edges.items() if not took),
            skipped_steps=tuple(self.skipped),
        )

    def _take(self, step: str) -> None:
        node = self._run.nodes.get(step)
        if node is None:
            return
        if node.status is NodeStatus.SKIPPED:
            self.skipped.append(step)
        elif not self._carry(step, node.status):
            return
        edges = self._run.edges
        self.edges |= {edge.id: edges[edge.id] for edge in self.spec.outgoing[step] if edge.id in edges}

    def _carry(self, step: str, status: NodeStatus) -> bool:
        """Whether the step has ended in a way that leads on: a failure only where an error edge was taken."""
        outgoing, result = self.spec.outgoing[step], self._results.get(step, NULL)
        if status is NodeStatus.FAILED and isinstance(result, ErrorRecord):
            if any(edge.on is Outcome.ERROR and self._run.edges.get(edge.id) for edge in outgoing):
                self.carried[step] = Carried(step=step, error=result)
        elif status is NodeStatus.TOLERATED and self._leads_on(step, outgoing, NULL):
            self.carried[step] = Carried(step=step, tolerated=True)
        elif status is NodeStatus.DONE and isinstance(result, msgspec.Raw) and self._leads_on(step, outgoing, result):
            self.carried[step] = Carried(step=step, output=result)
        return step in self.carried

    def _leads_on(self, step: str, outgoing: tuple[Edge, ...], output: msgspec.Raw) -> bool:
        """Its edges are settled, or are now: while a run drains, steps end and nothing follows them."""
        if all(edge.id in self._run.edges for edge in outgoing):
            return True
        large = {name: found for name, found in self._results.items() if isinstance(found, msgspec.Raw)}
        movement, wrong = ok_movement(self.spec, self._run, large, step, output)
        if wrong is None:
            move(self._run, movement.moved)
        return wrong is None


def _in_order(spec: Spec, steps: list[str]) -> list[str]:
    """These steps, each behind those that lead to it."""
    wanted, found, names = set(steps), list[str](), list(steps)
    while names:
        ready = [
            name for name in names if all(e.source in found or e.source not in wanted for e in spec.incoming[name])
        ]
        found += ready
        names = [name for name in names if name not in found]
    return found
