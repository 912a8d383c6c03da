"""One command, one run, one moment: the facts that follow, or the reason why not.

`decide` is the only place that makes facts. It is given the run as its head says under lock, the open attempts as their
rows say, and the database's clock as read after the locks; it looks at nothing else.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple, assert_never

import msgspec

from squidie.decide import deadlines, events, notes, people, steering
from squidie.decide.advance import complete, proceed
from squidie.decide.cancel import cancel
from squidie.decide.commands import (
    Archive,
    Cancel,
    Complete,
    Defer,
    Delegate,
    Deliver,
    Discard,
    Elapse,
    Expire,
    Fail,
    Hasten,
    Release,
    Requeue,
    Review,
    SetAttributes,
    Unarchive,
)
from squidie.decide.course import Course
from squidie.decide.retry import defer, expire, fail, release
from squidie.errors import RunEnded, StaleClaim, UnknownAttempt
from squidie.history.bodies import OpenKind
from squidie.history.run import NodeStatus

if TYPE_CHECKING:
    from datetime import datetime

    from squidie.decide.commands import Asked, OnAttempt, OnRun, Situation
    from squidie.history.attempts import OpenAttempt
    from squidie.history.bodies import Claim
    from squidie.history.facts import Fact


class Decision(NamedTuple):
    """The facts, and the time they carry: the clock, lifted where the run's own time would otherwise go back."""

    at: datetime
    facts: tuple[Fact, ...]


NOTHING: tuple[Fact, ...] = ()


def decide(situation: Situation, command: OnRun) -> Decision:
    """The facts that a command causes.

    Raises `Fenced` for a claim that no longer counts, `Refused` for what cannot be; an expiry too early is no fact.
    """
    match command:
        case Complete() | Fail() | Defer() | Release() | Expire():
            return _of_attempt(situation, command)
        case Elapse():
            return _of_timer(situation, command)
        case _:
            course = Course(situation, command.by)
            _asked(course, command)
            return _timed(situation, course.facts, None)


def _of_attempt(situation: Situation, command: OnAttempt) -> Decision:
    row = _held(situation, command)
    if row is None or row.lease is None:
        return Decision(situation.now, NOTHING)
    claim = row.lease.ended(situation.run.nodes[row.step].claims + 1)
    course = Course(situation)
    match command:
        case Complete():
            complete(course, command, claim)
        case Fail():
            fail(course, command, claim)
        case Defer():
            defer(course, command, row, claim)
        case Release():
            release(course, command, row, claim)
        case Expire():
            expire(course, command, row, claim)
        case _:
            assert_never(command)
    return _timed(situation, course.facts, claim)


def _of_timer(situation: Situation, command: Elapse) -> Decision:
    """Whoever finds a timer due asks; it may have gone meanwhile, or be due later than he thought."""
    row = situation.rows.get(command.key)
    if row is None or row.kind is not OpenKind.TIMER or row.due_at > situation.now or not situation.run.is_open:
        return Decision(situation.now, NOTHING)
    course = Course(situation)
    ready = deadlines.elapse(course, row)
    proceed(course, ready)
    return _timed(situation, course.facts, None)


def _asked(course: Course, command: Asked) -> None:
    match command:
        case Cancel():
            cancel(course, command)
        case Review():
            proceed(course, people.review(course, command))
        case Delegate():
            people.delegate(course, command)
        case Deliver():
            proceed(course, events.deliver(course, command))
        case Hasten():
            steering.hasten(course, command)
        case Requeue():
            steering.requeue(course, command)
        case Discard():
            steering.discard(course, command)
        case SetAttributes() | Archive() | Unarchive():
            notes.note(course, command)
        case _:
            assert_never(command)


def _held(situation: Situation, command: OnAttempt) -> OpenAttempt | None:
    """The row under this very claim.

    The fence asks for the claim, never for the lease: finished work is not thrown away because nobody missed it.
    """
    row = situation.rows.get(command.key)
    if isinstance(command, Expire):
        return row if situation.run.is_open and row and row.lease and row.lease.claim_id == command.claim_id else None
    if not situation.run.is_open:
        raise RunEnded(
            f"run {command.run_id} was {situation.run.status} before the outcome of {command.step} came",
            details=_about(command),
        )
    if (
        row is not None
        and row.lease is not None
        and (row.lease.claim_id, row.lease.token_hash) == (command.claim_id, command.token_hash)
    ):
        return row
    node = situation.run.nodes.get(command.step)
    if node is None or node.status is NodeStatus.SKIPPED or command.attempt > node.attempt:
        raise UnknownAttempt(
            f"run {command.run_id} never opened attempt {command.attempt} of {command.step!r}", details=_about(command)
        )
    message = f"the claim on attempt {command.attempt} of {command.step!r} was ended before its outcome came"
    raise StaleClaim(message, details=_about(command))


def _about(command: OnAttempt) -> dict[str, object]:
    return {
        "run_id": str(command.run_id),
        "step": command.step,
        "attempt": command.attempt,
        "claim_id": str(command.claim_id),
    }


def _timed(situation: Situation, facts: list[Fact], claim: Claim | None) -> Decision:
    """Within a run time never goes back, whatever the database's clock does.

    Where it is lifted, the true reading stands beside it.
    """
    at = situation.now
    if situation.run.at is not None and situation.run.at > at:
        at = situation.run.at
    if claim is not None and claim.claimed_at > at:
        at = claim.claimed_at
    for fact in facts:
        for ended in fact.ends:
            at = max(at, ended.claim.claimed_at)
    if at - situation.now <= timedelta(0):
        return Decision(at, tuple(facts))
    return Decision(at, tuple(msgspec.structs.replace(fact, clock=situation.now) for fact in facts))
