"""A server's process: started with its log in a file, known to the watchdog, ended by its own pid."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from squidie.errors import ConfigError
from squidie.testing.guard import guard
from squidie.testing.processes import launch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from squidie.testing.programs import User

TAIL = 20
"""Lines of a log that a message shows."""


class Daemon:
    """One program at a time; `last_signal` is what the watchdog sends it if we die."""

    def __init__(self, name: str, log: Path, *, last_signal: int, user: User | None = None) -> None:
        self.name, self.log = name, log
        self._last_signal, self._user = last_signal, user
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def is_started(self) -> bool:
        """Whether there is a process, dead or alive, that has not been ended here."""
        return self._popen is not None

    @property
    def pid(self) -> int:
        """Its pid. Raises `ConfigError` while it is stopped."""
        if self._popen is None:
            raise ConfigError(f"this {self.name} is stopped", hint="call start()")
        return self._popen.pid

    def run(self, command: Sequence[str], env: Mapping[str, str]) -> int:
        """Run a program of the server's to its end, as its user; the exit code."""
        return self._launch(command, env).wait()

    def start(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        """Start the server itself."""
        self._popen = self._launch(command, env)
        guard.hold(self._popen.pid, self._last_signal, group=False)

    def has_died(self) -> bool:
        """Whether it ended by itself."""
        return self._popen is not None and self._popen.poll() is not None

    def signal(self, number: int) -> None:
        """Signal the process, if there is one."""
        if self._popen is not None:
            self._popen.send_signal(number)

    def end(self, number: int, patience: float = 30.0) -> None:
        """Signal it and wait for its end; one that does not obey is killed."""
        if self._popen is not None:
            self._popen.send_signal(number)
            try:
                self._popen.wait(patience)
            except subprocess.TimeoutExpired:
                self._popen.kill()
                self._popen.wait()
            guard.free(self._popen.pid)
            self._popen = None

    def tail(self) -> str:
        """The end of its log, for a message."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-TAIL:])

    def _launch(self, command: Sequence[str], env: Mapping[str, str]) -> subprocess.Popen[bytes]:
        user, group = (self._user.uid, self._user.gid) if self._user else (None, None)
        return launch(command, self.log, env=env, cwd="/", user=user, group=group)
