"""Whether Celery has told this process to end, and how that reaches the code of a step that runs.

A cold stop tells a prefork child by SIGTERM, which raises `SystemExit` in whatever it runs; in the solo pool it raises
`NotImplementedError` there, since nothing can be ended but the worker itself; in a greenlet, `GreenletExit`. None of
that is the step's doing.
"""

from __future__ import annotations

from billiard import common
from celery.worker import state


def is_told_to_end() -> bool:
    """Whether a signal has reached this process, main or child, by which Celery ends it."""
    return _is_child_ending() or _is_set(state.should_stop) or _is_set(state.should_terminate)


def is_stop(error: BaseException) -> bool:
    """Whether this came out of a step because its worker ends."""
    if type(error).__name__ == "GreenletExit":
        return True
    if isinstance(error, NotImplementedError):
        return _is_set(state.should_terminate)
    return isinstance(error, SystemExit) and is_told_to_end()


def _is_set(code: object) -> bool:
    """An exit code, 0 among them, or nothing yet."""
    return code is not None and code is not False


def _is_child_ending() -> bool:
    fired = getattr(
        common, "_should_have_exited", None
    )  # set by its signal handler; nothing public tells in all versions
    return isinstance(fired, list) and bool(fired[:1] and fired[0])
