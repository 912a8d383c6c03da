"""What is wrong with a workflow, as data: every check answers with issues, and all of them come together."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}\Z")
QUEUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")
QUEUE_RULE = "has letters, digits, _ . and -, at most 64, and begins with a letter or digit"
RESERVED = frozenset({"end", "payload", "schedule", "parent", "error", "ctx", "item", "index"})
NAME_RULE = "a name starts with a letter or _, goes on with letters, digits and _, and has at most 64 characters"


class Severity(StrEnum):
    """Whether an issue refuses the workflow."""

    ERROR = "error"
    WARNING = "warning"


class Issue(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is wrong: where (`steps.charge.retry.max`), which rule (`code`), and what to do (`message`).

    Values are never repeated.
    """

    path: str
    code: str
    message: str
    severity: Severity = Severity.ERROR
    details: dict[str, Any] = msgspec.field(default_factory=dict)


def distinct(issues: Iterable[Issue]) -> tuple[Issue, ...]:
    """The issues in their order, each path and code once: the first message is the most precise one."""
    kept: dict[tuple[str, str], Issue] = {}
    for issue in issues:
        kept.setdefault((issue.path, issue.code), issue)
    return tuple(kept.values())


def errors(issues: Iterable[Issue]) -> tuple[Issue, ...]:
    """Those that refuse the workflow; warnings do not."""
    return tuple(issue for issue in issues if issue.severity is Severity.ERROR)
