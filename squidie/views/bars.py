"""When each step of a run did something, as cells on one scale of time.

Where nothing happens for long the scale is folded, so that two hours of waiting do not squash a second of work.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from squidie.views.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from squidie.views.attempts import AttemptView
    from squidie.views.snapshot import RunSnapshot
    from squidie.views.steps import StepView

SHORTEST_FOLD = timedelta(seconds=10)
"""A pause that is no longer is drawn as it is."""

PARKED = (Reason.DEAD_LETTERED, Reason.COMPENSATION_STUCK)
_BAD = frozenset({"failed", "expired", "dead_lettered", "released", "withdrawn"})


class Kind(StrEnum):
    """What a step does for a while: it is due, it runs, it tries again later, or it waits for somebody."""

    QUEUED = "queued"
    BACKOFF = "backoff"
    WAITS = "waits"
    RUNS = "runs"
    FAILED = "failed"


class Mark(NamedTuple):
    """From when to when; `FAILED` is a try that ended badly."""

    kind: Kind
    start: datetime
    end: datetime


class Scale:
    """Times to cells: linear, but for the folds, which take a cell each."""

    def __init__(self, start: datetime, end: datetime, folds: Sequence[tuple[datetime, datetime]], width: int) -> None:
        self.folds = tuple(folds)
        self._start, self._width = start, max(1, width)
        kept = (end - start) - sum((b - a for a, b in folds), timedelta())
        self._each = kept / max(1, self._width - 1 - len(folds)) or timedelta(microseconds=1)

    def cell(self, at: datetime) -> int:
        """The cell in which this time lies."""
        behind = [fold for fold in self.folds if fold[0] < at]
        folded = sum((min(b, at) - a for a, b in behind), timedelta())
        cells = int(((at - self._start) - folded) / self._each) + len([b for _, b in behind if b <= at])
        return max(0, min(self._width - 1, cells))

    def marks(self) -> list[tuple[int, datetime]]:
        """Where the scale is folded, and the time at which it goes on."""
        return [(self.cell(end) - 1, end) for _, end in self.folds]


def marks_of(step: StepView, attempts: Sequence[AttemptView], now: datetime) -> list[Mark]:
    """What the step has done so far, by time. Where its attempts are not to be seen its last one stands for them."""
    tries = [(each.claimed_at, each.ended_at or now, each.outcome in _BAD) for each in attempts if each.claimed_at]
    if not tries and step.claimed_at is not None:
        tries = [(step.claimed_at, step.settled_at or now, step.state == "failed")]
    tries.sort()
    found = [Mark(Kind.FAILED if is_bad else Kind.RUNS, start, end) for start, end, is_bad in tries]
    found += [Mark(Kind.BACKOFF, a[1], b[0]) for a, b in pairwise(tries) if a[1] < b[0]]
    if step.waits is not None and step.waits.since is not None:
        found.append(Mark(Kind.WAITS, step.waits.since, step.settled_at or now))
    elif step.reason is not None and step.settled_at is None and step.lease_until is None:
        found += _open(step, tries, now)
    return sorted(found, key=lambda mark: (mark.start, mark.end))


def _open(step: StepView, tries: Sequence[tuple[datetime, datetime, bool]], now: datetime) -> list[Mark]:
    if step.reason in PARKED:
        return [Mark(Kind.WAITS, tries[-1][1], now)] if tries else []
    if step.due_at is not None and step.due_at <= now:
        return [Mark(Kind.QUEUED, step.due_at, now)]
    return [Mark(Kind.BACKOFF, tries[-1][1], now)] if tries else []


def scale_of(run: RunSnapshot, marks: Sequence[Mark], width: int) -> Scale:
    """One scale for all steps. The longest pause is folded as long as it takes more than half of the picture."""
    start, end = run.started_at, max(run.ended_at or run.at, run.started_at)
    active = sorted((m.start, m.end) for m in marks if m.kind in (Kind.RUNS, Kind.FAILED))
    points = sorted({start, end, *(at for m in marks for at in (m.start, m.end) if start <= at <= end)})
    gaps = [(a, b) for a, b in pairwise(points) if not any(x < b and a < y for x, y in active)]
    gaps.sort(key=lambda gap: gap[1] - gap[0], reverse=True)
    kept, folds = end - start, []
    for a, b in gaps:
        if b - a <= SHORTEST_FOLD or 2 * (b - a) <= kept:
            break
        inset = (b - a) / 200  # a little of it stays on both sides, so that what waits is seen to wait
        folds.append((a + inset, b - inset))
        kept -= (b - a) - 2 * inset
    return Scale(start, end, sorted(folds), width)
