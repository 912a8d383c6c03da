"""Real processes for tests and the demo: each in a group of its own, with its log in a file, and none outlives us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from squidie.testing.guard import guard
from squidie.testing.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

TAIL = 40
"""Lines of a log that a message shows."""

APART = ("--without-gossip", "--without-mingle", "--without-heartbeat")
"""What workers say to each other, left out: Squidie needs none of it, and mingling costs a second at start."""


class Process:
    """A command, started at once. `env` is added to our environment; `log` is a file to append to, else one for now."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        name: str = "process",
        env: Mapping[str, str] | None = None,
        cwd: Path | str | None = None,
        log: Path | str | None = None,
    ) -> None:
        self.name = name
        self.command = tuple(map(str, command))
        self._folder = None if log else guard.folder("log-")
        self.log = Path(log or f"{self._folder}/{name.replace(os.sep, '-')}.log")
        self._is_gone = False
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})}
        self._popen = launch(self.command, self.log, env=environment, cwd=cwd)
        self.pid = self._popen.pid
        guard.hold(self.pid, signal.SIGKILL, group=True)

    @property
    def exit_code(self) -> int | None:
        """How it ended: the exit status, minus the signal's number, or None while it runs."""
        return self._popen.poll()

    def is_alive(self) -> bool:
        """Whether the leader of the group still runs."""
        return self.exit_code is None

    def children(self) -> list[int]:
        """The pids of its children, a pool's processes for instance."""
        return children_of(self.pid)

    def send(self, number: int) -> None:
        """Signal the whole group; who is gone already does not hear it."""
        if not self._is_gone:  # else the number may be somebody else's by now
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    def kill(self) -> None:
        """SIGKILL, parent and children at once: nobody is left to give anything back."""
        self.send(signal.SIGKILL)
        self._popen.wait()
        self._is_gone = True
        guard.free(self.pid)

    def stop(self, timeout: float = 10.0) -> int:
        """SIGTERM to the leader, as a supervisor does it; after `timeout` the group is killed. The exit code."""
        if self.is_alive():
            self._popen.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._popen.wait(timeout)
        self.kill()
        return self._popen.returncode

    def wait(self, timeout: float = 10.0) -> int:
        """The exit code, once it has ended by itself; an `AssertionError` with the log's end when it does not."""
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(self._said(f"{self.name} has not ended within {timeout:g} s")) from None

    def wait_for(self, sign: str | Callable[[Process], object], timeout: float = 10.0) -> Self:
        """Wait until the log contains this text, or the predicate holds; fails at once when the process ends before."""
        holds = partial(_logged, sign) if isinstance(sign, str) else sign

        def seen() -> bool:
            alive = self.is_alive()  # asked first: what a process did before its end counts
            if holds(self):
                return True
            if not alive:
                raise AssertionError(self._said(f"{self.name} ended with {self.exit_code} before that happened"))
            return False

        eventually(seen, timeout, why=lambda: self._said(f"{self.name} does not show {sign!r}"))
        return self

    def log_text(self) -> str:
        """Everything it has written so far, to either stream."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def close(self) -> None:
        """Kill it if it runs, and remove its temp log."""
        self.kill()
        if self._folder is not None:
            guard.remove(self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _said(self, what: str) -> str:
        tail = "\n".join(self.log_text().splitlines()[-TAIL:])
        return f"{what}; its log ends:\n{tail}"


class Worker(Process):
    """`celery -A app worker`: `options` are added to the command line."""

    def __init__(
        self,
        app: str,
        *options: str,
        queues: Sequence[str] = (),
        concurrency: int = 1,
        pool: str = "prefork",
        name: str = "worker",
        env: Mapping[str, str] | None = None,
        cwd: Path | str | None = None,
        log: Path | str | None = None,
    ) -> None:
        serves = ["-Q", ",".join(queues)] if queues else []
        node = ["-n", f"{name}@%h", "-c", str(concurrency), "-P", pool, "-l", "INFO", *APART]
        super().__init__([*celery(app, "worker"), *node, *serves, *options], name=name, env=env, cwd=cwd, log=log)

    def wait_ready(self, timeout: float = 15.0) -> Self:
        """Wait until it consumes."""
        return self.wait_for(" ready.", timeout)


class Beat(Process):
    """`celery -A app beat -S squidie`, without files of its own beside its log."""

    def __init__(
        self,
        app: str,
        *options: str,
        name: str = "beat",
        env: Mapping[str, str] | None = None,
        cwd: Path | str | None = None,
        log: Path | str | None = None,
    ) -> None:
        command = [*celery(app, "beat"), "-S", "squidie", "--pidfile=", "-l", "INFO", *options]
        super().__init__(command, name=name, env=env, cwd=cwd, log=log)


def celery(app: str, command: str) -> list[str]:
    """Celery's command line, in this very interpreter."""
    return [sys.executable, "-m", "celery", "-A", app, command]


def launch(
    command: Sequence[str],
    log: Path,
    *,
    env: Mapping[str, str],
    cwd: Path | str | None = None,
    user: int | None = None,
    group: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start a command in its own session, where our terminal's Ctrl-C does not reach; `log` gets both its streams."""
    with log.open("ab") as out:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
            user=user,
            group=group,
            extra_groups=None if user is None else [],
        )


def children_of(pid: int) -> list[int]:
    """The pids of a process's children: from /proc where there is one, else from `ps`."""
    try:
        listed = list(Path(f"/proc/{pid}/task").glob("*/children"))
    except OSError:  # it has ended while it was looked at
        return []
    if listed:
        return sorted(int(child) for path in listed for child in _read(path).split())
    table = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=False).stdout
    return sorted(int(child) for child, parent in map(str.split, table.splitlines()) if int(parent) == pid)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:  # it has just ended
        return ""


def _logged(text: str, process: Process) -> bool:
    return text in process.log_text()
