"""Durable workflows for the Celery you already run.

    from squidie import Squidie, Workflow, manual, step

`Squidie` and `Run` are loaded at their first use: they bring SQLAlchemy along, which a module that only declares
workflows, and `squidie --version`, can do without (docs/adr tells why this is the one package that does so).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from squidie.workflow import (
    Cancelled,
    Compensate,
    Deadline,
    Defer,
    Fail,
    LeaseLost,
    Limit,
    Rate,
    Retry,
    RetryLater,
    StepContext,
    TimedOut,
    Workflow,
    approval,
    cron,
    end,
    escalate,
    event,
    every,
    log,
    manual,
    pause,
    step,
    to_spec,
    validate_spec,
    wait,
)

if TYPE_CHECKING:
    from squidie.runtime import Partition, Preview, Run, Scope, Signal, Squidie, signal_from
    from squidie.settings import Settings

__all__ = [
    "Cancelled",
    "Compensate",
    "Deadline",
    "Defer",
    "Fail",
    "LeaseLost",
    "Limit",
    "Partition",
    "Preview",
    "Rate",
    "Retry",
    "RetryLater",
    "Run",
    "Scope",
    "Settings",
    "Signal",
    "Squidie",
    "StepContext",
    "TimedOut",
    "Workflow",
    "approval",
    "cron",
    "end",
    "escalate",
    "event",
    "every",
    "log",
    "manual",
    "pause",
    "signal_from",
    "step",
    "to_spec",
    "validate_spec",
    "wait",
]

_LATER = {
    **dict.fromkeys(("Partition", "Preview", "Run", "Scope", "Signal", "Squidie", "signal_from"), "squidie.runtime"),
    "Settings": "squidie.settings",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'squidie' has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)
