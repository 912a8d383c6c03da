"""What is told of a task that runs as a step: prerun and postrun around each call, its end once that was recorded.

Sessions, connections, traces and error trackers hang on these signals and hooks.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from billiard.einfo import ExceptionInfo
from celery import signals, states
from celery._state import _task_stack
from celery.exceptions import Retry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from squidie_celery.teaching import StepRequest


@contextmanager
def running(task: Any, request: StepRequest) -> Iterator[None]:
    """It is the current task, and this is its request."""
    _task_stack.push(task)
    task.request_stack.push(request)
    try:
        yield
    finally:
        task.request_stack.pop()
        _task_stack.pop()


class Hooks:
    """Those of one call."""

    def __init__(self, task: Any, request: StepRequest) -> None:
        self._task, self._request = task, request
        self._error: BaseException | None = None
        self.returned: Any = None

    @contextmanager
    def around(self) -> Iterator[None]:
        """While its code runs."""
        task, request = self._task, self._request
        about = {"task_id": request.id, "task": task, "args": request.args, "kwargs": request.kwargs}
        state = states.SUCCESS
        signals.task_prerun.send(sender=task, **about)
        try:
            task.before_start(request.id, request.args, request.kwargs)
            yield
        except BaseException as error:
            self._error = error
            state = states.RETRY if isinstance(error, Retry) else states.FAILURE
            raise
        finally:
            told = self.returned if self._error is None else self._error
            signals.task_postrun.send(sender=task, **about, retval=told, state=state)

    def tell(self, outcome: str) -> None:
        """What came of it, as the journal has it: `completed`, `retried` or `failed`."""
        with running(self._task, self._request):
            if outcome == "completed":
                self._succeeded()
            elif self._error is not None:
                self._retried(self._error) if outcome == "retried" else self._failed(self._error)

    def _succeeded(self) -> None:
        task, request = self._task, self._request
        task.on_success(self.returned, request.id, request.args, request.kwargs)
        signals.task_success.send(sender=task, result=self.returned)
        task.after_return(states.SUCCESS, self.returned, request.id, request.args, request.kwargs, None)

    def _retried(self, error: BaseException) -> None:
        task, request, einfo = self._task, self._request, _info(error)
        reason = error if isinstance(error, Retry) else Retry(exc=error)
        task.on_retry(reason.exc, request.id, request.args, request.kwargs, einfo)
        signals.task_retry.send(sender=task, request=request, reason=reason, einfo=einfo)
        task.after_return(states.RETRY, reason, request.id, request.args, request.kwargs, einfo)

    def _failed(self, error: BaseException) -> None:
        task, request = self._task, self._request
        error = error.exc or error if isinstance(error, Retry) else error
        einfo, args, kwargs = _info(error), request.args, request.kwargs
        task.on_failure(error, request.id, args, kwargs, einfo)
        about = {"args": args, "kwargs": kwargs, "traceback": error.__traceback__, "einfo": einfo}
        signals.task_failure.send(sender=task, task_id=request.id, exception=error, **about)
        task.after_return(states.FAILURE, error, request.id, args, kwargs, einfo)


def _info(error: BaseException) -> Any:
    return ExceptionInfo((type(error), error, error.__traceback__))
