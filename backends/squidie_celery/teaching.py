"""Four words of a Celery task mean something else while it runs as a step; called the plain way they are Celery's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery.app.task import Context
from celery.exceptions import Retry

from squidie import Fail
from squidie.workflow.steps import StepControl

if TYPE_CHECKING:
    from collections.abc import Callable

    from squidie import StepContext

DYNAMIC = "declare what follows as steps of the workflow, or start another run"
TAUGHT = "squidie_taught"


class StepRequest(Context):
    """The request of a task that runs as a step.

    `final` is the error with which Celery refused another retry, `refused` what a step cannot do and the task tried.
    """

    ctx: StepContext | None = None
    final: BaseException | None = None
    refused: Fail | None = None


def ours(task: Any) -> StepRequest | None:
    """Our request, if this task runs as a step right now."""
    top = task.request_stack.top
    return top if isinstance(top, StepRequest) else None


def teach(task: Any) -> None:
    """Once for each task, on the task itself: its class may serve others."""
    if getattr(task, TAUGHT, False):
        return
    task.retry = _retrying(task, task.retry)
    for word in ("replace", "add_to_chord"):
        setattr(task, word, _refusing(task, word, getattr(task, word)))
    task.update_state = _reporting(task, task.update_state)
    setattr(task, TAUGHT, True)


def _retrying(task: Any, plain: Callable[..., Any]) -> Callable[..., Any]:
    """Celery decides whether, when, and with which error no more; in eager mode it raises and publishes nothing."""

    def retry(*args: Any, **kwargs: Any) -> Any:
        request = ours(task)
        if request is None:
            return plain(*args, **kwargs)
        _look(request, kwargs)
        request.is_eager = True
        try:
            return plain(*args, **kwargs)
        except Retry:
            raise
        except BaseException as error:
            request.final = error
            raise
        finally:
            request.is_eager = False

    return retry


def _look(request: StepRequest, said: dict[str, Any]) -> None:
    """What the author said in our words goes before what `autoretry_for` made of it."""
    if request.refused is not None:
        raise request.refused
    if isinstance(said.get("exc"), StepControl):
        raise said["exc"]
    if not said.get("throw", True):
        raise _refuse(request, "retry(throw=False)", "let retry raise, or raise RetryLater")


def _refusing(task: Any, word: str, plain: Callable[..., Any]) -> Callable[..., Any]:
    """The graph of a run is its own: a task cannot change it by replacing itself."""

    def refuse(*args: Any, **kwargs: Any) -> Any:
        request = ours(task)
        if request is None:
            return plain(*args, **kwargs)
        raise _refuse(request, word, DYNAMIC)

    return refuse


def _refuse(request: StepRequest, word: str, instead: str) -> Fail:
    request.refused = Fail(
        f"self.{word} is not possible in a step: {instead}", code="unsupported_canvas", details={"what": word}
    )
    return request.refused


def _reporting(task: Any, plain: Callable[..., Any]) -> Callable[..., Any]:
    """A state is progress; there is no result backend that could keep it."""

    def update_state(task_id: str | None = None, state: str | None = None, meta: Any = None, **kwargs: Any) -> Any:
        request = ours(task)
        if request is None or request.ctx is None or task_id not in {None, request.id}:
            return plain(task_id, state, meta, **kwargs)
        return request.ctx.progress(_fraction(meta), str(state or ""))

    return update_state


def _fraction(meta: Any) -> float | None:
    """Of `current` and `total`, as Celery's own examples have it."""
    current, total = (meta.get(name) for name in ("current", "total")) if isinstance(meta, dict) else (None, None)
    if isinstance(current, int | float) and isinstance(total, int | float) and total > 0:
        return current / total
    return None
