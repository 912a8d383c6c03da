"""Retry policies as authors write them: durations as text, exceptions as classes.

What cannot be read is kept, and named by the checks.
"""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

from squidie.workflow import spec
from squidie.workflow.durations import Duration, lenient
from squidie.workflow.spec import Backoff

if TYPE_CHECKING:
    from collections.abc import Iterable

    Exceptions = type[BaseException] | str | Iterable[type[BaseException] | str]


def Retry(  # noqa: N802 - reads as the class that it makes
    max_attempts: int,
    *,
    backoff: Backoff | str = Backoff.EXPONENTIAL,
    min: Duration = 1.0,  # noqa: A002 - the words of the policy
    max: Duration = 3600.0,  # noqa: A002
    factor: float = 2.0,
    jitter: bool | float = False,
    on: Exceptions = (),
    never: Exceptions = (),
    within: Duration | None = None,
) -> spec.Retry:
    """When to try a step again after an exception; `max_attempts` counts the first attempt too.

    See `spec.Retry` for what each word does.
    """
    return spec.Retry(
        max_attempts=max_attempts,
        backoff=Backoff(backoff) if backoff in tuple(Backoff) else backoff,  # type: ignore[arg-type]
        min=lenient(min),
        max=lenient(max),
        factor=factor,
        jitter=jitter,
        on=_names(on),
        never=_names(never),
        within=None if within is None else lenient(within),
    )


def _names(exceptions: Any) -> Any:
    if isinstance(exceptions, str | type):
        exceptions = (exceptions,)
    try:
        return tuple(_name(each) for each in exceptions)
    except TypeError:
        return exceptions


def _name(exception: Any) -> Any:
    if isinstance(exception, type) and issubclass(exception, BaseException):
        return exception_name(exception)
    known = getattr(builtins, exception, None) if isinstance(exception, str) and ":" not in exception else None
    return exception_name(known) if isinstance(known, type) and issubclass(known, BaseException) else exception


def exception_name(kind: type[BaseException]) -> str:
    """How a policy names an exception class: `module:QualName`."""
    return f"{kind.__module__}:{kind.__qualname__}"


def exception_names(error: BaseException) -> tuple[str, ...]:
    """The names of an exception's class and its bases, the nearest first: a policy that names one of them means it."""
    return tuple(exception_name(kind) for kind in type(error).__mro__ if issubclass(kind, BaseException))


def catches(policy: spec.Retry, names: Iterable[str]) -> bool:
    """Whether the policy tries again after an exception of these names.

    `never` wins, an empty `on` means every `Exception`.
    """
    names = frozenset(names)
    wanted = frozenset(policy.on or ("builtins:Exception",))
    return bool(names & wanted) and not names & frozenset(policy.never)
