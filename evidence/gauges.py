"""What is looked at all the while: sessions and transactions of the database, and the memory of every worker."""

from __future__ import annotations

import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psycopg
from sqlalchemy import make_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

EVERY = 0.25
SETTLED = 20
"""Looks that a process has to grow to its size before its growth counts."""

LOOK = """
select count(*) as sessions, coalesce(
    max(extract(epoch from clock_timestamp() - xact_start)) filter (where state <> 'idle'), 0)::float8 as longest
from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()
"""


def resident(pid: int) -> float:
    """MiB of memory that a process has now; 0 for one that is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
        return pages * 4096 / 2**20
    except (OSError, IndexError):
        pass
    said = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return float(said) / 1024 if said.strip() else 0.0


class Gauges:
    """A thread that looks four times a second, and remembers the most it has seen. `pids` tells whom to weigh."""

    def __init__(self, url: str, pids: Callable[[], Iterable[int]]) -> None:
        self._log = Path(str(make_url(url).query["host"])) / "postgres.log"
        self._url = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._pids = pids
        self._weights: dict[int, list[float]] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gauges", daemon=True)
        self.sessions = 0
        self.longest = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(5)

    @property
    def growth(self) -> float:
        """MiB that a process has grown most, from when it had settled to when it was last seen."""
        return max(
            (seen[-1] - min(seen[SETTLED:]) for seen in self._weights.values() if len(seen) > SETTLED), default=0.0
        )

    @property
    def heaviest(self) -> float:
        """MiB of the largest process ever seen."""
        return max((max(seen) for seen in self._weights.values()), default=0.0)

    @property
    def deadlocks(self) -> int:
        """How often the server has met one since it was made, by its own log: its counters are gone after a crash."""
        return self._log.read_text("utf-8", errors="replace").count("deadlock detected")

    def deadlocked(self) -> list[str]:
        """The rule D0, in words where it is broken."""
        return [f"D0: {met} deadlock(s)"] if (met := self.deadlocks) else []

    def numbers(self) -> dict[str, float]:
        """What is printed of them: seconds, and MiB where the name says so."""
        return {
            "sessions_max": self.sessions,
            "longest_transaction": round(self.longest, 2),
            "rss_growth_mib": round(self.growth, 1),
            "rss_max_mib": round(self.heaviest, 1),
            "deadlocks": self.deadlocks,
        }

    def _run(self) -> None:
        while not self._over.is_set():
            with suppress(psycopg.Error), psycopg.connect(self._url, autocommit=True, connect_timeout=2) as connection:
                self._look(connection)
            self._over.wait(EVERY)

    def _look(self, connection: psycopg.Connection[Any]) -> None:
        """Until it is over, or the connection is."""
        while not self._over.wait(EVERY):
            for pid in self._pids():
                if (weight := resident(pid)) > 0:
                    self._weights.setdefault(pid, []).append(weight)
            sessions, longest = connection.execute(LOOK).fetchone() or (0, 0.0)
            self.sessions, self.longest = max(self.sessions, sessions), max(self.longest, longest)
