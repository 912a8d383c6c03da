"""What a task declares for itself, as the options of a step; and how whoever calls tasks says that one has failed.

A task is known by what it has, a name of its own and `run`, never by its class: nothing here knows a task library.
"""

from __future__ import annotations

import inspect
from typing import Any

from squidie.workflow.retry import Retry
from squidie.workflow.spec import Backoff
from squidie.workflow.spec import Retry as Policy
from squidie.workflow.steps import StepControl

UNLIMITED = 10_000
"""The attempts of a task that retries without end: a policy has a bound, and this is the largest."""

DEFAULT_RETRIES = 3
"""How often a task is retried that says nothing, which is also what `RetryLater` implies on a step without a policy."""

DEFAULT_DELAY = 180.0
DEFAULT_BACKOFF_MAX = 600.0

ASKED = "celery.exceptions:Retry"
"""What such a task raises that asks for a retry; the exceptions of its code are not retried by themselves."""


class TaskFailed(StepControl):
    """An attempt at a task has failed with `error`, and who called it knows what is to come of it.

    Again `after` so many seconds; by the step's policy where that is None; or never (`final`). `timed_out`: its time
    was over.
    """

    def __init__(
        self, error: BaseException, *, after: float | None = None, final: bool = False, timed_out: bool = False
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.after = after
        self.final = final
        self.timed_out = timed_out


def is_task(call: Any) -> bool:
    """Whether this is a task: an object with a name of its own, that runs."""
    if isinstance(call, type) or inspect.isroutine(call):
        return False
    name = getattr(call, "name", None)
    return isinstance(name, str) and bool(name) and callable(getattr(call, "run", None)) and callable(call)


def declared(call: Any) -> dict[str, Any]:
    """The options that this callable brings along: `retry`, `queue`, `timeout`, `grace`. A plain function has none."""
    if not is_task(call):
        return {}
    found = {"retry": _retry(call), "queue": _queue(call), **_limits(call)}
    return {option: value for option, value in found.items() if value is not None}


def _queue(task: Any) -> str | None:
    """The queue that the task names, or that its app's routes give to a task of this name, as for a plain call.

    A router that wants to see arguments is asked without any, and passed over if it cannot answer so.
    """
    named = getattr(task, "queue", None)
    if named is None:
        router = getattr(getattr(getattr(task, "app", None), "amqp", None), "router", None)
        try:
            route = router.lookup_route(task.name, (), {}, {}, task) if router is not None else None
        except Exception:  # noqa: BLE001 - a host's own code
            return None
        named = route.get("queue") if isinstance(route, dict) else None
    named = getattr(named, "name", named)
    return named if isinstance(named, str) else None


def _retry(task: Any) -> Policy | None:
    """N retries are n + 1 attempts; without `autoretry_for` only the task's own asking is a reason for one."""
    if not hasattr(task, "max_retries"):
        return None
    options = getattr(task, "retry_kwargs", None) or {}
    retries = options.get("max_retries", task.max_retries)
    attempts = UNLIMITED if retries is None else min(int(retries) + 1, UNLIMITED)
    wanted = _exceptions(task, "autoretry_for")
    if wanted:
        return Retry(attempts, on=wanted, never=_exceptions(task, "dont_autoretry_for"), **_delays(task, options))
    return None if retries == DEFAULT_RETRIES else Retry(attempts, on=ASKED)


def _exceptions(task: Any, name: str) -> tuple[Any, ...]:
    found = getattr(task, name, None) or ()
    return tuple(found) if isinstance(found, list | tuple | set | frozenset) else (found,)


def _delays(task: Any, options: dict[str, Any]) -> dict[str, Any]:
    """How long a task waits that retries by itself: growing, or always the same."""
    backoff = float(getattr(task, "retry_backoff", False) or 0)
    if backoff:
        most = float(getattr(task, "retry_backoff_max", DEFAULT_BACKOFF_MAX))
        first = min(float(max(1, int(backoff))), most)
        jitter = bool(getattr(task, "retry_jitter", True))
        return {"backoff": Backoff.EXPONENTIAL, "min": first, "max": most, "jitter": jitter}
    delay = float(options.get("countdown", getattr(task, "default_retry_delay", DEFAULT_DELAY)) or 0)
    return {"backoff": Backoff.FIXED, "min": delay, "max": max(delay, 3600.0)}


def _limits(task: Any) -> dict[str, float]:
    """The task's own limits: an app-wide one is meant for messages, and is none of a step's."""
    soft, hard = _limit(task, "soft_time_limit"), _limit(task, "time_limit")
    if soft is None or (hard is not None and hard <= soft):
        return {} if hard is None else {"timeout": hard}
    return {"timeout": soft} if hard is None else {"timeout": soft, "grace": hard - soft}


def _limit(task: Any, name: str) -> float | None:
    value = getattr(task, name, None)
    conf = getattr(getattr(task, "app", None), "conf", None)
    if not isinstance(value, int | float) or value <= 0 or value == getattr(conf, f"task_{name}", None):
        return None
    return float(value)
