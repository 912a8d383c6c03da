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
from squidie.engine.failures import Masking, record
from squidie.engine.inputs import Roots, context
from squidie.errors import SquidieError, UnstorableValue
from squidie.history.canonical import canonical
from squidie.history.facts import FailureCode, ReleaseReason
from squidie.workflow.mapping import MissingPath, compile_input
from squidie.workflow.steps import Fail as FailStep
from squidie.workflow.steps import RetryLater, StepInterrupted

if TYPE_CHECKING:
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


class Unwound(Exception):  # noqa: N818 - the step left because its claim was gone
    """Nothing is to be settled: the claim is no longer ours."""


def execute(parts: Parts, holding: Holding, run: Run, spec: Spec) -> Settling | None:
    """Run the step that this claim is on.

    None when the step unwound because the claim is gone: then there is nothing to settle.
    """
    row, node = holding.row, spec.by_name[holding.row.step]
    action = parts.registry.action(row.action)
    if action is None:
        return Release(*_fence(row), reason=ReleaseReason.UNSERVED, delay=UNSERVED_AGAIN)
    begun = time.perf_counter()
    try:
        output = _call(parts, holding, run, spec, node, action)
    except StepInterrupted:
        return None
    except (KeyboardInterrupt, SystemExit):
        return Release(*_fence(row), reason=ReleaseReason.DRAINED)
    except Exception as error:  # noqa: BLE001 - a step may raise anything; it becomes a fact
        return _failure(parts, row, node, error)
    finally:
        parts.pace.saw(row.action, time.perf_counter() - begun)
    return Complete(*_fence(row), output=output)


def _call(parts: Parts, holding: Holding, run: Run, spec: Spec, node: Node, action: Action) -> Any:
    roots = Roots(parts, holding.row, run, spec)
    if "ctx" in node.input.values():
        roots["ctx"] = context(parts, holding, run, node, roots)
    arguments = action.decode(compile_input(node)(roots))
    try:
        result = asyncio.run(action.function(**arguments)) if action.is_async else action.function(**arguments)
    finally:
        roots.clear()
    return canonical(action.encode(result), root="output", limit=parts.settings.max_body)


def _failure(parts: Parts, row: OpenAttempt, node: Node, error: Exception) -> Fail:
    kind, retryable = _classify(node, error)
    after = error.after if isinstance(error, RetryLater) else None
    masking = Masking(parts.settings.secrets)
    code = error.code if isinstance(error, FailStep) else None
    kept = record(error, kind=kind, attempt=row.attempt, retryable=retryable, masking=masking, code=code)
    log.info("%s of run %s failed at attempt %s: %s", row.step, row.run_id, row.attempt, kept.type)
    return Fail(*_fence(row), error=kept, retryable=retryable, dice=ids.dice(), after=after)


def _classify(node: Node, error: Exception) -> tuple[FailureCode, bool]:
    """What kind of failure it is, and whether the step's policy may try again."""
    if isinstance(error, MissingPath):
        return FailureCode.MISSING_INPUT_PATH, False
    if isinstance(error, UnstorableValue):
        return FailureCode.INVALID_OUTPUT, False
    if isinstance(error, FailStep):
        return FailureCode.STEP_FAILED, False
    if isinstance(error, RetryLater):
        return FailureCode.STEP_RAISED, True
    if isinstance(error, SquidieError) and error.code == "invalid_argument" and error.__traceback__ is not None:
        return FailureCode.INVALID_INPUT, False
    if node.retry is None:
        return FailureCode.STEP_RAISED, False
    names = {f"{kind.__module__}:{kind.__qualname__}" for kind in type(error).__mro__}
    wanted = not node.retry.on or bool(names & set(node.retry.on))
    return FailureCode.STEP_RAISED, wanted and not names & set(node.retry.never)


def _fence(row: OpenAttempt) -> tuple[Any, ...]:
    assert row.lease is not None
    return (row.run_id, row.step, row.attempt, row.lease.claim_id, row.lease.token_hash)
