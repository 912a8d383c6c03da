"""What the workers' steps tell the harness, through shared memory: how many have begun, when the first did, when each.

One small file a process, so that nobody waits for anybody. The monotonic clock is the machine's: its readings compare
across processes. Where one workflow runs at a time, one more file takes the moment of each of its steps.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from threading import Lock
from time import monotonic_ns

FOLDER = "SQUIDIE_BENCH_MARKS"
"""The environment variable that names the folder; without it nothing is written."""
ONE_AT_A_TIME = "SQUIDIE_BENCH_MOMENTS"
"""Set where the moment of each step is asked for."""
SIDE_BY_SIDE = "SQUIDIE_BENCH_WIDE"
"""Set where a worker will be given parallel steps."""
FIRST, COUNT, SIZE = 0, 1, 16
MOST = 15
"""Moments that are kept of one workflow."""

_mine: memoryview | None = None
_moments: memoryview | None = None
_pid = 0
_lock = Lock()  # some workers run steps in threads


def step_begins() -> None:
    """Called by every step; about a microsecond."""
    with _lock:
        marks = _mine if _pid == os.getpid() else _open()
        if marks is None:
            return
        if not marks[COUNT]:
            marks[FIRST] = monotonic_ns()
        marks[COUNT] += 1
        if _moments is not None and _moments[0] < MOST:
            _moments[1 + _moments[0]] = monotonic_ns()
            _moments[0] += 1


def _open() -> memoryview | None:
    """A file of this process' own: a forked child must not write into its parent's."""
    global _mine, _moments, _pid  # noqa: PLW0603 - once a process
    folder, _pid = os.environ.get(FOLDER), os.getpid()
    if folder is None:
        _mine = None
        return None
    _mine = _map(Path(folder, f"marks-{_pid}"), SIZE, "w+b")
    _moments = moments(Path(folder)) if ONE_AT_A_TIME in os.environ else None
    return _mine


def moments(folder: Path) -> memoryview:
    """How many steps have begun since somebody wrote a zero there, and when each did."""
    path = folder / "moments"
    return _map(path, 8 * (1 + MOST), "r+b" if path.exists() else "w+b")


def _map(path: Path, size: int, mode: str) -> memoryview:
    with path.open(mode) as file:
        file.truncate(size)
        return memoryview(mmap.mmap(file.fileno(), size)).cast("q")


def steps_begun(folder: Path) -> int:
    """By all processes so far."""
    return sum(count for _, count in _read(folder))


def first_at(folder: Path) -> int:
    """When the first step began, in nanoseconds of the monotonic clock; 0 before."""
    return min((first for first, _ in _read(folder) if first), default=0)


def clear(folder: Path) -> None:
    """For the next repetition."""
    for path in (*folder.glob("marks-*"), *folder.glob("moments")):
        path.unlink()


def _read(folder: Path) -> list[tuple[int, int]]:
    contents = [path.read_bytes() for path in folder.glob("marks-*")]
    return [tuple(memoryview(content).cast("q")) for content in contents if len(content) == SIZE]  # type: ignore[misc]
