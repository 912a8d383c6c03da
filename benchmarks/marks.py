"""What the workers' steps tell the harness, through shared memory: how many have begun, and when the first did.

One small file a process, so that nobody waits for anybody. The monotonic clock is the machine's: its readings compare
across processes.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from time import monotonic_ns

FOLDER = "SQUIDIE_BENCH_MARKS"
"""The environment variable that names the folder; without it nothing is written."""
FIRST, COUNT, SIZE = 0, 1, 16

_mine: memoryview | None = None
_pid = 0


def step_begins() -> None:
    """Called by every step; well under a microsecond."""
    marks = _mine if _pid == os.getpid() else _open()
    if marks is not None:
        if not marks[COUNT]:
            marks[FIRST] = monotonic_ns()
        marks[COUNT] += 1


def _open() -> memoryview | None:
    """A file of this process' own: a forked child must not write into its parent's."""
    global _mine, _pid  # noqa: PLW0603 - once a process
    folder, _pid = os.environ.get(FOLDER), os.getpid()
    if folder is None:
        _mine = None
        return None
    with Path(folder, f"marks-{_pid}").open("w+b") as file:
        file.truncate(SIZE)
        _mine = memoryview(mmap.mmap(file.fileno(), SIZE)).cast("q")
    return _mine


def steps_begun(folder: Path) -> int:
    """By all processes so far."""
    return sum(count for _, count in _read(folder))


def first_at(folder: Path) -> int:
    """When the first step began, in nanoseconds of the monotonic clock; 0 before."""
    return min((first for first, _ in _read(folder) if first), default=0)


def clear(folder: Path) -> None:
    """For the next repetition."""
    for path in folder.glob("marks-*"):
        path.unlink()


def _read(folder: Path) -> list[tuple[int, int]]:
    contents = [path.read_bytes() for path in folder.glob("marks-*")]
    return [tuple(memoryview(content).cast("q")) for content in contents if len(content) == SIZE]  # type: ignore[misc]
