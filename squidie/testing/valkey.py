"""A Redis of one's own: Valkey on a free loopback port, keeping nothing over its death, ended by its own pid."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from typing import TYPE_CHECKING, Final

from squidie.errors import ConfigError
from squidie.testing import programs
from squidie.testing.daemon import Daemon
from squidie.testing.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

LOOPBACK: Final = "127.0.0.1"
SETTINGS: Final = {
    "save": "",
    "appendonly": "no",
    "daemonize": "no",
    "maxmemory-policy": "noeviction",
    "bind": LOOPBACK,
    "protected-mode": "yes",
}
TRIES: Final = 5
"""A free port may be taken by somebody else before we have it."""


class Redis:
    """One server. After `kill` and `start` it is empty, at the same address: that is what losing Redis means."""

    def __init__(self, folder: Path) -> None:
        self._program = programs.valkey_program()
        self._daemon = Daemon("Redis", folder / "redis.log", last_signal=signal.SIGKILL)
        self._folder = folder
        self.port = 0

    @property
    def pid(self) -> int:
        """The server's pid. Raises `ConfigError` while it is stopped."""
        return self._daemon.pid

    @property
    def url(self) -> str:
        """Its first database, as kombu wants it."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    @property
    def version(self) -> str:
        """Its release, `9.1.2` for instance."""
        said = subprocess.run([self._program, "--version"], capture_output=True, text=True, check=True).stdout
        return next(word[2:] for word in said.split() if word.startswith("v="))

    def start(self) -> None:
        """Start it and wait for its first answer; nothing happens when it runs. It comes back at the port it had."""
        if not self._daemon.is_started:
            for port in [self.port] if self.port else [_free_port() for _ in range(TRIES)]:
                if self._serves(port):
                    self.port = port
                    return
            raise ConfigError(f"Redis did not start; its log ends:\n{self._daemon.tail()}")

    def stop(self) -> None:
        """End it as a supervisor would."""
        self.thaw()
        self._daemon.end(signal.SIGTERM)

    def kill(self) -> None:
        """Crash it. Everything in it is lost."""
        self._daemon.end(signal.SIGKILL)

    close = kill

    def freeze(self) -> None:
        """SIGSTOP: connections stay open, nobody answers."""
        self._daemon.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        self._daemon.signal(signal.SIGCONT)

    def flush(self) -> None:
        """Empty all its databases."""
        if not _say(self.port, "FLUSHALL").startswith("+OK"):
            raise ConfigError("Redis did not flush", hint="is it frozen or stopped?")

    def _serves(self, port: int) -> bool:
        settings = [word for name, value in SETTINGS.items() for word in (f"--{name}", value)]
        command = [str(self._program), *settings, "--port", str(port), "--dir", str(self._folder)]
        self._daemon.start(command, os.environ)
        eventually(lambda: self._answers(port) or self._daemon.has_died(), every=0.005, why="Redis does not answer")
        if self._daemon.has_died():
            self._daemon.end(signal.SIGKILL)
        return self._daemon.is_started

    def _answers(self, port: int) -> bool:
        """Whether it is this very process that answers there."""
        return f"process_id:{self.pid}\r" in _say(port, "INFO server")


def _say(port: int, command: str) -> str:
    """The beginning of the answer to a command, empty when there is none."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=5) as line:
            line.sendall(f"{command}\r\n".encode())
            return line.recv(4096).decode("utf-8", "replace")
    except OSError:
        return ""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
