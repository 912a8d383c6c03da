"""How long to wait before the next attempt, and before an attempt whose claim was lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from squidie.workflow.spec import Backoff

if TYPE_CHECKING:
    from squidie.workflow.spec import Retry

LONGEST = 366 * 24 * 3600.0
AFTER_LOSS = (0.0, 1.0, 5.0, 30.0)
"""Seconds until an attempt is due again after its first, second, ... lost claim.

A step that kills its workers does so ever more rarely.
"""


AFTER_UNSERVED, MOST_UNSERVED = 5.0, 60.0
"""Seconds until an attempt is due again that a worker could not run after all: at first, and at most.

It doubles each time, so that workers which cannot run it do not toss it back and forth, and it stays short enough for
one that can.
"""


def delay(retry: Retry, attempt: int, dice: float) -> float:
    """Seconds between the failure of this attempt (counted from 1) and the next one.

    `dice`, drawn in [0, 1), decides the jitter.
    """
    match retry.backoff:
        case Backoff.FIXED:
            wait = retry.min
        case Backoff.LINEAR:
            wait = retry.min * attempt
        case Backoff.EXPONENTIAL:
            wait = _exponential(retry, attempt)
        case _:
            assert_never(retry.backoff)
    wait = min(wait, retry.max, LONGEST)
    fraction = float(retry.jitter)  # True is full jitter
    return wait * (1.0 - fraction * dice)


def after_loss(lost: int) -> float:
    """Seconds until the attempt is due again, given how many of its claims have been lost."""
    return AFTER_LOSS[min(lost, len(AFTER_LOSS)) - 1]


def after_unserved(before: int) -> float:
    """Seconds until the attempt is due again, given how often it has been given back before."""
    return min(AFTER_UNSERVED * 2.0 ** min(before, 16), MOST_UNSERVED)


def _exponential(retry: Retry, attempt: int) -> float:
    try:
        return float(retry.min * retry.factor ** (attempt - 1))
    except OverflowError:
        return retry.max
