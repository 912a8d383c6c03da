"""Existing Celery tasks as steps: each is called as a worker would call it, and its words are taken at their meaning.

The task runs under a request of our own, so that `self.request`, `self.retry`, `current_task`, signals and hooks are
what its author knows. How often it is retried, and when, Celery's own `retry` decides; the retry itself is the
journal's. A task that is sent or called the plain way is what it always was.
"""

from __future__ import annotations

from datetime import datetime
from socket import gethostname
from typing import TYPE_CHECKING, Any

from billiard.process import current_process
from celery.app import trace
from celery.exceptions import Ignore, Reject, Retry, SoftTimeLimitExceeded

from squidie import TimedOut
from squidie.workflow.tasks import TaskFailed
from squidie_celery.hooks import Hooks, running
from squidie_celery.teaching import StepRequest, teach

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from squidie import StepContext


class TimeLimit(TimedOut, SoftTimeLimitExceeded):
    """The time of a task is over: what Celery raises in it, so that the task may clean up as it always did."""


def call_task(task: Any, arguments: Mapping[str, Any], ctx: StepContext) -> Any:
    """The task's result. Raises `TaskFailed` where Celery knows what is to come of the failure, else what it raised."""
    task = _itself(task)
    teach(task)
    request = _request(task, arguments, ctx)
    hooks = Hooks(task, request)
    ctx.signals.afterwards.append(hooks.tell)
    with running(task, request):
        try:
            with hooks.around():
                hooks.returned = _called(task, request)
        except Exception as error:
            meaning = _meaning(task, request, error)
            if meaning is None:
                raise
            raise meaning from error
    return hooks.returned


def _called(task: Any, request: StepRequest) -> Any:
    """What it returns, unless it went on as if nothing had been after it was refused something."""
    result = _entry(task)(**request.kwargs)
    if request.refused is not None:
        raise request.refused
    return result


def in_child() -> bool:
    """Whether this process is a child of a worker's pool, which is replaced when it ends."""
    return getattr(current_process(), "_parent_pid", None) is not None and current_process().name != "MainProcess"


def _entry(task: Any) -> Callable[..., Any]:
    """`run`, or the task itself where its class calls in a way of its own (with Flask's context, say)."""
    if not trace.task_has_custom(task, "__call__"):
        run: Callable[..., Any] = task.run
        return run
    trace._install_stack_protection()  # noqa: SLF001 as every worker does: super().__call__ then keeps our request
    call: Callable[..., Any] = task
    return call


def _meaning(task: Any, request: StepRequest, error: Exception) -> TaskFailed | None:
    """What came out of a task, as the engine is to understand it; None where that is for the step's policy to say."""
    if isinstance(error, Retry):
        return TaskFailed(error.exc or error, after=_seconds(task, error.when))
    if isinstance(error, Reject):
        return TaskFailed(error, after=0.0) if error.requeue else TaskFailed(error, final=True)
    is_final = request.final is error or isinstance(error, Ignore)
    if isinstance(error, SoftTimeLimitExceeded):
        return TaskFailed(error, timed_out=True, final=is_final)
    return TaskFailed(error, final=True) if is_final else None


def _seconds(task: Any, when: Any) -> float:
    """From now on; a time without a zone is in the app's."""
    if not isinstance(when, datetime):
        return max(0.0, float(when or 0))
    now = task.app.now()
    when = when.replace(tzinfo=now.tzinfo) if when.tzinfo is None else when
    return float(max(0.0, (when - now).total_seconds()))


def _request(task: Any, arguments: Mapping[str, Any], ctx: StepContext) -> StepRequest:
    """What the task will find as `self.request`; `is_eager` is false, for Django's clean-up of connections asks."""
    found = StepRequest(
        id=f"{ctx.idempotency_key}/{ctx.attempt}",
        root_id=str(ctx.run_id),
        task=task.name,
        args=[],
        kwargs=dict(arguments),
        retries=ctx.attempt - 1 - ctx.base,
        called_directly=False,
        is_eager=False,
        delivery_info={"exchange": "", "routing_key": ctx.queue, "priority": None, "redelivered": False},
        hostname=gethostname(),
        headers={},
        timelimit=(None, ctx.timeout),
        **(ctx.trace or {}),
    )
    found.ctx = ctx
    return found


def _itself(task: Any) -> Any:
    """The task behind a proxy."""
    find = getattr(task, "_get_current_object", None)
    return find() if find is not None else task
