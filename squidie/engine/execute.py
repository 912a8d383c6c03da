"""Run one step. Whatever its code does, what comes back is a value: the command that settles it.

Nothing is locked while a step's code runs, and nothing but its own claim is held.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from squidie import failpoints
from squidie.decide.commands import Complete, Release
from squidie.engine import logs, outcomes
from squidie.engine.claim import still_ours
from squidie.engine.inputs import Roots, check_limits, context
from squidie.engine.interrupting import Guard, may_end_process
from squidie.errors import Unavailable
from squidie.history.canonical import NULL, canonical
from squidie.history.facts import FailureCode, ReleaseReason
from squidie.workflow.mapping import MissingPath, compile_input
from squidie.workflow.spec import LOG_ACTION, OnCancel
from squidie.workflow.steps import StepInterrupted, TimedOut
from squidie.workflow.tasks import is_task

if TYPE_CHECKING:
    from collections.abc import Callable

    from squidie.decide.commands import Settling
    from squidie.engine.lease import Holding
    from squidie.engine.parts import Parts
    from squidie.engine.step_session import StepTransaction
    from squidie.history.run import Run
    from squidie.workflow.callables import Action
    from squidie.workflow.spec import Node, Spec

    Abandon = Callable[[Settling | None], None]

log = logging.getLogger("squidie.step")
said = logging.getLogger("squidie.workflow")

READ_AGAIN = 1.0
"""Seconds until an attempt is due again whose input could not be read because Postgres was away."""


def execute(
    parts: Parts,
    holding: Holding,
    run: Run,
    spec: Spec,
    *,
    abandon: Abandon | None = None,
    transaction: StepTransaction | None = None,
) -> Settling | None:
    """Run the step that this claim is on.

    None when its claim was gone before the call, or the step unwound because of that: then there is nothing to settle.
    `abandon` is called, from another thread, when the step did not end when it should have: with what settles it, or
    None if nothing does. In a `transaction` the step gets its session.
    """
    row, node = holding.row, spec.work[holding.row.step]
    token = logs.enter(parts.masking, row, run)
    try:
        if row.action == LOG_ACTION:
            return _log(holding, run, node)
        action = parts.registry.action(row.action)
        if action is None:
            return outcomes.unserved(row, run, f"this worker has no {row.action}")
        attempt = _Attempt(parts, holding, run, node, action)
        call = _prepared(attempt, spec, transaction)
        return _run(attempt, _guarded(attempt, call, abandon)) if callable(call) else call
    finally:
        logs.leave(token)


def _prepared(
    attempt: _Attempt, spec: Spec, transaction: StepTransaction | None
) -> Callable[[], Any] | Settling | None:
    """The call of the step's code, what settles an attempt that cannot be called, or None where the claim is gone."""
    parts, row = attempt.parts, attempt.holding.row
    try:
        call = _bound(attempt, spec, transaction)
        return call if still_ours(parts, attempt.holding) else None
    except Unavailable as error:
        log.warning("the input of %s of run %s cannot be read now: %s", row.step, row.run_id, error)
        return Release(*outcomes.fence(row), ReleaseReason.GIVEN_BACK, READ_AGAIN)
    except MissingPath as error:
        return outcomes.failure(parts, row, FailureCode.MISSING_INPUT_PATH, error)
    except Misfit as error:
        return outcomes.unserved(row, attempt.run, f"{row.action} {error}")
    except Exception as error:  # noqa: BLE001 - a parameter's own type may raise anything
        return outcomes.failure(parts, row, FailureCode.INVALID_INPUT, error)


class Misfit(Exception):
    """The callable does not take what the run's graph gives it: it is of another version."""


class _Attempt(NamedTuple):
    """What is run, for whom."""

    parts: Parts
    holding: Holding
    run: Run
    node: Node
    action: Action


def _log(holding: Holding, run: Run, node: Node) -> Complete:
    row = holding.row
    about = {"run_id": str(row.run_id), "workflow": run.workflow, "step": row.step, "attempt": row.attempt}
    said.log(logging.getLevelNamesMapping()[node.level.upper()], "%s", node.message, extra=about)
    return Complete(*outcomes.fence(row), NULL, row)


def _bound(attempt: _Attempt, spec: Spec, transaction: StepTransaction | None) -> Callable[[], Any]:
    """The call of the step's code, with its arguments."""
    parts, holding, run, node, action = attempt
    roots = Roots(parts, holding.row.run_id, run, spec, node.name)
    if "ctx" in node.input.values():
        roots["ctx"] = context(holding, run, node, roots, transaction.session if transaction else None)
    check_limits(node, holding.row, roots)
    given = compile_input(node)(roots)
    if (why := action.misfit(given)) is not None:
        raise Misfit(why)
    arguments = action.decode(given)
    if transaction is not None:
        return lambda: transaction.run(lambda: action.function(**arguments))
    if is_task(action.function):
        return _task_call(attempt, arguments)
    if action.is_async:
        return lambda: asyncio.run(action.function(**arguments))
    return lambda: action.function(**arguments)


def _task_call(attempt: _Attempt, arguments: dict[str, Any]) -> Callable[[], Any]:
    """A task is called by the delivery that knows such tasks, or like any other function."""
    task = attempt.action.function
    call_task = getattr(attempt.parts.delivery, "call_task", None)
    if call_task is None:
        return lambda: task(**arguments)
    ctx = context(attempt.holding, attempt.run, attempt.node, None)
    return lambda: call_task(task, arguments, ctx)


def _guarded(attempt: _Attempt, call: Callable[[], Any], abandon: Abandon | None) -> Callable[[], Any]:
    """The call, interrupted when its time is over, or when its run is cancelled and its author allows that."""
    parts, holding, _, node, _ = attempt
    may_interrupt = node.on_cancel is OnCancel.INTERRUPT
    if node.timeout is None and not may_interrupt:
        return call

    def stopped(why: type[StepInterrupted]) -> None:
        late = outcomes.stopped(parts, holding.row, node) if issubclass(why, TimedOut) else None
        if abandon is not None:
            abandon(late)

    guard = Guard(
        holding.signals,
        stopped,
        timeout=node.timeout,
        grace=parts.settings.grace if node.grace is None else node.grace,
        timed_out=getattr(parts.delivery, "timed_out", TimedOut) if is_task(attempt.action.function) else TimedOut,
        has_backstop=may_end_process(parts),
    )
    if may_interrupt:
        holding.interrupt = guard.interrupt
    return lambda: guard.run(call)


def _is_stop(parts: Parts, error: BaseException) -> bool:
    """Whether the step was interrupted because its process ends; one that calls `sys.exit` by itself has failed."""
    is_stop = getattr(parts.delivery, "is_stop", None)
    return isinstance(error, KeyboardInterrupt) or (is_stop is not None and bool(is_stop(error)))


def _run(attempt: _Attempt, call: Callable[[], Any]) -> Settling | None:
    parts, holding, run, node, action = attempt
    row = holding.row
    failpoints.hit("step.before")
    begun_at, begun = time.time_ns(), time.perf_counter()
    try:
        with parts.telling.during(row, run):
            result = call()
    except StepInterrupted as error:
        return outcomes.interrupted(parts, holding, node, error)
    except BaseException as error:  # a step may raise anything; it becomes a fact
        if _is_stop(parts, error):
            return Release(*outcomes.fence(row), ReleaseReason.DRAINED)
        if not isinstance(error, (Exception, asyncio.CancelledError, SystemExit)):
            raise
        return outcomes.raised(parts, holding, node, error)
    finally:
        took = time.perf_counter() - begun
        parts.pace.saw(row.action, took)
        parts.telling.ran(row, (begun_at, begun_at + int(took * 1e9)))
        failpoints.hit("step.after")
    try:
        output = canonical(action.encode(result), root="output", limit=parts.settings.max_body)
    except Exception as error:  # noqa: BLE001 - a result's own encoding may raise anything
        return outcomes.failure(parts, row, FailureCode.INVALID_OUTPUT, error)
    return Complete(*outcomes.fence(row), output, row)
