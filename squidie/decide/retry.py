"""After a failure or a lost claim: try again, go another way, or give up."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from squidie.decide import failing, undo
from squidie.decide.advance import proceed
from squidie.decide.backoff import delay
from squidie.decide.course import deadline_closing
from squidie.decide.ready import reopening
from squidie.history.bodies import Closing, Disposition, ErrorRecord, FailureCode, ReleaseReason
from squidie.history.facts import (
    AttemptDeadLettered,
    AttemptDeferred,
    AttemptExpired,
    AttemptFailed,
    AttemptReleased,
    CompensationStuck,
)
from squidie.workflow.spec import UNDO, Retry

if TYPE_CHECKING:
    from squidie.decide.commands import Defer, Expire, Fail, Release
    from squidie.decide.course import Course
    from squidie.history.attempts import OpenAttempt
    from squidie.history.bodies import Claim

RETRY_LATER = Retry(4)
"""What `raise RetryLater(...)` implies on a step that declares no policy."""

MOST_DEFERRALS = 1000


def fail(course: Course, command: Fail, claim: Claim) -> None:
    """Try again while attempts are left; otherwise go another way, or give up."""
    policy = _policy(course, command)
    base = course.run.nodes[command.step].history.base
    most = base + (policy.max_attempts if policy else 1)
    again = _wait(course, command, policy, most)
    fact = AttemptFailed(
        step=command.step,
        attempt=command.attempt,
        max_attempts=most,
        error=command.error,
        claim=claim,
        disposition=Disposition.RETRIED,
    )
    if again is None:
        give_up(course, fact)
        return
    due_at = course.now + timedelta(seconds=again)
    opens = (reopening(course, command.step, due_at),)
    course.last(msgspec.structs.replace(fact, opens=opens))


def give_up(course: Course, fact: AttemptFailed | AttemptDeadLettered) -> None:
    """The step has failed for good: the fact says what came of it, and what follows is in the same commit."""
    given = failing.given_up(course, fact.step, fact.error)
    course.add(
        msgspec.structs.replace(
            fact,
            disposition=given.disposition,
            moved=given.moved,
            opens=given.opens,
            closes=deadline_closing(course.run, fact.step),
        )
    )
    if fact.step.startswith(UNDO):
        course.add(CompensationStuck(step=fact.step, error=fact.error))
    if course.run.undo is not None:
        undo.go_on(course)
    elif given.fatal is not None:
        failing.end(course, fact.step, given.fatal)
    elif given.disposition is not Disposition.PARKED:
        proceed(course, given.ready)


def defer(course: Course, command: Defer, row: OpenAttempt, claim: Claim) -> None:
    """Called again later, the same attempt; a step that is put off for ever has failed."""
    n = course.run.nodes[row.step].history.deferred + 1
    if n > MOST_DEFERRALS:
        give_up(course, _put_off(row, claim, n - 1))
        return
    due_at = command.due_at or course.now + timedelta(seconds=command.after or 0.0)
    closes = _withdrawn(course, row)
    course.add(
        AttemptDeferred(
            step=row.step, attempt=row.attempt, claim=claim, due_at=due_at, n=n, reason=command.reason, closes=closes
        )
    )
    if closes:
        undo.go_on(course)


def _put_off(row: OpenAttempt, claim: Claim, n: int) -> AttemptFailed:
    error = ErrorRecord(
        kind=FailureCode.STEP_FAILED,
        code="too_many_deferrals",
        type="Defer",
        message=f"asked to be called later {n} times",
        attempt=row.attempt,
    )
    return AttemptFailed(
        step=row.step,
        attempt=row.attempt,
        max_attempts=row.attempt,
        error=error,
        claim=claim,
        disposition=Disposition.FATAL,
    )


def release(course: Course, command: Release, row: OpenAttempt, claim: Claim) -> None:
    """The claim is given back. Only a dead child counts as a loss."""
    due_at = course.now + timedelta(seconds=command.delay)
    closes = _withdrawn(course, row)
    course.add(
        AttemptReleased(
            step=row.step,
            attempt=row.attempt,
            claim=claim,
            due_at=None if closes else due_at,
            reason=command.reason,
            closes=closes,
        )
    )
    lost = row.lost + (command.reason is ReleaseReason.CHILD_DIED)
    _after_loss(course, row, lost, counted=lost > row.lost, closed=bool(closes))


def expire(course: Course, command: Expire, row: OpenAttempt, claim: Claim) -> None:
    """The lease is over and nobody renewed it, so the claim ends.

    The attempt is due again under its number, until it was lost too often.
    """
    if claim.lease_until > course.now:
        return  # renewed while the sweeper waited for the lock
    due_at = course.now + timedelta(seconds=command.delay)
    lost = row.lost + 1
    closes = _withdrawn(course, row)
    course.add(
        AttemptExpired(
            step=row.step,
            attempt=row.attempt,
            claim=claim,
            due_at=None if closes else due_at,
            lost=lost,
            closes=closes,
        )
    )
    _after_loss(course, row, lost, counted=True, closed=bool(closes))


def _policy(course: Course, command: Fail) -> Retry | None:
    declared = course.spec.work[command.step].retry
    return declared if declared is not None or command.after is None else RETRY_LATER


def _wait(course: Course, command: Fail, policy: Retry | None, most: int) -> float | None:
    """Seconds until the next attempt, or None when there is to be none."""
    run = course.run
    drains = run.undo is not None and run.undo.order is None
    if policy is None or not command.retryable or command.attempt >= most or drains:
        return None
    node = run.nodes[command.step]
    wait = command.after
    if wait is None:
        wait = delay(policy, command.attempt - node.history.base, command.dice)
    if policy.within is not None and node.first_due_at is not None:
        left = node.first_due_at + timedelta(seconds=policy.within) - course.now
        if left < timedelta(seconds=wait):
            return None
    return wait


def _withdrawn(course: Course, row: OpenAttempt) -> tuple[Closing, ...]:
    """In a run that drains, a claim that ends without an outcome takes its attempt with it."""
    why = course.run.undo
    if why is None or why.order is not None:
        return ()
    return (Closing(step=row.step, attempt=row.attempt, kind=row.kind),)


def _after_loss(course: Course, row: OpenAttempt, lost: int, *, counted: bool, closed: bool) -> None:
    """After `max_claims` losses an attempt is given up.

    A step whose claims are lost again and again takes its workers with it.
    """
    if closed:
        undo.go_on(course)
        return
    if not counted or lost < course.situation.limits.max_claims:
        return
    message = f"{lost} claims on this attempt were lost: the workers that ran it died, or stopped renewing their leases"
    error = ErrorRecord(
        kind=FailureCode.CLAIMS_EXHAUSTED,
        code=FailureCode.CLAIMS_EXHAUSTED.value,
        type="ClaimsExhausted",
        message=message,
        attempt=row.attempt,
    )
    letter = AttemptDeadLettered(step=row.step, attempt=row.attempt, error=error, disposition=Disposition.FATAL)
    give_up(course, letter)
