"""Runs made from other runs: a replay begins anew, a fork begins at a step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import msgspec

from squidie.decide import forking, gate
from squidie.decide.commands import Fork, Start
from squidie.engine import ids
from squidie.engine.inputs import idempotency_key
from squidie.engine.permission import looking
from squidie.engine.requests import Request, payload_of, queue_name, receipt, spec_of, trigger_of
from squidie.engine.sending import is_sent, known_here
from squidie.engine.steering import digest_of, reason_of
from squidie.errors import InvalidArgument, InvalidTransition, SquidieError
from squidie.history.bodies import ErrorRecord, Origin
from squidie.history.canonical import plain
from squidie.history.facts import RunStarted
from squidie.history.fold import fold
from squidie.history.run import NodeStatus
from squidie.journal import facts, finding, heads
from squidie.workflow.difference import Difference, difference

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from squidie.engine.parts import Parts
    from squidie.engine.requests import Who
    from squidie.history.run import Run
    from squidie.journal.facts import Recorded
    from squidie.workflow.spec import Spec

DEFINITIONS = ("current", "same")


class Source(NamedTuple):
    """The run that another is made from."""

    run_id: UUID
    head: Any
    spec: Spec
    run: Run
    rows: list[Recorded]
    now: datetime

    @property
    def started(self) -> RunStarted:
        """Its first fact."""
        first = self.rows[0].fact
        assert isinstance(first, RunStarted)  # noqa: S101 - `source_of` has looked
        return first

    @property
    def times(self) -> list[tuple[datetime, Any]]:
        """Its facts with their times."""
        return [(row.at, row.fact) for row in self.rows]

    def key(self, step: str, run: str | None) -> str:
        """A step's idempotency key, in this run or in the one it was carried over from."""
        return idempotency_key(self.run_id, step) if run is None else f"{run}/{step}"


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay would do: on which graph, and what of it must be named, or why it would be refused.

    `unsafe` lists the steps as `UnsafeReplay` does, those that were named left out.
    """

    run_id: UUID
    definition: str
    target: str | None
    difference: Difference
    unsafe: tuple[dict[str, Any], ...]
    refused: dict[str, Any] | None

    @property
    def is_allowed(self) -> bool:
        """Whether the replay would be accepted."""
        return self.refused is None


def source_of(parts: Parts, run_id: UUID, host: Connection | None) -> Source:
    """The run as it stands. Raises `RunNotFound` or `RunRetired`."""
    with looking(parts, host) as connection:
        head = finding.about(parts.journal, connection, run_id)
        if head is None:
            raise heads.missing(parts.journal, connection, run_id)
        rows = facts.verified(parts.journal, connection, run_id)
        facts.first(parts.journal, connection, run_id)
        now = finding.clock(parts.journal, connection)
    spec = parts.definitions.find(head.definition)
    return Source(run_id, head, spec, fold((row.at, row.fact) for row in rows), rows, now)


def replay_of(
    parts: Parts, source: Source, who: Who, *, allowed: Any = (), queue: Any = None, definition: Any = "current"
) -> Start:
    """The command that runs the same again, from its beginning, on the graph of today or on its own."""
    if source.run.is_open:
        raise InvalidTransition("a run", source.run.status, "be replayed: it has not ended")
    named = gate.named(source.spec, allowed)
    gate.check(source.run_id, gate.unsafe(source.spec, source.times, key=source.key, allowed=named))
    spec, print_ = _target(parts, source, definition)
    payload = plain(source.started.payload)
    digest = digest_of(str(source.run_id), named, queue, definition, who.comment)
    return _start(parts, source, who, "replay", digest, (spec, print_), payload, queue=queue, replay_of=source.run_id)


def fork_of(
    parts: Parts,
    source: Source,
    who: Who,
    *,
    from_step: str,
    allowed: Any = (),
    changes: Any = None,
    verb: str = "fork",
) -> Start:
    """The command that goes on from a step of a run, in a new run on the same graph."""
    plan = forking.plan(source.spec, source.run, source.run_id, from_step, _results(source))
    named = gate.named(source.spec, allowed)
    found = gate.unsafe(source.spec, source.times, key=source.key, allowed=named, again=plan.again)
    gate.check(source.run_id, found)
    payload = _changed(plain(source.started.payload), changes)
    origin = Origin(run=str(source.run_id), step=from_step, seq=source.run.revision)
    fork = Fork(origin, plan.carried, plan.moved, plan.begins)
    digest = digest_of(str(source.run_id), from_step, named, changes, who.comment)
    same = (source.spec, source.head.definition)
    return _start(parts, source, who, verb, digest, same, payload, fork=fork)


def preview(parts: Parts, source: Source, who: Who, **options: Any) -> Preview:
    """What a replay would do; nothing is written."""
    refused, target, differs = None, None, Difference()
    allowed = gate.named(source.spec, options.get("allowed", ()))
    try:
        spec, target = _target(parts, source, options.get("definition", "current"))
        differs = difference(source.spec, spec)
        replay_of(parts, source, who, **options)
    except SquidieError as error:
        refused = error.to_dict()
    unsafe = gate.unsafe(source.spec, source.times, key=source.key, allowed=allowed)
    return Preview(
        run_id=source.run_id,
        definition=source.head.definition,
        target=target,
        difference=differs,
        unsafe=tuple(unsafe),
        refused=refused,
    )


def _target(parts: Parts, source: Source, definition: Any) -> tuple[Spec, str]:
    if definition not in DEFINITIONS:
        raise InvalidArgument("definition", f"is one of {', '.join(DEFINITIONS)}")
    if definition == "same":
        return source.spec, source.head.definition
    if is_sent(source.spec):
        return known_here(parts, source.spec), source.head.definition
    spec = spec_of(parts, source.head.workflow)
    return spec, parts.definitions.declared(spec.name)


def _start(  # noqa: PLR0917 - what a run is made from
    parts: Parts,
    source: Source,
    who: Who,
    verb: str,
    digest: str,
    target: tuple[Spec, str],
    payload: Any,
    *,
    queue: Any = None,
    **lineage: Any,
) -> Start:
    """The same trigger, payload and surroundings; a key makes the new run's id."""
    (spec, print_), head, first = target, source.head, source.started
    stored, _ = payload_of(parts, spec, trigger_of(spec, first.trigger), payload, lambda: source.now)
    request = Request(key=who.key, actor=who.actor, metadata=who.metadata, source=who.source)
    reason = None if who.comment is None else reason_of(who.comment)
    by = receipt(verb, digest, request, comment=reason, masking=parts.masking)
    return Start(
        run_id=ids.run_id() if by.key is None else ids.keyed_run_id(verb, str(source.run_id), by.key),
        spec=spec,
        definition=print_,
        trigger=first.trigger,
        payload=stored,
        queue=head.queue if queue is None else queue_name(queue),
        by=by,
        priority=head.priority,
        partition=head.partition,
        schedule=_context(first.schedule),
        attributes=head.attributes,
        **lineage,
    )


def _context(schedule: Any) -> Any:
    """What the start's schedule told its steps, without what made it that one start."""
    if not isinstance(schedule, dict):
        return schedule
    return {name: value for name, value in schedule.items() if name != "signal_id"}


def _changed(payload: Any, changes: Any) -> Any:
    if changes is None:
        return payload
    if not isinstance(changes, dict):
        raise InvalidArgument("payload_changes", "is an object: fields of the payload with their new values")
    return {**payload, **changes}


def _results(source: Source) -> Mapping[str, msgspec.Raw | ErrorRecord]:
    """How each ended step ended, from the fact that ended it."""
    found: dict[str, msgspec.Raw | ErrorRecord] = {}
    for name, node in source.run.nodes.items():
        if node.is_open or not 1 <= node.seq <= len(source.rows):
            continue
        result = _result(source.rows[node.seq - 1].fact, name, node.status)
        if result is not None:
            found[name] = result
    return found


def _result(fact: Any, step: str, status: NodeStatus) -> msgspec.Raw | ErrorRecord | None:
    if status is not NodeStatus.FAILED:
        return facts.output_in(fact, step)
    if isinstance(fact, RunStarted):
        return next((carried.error for carried in fact.carried if carried.step == step), None)
    error: ErrorRecord | None = getattr(fact, "error", None)
    return error
