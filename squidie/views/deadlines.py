"""Whether a step or a run is in time: told from its deadline and the clock at every look, never stored."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from squidie.workflow.vocabulary import Overdue

if TYPE_CHECKING:
    from squidie.workflow.options import Deadline


class DeadlineStatus(StrEnum):
    """How a deadline stands, or stood when what it bounds had ended."""

    ON_TIME = "on_time"
    DUE_SOON = "due_soon"
    OVERDUE = "overdue"
    ESCALATED = "escalated"


class DeadlineView(msgspec.Struct, frozen=True, kw_only=True):
    """By when something should be done, and what happens once when it is not."""

    status: DeadlineStatus
    due_at: datetime
    due_soon_at: datetime | None
    escalates_at: datetime | None
    then: Overdue


def deadline_of(declared: Deadline | None, acts_at: datetime | None, at: datetime) -> DeadlineView | None:
    """The deadline as it stands `at`; `acts_at` is when its timer is or was due, None where it never began."""
    if declared is None or acts_at is None:
        return None
    escalates = declared.then is Overdue.ESCALATE
    due_at = acts_at - timedelta(seconds=(declared.escalate_after or 0.0) if escalates else 0.0)
    soon = declared.due_soon
    due_soon_at = None if soon is None else due_at - timedelta(seconds=declared.within - soon)
    return DeadlineView(
        status=_status(at, due_soon_at, due_at, acts_at if escalates else None),
        due_at=due_at,
        due_soon_at=due_soon_at,
        escalates_at=acts_at if escalates else None,
        then=declared.then,
    )


def _status(
    at: datetime, due_soon_at: datetime | None, due_at: datetime, escalates_at: datetime | None
) -> DeadlineStatus:
    """The boundary counts: what is due at this instant is due."""
    if escalates_at is not None and at >= escalates_at:
        return DeadlineStatus.ESCALATED
    if at >= due_at:
        return DeadlineStatus.OVERDUE
    return DeadlineStatus.DUE_SOON if due_soon_at is not None and at >= due_soon_at else DeadlineStatus.ON_TIME
