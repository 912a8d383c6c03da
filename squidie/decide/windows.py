"""Which cron windows are due, and what they are called: a window's identity is the run's id, whoever opens it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from squidie.workflow.cron import latest_before, next_after

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Due:
    """The window to open now, if any, and when the schedule is due next.

    A schedule that was away opens the latest window it missed, not all of them.
    """

    window: datetime | None
    next_at: datetime


def due(expression: str, timezone: str, *, next_at: datetime | None, now: datetime) -> Due:
    """New, edited and resumed schedules (`next_at` is None) start from now and fill nothing in."""
    following = next_after(expression, timezone, now)
    if next_at is None or next_at > now:
        return Due(None, following)
    return Due(latest_before(expression, timezone, now, inclusive=True), following)


def window_name(window: datetime) -> str:
    """How a window is written in keys and facts: its intended time in UTC."""
    return window.isoformat()
