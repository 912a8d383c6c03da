"""What this process has started and must not outlive it; the watchdog, a child at a pipe's end, hears of everything."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import threading
from pathlib import Path
from typing import Final

from squidie.testing import watchdog

_SOCKET_LIMIT: Final = 60
"""The longest temp folder in which a Unix socket's path (103 bytes on macOS) still fits."""


class Guard:
    """The pipe to the watchdog. Its write end is this process's alone: programs do not inherit it, forks close it."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, str | int], str] = {}
        self._lock = threading.Lock()
        self._pipe: int | None = None

    def hold(self, pid: int, number: int, *, group: bool) -> None:
        """End this process with that signal if we die before `free`."""
        self._tell(("pid", pid), ["hold", pid, number, "group" if group else "process"])

    def free(self, pid: int) -> None:
        """The process has ended, and was waited for."""
        self._forget(("pid", pid), ["free", pid])

    def folder(self, name: str = "") -> Path:
        """A new private temp folder with a short path, removed if we die before `remove`."""
        folder = Path(tempfile.mkdtemp(prefix=f"squidie-{name}", dir=_place())).resolve()
        self._tell(("folder", str(folder)), ["folder", str(folder)])
        return folder

    def remove(self, folder: Path) -> None:
        """Remove a folder made here."""
        shutil.rmtree(folder, ignore_errors=True)
        self._forget(("folder", str(folder)), ["spare", str(folder)])

    def _tell(self, key: tuple[str, str | int], message: list[str | int]) -> None:
        with self._lock:
            self._lines[key] = json.dumps(message) + "\n"
            self._write(self._lines[key])

    def _forget(self, key: tuple[str, str | int], message: list[str | int]) -> None:
        with self._lock:
            if self._lines.pop(key, None) is not None:
                self._write(json.dumps(message) + "\n")

    def _write(self, *lines: str) -> None:
        try:
            self._send(lines)
        except BrokenPipeError:  # somebody has killed the watchdog: the next one hears everything again
            self._let_go()
            self._send(tuple(self._lines.values()))

    def _send(self, lines: tuple[str, ...]) -> None:
        if self._pipe is None:
            self._pipe = _watchdog()
        for line in lines:  # each is shorter than PIPE_BUF, so it arrives whole or not at all
            os.write(self._pipe, line.encode())

    def forked(self) -> None:
        """In a fork: let go of the parent's pipe, or its watchdog would wait for us too."""
        self._lines, self._lock = {}, threading.Lock()
        self._let_go()

    def _let_go(self) -> None:
        if self._pipe is not None:
            os.close(self._pipe)
        self._pipe = None


def _place() -> Path:
    """The temp folder, unless its path is too long for sockets, or it is root's own and no other user may enter it."""
    place = Path(tempfile.gettempdir()).resolve()
    is_open = os.geteuid() != 0 or all(folder.stat().st_mode & 0o001 for folder in (place, *place.parents))
    return place if is_open and len(str(place)) <= _SOCKET_LIMIT else Path("/tmp")  # noqa: S108 (mkdtemp makes it private)


def _watchdog() -> int:
    """Start one, in a process group of its own so that Ctrl-C passes it by; what comes back is the pipe's write end."""
    ear, mouth = os.pipe()
    nowhere = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_WRONLY, 0) for fd in (1, 2)]
    actions = [(os.POSIX_SPAWN_DUP2, ear, 0), *nowhere]
    os.posix_spawn(
        sys.executable, [sys.executable, "-I", "-S", watchdog.__file__], os.environ, file_actions=actions, setpgroup=0
    )
    os.close(ear)
    return mouth


guard: Final = Guard()
"""One a process, as its watchdog is: whatever it started ends with it."""

os.register_at_fork(after_in_child=guard.forked)
