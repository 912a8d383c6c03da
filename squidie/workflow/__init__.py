"""What should happen: declare a workflow in Python, and get it as plain, checked data."""

from squidie.workflow.checks import Issue, validate_spec
from squidie.workflow.dsl import Workflow, cron, every, manual, step, to_spec
from squidie.workflow.fingerprint import fingerprint
from squidie.workflow.retry import Retry
from squidie.workflow.spec import Edge, Node, Outcome, PayloadField, Spec, Trigger
from squidie.workflow.steps import Cancelled, Fail, LeaseLost, RetryLater, StepContext, TimedOut

__all__ = [
    "Cancelled",
    "Edge",
    "Fail",
    "Issue",
    "LeaseLost",
    "Node",
    "Outcome",
    "PayloadField",
    "Retry",
    "RetryLater",
    "Spec",
    "StepContext",
    "TimedOut",
    "Trigger",
    "Workflow",
    "cron",
    "every",
    "fingerprint",
    "manual",
    "step",
    "to_spec",
    "validate_spec",
]
