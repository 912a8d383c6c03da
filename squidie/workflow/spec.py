"""A workflow as plain, frozen data: what every other part of Squidie reads, wherever the workflow was written.

A `Spec` is JSON-safe: `spec.to_json()` and `Spec.from_json()` are inverse. Durations are seconds. Names are `[A-Za-
z_][A-Za-z0-9_]*`, at most 64 long.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from hashlib import sha256
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from squidie.workflow.options import (
    POLICIES,
    Compensate,
    Condition,
    Data,
    Deadline,
    Escalation,
    Limit,
    PayloadField,
    Rate,
    Retry,
    Trigger,
)
from squidie.workflow.vocabulary import (
    END,
    MANUAL,
    RUNS_CODE,
    Backoff,
    Catchup,
    GiveUp,
    Lapse,
    Level,
    NodeKind,
    OnCancel,
    OnStuck,
    Outcome,
    Overdue,
    Overlap,
    Recovery,
    TriggerKind,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "END",
    "LOG_ACTION",
    "MANUAL",
    "POLICIES",
    "RUNS_CODE",
    "UNDO",
    "UNDO_RETRY",
    "Backoff",
    "Catchup",
    "Compensate",
    "Condition",
    "Deadline",
    "Edge",
    "Escalation",
    "GiveUp",
    "Lapse",
    "Level",
    "Node",
    "NodeKind",
    "OnCancel",
    "OnStuck",
    "Outcome",
    "Overdue",
    "Overlap",
    "PayloadField",
    "Recovery",
    "Retry",
    "Spec",
    "Trigger",
    "TriggerKind",
    "mark",
]


class Node(Data, frozen=True, kw_only=True):
    """One node of the graph. Which options go with which kind is said in `checks/options.py`.

    `input` maps each parameter of the action to an absolute path: `payload.order_id`, `reserve.hold_id` (the output
    named `reserve`), `schedule.window.start`, `error.message`, or `ctx` for the step's context. A trailing `?` makes a
    path optional: the parameter's own default then applies. All durations are seconds.
    """

    name: str
    kind: NodeKind = NodeKind.STEP
    action: str = ""
    input: dict[str, str] = msgspec.field(default_factory=dict)
    output: str | None = None  # None: the node's own name
    retry: Retry | None = None
    queue: str | None = None  # None: the run's queue
    priority: int | None = None  # None: the run's priority; 0 is the most urgent, 999 the least
    limit: Limit | None = None
    rate: Rate | None = None
    irreversible: bool = False
    replayable: bool = True
    timeout: float | None = None  # of one attempt; an event's: of the wait
    grace: float | None = None  # after the timeout, before the process is ended; None: the setting's
    deadline: Deadline | None = None
    compensate: Compensate | None = None
    transactional: bool = False
    on_give_up: GiveUp = GiveUp.FAIL
    on_cancel: OnCancel = OnCancel.FINISH
    duration: float | None = None  # of a wait
    until: str | None = None  # the path of a wait's time
    message: str = ""
    level: Level = Level.INFO
    role: str | None = None
    quorum: int = 1
    due: float | None = None
    then: Lapse | None = None  # None: reject for an approval, fail for a pause
    escalate: Escalation | None = None  # with then="escalate"
    form: tuple[PayloadField, ...] | None = None
    exclude: tuple[str, ...] = ()
    event: str | None = None
    correlation: str | None = None  # as it is
    correlation_from: str | None = None  # or the path where it is found

    @property
    def output_name(self) -> str:
        """The name under which later steps find this node's result."""
        return self.output or self.name

    @property
    def goes_alone(self) -> bool:
        """Whether a worker takes it alone and settles it alone, never in a batch."""
        return self.irreversible or self.transactional

    @property
    def asked(self) -> tuple[str, ...]:
        """The paths that say how long or for what to wait, or under which limit the step is."""
        by = (part.by for part in (self.limit, self.rate) if part is not None)
        return tuple(path for path in (self.until, self.correlation_from, *by) if path)

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path that the node reads, in its input or before it begins."""
        undo = self.compensate.input.values() if self.compensate else ()
        return (*self.input.values(), *undo, *self.asked)


class Edge(Data, frozen=True, kw_only=True, rename={"source": "from", "target": "to"}, dict=True):
    """From one node to another (or to `end`), taken when the source ends with that outcome and `when` holds.

    Of one source and outcome the edges with the same condition are a branch. Exactly one branch is taken: the first
    in the order of declaration whose condition holds, else the one without a condition.
    """

    source: str
    target: str
    on: Outcome = Outcome.OK
    when: Condition | None = None
    recovery: Recovery | None = None

    @cached_property
    def id(self) -> str:
        """How facts name the edge: `reserve:ok:charge`, with a condition `check:ok:notify:if:1f0c2a9e`."""
        plain = f"{self.source}:{self.on.value}:{self.target}"
        return plain if self.when is None else f"{plain}:if:{mark(self.when)}"


def mark(condition: Condition) -> str:
    """Eight hexadecimal digits that stand for a condition."""
    return _mark(msgspec.json.encode(condition, order="sorted"))


@lru_cache(maxsize=4096)
def _mark(text: bytes) -> str:
    return sha256(text).hexdigest()[:8]


UNDO = "compensate:"
"""What the name of a step that undoes another begins with."""

LOG_ACTION = "squidie:log"
"""What runs a `log` node; every worker can."""

UNDO_RETRY = Retry(5)
"""How often an undo is tried where its author did not say."""


class Spec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, dict=True):
    """A whole workflow: what may start it, what it takes, and its acyclic graph."""

    name: str
    triggers: tuple[Trigger, ...]
    nodes: tuple[Node, ...]
    version: str | None = None
    description: str = ""
    payload: tuple[PayloadField, ...] = ()
    edges: tuple[Edge, ...] = ()
    deadline: Deadline | None = None

    @cached_property
    def by_name(self) -> Mapping[str, Node]:
        """The nodes by name."""
        return MappingProxyType({node.name: node for node in self.nodes})

    @cached_property
    def outgoing(self) -> Mapping[str, tuple[Edge, ...]]:
        """The edges that leave each node, in the order of declaration."""
        return self._edges_by("source")

    @cached_property
    def incoming(self) -> Mapping[str, tuple[Edge, ...]]:
        """The edges that lead to each node."""
        return self._edges_by("target")

    @cached_property
    def work(self) -> Mapping[str, Node]:
        """Everything that can have an attempt: the nodes, and for each that can be undone the step that undoes it."""
        undo = {f"{UNDO}{node.name}": _undo(node, node.compensate) for node in self.nodes if node.compensate}
        return MappingProxyType({**self.by_name, **undo})

    @cached_property
    def is_undoable(self) -> bool:
        """Whether any step declares how it is undone."""
        return any(node.compensate for node in self.nodes)

    @cached_property
    def read_later(self) -> frozenset[str]:
        """The steps whose output a later step may read, a decision looks at, or the run's own output is made of.

        A step that takes `ctx` may read everything before it.
        """
        found = set(self.decided_on)
        for node in self.nodes:
            roots = set(map(_root, node.paths))
            found |= {
                name for name in self.before(node.name) if "ctx" in roots or self.by_name[name].output_name in roots
            }
        return frozenset(found)

    @cached_property
    def decided_on(self) -> frozenset[str]:
        """The steps whose outputs decisions look at.

        Conditions, times, correlations and limits read them, and the run's own output is made of them.
        """
        wanted = {root for node in self.nodes for root in map(_root, node.asked)}
        wanted |= {_root(edge.when.path) for edge in self.edges if edge.when is not None}
        return frozenset(self.leaves) | {node.name for node in self.nodes if node.output_name in wanted}

    @cached_property
    def decides_on_data(self) -> bool:
        """Whether what happens next may depend on more than which step ended and how."""
        return any(edge.when for edge in self.edges) or any(node.until or node.correlation_from for node in self.nodes)

    @cached_property
    def decides_on_payload(self) -> bool:
        """Whether a decision looks at the payload."""
        paths = (edge.when.path for edge in self.edges if edge.when is not None)
        own = (path for node in self.nodes for path in node.asked)
        return any(_root(path) == "payload" for path in (*paths, *own))

    @cached_property
    def leaves(self) -> tuple[str, ...]:
        """The steps with which a path can end well."""
        return tuple(node.name for node in self.nodes if self.is_leaf(node.name))

    def is_leaf(self, step: str) -> bool:
        """Whether a path can end well with this step."""
        well = [edge for edge in self.outgoing[step] if edge.on is Outcome.OK]
        return not well or any(edge.target == END for edge in well)

    def branches(self, step: str, outcome: Outcome) -> tuple[tuple[Condition | None, tuple[Edge, ...]], ...]:
        """The branches for one outcome of a step in the order in which they are tried: the fallback comes last."""
        known = self._branches.get((step, outcome))
        if known is None:
            found: dict[str, list[Edge]] = {}
            for edge in self.outgoing[step]:
                if edge.on is outcome:
                    found.setdefault(mark(edge.when) if edge.when else "", []).append(edge)
            fallback = found.pop("", [])
            known = tuple((edges[0].when, tuple(edges)) for edges in found.values())
            known = self._branches[step, outcome] = (*known, (None, tuple(fallback))) if fallback else known
        return known

    def is_decided(self, step: str) -> bool:
        """Whether a success of this step may find no edge to take."""
        branches = self.branches(step, Outcome.OK)
        return bool(branches) and branches[-1][0] is not None

    def before(self, step: str) -> tuple[str, ...]:
        """The steps before this one on any of its paths, in the order of declaration: what it may read."""
        known = self._before
        if step not in known:
            found: set[str] = set()
            todo = [step]
            while todo:
                sources = {edge.source for edge in self.incoming[todo.pop()]} - found
                found |= sources
                todo.extend(sources)
            known[step] = tuple(node.name for node in self.nodes if node.name in found)
        return known[step]

    @cached_property
    def _before(self) -> dict[str, tuple[str, ...]]:
        return {}

    @cached_property
    def _branches(self) -> dict[tuple[str, Outcome], tuple[tuple[Condition | None, tuple[Edge, ...]], ...]]:
        return {}

    def _edges_by(self, side: str) -> Mapping[str, tuple[Edge, ...]]:
        """In one pass: a graph of a thousand nodes is looked at often."""
        found: dict[str, list[Edge]] = {node.name: [] for node in self.nodes}
        for edge in self.edges:
            found.get(getattr(edge, side), []).append(edge)
        return MappingProxyType({name: tuple(edges) for name, edges in found.items()})

    def to_json(self) -> bytes:
        """The spec as JSON, everything left out that has its default."""
        return msgspec.json.encode(self)

    @classmethod
    def from_json(cls, text: bytes | str) -> Spec:
        """The spec that `to_json` wrote. Raises `msgspec.ValidationError` for anything else."""
        return msgspec.json.decode(text, type=cls)


def _root(path: str) -> str:
    return path.partition(".")[0].rstrip("?")


def _undo(node: Node, how: Compensate) -> Node:
    """The step that undoes another, as a node of its own that no edge leads to."""
    return Node(
        name=f"{UNDO}{node.name}",
        action=how.action,
        input=how.input,
        retry=how.retry or UNDO_RETRY,
        queue=how.queue or node.queue,
        priority=node.priority,
    )
