"""What callers ask for, checked at the door and made into commands.

Nothing is written here, and no value is repeated in an error.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from squidie.decide.commands import Start
from squidie.engine import ids
from squidie.errors import InvalidArgument, InvalidTrigger, UnstorableValue, WorkflowNotFound
from squidie.history.canonical import canonical
from squidie.history.chain import EPOCH
from squidie.history.facts import Receipt
from squidie.telemetry import parsed
from squidie.workflow.durations import seconds
from squidie.workflow.issues import QUEUE, QUEUE_RULE
from squidie.workflow.payload import admit, is_clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from squidie.engine.parts import Parts
    from squidie.history.masking import Masking
    from squidie.workflow.spec import PayloadField, Spec, Trigger

_MOST_KEY = 255
SOMEBODY = "is text or an object, and not empty"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """The options of a start, as `Squidie.start` takes them."""

    trigger: str | None = None
    key: str | None = None
    run_id: Any = None
    queue: str | None = None
    priority: int = 100
    partition: Any = None
    at: Any = None
    after: Any = None
    attributes: Any = None
    actor: Any = None
    metadata: Any = None
    source: Any = None
    traceparent: Any = None


class Who(msgspec.Struct, frozen=True, kw_only=True):
    """What every verb on a run takes besides: who asks and why, under which key, and in whose transaction."""

    actor: Any = None
    comment: Any = None
    metadata: Any = None
    key: Any = None
    source: Any = None
    session: Any = None
    connection: Any = None


def start_of(parts: Parts, workflow: Any, payload: Any, request: Request, *, now: Callable[[], datetime]) -> Start:
    """The command that starts this workflow with this payload.

    `now` reads the database's clock, and is asked only where the request needs it.
    """
    spec = spec_of(parts, workflow)
    trigger = trigger_of(spec, request.trigger)
    given = {} if payload is None else payload
    stored, digest = payload_of(parts, spec, trigger, given, now)
    return Start(
        run_id=_run_id(spec, trigger, request),
        spec=spec,
        definition=parts.definitions.declared(spec.name),
        trigger=trigger.name,
        payload=stored,
        queue=queue_name(request.queue) if request.queue is not None else parts.default_queue,
        by=receipt("start", digest, request, masking=parts.masking),
        priority=priority_of(request.priority),
        partition=partition_of(request.partition),
        at=_at(request, now),
        key=key_of(request.key),
        attributes=None if request.attributes is None else parts.attributes.admit(request.attributes),
        trace=traceparent_of(request.traceparent),
    )


def trigger_of(spec: Spec, name: str | None) -> Trigger:
    """The trigger by its name; the first declared one for None."""
    if name is None:
        return spec.triggers[0]
    for trigger in spec.triggers:
        if trigger.name == name:
            return trigger
    raise InvalidTrigger(str(name), [trigger.name for trigger in spec.triggers])


def queue_name(name: Any, argument: str = "queue") -> str:
    """A queue's name, or `InvalidArgument`."""
    if not isinstance(name, str) or not QUEUE.match(name) or name.startswith("unacked"):
        reason = (
            "letters, digits, '_', '.', '-', at most 64, beginning with a letter or digit, "
            "and not 'unacked…', which is the broker's own"
        )
        raise InvalidArgument(argument, reason)
    return name


def as_uuid(value: Any, argument: str = "run_id") -> UUID:
    """A run id given as UUID or text."""
    if isinstance(value, UUID):
        return value
    try:
        return UUID(value)
    except (ValueError, TypeError, AttributeError):
        raise InvalidArgument(argument, "is not a UUID") from None


def receipt(
    verb: str, digest: str, asked: Request | Who, *, comment: str | None = None, masking: Masking | None = None
) -> Receipt:
    """Who asked, and which request it was. `masking` hides the secrets in metadata and in what is said to it."""
    for name, value in (("actor", asked.actor), ("metadata", asked.metadata)):
        if value is not None:
            canonical(value, root=name)
    if asked.actor is not None and not is_somebody(asked.actor):
        raise InvalidArgument("actor", SOMEBODY)
    if asked.source is not None and not (isinstance(asked.source, str) and QUEUE.match(asked.source)):
        raise InvalidArgument("source", QUEUE_RULE)
    return Receipt(
        verb=verb,
        digest=digest,
        request_id=ids.request_id(),
        key=key_of(asked.key),
        actor=asked.actor,
        comment=comment if masking is None or comment is None else masking.text(comment),
        metadata=asked.metadata if masking is None else masking.value(asked.metadata),
        source=asked.source,
    )


def is_somebody(actor: Any) -> bool:
    """Whether this can name who asks."""
    return bool(actor.strip()) if isinstance(actor, str) else isinstance(actor, dict) and bool(actor)


def spec_of(parts: Parts, workflow: Any) -> Spec:
    """The graph of a workflow given by name or as its class, if it is declared here."""
    name = workflow if isinstance(workflow, str) else getattr(getattr(workflow, "spec", None), "name", None)
    if not isinstance(name, str):
        raise InvalidArgument("workflow", "is the name of a workflow, or its class")
    found = parts.registry.workflow(name)
    if found is not workflow and not isinstance(workflow, str):
        raise WorkflowNotFound(name, parts.registry.workflows)
    return found.spec


def _fields(spec: Spec, trigger: Trigger) -> tuple[PayloadField, ...]:
    """What a start by this trigger may give: the workflow's fields, unless the trigger has its own."""
    return spec.payload if trigger.payload is None else trigger.payload


def payload_of(
    parts: Parts, spec: Spec, trigger: Trigger, given: Any, now: Callable[[], datetime]
) -> tuple[msgspec.Raw, str]:
    """The payload as it is stored, and what identifies the request.

    A default that is the time of the start does not make it another one.
    """
    fields, limit = _fields(spec, trigger), parts.settings.max_body
    timed = any(is_clock(field) for field in fields)
    stored = canonical(
        admit(fields, given, now=now() if timed else EPOCH, timezone=trigger.timezone), root="payload", limit=limit
    )
    timeless = (
        canonical(admit(fields, given, now=EPOCH, timezone=trigger.timezone), root="payload", limit=limit)
        if timed
        else stored
    )
    return stored, sha256(f"{spec.name}/{trigger.name}/".encode() + timeless).hexdigest()


def _run_id(spec: Spec, trigger: Trigger, request: Request) -> UUID:
    if request.key is not None and request.run_id is not None:
        raise InvalidArgument("key", "give a key or a run_id, not both")
    if request.run_id is not None:
        return as_uuid(request.run_id)
    if request.key is not None:
        return ids.keyed_run_id("key", partition_of(request.partition), spec.name, trigger.name, key_of(request.key))
    return ids.run_id()


def key_of(key: Any) -> str | None:
    """An idempotency key, or `InvalidArgument`."""
    if key is None:
        return None
    if not isinstance(key, str) or not 1 <= len(key) <= _MOST_KEY:
        raise InvalidArgument("key", f"is text of 1 to {_MOST_KEY} characters")
    try:
        canonical(key, root="key")
    except UnstorableValue as error:
        raise InvalidArgument("key", str(error.details["reason"])) from None
    return key


def partition_of(partition: Any) -> str | None:
    """A partition's name, or `InvalidArgument`."""
    if partition is not None and (not isinstance(partition, str) or not QUEUE.match(partition)):
        raise InvalidArgument("partition", QUEUE_RULE)
    return partition


def traceparent_of(given: Any) -> str | None:
    """The place in a trace that a start names, or `InvalidArgument`."""
    if given is not None and (not isinstance(given, str) or len(given) > _MOST_KEY or parsed(given) is None):
        raise InvalidArgument("traceparent", "is no W3C traceparent", hint="leave it out where the header is none")
    return given


def priority_of(priority: Any) -> int:
    """A run's priority, or `InvalidArgument`."""
    if not isinstance(priority, int) or isinstance(priority, bool) or not 0 <= priority <= 999:
        raise InvalidArgument("priority", "is a whole number from 0 (most urgent) to 999")
    return priority


def _at(request: Request, now: Callable[[], datetime]) -> datetime | None:
    if request.at is not None and request.after is not None:
        raise InvalidArgument("at", "give at or after, not both")
    if request.after is not None:
        try:
            return now() + timedelta(seconds=seconds(request.after, allow_zero=True))
        except (ValueError, OverflowError) as error:
            raise InvalidArgument("after", str(error)) from None
    if request.at is None:
        return None
    if not isinstance(request.at, datetime) or request.at.tzinfo is None:
        raise InvalidArgument("at", "is a datetime with a time zone")
    return request.at.astimezone(UTC)
