"""What processes have cost, from /proc. Where there is none, nothing is claimed: every answer is None."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from squidie.testing import children_of

if TYPE_CHECKING:
    from collections.abc import Iterator

TICKS = os.sysconf("SC_CLK_TCK")
THERE = Path("/proc/stat").exists()
PEAK = re.compile(r"VmHWM:\s+(\d+) kB")


def tree(pid: int) -> Iterator[int]:
    """A process and all its living descendants."""
    yield pid
    for child in children_of(pid):
        yield from tree(child)


def cpu_seconds(pid: int | None) -> float | None:
    """User and system time of a process, its descendants, and those of them that have ended."""
    if pid is None or not THERE:
        return None
    return sum(_cpu(each) for each in tree(pid))


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:  # it has just ended, and its parent counts it
        return 0.0
    return sum(map(int, fields[11:15])) / TICKS  # utime, stime, and the same of children that were waited for


def peak_mib(pid: int) -> float | None:
    """The largest peak of resident memory among a process and its descendants."""
    return max((peak for each in tree(pid) if (peak := _peak(each))), default=None) if THERE else None


def _peak(pid: int) -> float:
    try:
        found = PEAK.search(Path(f"/proc/{pid}/status").read_text("utf-8", errors="replace"))
    except OSError:
        return 0.0
    return int(found[1]) / 1024 if found else 0.0


def busy_seconds() -> float | None:
    """Of all the machine's cores since it was started, whoever used them."""
    if not THERE:
        return None
    fields = Path("/proc/stat").read_text("ascii").partition("\n")[0].split()[1:]
    user, nice, system, _idle, _waiting, irq, softirq, *_ = map(int, fields)
    return (user + nice + system + irq + softirq) / TICKS


def own_seconds() -> float | None:
    """User and system time of this very process, without its children."""
    return sum(os.times()[:2]) if THERE else None
