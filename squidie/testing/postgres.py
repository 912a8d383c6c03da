"""A PostgreSQL of one's own: a Unix socket in a private folder, no open port, ended by its own pid."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from sqlalchemy import URL

from squidie.errors import ConfigError
from squidie.testing import programs
from squidie.testing.daemon import Daemon
from squidie.testing.processes import children_of
from squidie.testing.waiting import eventually
from squidie.testing.watchdog import is_running

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SUPERUSER: Final = "postgres"
SETTINGS: Final = {
    "listen_addresses": "",
    "max_connections": "200",
    "dynamic_shared_memory_type": "mmap",
    "timezone": "UTC",
}
"""Not the defaults: no port, room for several pools, nothing in /dev/shm that a kill would leave behind."""


class Postgres:
    """One cluster. It keeps its data over `stop`, `kill` and `start`; `settings` decide how durable it is."""

    def __init__(self, sockets: Path, data: Path, settings: Mapping[str, str] | None = None) -> None:
        self._user = programs.unprivileged()
        self._sockets, self._data = sockets, data
        self._settings = {**SETTINGS, **(settings or {}), "unix_socket_directories": str(sockets)}
        self._daemon = Daemon("Postgres", sockets / "postgres.log", last_signal=signal.SIGQUIT, user=self._user)
        self._give(sockets)
        self._programs = programs.reachable(programs.postgres_programs(), self._user, sockets)
        if not (data / "PG_VERSION").exists():
            self._create()

    @property
    def pid(self) -> int:
        """The postmaster's pid. Raises `ConfigError` while the server is stopped."""
        return self._daemon.pid

    @property
    def url(self) -> str:
        """Its `postgres` database, for SQLAlchemy."""
        query = {"host": str(self._sockets)}
        return URL.create("postgresql+psycopg", SUPERUSER, database="postgres", query=query).render_as_string()

    @property
    def version(self) -> str:
        """Its release, `18.4` for instance."""
        said = subprocess.run(
            [self._programs / "postgres", "--version"], capture_output=True, text=True, check=True
        ).stdout
        return said.split()[2]

    def start(self) -> None:
        """Start it and wait until it answers; nothing happens when it runs."""
        if not self._daemon.is_started:
            settings = [word for name, value in self._settings.items() for word in ("-c", f"{name}={value}")]
            self._daemon.start(self._command("postgres", *settings), _environment())
            eventually(
                self._is_ready,
                30.0,
                every=0.005,
                why=lambda: f"Postgres does not answer; its log ends:\n{self._daemon.tail()}",
            )

    def stop(self) -> None:
        """End it as an administrator would: sessions are cut off, the data is written."""
        self._daemon.end(signal.SIGINT)

    def kill(self) -> None:
        """Crash it: SIGKILL for the server and all its processes. `start` recovers from the log."""
        if self._daemon.is_started:
            sessions = children_of(self._daemon.pid)
            self._daemon.end(signal.SIGKILL)
            for pid in sessions:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            eventually(
                lambda: not any(map(is_running, sessions)), every=0.005, why="the killed server's sessions live on"
            )

    def restart(self) -> None:
        """Stop it and start it again; every connection breaks."""
        self.stop()
        self.start()

    def close(self) -> None:
        """End it at once, for a cluster that nobody will ever start again."""
        self._daemon.end(signal.SIGQUIT)

    def _create(self) -> None:
        self._data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._give(self._data)
        asked = (
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--no-instructions",
            f"--username={SUPERUSER}",
        )
        if self._daemon.run(self._command("initdb", *asked), _environment()) != 0:
            who = f" as the user {self._user.name}" if self._user else ""
            hint = "give a folder that user can enter, or set SQUIDIE_DATABASE_URL"
            raise ConfigError(f"initdb failed{who}; it said:\n{self._daemon.tail()}", hint=hint)

    def _command(self, program: str, *options: str) -> list[str]:
        return [str(self._programs / program), "-D", str(self._data), *options]

    def _is_ready(self) -> bool:
        """The last line of the server's own pid file says so; no client is needed to ask."""
        if self._daemon.has_died():
            self._daemon.end(signal.SIGQUIT)
            raise ConfigError(f"Postgres did not start; its log ends:\n{self._daemon.tail()}")
        try:
            lines = (self._data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except OSError:
            return False
        return lines[:1] == [str(self.pid)] and lines[-1].strip() == "ready"

    def _give(self, folder: Path) -> None:
        if self._user is not None:
            shutil.chown(folder, self._user.uid, self._user.gid)


def _environment() -> dict[str, str]:
    """Ours, without what would change the server's mind about its place, its language or the time."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return {**ours, "TZ": "UTC"}
