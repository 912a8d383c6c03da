"""Run one step. Whatever its code does, what comes back is a value: the command that settles it.

Nothing is locked while a step's code runs, and nothing but its own claim is held.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

from squidie.decide.commands import Complete, Fail, Release
from squidie.engine import ids
from squidie.engine.failures import record
from squidie.engine.inputs import Roots, context
from squidie.errors import Unavailable
from squidie.history.canonical import canonical
from squidie.history.facts import FailureCode, ReleaseReason
from squidie.workflow.mapping import MissingPath, compile_input
from squidie.workflow.retry import catches, exception_names
from squidie.workflow.steps import Fail as FailStep
from squidie.workflow.steps import RetryLater, StepInterrupted

if TYPE_CHECKING:
    from uuid import UUID

    from squidie.decide.commands import Settling
    from squidie.engine.lease import Holding
    from squidie.engine.parts import Parts
    from squidie.history.attempts import OpenAttempt
    from squidie.history.run import Run
    from squidie.workflow.callables import Action
    from squidie.workflow.spec import Node, Spec

log = logging.getLogger("squidie.step")

UNSERVED_AGAIN = 5.0
"""Seconds until an attempt is due again whose callable this worker turned out not to have."""

READ_AGAIN = 1.0
"""Seconds until an attempt is due again whose input could not be read because Postgres was away."""


def execute(parts: Parts, holding: Holding, run: Run, spec: Spec) -> Settling | None:
    """Run the step that this claim is on.

    None when the step unwound because its claim is gone: then there is nothing to settle.
    """
    row, node = holding.row, spec.by_name[holding.row.step]
    action = parts.registry.action(row.action)
    if action is None:
        return Release(*_fence(row), ReleaseReason.UNSERVED, UNSERVED_AGAIN)
    try:
        arguments = _arguments(parts, holding, run, spec, action)
    except Unavailable as error:
        log.warning("the input of %s of run %s cannot be read now: %s", row.step, row.run_id, error)
        return Release(*_fence(row), ReleaseReason.GIVEN_BACK, READ_AGAIN)
    except MissingPath as error:
        return _failure(parts, row, FailureCode.MISSING_INPUT_PATH, error)
    except Exception as error:  # noqa: BLE001 - a parameter's own type may raise anything
        return _failure(parts, row, FailureCode.INVALID_INPUT, error)
    return _run(parts, holding, node, action, arguments)


def _arguments(parts: Parts, holding: Holding, run: Run, spec: Spec, action: Action) -> dict[str, Any]:
    node = spec.by_name[holding.row.step]
    roots = Roots(parts, holding.row, run, spec)
    if "ctx" in node.input.values():
        roots["ctx"] = context(holding, run, node, roots)
    return action.decode(compile_input(node)(roots))


def _run(parts: Parts, holding: Holding, node: Node, action: Action, arguments: dict[str, Any]) -> Settling | None:
    row = holding.row
    begun = time.perf_counter()
    try:
        result = _call(action, arguments)
    except StepInterrupted:
        return None
    except (KeyboardInterrupt, SystemExit):
        return Release(*_fence(row), ReleaseReason.DRAINED)
    except Exception as error:  # noqa: BLE001 - a step may raise anything; it becomes a fact
        return _raised(parts, row, node, error)
    finally:
        parts.pace.saw(row.action, time.perf_counter() - begun)
    try:
        output = canonical(action.encode(result), root="output", limit=parts.settings.max_body)
    except Exception as error:  # noqa: BLE001 - a result's own encoding may raise anything
        return _failure(parts, row, FailureCode.INVALID_OUTPUT, error)
    return Complete(*_fence(row), output, row)


def _call(action: Action, arguments: dict[str, Any]) -> Any:
    if action.is_async:
        return asyncio.run(action.function(**arguments))
    return action.function(**arguments)


def _raised(parts: Parts, row: OpenAttempt, node: Node, error: Exception) -> Fail:
    """What the step's own code raised: its word on how it ended, or an exception that its policy may try again."""
    if isinstance(error, FailStep):
        return _failure(parts, row, FailureCode.STEP_FAILED, error, code=error.code)
    if isinstance(error, RetryLater):
        return _failure(parts, row, FailureCode.STEP_RAISED, error, retryable=True, after=error.after)
    retryable = node.retry is not None and catches(node.retry, exception_names(error))
    return _failure(parts, row, FailureCode.STEP_RAISED, error, retryable=retryable)


def _failure(
    parts: Parts,
    row: OpenAttempt,
    kind: FailureCode,
    error: Exception,
    *,
    retryable: bool = False,
    code: str | None = None,
    after: float | None = None,
) -> Fail:
    kept = record(error, kind=kind, attempt=row.attempt, retryable=retryable, masking=parts.masking, code=code)
    log.info("%s of run %s failed at attempt %s: %s", row.step, row.run_id, row.attempt, kept.type)
    return Fail(*_fence(row), kept, retryable, ids.dice(), after)


def _fence(row: OpenAttempt) -> tuple[UUID, str, int, UUID, bytes]:
    assert row.lease is not None  # noqa: S101 - whoever executes holds the claim
    return (row.run_id, row.step, row.attempt, row.lease.claim_id, row.lease.token_hash)
