"""The life of a run and of an attempt, as two tables.

Rule 1: what may follow what is written here and nowhere else. Rule 2: this module knows no clock, no database and no
broker; whether an attempt is due or a lease over only a clock can tell, and neither changes what may follow.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from squidie.errors import InvalidTransition

if TYPE_CHECKING:
    from collections.abc import Mapping


class RunStatus(StrEnum):
    """What the facts of a run add up to."""

    RUNNING = "running"
    PAUSED = "paused"
    COMPENSATING = "compensating"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class RunEvent(StrEnum):
    """What can happen to a run."""

    PROGRESS = "progress"
    PAUSE = "wait for people alone"
    COMPENSATE = "be undone"
    COMPLETE = "complete"
    FAIL = "fail"
    CANCEL = "cancel"


class AttemptState(StrEnum):
    """Where an attempt stands. The last four are ends: its row is gone."""

    SCHEDULED = "scheduled"
    CLAIMED = "claimed"
    COMPLETED = "completed"
    FAILED = "failed"
    DEAD_LETTERED = "dead_lettered"
    WITHDRAWN = "withdrawn"


class AttemptEvent(StrEnum):
    """What can happen to an attempt."""

    CLAIM = "claim"
    RENEW = "renew"
    COMPLETE = "complete"
    FAIL = "fail"
    DEFER = "defer"
    HASTEN = "hasten"
    RELEASE = "release"
    EXPIRE = "expire"
    GIVE_UP = "give up"
    WITHDRAW = "withdraw"


_OPEN: Mapping[RunEvent, RunStatus] = MappingProxyType(
    {
        RunEvent.PROGRESS: RunStatus.RUNNING,
        RunEvent.PAUSE: RunStatus.PAUSED,
        RunEvent.COMPENSATE: RunStatus.COMPENSATING,
        RunEvent.COMPLETE: RunStatus.COMPLETED,
        RunEvent.FAIL: RunStatus.FAILED,
        RunEvent.CANCEL: RunStatus.CANCELLED,
    }
)
RUN: Mapping[RunStatus, Mapping[RunEvent, RunStatus]] = MappingProxyType(
    {
        RunStatus.RUNNING: _OPEN,
        RunStatus.PAUSED: _OPEN,
        RunStatus.COMPENSATING: {
            RunEvent.COMPENSATE: RunStatus.COMPENSATING,
            RunEvent.FAIL: RunStatus.FAILED,
            RunEvent.CANCEL: RunStatus.CANCELLED,
        },
        RunStatus.COMPLETED: {},
        RunStatus.FAILED: {},
        RunStatus.CANCELLED: {},
    }
)
ATTEMPT: Mapping[AttemptState, Mapping[AttemptEvent, AttemptState]] = MappingProxyType(
    {
        AttemptState.SCHEDULED: {
            AttemptEvent.CLAIM: AttemptState.CLAIMED,
            AttemptEvent.HASTEN: AttemptState.SCHEDULED,
            AttemptEvent.GIVE_UP: AttemptState.DEAD_LETTERED,
            AttemptEvent.WITHDRAW: AttemptState.WITHDRAWN,
        },
        AttemptState.CLAIMED: {
            AttemptEvent.RENEW: AttemptState.CLAIMED,
            AttemptEvent.COMPLETE: AttemptState.COMPLETED,
            AttemptEvent.FAIL: AttemptState.FAILED,
            AttemptEvent.DEFER: AttemptState.SCHEDULED,
            AttemptEvent.RELEASE: AttemptState.SCHEDULED,
            AttemptEvent.EXPIRE: AttemptState.SCHEDULED,
            AttemptEvent.WITHDRAW: AttemptState.WITHDRAWN,
        },
        AttemptState.COMPLETED: {},
        AttemptState.FAILED: {},
        AttemptState.DEAD_LETTERED: {},
        AttemptState.WITHDRAWN: {},
    }
)
SILENT = frozenset({AttemptEvent.CLAIM, AttemptEvent.RENEW})
"""A lease is not history: these write no fact."""


def after_run(status: RunStatus, event: RunEvent) -> RunStatus:
    """The status that follows, or `InvalidTransition`."""
    try:
        return RUN[status][event]
    except KeyError:
        raise InvalidTransition("a run", status, event) from None


def after_attempt(state: AttemptState, event: AttemptEvent) -> AttemptState:
    """The state that follows, or `InvalidTransition`."""
    try:
        return ATTEMPT[state][event]
    except KeyError:
        raise InvalidTransition("an attempt", state, event) from None


def is_terminal(status: RunStatus) -> bool:
    """Whether a run in this status has ended."""
    return not RUN[status]
