"""What comes of a step that did not return: the command that settles it, or nothing where its claim is gone."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from squidie.decide.backoff import after_unserved
from squidie.decide.commands import Defer, Fail, Release
from squidie.engine import ids
from squidie.engine.failures import cut, record
from squidie.errors import SquidieError
from squidie.history.facts import FailureCode, ReleaseReason
from squidie.journal import attempts
from squidie.settings import TYPE_ONLY
from squidie.workflow.durations import LONGEST
from squidie.workflow.retry import catches, exception_names
from squidie.workflow.steps import Cancelled, RetryLater, StepInterrupted, TimedOut
from squidie.workflow.steps import Defer as DeferStep
from squidie.workflow.steps import Fail as FailStep
from squidie.workflow.tasks import TaskFailed

if TYPE_CHECKING:
    from uuid import UUID

    from squidie.decide.commands import Settling
    from squidie.engine.lease import Holding
    from squidie.engine.parts import Parts
    from squidie.history.attempts import OpenAttempt
    from squidie.history.run import Run
    from squidie.workflow.spec import Node

log = logging.getLogger("squidie.step")

EXCEPTION = "builtins:Exception"
COLLISIONS = ("40P01", "40001")
"""Postgres ended one of two transactions that stood in each other's way: it can be done again as a whole."""

COLLIDED_AGAIN = 0.2
"""Seconds, about, until a step is run again whose transaction stood in the way of another one."""

CUT_OFF_AGAIN = 5
"""How often a step is run again whose session was ended; then it has failed: what it does there may be what ends it."""

LONGEST_REASON = 1000


def interrupted(parts: Parts, holding: Holding, node: Node, error: StepInterrupted) -> Settling | None:
    """Its time is over: a failure. It was asked to end and has: its claim is given back. Else the claim is gone."""
    if isinstance(error, TimedOut):
        return _timed_out(parts, holding.row, node, error)
    if isinstance(error, Cancelled) and holding.signals.asked and not holding.signals.lost:
        return Release(*fence(holding.row), ReleaseReason.GIVEN_BACK)
    return None


def raised(parts: Parts, holding: Holding, node: Node, error: BaseException) -> Settling:
    """What the step's own code raised: its word on how it ended, or an exception that its policy may try again."""
    row = holding.row
    match error:
        case FailStep():
            return failure(parts, row, FailureCode.STEP_FAILED, error, code=error.code)
        case RetryLater():
            return failure(parts, row, FailureCode.STEP_RAISED, error, retryable=True, after=error.after)
        case DeferStep():
            return _deferred(parts, row, error)
        case TaskFailed():
            return _task_failed(parts, holding, node, error)
    return _failed(parts, holding, node, error)


def _failed(parts: Parts, holding: Holding, node: Node, error: BaseException) -> Settling:
    row = holding.row
    if holding.signals.timed_out:
        return _timed_out(parts, row, node, error)
    if node.transactional and collided(error):
        return again(row)
    return failure(parts, row, FailureCode.STEP_RAISED, error, retryable=_again(node, error))


def failure(
    parts: Parts,
    row: OpenAttempt,
    kind: FailureCode,
    error: BaseException,
    *,
    retryable: bool = False,
    code: str | None = None,
    after: float | None = None,
) -> Fail:
    """The step has ended badly; the exception becomes a record fit to be kept."""
    kept = record(
        error,
        kind=kind,
        attempt=row.attempt,
        retryable=retryable,
        masking=parts.masking,
        code=code,
        is_brief=parts.settings.errors == TYPE_ONLY,
    )
    log.info("%s of run %s failed at attempt %s: %s", row.step, row.run_id, row.attempt, kept.type)
    return Fail(*fence(row), kept, retryable, ids.dice(), after)


def stopped(parts: Parts, row: OpenAttempt, node: Node) -> Fail:
    """The failure of a step that did not end when it was told that its time is over."""
    return _timed_out(parts, row, node, TimedOut(f"was stopped: it did not end after its timeout of {node.timeout} s"))


def again(row: OpenAttempt) -> Release:
    """Nothing has come of it, through no fault of the step: the same attempt once more, soon."""
    return Release(*fence(row), ReleaseReason.GIVEN_BACK, ids.jittered(COLLIDED_AGAIN, 0.9))


def cut_off(failed: Fail, row: OpenAttempt, run: Run) -> Settling:
    """Its session was ended while it ran, by a restart or by an administrator: once more, unless that goes on.

    What the step has said by itself of how it ended stands, and so does that its time was over.
    """
    if failed.error.kind is not FailureCode.STEP_RAISED or failed.after is not None:
        return failed
    node = run.nodes.get(row.step)
    before = node.claims - node.lost - node.history.deferred if node is not None else 0
    return failed if before >= CUT_OFF_AGAIN else again(row)


def unserved(row: OpenAttempt, run: Run, why: str) -> Release:
    """It cannot be run by this worker after all: another one may, later and later; no retry and no loss is counted."""
    node = run.nodes.get(row.step)
    before = node.claims - node.lost if node is not None else 0
    delay = after_unserved(before)
    log.warning("%s of run %s cannot run here: %s; due again in %g s", row.step, row.run_id, why, delay)
    return Release(*fence(row), ReleaseReason.UNSERVED, delay)


def collided(error: BaseException) -> bool:
    """Whether Postgres had to end this transaction because of another one."""
    return getattr(getattr(error, "orig", None), "sqlstate", None) in COLLISIONS


def fence(row: OpenAttempt) -> tuple[UUID, str, int, UUID, bytes]:
    """The claim, as every word of its holder begins."""
    assert row.lease is not None  # noqa: S101 - whoever executes holds the claim
    return (row.run_id, row.step, row.attempt, row.lease.claim_id, row.lease.token_hash)


def _again(node: Node, error: BaseException) -> bool:
    return node.retry is not None and catches(node.retry, exception_names(error))


def _timed_out(parts: Parts, row: OpenAttempt, node: Node, error: BaseException, *, final: bool = False) -> Fail:
    """A timeout counts as an exception, though none that a step catches by accident."""
    names = {EXCEPTION, *exception_names(error), *exception_names(TimedOut())}
    retryable = not final and node.retry is not None and catches(node.retry, names)
    found = failure(parts, row, FailureCode.TIMED_OUT, error, retryable=retryable)
    if found.error.message:
        return found
    said = msgspec.structs.replace(found.error, message=f"used up its timeout of {node.timeout} s")
    return msgspec.structs.replace(found, error=said)


def _deferred(parts: Parts, row: OpenAttempt, wish: DeferStep) -> Settling:
    try:
        wanted = wish.wanted()
        if isinstance(wanted, datetime):
            _to_come(parts, wanted)
    except ValueError as error:
        return failure(parts, row, FailureCode.INVALID_OUTPUT, error)
    except SquidieError as error:
        log.warning("%s of run %s wants to be deferred, and the clock cannot be read: %s", row.step, row.run_id, error)
        return again(row)
    reason = None if wish.reason is None else parts.masking.text(cut(str(wish.reason)))[:LONGEST_REASON]
    if isinstance(wanted, datetime):
        return Defer(*fence(row), due_at=wanted, reason=reason)
    return Defer(*fence(row), after=wanted, reason=reason)


def _to_come(parts: Parts, until: datetime) -> None:
    """By the database's clock. Raises `ValueError`."""
    with parts.journal.reading() as connection:
        left = (until - attempts.clock(parts.journal, connection)).total_seconds()
    if left <= 0:
        raise ValueError("the time of a deferral is past")
    if left > LONGEST:
        raise ValueError("a deferral is at most 36,500 days")


def _task_failed(parts: Parts, holding: Holding, node: Node, failed: TaskFailed) -> Fail:
    row, error, after = holding.row, failed.error, failed.after
    timed_out = failed.timed_out or holding.signals.timed_out
    if timed_out and after is None:
        return _timed_out(parts, row, node, error, final=failed.final)
    kind = FailureCode.TIMED_OUT if timed_out else FailureCode.STEP_RAISED
    retryable = after is not None or (not failed.final and _again(node, error))
    return failure(parts, row, kind, error, retryable=retryable, after=after)
