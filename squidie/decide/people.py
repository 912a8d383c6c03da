"""What people decide: pauses resumed, approvals given and refused, questions handed on.

The resolution happens once, whoever answers how often; a person and a timer race on the head, and one of them wins.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from squidie.decide import failing
from squidie.decide.branching import error_movement, ok_movement
from squidie.decide.course import timer_closing
from squidie.decide.limiting import Just
from squidie.decide.ready import timer
from squidie.errors import (
    AlreadyResolved,
    InvalidPayload,
    InvalidReview,
    InvalidTransition,
    NotPermitted,
    StaleRevision,
    StepNotFound,
    WrongVerb,
)
from squidie.history.bodies import NOTHING_MOVED, Decision, ErrorRecord, FailureCode, Vote
from squidie.history.canonical import NULL, canonical
from squidie.history.facts import PauseResolved, ReviewDelegated, VoteCast
from squidie.history.graph import NOTHING
from squidie.workflow.payload import admit
from squidie.workflow.spec import MANUAL, Lapse, NodeKind

if TYPE_CHECKING:
    from squidie.decide.commands import Delegate, Review
    from squidie.decide.course import Course
    from squidie.history.run import NodeRun, Waiting

VERBS = {NodeKind.PAUSE: ("resume",), NodeKind.APPROVAL: ("approve", "reject")}
GIVES = {Decision.RESUMED: "resume", Decision.APPROVED: "approve", Decision.REJECTED: "reject"}
STARTER = "starter"


def review(course: Course, command: Review) -> tuple[str, ...]:
    """A person's answer; the steps that are ready."""
    step, wait = _asked(course, command, expect=command.expect)
    if GIVES[command.decision] not in VERBS[wait.kind]:
        raise WrongVerb(step, wait.kind, VERBS[wait.kind])
    _may_answer(course, step, wait, command.by.actor)
    data = _data(course, wait, command.data)
    vote = Vote(
        actor=command.by.actor, decision=command.decision, at=course.situation.moment, comment=command.by.comment
    )
    votes = (*wait.votes, vote)
    agreed = sum(each.decision is Decision.APPROVED for each in votes)
    if command.decision is Decision.APPROVED and agreed < wait.quorum:
        course.add(VoteCast(step=step, decision=command.decision, data=data))
        return ()
    if command.decision is Decision.RESUMED:
        return _resolve(course, step, command.decision, _stored(data), ())
    output = _stored(_outcome(command, votes, data))
    if command.decision is Decision.REJECTED:
        return _refuse(course, step, command.decision, _rejected(step, command), output, votes)
    return _resolve(course, step, command.decision, output, votes)


def delegate(course: Course, command: Delegate) -> None:
    """Others are asked from now on; how long they have stays as it was, unless it is said."""
    step, wait = _asked(course, command)
    if wait.kind is not NodeKind.APPROVAL:
        raise WrongVerb(step, wait.kind, VERBS[wait.kind])
    if command.due is None:
        course.add(ReviewDelegated(step=step, role=command.role, due_at=wait.due_at, then=wait.then))
        return
    _hand_on(course, step, command.role, command.due, wait.then or Lapse.REJECT)


def lapse(course: Course, step: str) -> tuple[str, ...]:
    """Nobody answered in time; the steps that are ready."""
    wait = course.waiting(step)
    message = f"nobody has answered {step} in time"
    error = ErrorRecord(
        kind=FailureCode.APPROVAL_LAPSED, code=FailureCode.APPROVAL_LAPSED.value, type="ApprovalLapsed", message=message
    )
    if wait.then is Lapse.ESCALATE and wait.escalate is not None:
        _hand_on(course, step, wait.escalate.role, wait.escalate.due, wait.escalate.then)
        return ()
    output = _stored(None if wait.kind is NodeKind.PAUSE else _lapsed(course, wait))
    if wait.then in (Lapse.APPROVE, Lapse.RESUME):
        return _resolve(course, step, Decision.LAPSED, output, wait.votes)
    return _refuse(course, step, Decision.LAPSED, error, output, wait.votes)


def _hand_on(course: Course, step: str, role: str, due: float | None, then: Lapse) -> None:
    """A timer of its own takes the place of the one there was."""
    run = course.run
    due_at = None if due is None else course.now + timedelta(seconds=due)
    attempt = run.timers.get(step, 0) + 1
    opens = () if due_at is None else (timer(step, queue=run.queue, due_at=due_at, attempt=attempt),)
    course.add(
        ReviewDelegated(
            step=step,
            role=role,
            due_at=due_at,
            then=None if due_at is None else then,
            opens=opens,
            closes=timer_closing(run, step),
        )
    )


def _asked(course: Course, command: Review | Delegate, *, expect: int | None = None) -> tuple[str, Waiting]:
    """The open question, or why there is none."""
    run, step = course.run, command.step
    asked = {name: node for name, node in run.nodes.items() if node.waiting is not None and node.waiting.kind in MANUAL}
    if step is None:
        step = _only(asked)
    elif step not in course.spec.by_name:
        raise StepNotFound(command.run_id, step)
    elif course.spec.by_name[step].kind not in MANUAL:
        raise WrongVerb(step, course.spec.by_name[step].kind, ())
    node = asked.get(step) if step is not None else None
    if step is None or node is None or node.waiting is None:
        raise InvalidTransition("a run", run.status, "be answered: nothing is asked")
    _must_be_open(course, step, node, node.waiting, expect)
    return step, node.waiting


def _only(asked: dict[str, NodeRun]) -> str | None:
    """The one question that is open; where none is, the one that was answered last."""
    waiting = [name for name, node in asked.items() if node.is_open]
    if len(waiting) > 1:
        raise InvalidReview("step", f"say which: {', '.join(waiting)} are open")
    return waiting[0] if waiting else max(asked, key=lambda name: asked[name].seq, default=None)


def _must_be_open(course: Course, step: str, node: NodeRun, wait: Waiting, expect: int | None) -> None:
    if node.is_open and course.run.is_open:
        if expect is not None and wait.touched > expect:
            raise StaleRevision(step, wait.touched, wait.by, wait.at)
        return
    if wait.decision is not None:
        raise AlreadyResolved(step, wait.decision, wait.by, wait.at)
    if expect is not None and wait.touched > expect:
        raise StaleRevision(step, wait.touched, wait.by, wait.at)
    raise InvalidTransition("a run", course.run.status, "be answered")


def _may_answer(course: Course, step: str, wait: Waiting, actor: Any) -> None:
    if STARTER in wait.exclude and actor is not None and actor == course.run.starter:
        raise NotPermitted(f"{step} is not for who started the run", details={"step": step, "reason": STARTER})
    mine = next((vote for vote in wait.votes if vote.actor == actor), None)
    if mine is not None:
        raise AlreadyResolved(step, mine.decision, mine.actor, mine.at)


def _data(course: Course, wait: Waiting, data: Any) -> Any:
    """What was filled in, by the form that was frozen when the question was asked."""
    if wait.form is None:
        return data
    try:
        return admit(wait.form, {} if data is None else data, now=course.now)
    except InvalidPayload as error:
        raise InvalidReview("data", str(error)) from None


def _outcome(command: Review, votes: tuple[Vote, ...], data: Any) -> dict[str, Any]:
    given = {"comment": command.by.comment, "data": data}
    return {
        "decision": command.decision.value,
        "actor": command.by.actor,
        "decided_at": votes[-1].at.isoformat(),
        **{name: value for name, value in given.items() if value is not None},
        "votes": msgspec.to_builtins(votes),
    }


def _lapsed(course: Course, wait: Waiting) -> dict[str, Any]:
    at = course.situation.moment.isoformat()
    votes = msgspec.to_builtins(wait.votes)
    return {"decision": Decision.LAPSED.value, "actor": None, "decided_at": at, "votes": votes}


def _rejected(step: str, command: Review) -> ErrorRecord:
    by = command.by
    who = f" by {by.actor}" if isinstance(by.actor, str) else ""
    return ErrorRecord(
        kind=FailureCode.APPROVAL_REJECTED,
        code=FailureCode.APPROVAL_REJECTED.value,
        type="ApprovalRejected",
        message=f"{step} was rejected{who}" + (f": {by.comment}" if by.comment else ""),
        details={"actor": by.actor},
    )


def _stored(output: Any) -> msgspec.Raw:
    return NULL if output is None else canonical(output, root="data")


def _resolve(
    course: Course, step: str, decision: Decision, output: msgspec.Raw, votes: tuple[Vote, ...]
) -> tuple[str, ...]:
    movement, wrong = ok_movement(course.spec, course.run, course.large, step, output)
    moved, ready = NOTHING if wrong else movement
    opens = failing.opened(course, ready, Just(step, output))
    course.add(PauseResolved(step=step, decision=decision, output=output, votes=votes, moved=moved, opens=opens))
    if wrong is not None:
        failing.end(course, step, wrong)
    return ready


def _refuse(  # noqa: PLR0917 - the parts of one fact
    course: Course, step: str, decision: Decision, error: ErrorRecord, output: msgspec.Raw, votes: tuple[Vote, ...]
) -> tuple[str, ...]:
    """The error edges are taken; where there is none the run has failed."""
    routed = error_movement(course.spec, course.run, course.large, step, error)
    moved, ready = routed or (NOTHING_MOVED, ())
    opens = failing.opened(course, ready)
    course.add(
        PauseResolved(step=step, decision=decision, output=output, votes=votes, error=error, moved=moved, opens=opens)
    )
    if routed is None:
        failing.end(course, step, error)
    return ready
