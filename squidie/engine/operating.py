"""Queues and limits as operators change them: at once, for every worker, each change recorded with its author."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from squidie.engine.asking import audited, persist
from squidie.engine.changing import is_repeated, request
from squidie.engine.requests import queue_name
from squidie.engine.steering import masked, reason_of
from squidie.errors import InvalidArgument, InvalidTransition, QueueNotFound
from squidie.history.bodies import Receipt
from squidie.journal import limits, operations, queues
from squidie.journal.operations import Subject
from squidie.journal.queues import Pause
from squidie.workflow.checks.limits import MOST
from squidie.workflow.durations import seconds
from squidie.workflow.limits import declared

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from squidie.engine.parts import Parts


LONGEST_HINT = 240


class LimitState(msgspec.Struct, frozen=True, kw_only=True):
    """A limit or a rate: what holds now, what the code says, and who says otherwise.

    `kind` is `limit`, of `n` slots, or `rate`, of `n` tokens in each `per` seconds and `burst` at once. With `by_value`
    each value that was found at its path has so many of its own. `declared` holds the numbers of the code; `set_at`,
    `set_by` and `set_why` tell of the operator who set others, and are None where nobody has. `held` counts the slots
    of a limit that are in use, over all its values.
    """

    name: str
    kind: str
    n: int
    per: float | None = None
    burst: int | None = None
    by_value: bool = False
    declared: Mapping[str, Any]
    set_at: datetime | None = None
    set_by: Any = None
    set_why: str | None = None
    held: int = 0


def pause(parts: Parts, queue: str, reason: str, actor: Any, key: str | None) -> Pause:
    """Stop claims from a queue; what is claimed goes on."""
    name, why = _name(queue), masked(parts, reason_of(reason))
    by = request("pause", {"reason": why}, actor, why, key, masking=parts.masking)

    def change(connection: Connection, *, was_made: bool) -> Pause:
        found = queues.paused(parts.journal, connection, name)
        if not was_made:
            _must_be_known(parts, connection, name)
            if found is not None:
                raise InvalidTransition(f"queue {name}", "paused", "be paused again", hint=_told(found))
            queues.pause(parts.journal, connection, name, actor, why)
            operations.add(parts.journal, connection, Subject.QUEUE, name, by=by, change={})
            found = queues.paused(parts.journal, connection, name)
        return found or Pause(queue=name, since=None, by=actor, reason=why)

    paused: Pause = _changed(parts, Subject.QUEUE, name, by, change)
    return paused


def resume(parts: Parts, queue: str, reason: str | None, actor: Any, key: str | None) -> None:
    """Claim from a queue again, beginning at once."""
    name = _name(queue)
    by = request("resume", {}, actor, _why(reason), key, masking=parts.masking)

    def change(connection: Connection, *, was_made: bool) -> None:
        if was_made:
            return
        _must_be_known(parts, connection, name)
        if queues.paused(parts.journal, connection, name) is None:
            raise InvalidTransition(f"queue {name}", "not paused", "be resumed")
        queues.resume(parts.journal, connection, name)
        operations.add(parts.journal, connection, Subject.QUEUE, name, by=by, change={})

    _changed(parts, Subject.QUEUE, name, by, change)
    parts.bells.ring((name,) if name != queues.EVERY else _known(parts))


def _known(parts: Parts) -> set[str]:
    with parts.journal.reading() as connection:
        return queues.known(parts.journal, connection) - {queues.EVERY}


def _name(queue: Any) -> str:
    return queues.EVERY if queue == queues.EVERY else queue_name(queue)


def set_limit(parts: Parts, name: str, said: Mapping[str, Any], reason: str | None, who: tuple[Any, str | None]) -> Any:
    """Say what holds for a limit or a rate, whatever the code says; without numbers, what the code says."""
    if not isinstance(name, str):
        raise InvalidArgument("name", "is the name of a limit")
    numbers = _numbers(said)
    actor, key = who
    verb = "unset" if set(numbers.values()) == {None} else "set"
    by = request(verb, numbers, actor, _why(reason), key, masking=parts.masking)
    waiting: list[str] = []

    def change(connection: Connection, *, was_made: bool) -> LimitState:
        journal = parts.journal
        for workflow in parts.registry.workflows:
            limits.declare(
                journal, connection, [part for part in declared(parts.registry.spec(workflow)) if part.name == name]
            )
        found = limits.lock(journal, connection, name)
        if found is None:
            known = ", ".join(row.name for row in limits.all_of(journal, connection))
            hint = f"known: {known}" if known else "one is known once a run was started under it"
            raise InvalidArgument("name", f"there is no limit or rate named {name[:64]!r}", hint=hint)
        for part in ("per", "burst"):
            if found.kind == "limit" and numbers[part] is not None:
                raise InvalidArgument(part, f"is for rates, and {name} is a limit")
        if not was_made:
            waiting.extend(limits.change(journal, connection, name, **numbers))
            operations.add(journal, connection, Subject.LIMIT, name, by=by, change=numbers)
        return _state(limits.lock(journal, connection, name))

    state = _changed(parts, Subject.LIMIT, name, by, change)
    parts.bells.ring(sorted(set(waiting)))
    return state


def limit_states(parts: Parts) -> tuple[LimitState, ...]:
    """Every limit and rate that runs have been started under."""
    with parts.journal.reading() as connection:
        return tuple(_state(row) for row in limits.all_of(parts.journal, connection))


def _state(row: Any) -> LimitState:
    said = {name: getattr(row, name) for name in ("n", "per", "burst") if getattr(row, name) is not None}
    now = {name: value for name in said if (value := getattr(row, f"set_{name}")) is not None}
    by = msgspec.json.decode(row.receipt, type=Receipt) if row.receipt is not None else None
    return LimitState(
        name=row.name,
        kind=row.kind,
        by_value=row.by_value,
        declared=said,
        set_at=row.set_at,
        set_by=by.actor if by is not None else None,
        set_why=by.comment if by is not None else None,
        held=row.held,
        **{**said, **now},
    )


def _why(reason: Any) -> str | None:
    return None if reason is None else reason_of(reason)


def _told(pause: Pause) -> str:
    """Since when, whose and why, for somebody who comes second."""
    by = f" by {pause.by}" if isinstance(pause.by, str) else ""
    whole = f"since {pause.since:%Y-%m-%d %H:%M:%S} UTC{by}: {pause.reason}"
    return " ".join(whole.split())[:LONGEST_HINT]


def _numbers(said: Mapping[str, Any]) -> dict[str, Any]:
    for name, least in (("n", 0), ("burst", 1)):
        value = said[name]
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        if value is not None and not (is_whole and least <= value <= MOST):
            raise InvalidArgument(name, f"is a whole number from {least} to {MOST:,}")
    try:
        per = None if said["per"] is None else seconds(said["per"])
    except ValueError as error:
        raise InvalidArgument("per", str(error)) from None
    return {"n": said["n"], "per": per, "burst": said["burst"]}


def _must_be_known(parts: Parts, connection: Connection, queue: str) -> None:
    """Declared here, served by a worker, or with anything in it."""
    if queue in {queues.EVERY, parts.default_queue, *parts.registry.queues(parts.default_queue)}:
        return
    if not queues.is_known(parts.journal, connection, queue):
        declared_here = parts.registry.queues(parts.default_queue)
        raise QueueNotFound(queue, {*declared_here, *queues.known(parts.journal, connection)})


def _changed(parts: Parts, subject: Subject, name: str, by: Receipt, change: Callable[..., Any]) -> Any:
    with audited(parts, f"{by.verb}_{subject}", None, by.actor):
        return persist(lambda: _once(parts, subject, name, by, change), None)


def _once(parts: Parts, subject: Subject, name: str, by: Receipt, change: Callable[..., Any]) -> Any:
    """In one commit, one after the other; a request that was answered before changes nothing."""
    with parts.journal.transaction() as connection:
        operations.hold(parts.journal, connection, subject, name)
        return change(connection, was_made=is_repeated(parts, connection, subject, name, by))
