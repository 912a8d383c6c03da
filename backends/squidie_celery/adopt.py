"""How a Celery task is called as a step: its own code. Celery's `self.retry`, hooks and signals are not there yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery.app.trace import task_has_custom

if TYPE_CHECKING:
    from collections.abc import Callable


def body_of(task: Any) -> Callable[..., Any]:
    """What to call: `task.run`, or the task itself where its class defines `__call__`.

    A task called directly would say so in its request, and `self.retry` would raise the original error.
    """
    body: Callable[..., Any] = task if task_has_custom(task, "__call__") else task.run
    return body
