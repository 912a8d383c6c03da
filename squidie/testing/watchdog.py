"""Ends what a process leaves behind when it is killed: a child that reads a pipe, and acts when the pipe closes.

Run by path, in a process group of its own, with the standard library alone, so that it starts in a few milliseconds.
The other side is `guard.py`.
Rejected: PR_SET_PDEATHSIG (Linux only, and lost across setuid) and `atexit` (SIGKILL runs none).

Each line is a JSON array: `["hold", pid, signal, "group" | "process"]`, `["free", pid]`, `["folder", path]`,
`["spare", path]`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PATIENCE = 5.0
"""Seconds a process has to obey the signal it was registered with; then it is killed."""

Held = dict[int, tuple[int, bool]]


def obey(lines: Iterable[str]) -> tuple[Held, list[str]]:
    """What is held when the parent is gone: processes (in the order to end them, newest first) and folders."""
    held: Held = {}
    folders: dict[str, None] = {}
    for line in lines:
        match json.loads(line):
            case ["hold", int(pid), int(number), str(scope)]:
                held[pid] = (number, scope == "group")
            case ["free", int(pid)]:
                held.pop(pid, None)
            case ["folder", str(path)]:
                folders[path] = None
            case ["spare", str(path)]:
                folders.pop(path, None)
    return dict(reversed(held.items())), list(folders)


def send(pid: int, number: int, *, group: bool) -> bool:
    """Signal a process or its group; False when there is nobody left to hear it."""
    tell: Callable[[int, int], None] = os.killpg if group else os.kill
    try:
        tell(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def is_running(pid: int) -> bool:
    """Whether a process is there and not merely unburied. Where there is no /proc, the unburied count as running."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return not Path("/proc/self").exists() and send(pid, 0, group=False)
    return stat.rpartition(")")[2].split()[0] != "Z"


def end(held: Held) -> None:
    """Signal everybody, wait for those that may take their time, kill who is still there."""
    told = [pid for pid, (number, group) in held.items() if send(pid, number, group=group) and number != signal.SIGKILL]
    deadline = time.monotonic() + PATIENCE
    while any(map(is_running, told)) and time.monotonic() < deadline:
        time.sleep(0.01)
    for pid in filter(is_running, told):
        send(pid, signal.SIGKILL, group=held[pid][1])


def main() -> None:
    """Read until the pipe closes, then clean up. Whatever ends the parent must not end us first."""
    os.chdir("/")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    held, folders = obey(sys.stdin)
    end(held)
    for folder in folders:
        with suppress(OSError):
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
