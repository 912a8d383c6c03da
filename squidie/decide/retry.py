"""After a failure or a lost claim: try again, go another way, or end."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from squidie.decide.advance import after_routing, failed, give_up
from squidie.decide.backoff import delay
from squidie.decide.ready import opening
from squidie.history.facts import (
    AttemptDeadLettered,
    AttemptExpired,
    AttemptFailed,
    AttemptReleased,
    Disposition,
    ErrorRecord,
    Fact,
    FailureCode,
    ReleaseReason,
)
from squidie.workflow.spec import Retry

if TYPE_CHECKING:
    from squidie.decide.commands import Expire, Fail, Release, Situation
    from squidie.history.attempts import AttemptKey, OpenAttempt
    from squidie.history.facts import Claim

RETRY_LATER = Retry(4)
"""What `raise RetryLater(...)` implies on a step that declares no policy."""


def fail(situation: Situation, command: Fail, claim: Claim) -> list[Fact]:
    """Try again while attempts are left; otherwise take the error edge, or end the run."""
    policy = _policy(situation, command)
    most = policy.max_attempts if policy else 1
    again = _wait(situation, command, policy)
    if again is not None:
        return [_retried(situation, command, claim, most, again)]
    routed, moved, opens = give_up(situation, command.step)
    fact = AttemptFailed(
        step=command.step,
        attempt=command.attempt,
        max_attempts=most,
        error=command.error,
        claim=claim,
        disposition=Disposition.ROUTED if routed else Disposition.FATAL,
        moved=moved,
        opens=opens,
    )
    rest = (
        after_routing(situation, command.step, opens)
        if routed
        else [failed(situation, command.step, command.error, command.key)]
    )
    return [fact, *rest]


def release(situation: Situation, command: Release, row: OpenAttempt, claim: Claim) -> list[Fact]:
    """The claim is given back. Only a dead child counts as a loss."""
    due_at = situation.now + timedelta(seconds=command.delay)
    fact = AttemptReleased(step=row.step, attempt=row.attempt, claim=claim, due_at=due_at, reason=command.reason)
    lost = row.lost + (command.reason is ReleaseReason.CHILD_DIED)
    return [fact, *_exhausted(situation, row.key, lost, counted=lost > row.lost)]


def expire(situation: Situation, command: Expire, row: OpenAttempt, claim: Claim) -> list[Fact]:
    """The lease is over and nobody renewed it, so the claim ends.

    The attempt is due again under its number, until it was lost too often.
    """
    if claim.lease_until > situation.now:
        return []  # renewed while the sweeper waited for the lock
    due_at = situation.now + timedelta(seconds=command.delay)
    lost = row.lost + 1
    fact = AttemptExpired(step=row.step, attempt=row.attempt, claim=claim, due_at=due_at, lost=lost)
    return [fact, *_exhausted(situation, row.key, lost, counted=True)]


def _policy(situation: Situation, command: Fail) -> Retry | None:
    declared = situation.spec.by_name[command.step].retry
    return declared if declared is not None or command.after is None else RETRY_LATER


def _wait(situation: Situation, command: Fail, policy: Retry | None) -> float | None:
    """Seconds until the next attempt, or None when there is to be none."""
    if policy is None or not command.retryable or command.attempt >= policy.max_attempts:
        return None
    wait = command.after if command.after is not None else delay(policy, command.attempt, command.dice)
    first_due_at = situation.run.nodes[command.step].first_due_at
    if policy.within is not None and first_due_at is not None:
        left = first_due_at + timedelta(seconds=policy.within) - situation.now
        if left < timedelta(seconds=wait):
            return None
    return wait


def _retried(situation: Situation, command: Fail, claim: Claim, most: int, wait: float) -> AttemptFailed:
    run = situation.run
    due_at = situation.now + timedelta(seconds=wait)
    again = opening(
        situation.spec, command.step, command.attempt + 1, queue=run.queue, priority=run.priority, due_at=due_at
    )
    return AttemptFailed(
        step=command.step,
        attempt=command.attempt,
        max_attempts=most,
        error=command.error,
        claim=claim,
        disposition=Disposition.RETRIED,
        opens=(again,),
    )


def _exhausted(situation: Situation, key: AttemptKey, lost: int, *, counted: bool) -> list[Fact]:
    """After `max_claims` losses an attempt is given up.

    A step whose claims are lost again and again takes its workers with it.
    """
    if not counted or lost < situation.max_claims:
        return []
    _, step, attempt = key
    message = f"{lost} claims on this attempt were lost: the workers that ran it died, or stopped renewing their leases"
    error = ErrorRecord(
        kind=FailureCode.CLAIMS_EXHAUSTED,
        code=FailureCode.CLAIMS_EXHAUSTED.value,
        type="ClaimsExhausted",
        message=message,
        attempt=attempt,
    )
    routed, moved, opens = give_up(situation, step)
    disposition = Disposition.ROUTED if routed else Disposition.FATAL
    letter = AttemptDeadLettered(
        step=step, attempt=attempt, error=error, disposition=disposition, moved=moved, opens=opens
    )
    rest = after_routing(situation, step, opens) if routed else [failed(situation, step, error, key)]
    return [letter, *rest]
