"""Every issue of a workflow, all at once; nothing is imported, run or started to find them."""

from squidie.workflow.checks.all import judge, read, validate_spec
from squidie.workflow.issues import Issue, Severity

__all__ = ["Issue", "Severity", "judge", "read", "validate_spec"]
