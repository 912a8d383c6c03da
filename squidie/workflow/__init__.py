"""What should happen: declare a workflow in Python, and get it as plain, checked data."""

from squidie.workflow.checks import Issue, validate_spec
from squidie.workflow.dsl import (
    Compensate,
    Deadline,
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
    wait,
)
from squidie.workflow.fingerprint import fingerprint
from squidie.workflow.retry import Retry
from squidie.workflow.spec import Condition, Edge, Node, NodeKind, Outcome, PayloadField, Spec, Trigger
from squidie.workflow.steps import Cancelled, Defer, Fail, LeaseLost, RetryLater, StepContext, TimedOut

__all__ = [
    "Cancelled",
    "Compensate",
    "Condition",
    "Deadline",
    "Defer",
    "Edge",
    "Fail",
    "Issue",
    "LeaseLost",
    "Node",
    "NodeKind",
    "Outcome",
    "PayloadField",
    "Retry",
    "RetryLater",
    "Spec",
    "StepContext",
    "TimedOut",
    "Trigger",
    "Workflow",
    "approval",
    "cron",
    "end",
    "escalate",
    "event",
    "every",
    "fingerprint",
    "log",
    "manual",
    "pause",
    "step",
    "to_spec",
    "validate_spec",
    "wait",
]
