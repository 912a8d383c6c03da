"""What is told of facts: an event for each, and the spans of the claims and runs that they end.

What an event says follows from the fields of its fact by a rule: names of the graph, and members of enumerations. So no
kind can be forgotten, and nothing that somebody has written gets out.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, get_args

import msgspec

from squidie.history.bodies import Claim, ErrorRecord
from squidie.history.facts import KINDS, TERMINAL, AttemptCompleted, AttemptDeadLettered, AttemptFailed
from squidie.telemetry import Event, Trace, name_of, of_attempt, of_claim, of_run
from squidie.telemetry.events import cut
from squidie.workflow.spec import UNDO

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from uuid import UUID

    from squidie.history.facts import Fact
    from squidie.history.run import Run

NAMES = ("workflow", "step", "trigger", "queue")
"""Fields that hold names of the graph or of the deployment."""

ENDS_ATTEMPT = (AttemptCompleted, AttemptFailed, AttemptDeadLettered)
WITHDRAWN = "withdrawn"
"""The outcome of a claim that ended with its run, or with the time that a run has to drain."""

Times = tuple[int, int]
"""When something began and ended, in nanoseconds since 1970."""


def _enumerations(kind: type[Fact]) -> tuple[str, ...]:
    fields = msgspec.structs.fields(kind)
    return tuple(each.name for each in fields if any(map(_is_enumeration, (each.type, *get_args(each.type)))))


def _is_enumeration(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, StrEnum)


def _errors(kind: type[Fact]) -> bool:
    return any(ErrorRecord in (each.type, *get_args(each.type)) for each in msgspec.structs.fields(kind))


SAID: Mapping[str, tuple[str, ...]] = {
    kind: (
        *(name for name in NAMES if name == "workflow" or name in fact.__struct_fields__),
        *_enumerations(fact),
        *(("error",) if _errors(fact) else ()),
    )
    for kind, fact in KINDS.items()
}
"""What the event of each kind of fact says."""

_TOLD = {
    fact: (name_of(kind), tuple(name for name in SAID[kind] if name not in ("workflow", "step", "error")))
    for kind, fact in KINDS.items()
}


def step_of(name: str) -> str:
    """A step's name without the item it is for: there may be thousands of those."""
    return cut(name.partition("[")[0])


def kind_of(step: str) -> str:
    """What a claim is on."""
    return "compensation" if step.startswith(UNDO) else "step"


class Report:
    """What is told of the facts of one verdict, on a run as it stands after them.

    `ran` are the times of steps as this process has measured them, by claim.
    """

    def __init__(self, run_id: UUID, run: Run, at: datetime, ran: Mapping[str, Times]) -> None:
        self._run_id = run_id
        self._run = run
        self._at = at
        self._ran = ran
        self._workflow = cut(run.workflow)
        self._trace = of_run(run_id, run.trace)
        self._attempts: dict[tuple[str, int], Trace] = {}

    def events(self, fact: Fact) -> Iterator[Event]:
        """The event of one fact, and the spans that end with it: of claims, and of the run."""
        yield self._event(fact)
        outcome = name_of(fact.kind).partition(".")[2]
        error = getattr(fact, "error", None)
        said = {"outcome": outcome} if error is None else {"outcome": outcome, "error": error.kind.value}
        claim: Claim | None = getattr(fact, "claim", None)
        if claim is not None:
            yield self._step(fact, said, self._times(claim), is_last=isinstance(fact, ENDS_ATTEMPT))
        elif isinstance(fact, AttemptDeadLettered):
            yield self._step(fact, said, (_nanoseconds(self._at),) * 2)
        for ended in fact.ends:
            yield self._step(ended, {"outcome": WITHDRAWN}, self._times(ended.claim))
        if isinstance(fact, TERMINAL):
            times = _nanoseconds(self._run.started_at or self._at), _nanoseconds(self._at)
            yield self._span("run", {"workflow": self._workflow, **said}, times, self._trace)

    def _event(self, fact: Fact) -> Event:
        name, said = _TOLD[type(fact)]
        attributes = {"workflow": self._workflow}
        step: Any = getattr(fact, "step", None)
        attempt: Any = getattr(fact, "attempt", None)
        if step is not None:
            attributes["step"] = step_of(step)
        for each in said:
            value = getattr(fact, each)
            if value is not None:
                attributes[each] = cut(str(value))
        error = getattr(fact, "error", None)
        if error is not None:
            attributes["error"] = error.kind.value
        is_of_attempt = step is not None and attempt is not None
        trace = self._attempt(step, attempt) if is_of_attempt else self._trace
        return Event(name=name, attributes=attributes, at=self._at, run_id=self._run_id, attempt=attempt, trace=trace)

    def _step(self, about: Any, said: Mapping[str, str], times: Times, *, is_last: bool = True) -> Event:
        """Of a claim; `is_last` is the one that ended its attempt, and has the attempt's ids."""
        step, attempt = about.step, about.attempt
        if is_last:
            trace = self._attempt(step, attempt)
        else:
            trace = of_claim(self._run_id, step, attempt, about.claim.id, self._trace)
        attributes = {"workflow": self._workflow, "step": step_of(step), "kind": kind_of(step), **said}
        return self._span("step", attributes, times, trace, attempt)

    def _span(
        self, name: str, attributes: Mapping[str, str], times: Times, trace: Trace, attempt: int | None = None
    ) -> Event:
        began, ended = times
        return Event(
            name=name,
            attributes=attributes,
            measures={"seconds": (ended - began) / 1e9},
            at=self._at,
            run_id=self._run_id,
            attempt=attempt,
            trace=trace,
            began=began,
            ended=ended,
        )

    def _attempt(self, step: str, attempt: int) -> Trace:
        found = self._attempts.get((step, attempt))
        if found is None:
            node = self._run.nodes.get(step)
            base = 0 if node is None else node.history.base
            found = self._attempts[step, attempt] = of_attempt(self._run_id, step, attempt, self._trace, base=base)
        return found

    def _times(self, claim: Claim) -> Times:
        """As this process has measured them, else by the database's clock: from the claim to its end."""
        return self._ran.get(claim.id) or (_nanoseconds(claim.claimed_at), _nanoseconds(self._at))


def trace_of(run_id: UUID, step: str, attempt: int, run: Run) -> Trace:
    """Where an attempt stands in its run's trace."""
    node = run.nodes.get(step)
    base = 0 if node is None else node.history.base
    return of_attempt(run_id, step, attempt, of_run(run_id, run.trace), base=base)


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1000
