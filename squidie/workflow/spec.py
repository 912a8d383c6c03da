"""A workflow as plain, frozen data: what every other part of Squidie reads, wherever the workflow was written.

A `Spec` is JSON-safe: `spec.to_json()` and `Spec.from_json()` are inverse. Durations are seconds. Names are `[A-Za-
z_][A-Za-z0-9_]*`, at most 64 long.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

END = "end"
"""The edge target that ends a path without another step."""


class NodeKind(StrEnum):
    """What a node of the graph is."""

    STEP = "step"


class Outcome(StrEnum):
    """How a step can end for good; an edge waits for one of them."""

    OK = "ok"
    ERROR = "error"


class TriggerKind(StrEnum):
    """What may start a run."""

    MANUAL = "manual"
    CRON = "cron"


class Catchup(StrEnum):
    """Which of the windows that were missed are opened when somebody looks again: the latest, none, or all."""

    LATEST = "latest"
    SKIP = "skip"
    ALL = "all"


class Overlap(StrEnum):
    """What becomes of a window that is due while a run of the same schedule is open."""

    ALLOW = "allow"
    SKIP = "skip"
    QUEUE_ONE = "queue_one"
    CANCEL_PREVIOUS = "cancel_previous"


class Backoff(StrEnum):
    """How the delay grows from one attempt to the next."""

    FIXED = "fixed"
    LINEAR = "linear"
    EXPONENTIAL = "exponential"


class _Data(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    pass


class Retry(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """When to try a step again after an exception.

    `max_attempts` counts all attempts, the first one too. The delay after attempt k is `min * factor**(k-1)`
    (exponential), `min * k` (linear) or `min` (fixed), in seconds, at most `max`; then jitter: `True` draws between
    zero and the delay, a number is the fraction of it that is drawn. `on` and `never` name exceptions as
    `module:QualName` (a class is welcome where a workflow is declared); an empty `on` means every `Exception`. `within`
    (seconds since the first attempt was opened) bounds the whole.
    """

    max_attempts: int
    backoff: Backoff = Backoff.EXPONENTIAL
    min: float = 1.0
    max: float = 3600.0
    factor: float = 2.0
    jitter: bool | float = False
    on: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    within: float | None = None


class PayloadField(_Data, frozen=True, kw_only=True):
    """One field of a payload contract. `default` is msgspec.UNSET when there is none."""

    name: str
    type: str  # string, integer, number, boolean, object, array; any for a parameter without an annotation
    nullable: bool = False
    default: Any = msgspec.UNSET
    items: str | None = None
    enum: tuple[Any, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    format: str | None = None  # date, datetime, uuid, decimal


class Trigger(_Data, frozen=True, kw_only=True):
    """What may start a run. `payload` narrows the workflow's contract; None takes it as it is.

    The rest is for cron: `expression` has five fields, or is `@daily` and the like, or `@every 90s`. `catchup_max`
    bounds the windows that `all` opens at once. `jitter` (seconds) delays the first steps, not the window. Windows lie
    in `starts <= window < ends`. The runs belong to `partition`.
    """

    name: str
    kind: TriggerKind = TriggerKind.MANUAL
    payload: tuple[PayloadField, ...] | None = None
    expression: str | None = None
    timezone: str = "UTC"
    input: dict[str, Any] = msgspec.field(default_factory=dict)
    catchup: Catchup = Catchup.LATEST
    catchup_max: int | None = None
    overlap: Overlap = Overlap.ALLOW
    jitter: float = 0.0
    starts: datetime | None = None
    ends: datetime | None = None
    partition: str | None = None


POLICIES = ("catchup", "catchup_max", "overlap", "jitter", "starts", "ends", "partition")
"""What a cron trigger may say of its windows besides when they are and what goes in."""


class Node(_Data, frozen=True, kw_only=True):
    """One node of the graph.

    `input` maps each parameter of the action to an absolute path: `payload.order_id`, `reserve.hold_id` (the output
    named `reserve`), `schedule.window.start`, `error.message`, or `ctx` for the step's context. A trailing `?` makes a
    path optional: the parameter's own default then applies.
    """

    name: str
    kind: NodeKind = NodeKind.STEP
    action: str = ""
    input: dict[str, str] = msgspec.field(default_factory=dict)
    output: str | None = None  # None: the node's own name
    retry: Retry | None = None
    queue: str | None = None  # None: the run's queue
    priority: int | None = None  # None: the run's priority; 0 is the most urgent, 999 the least
    irreversible: bool = False
    replayable: bool = True

    @property
    def output_name(self) -> str:
        """The name under which later steps find this node's result."""
        return self.output or self.name


class Edge(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={"source": "from", "target": "to"},
):
    """From one node to another (or to `end`), taken when the source ends with that outcome."""

    source: str
    target: str
    on: Outcome = Outcome.OK

    @property
    def id(self) -> str:
        """How facts name the edge: `reserve:ok:charge`."""
        return f"{self.source}:{self.on.value}:{self.target}"


class Spec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, dict=True):
    """A whole workflow: what may start it, what it takes, and its acyclic graph."""

    name: str
    triggers: tuple[Trigger, ...]
    nodes: tuple[Node, ...]
    version: str | None = None
    description: str = ""
    payload: tuple[PayloadField, ...] = ()
    edges: tuple[Edge, ...] = ()

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
    def read_later(self) -> frozenset[str]:
        """The steps whose output a later step may read, or the run's own output is made of.

        A step that takes `ctx` may read everything before it.
        """
        found = set(self.leaves)
        for node in self.nodes:
            roots = {path.partition(".")[0].rstrip("?") for path in node.input.values()}
            found |= {
                name for name in self.before(node.name) if "ctx" in roots or self.by_name[name].output_name in roots
            }
        return frozenset(found)

    @cached_property
    def leaves(self) -> tuple[str, ...]:
        """The steps with which a path can end well."""
        return tuple(node.name for node in self.nodes if self.is_leaf(node.name))

    def is_leaf(self, step: str) -> bool:
        """Whether a path ends well with this step."""
        return all(edge.on is not Outcome.OK or edge.target == END for edge in self.outgoing[step])

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
