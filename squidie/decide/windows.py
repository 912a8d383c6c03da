"""Which cron windows are due, what becomes of them, and what they are called.

A window's identity is the run's id, whoever opens it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, assert_never

from squidie.workflow.cron import EPOCH, interval, is_interval, latest_before, next_after
from squidie.workflow.spec import Catchup, Overlap

if TYPE_CHECKING:
    from collections.abc import Sequence

ON_TIME = timedelta(seconds=10)
"""A window that is opened within it was not missed: two of the longest pauses between looks.

All such windows open, whatever `catchup` says; it is about those that are older.
"""

MOST_COUNTED = 1000
MOST_AT_ONCE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """When a schedule fires, and what it does about the windows that nobody was there to open."""

    expression: str
    timezone: str = "UTC"
    catchup: Catchup = Catchup.LATEST
    catchup_max: int | None = None
    starts: datetime | None = None
    ends: datetime | None = None

    @property
    def anchor(self) -> datetime:
        """From where the windows of an interval are counted."""
        return self.starts or EPOCH

    def after(self, moment: datetime) -> datetime | None:
        """The first window later than this; None when there is none any more."""
        if self.starts is not None and moment < self.starts:
            moment = self.starts - timedelta(microseconds=1)
        found = next_after(self.expression, self.timezone, moment, self.anchor)
        return found if self.ends is None or found < self.ends else None

    def end_of(self, window: datetime) -> datetime:
        """Where the next window begins, also beyond the schedule's last one."""
        return next_after(self.expression, self.timezone, window, self.anchor)

    def before(self, moment: datetime, *, inclusive: bool = False) -> datetime | None:
        """The last window earlier than this (or at it); None when there was none."""
        if self.ends is not None and self.ends <= moment:
            moment, inclusive = self.ends, False
        found = latest_before(self.expression, self.timezone, moment, self.anchor, inclusive=inclusive)
        return found if self.starts is None or found >= self.starts else None


@dataclass(frozen=True, slots=True)
class Due:
    """The windows to open now, oldest first, when the schedule is due next (None: never), and what is left out."""

    windows: tuple[datetime, ...]
    next_at: datetime | None
    skipped: int = 0


def due(timing: Timing, *, next_at: datetime | None, now: datetime) -> Due:
    """Look back from now, never forward from `next_at`: a year of outage costs as much as what is opened.

    New, edited and resumed schedules (`next_at` is None) start from now and fill nothing in.
    """
    following = timing.after(now)
    if next_at is None or next_at > now:
        return Due((), following)
    windows = _back(timing, now, next_at, _most(timing))
    on_time = tuple(window for window in windows if now - window <= ON_TIME)
    opened = _caught_up(timing, windows, on_time)
    return Due(opened, following, _count(timing, next_at, windows) - len(opened))


def _most(timing: Timing) -> int:
    """How far to look back: on time there are at most as many windows as seconds."""
    least = int(ON_TIME / timedelta(seconds=1)) + 1
    return max(least, timing.catchup_max or MOST_AT_ONCE) if timing.catchup is Catchup.ALL else least


def _back(timing: Timing, now: datetime, since: datetime, most: int) -> tuple[datetime, ...]:
    """The last windows from `since` until now, oldest first."""
    found: list[datetime] = []
    window = timing.before(now, inclusive=True)
    while window is not None and window >= since and len(found) < most:
        found.append(window)
        window = timing.before(window)
    return tuple(reversed(found))


def _caught_up(timing: Timing, windows: tuple[datetime, ...], on_time: tuple[datetime, ...]) -> tuple[datetime, ...]:
    """What is opened of the windows that came due: those on time, and of the others what the policy says."""
    match timing.catchup:
        case Catchup.ALL:
            return windows[-max(len(on_time), timing.catchup_max or MOST_AT_ONCE) :]
        case Catchup.LATEST:
            return on_time or windows[-1:]
        case Catchup.SKIP:
            return on_time
        case _:
            assert_never(timing.catchup)


def _count(timing: Timing, since: datetime, windows: tuple[datetime, ...]) -> int:
    """How many windows came due; at most `MOST_COUNTED` beyond those already found are counted."""
    if not windows:
        return 0
    if is_interval(timing.expression):
        return len(windows) + max(0, -((since - windows[0]) // interval(timing.expression)))
    return len(windows) + len(_back(timing, windows[0] - timedelta(microseconds=1), since, MOST_COUNTED))


@dataclass(frozen=True, slots=True)
class Plan:
    """What overlap makes of due windows: which open now, which waits, whether open runs end, how many are skipped."""

    opens: tuple[datetime, ...]
    queued: datetime | None = None
    cancels: bool = False
    skipped: int = 0


def plan(overlap: Overlap, windows: Sequence[datetime], *, queued: datetime | None, is_open: bool) -> Plan:
    """`queued` is the window that waits already; `is_open` says whether a run of the schedule has not ended."""
    waiting = tuple(windows) if queued is None else (queued, *windows)
    if not waiting:
        return Plan(())
    match overlap:
        case Overlap.ALLOW:
            return Plan(waiting)
        case Overlap.SKIP:
            return Plan((), skipped=len(waiting)) if is_open else Plan(waiting[-1:], skipped=len(waiting) - 1)
        case Overlap.QUEUE_ONE:
            return _queue(waiting, is_open=is_open)
        case Overlap.CANCEL_PREVIOUS:
            return Plan(waiting[-1:], cancels=is_open, skipped=len(waiting) - 1)
        case _:
            assert_never(overlap)


def _queue(waiting: tuple[datetime, ...], *, is_open: bool) -> Plan:
    """The newest waits; where nothing is open, the one before it opens."""
    if is_open:
        return Plan((), waiting[-1], skipped=len(waiting) - 1)
    if len(waiting) == 1:
        return Plan(waiting)
    return Plan(waiting[-2:-1], waiting[-1], skipped=len(waiting) - 2)


def window_name(window: datetime) -> str:
    """How a window is written in keys and facts: its intended time in UTC."""
    return window.isoformat()


def delayed(window: datetime, jitter: float, drawn: int) -> datetime | None:
    """When a window's first steps are due at the earliest; `drawn` is a number that the window always has."""
    return window + timedelta(seconds=jitter * (drawn % 1_000_003) / 1_000_003) if jitter else None
