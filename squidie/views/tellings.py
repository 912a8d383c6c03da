"""What each kind of fact says, in a few words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from squidie.history import facts
from squidie.history.bodies import Cause, Undoing
from squidie.views.words import first_line, many, who

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from squidie.history.bodies import ErrorRecord


def about(fact: facts.Fact) -> str:
    """The words for one fact; nothing where its kind and its step say all."""
    return TELLINGS[type(fact)](fact)


def _run_started(fact: facts.RunStarted) -> str:
    said = [f"{fact.workflow} by {fact.trigger}"]
    said += [f"replay of {fact.replay_of}"] if fact.replay_of else []
    said += [f"forked from {fact.forked_from.run} at {fact.forked_from.step}"] if fact.forked_from else []
    said += [f"carries {', '.join(each.step for each in fact.carried)}"] if fact.carried else []
    return " · ".join(said)


def _run_failed(fact: facts.RunFailed) -> str:
    return _error(fact.error) + _undone(fact.compensation)


def _run_cancelled(fact: facts.RunCancelled) -> str:
    return fact.reason + _undone(fact.compensation)


def _undone(compensation: Undoing) -> str:
    return "" if compensation is Undoing.NONE else f" (undo {compensation})"


def _attempt_failed(fact: facts.AttemptFailed) -> str:
    return f"{_error(fact.error)} ({fact.disposition}, {fact.attempt} of {fact.max_attempts})"


def _attempt_dead_lettered(fact: facts.AttemptDeadLettered) -> str:
    return f"{_error(fact.error)} ({fact.disposition})"


def _attempt_deferred(fact: facts.AttemptDeferred) -> str:
    why = f": {fact.reason}" if fact.reason else ""
    return f"until {_at(fact.due_at)}{why} (deferral {fact.n})"


def _attempt_hastened(fact: facts.AttemptHastened) -> str:
    return f"try {fact.attempt} is due now"


def _attempt_released(fact: facts.AttemptReleased) -> str:
    return f"{fact.claim.owner} gave it back: {fact.reason.value.replace('_', ' ')}"


def _attempt_expired(fact: facts.AttemptExpired) -> str:
    return f"{fact.claim.owner} was lost (loss {fact.lost})"


def _reason(fact: facts.StepRequeued | facts.StepDiscarded | facts.RunArchived) -> str:
    return fact.reason


def _wait_started(fact: facts.WaitStarted) -> str:
    return f"until {_at(fact.until)}"


def _wait_elapsed(fact: facts.WaitElapsed) -> str:
    return _error(fact.error) if fact.error is not None else ""


def _pause_opened(fact: facts.PauseOpened) -> str:
    said = [fact.pause.value]
    said += [f"by role {fact.role}"] if fact.role else []
    said += [f"of {fact.quorum} people"] if fact.quorum > 1 else []
    said += [f"due {_at(fact.due_at)}"] if fact.due_at else []
    said += [f"then {fact.then}"] if fact.then else []
    return " ".join(said)


def _vote_cast(fact: facts.VoteCast) -> str:
    return f"{fact.decision}{_actor(fact)}"


def _review_delegated(fact: facts.ReviewDelegated) -> str:
    due = f", due {_at(fact.due_at)}" if fact.due_at else ""
    return f"to role {fact.role}{due}{_actor(fact)}"


def _pause_resolved(fact: facts.PauseResolved) -> str:
    votes = f" after {many(len(fact.votes), 'vote')}" if len(fact.votes) > 1 else ""
    return f"{fact.decision}{votes}{_actor(fact)}"


def _event_awaited(fact: facts.EventAwaited) -> str:
    return _event(fact) + (f", lapses {_at(fact.due_at)}" if fact.due_at else "")


def _event_received(fact: facts.EventReceived) -> str:
    return _event(fact) + (f", kept since fact {fact.buffered}" if fact.buffered is not None else "")


def _event(fact: facts.EventAwaited | facts.EventReceived | facts.EventBuffered) -> str:
    return fact.event + (f" ({fact.correlation})" if fact.correlation else "")


def _event_lapsed(fact: facts.EventLapsed) -> str:
    return f"{fact.event} did not come in time"


def _deadline_passed(fact: facts.DeadlinePassed) -> str:
    return f"{fact.bounds or 'the run'} was due {_at(fact.due_at)}: {fact.action}"


def _undo_begins(fact: facts.DrainStarted | facts.CompensationStarted) -> str:
    if fact.cause is Cause.CANCELLED:
        why = f"cancelled: {fact.reason}" if fact.reason else "cancelled"
    else:
        why = f"{fact.step or 'the run'} failed"
    return why if isinstance(fact, facts.DrainStarted) else f"{why}; undoes {', '.join(fact.order)}"


def _compensation_stuck(fact: facts.CompensationStuck) -> str:
    return f"gave up: {_error(fact.error)}"


def _attributes_changed(fact: facts.AttributesChanged) -> str:
    """Their names only: a value may be private."""
    gone = [name for name, value in fact.changes.items() if value is None]
    new = [name for name, value in fact.changes.items() if value is not None]
    said = [f"sets {', '.join(new)}"] if new else []
    return " · ".join([*said, f"removes {', '.join(gone)}"] if gone else said)


def _nothing(_fact: facts.Fact) -> str:
    return ""


def _error(error: ErrorRecord) -> str:
    return first_line(msgspec.to_builtins(error))


def _actor(fact: facts.Recorded) -> str:
    """Who did it; what a timer does nobody did."""
    if fact.by is None:
        return ""
    return f" by {who(fact.by.actor)}" + (f": {fact.by.comment}" if fact.by.comment else "")


def _at(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"


TELLINGS: Mapping[type, Callable[[Any], str]] = {
    facts.RunStarted: _run_started,
    facts.RunCompleted: _nothing,
    facts.RunFailed: _run_failed,
    facts.RunCancelled: _run_cancelled,
    facts.AttemptCompleted: _nothing,
    facts.AttemptFailed: _attempt_failed,
    facts.AttemptDeadLettered: _attempt_dead_lettered,
    facts.AttemptDeferred: _attempt_deferred,
    facts.AttemptHastened: _attempt_hastened,
    facts.AttemptReleased: _attempt_released,
    facts.AttemptExpired: _attempt_expired,
    facts.StepRequeued: _reason,
    facts.StepDiscarded: _reason,
    facts.WaitStarted: _wait_started,
    facts.WaitElapsed: _wait_elapsed,
    facts.PauseOpened: _pause_opened,
    facts.VoteCast: _vote_cast,
    facts.ReviewDelegated: _review_delegated,
    facts.PauseResolved: _pause_resolved,
    facts.EventAwaited: _event_awaited,
    facts.EventBuffered: _event,
    facts.EventReceived: _event_received,
    facts.EventLapsed: _event_lapsed,
    facts.DeadlinePassed: _deadline_passed,
    facts.DrainStarted: _undo_begins,
    facts.CompensationStarted: _undo_begins,
    facts.CompensationStuck: _compensation_stuck,
    facts.AttributesChanged: _attributes_changed,
    facts.RunArchived: _reason,
    facts.RunUnarchived: _nothing,
}
"""The words for each kind; a test holds the table against the union of facts."""
