"""Beat is a tick: the app's own `beat_schedule` as ever, and Squidie's due cron windows. Any number of beats may run.

`celery -A proj beat -S squidie` (or `-S squidie_celery.beat:Scheduler`). Windows come first, because they need the
database only: the stock tick waits for a broker that is away. A window's identity is its run's id, so two beats open it
once; two beats double the host's own entries, as beats always do.
"""

from __future__ import annotations

import logging
from functools import cached_property
from time import monotonic
from typing import Any

from celery.beat import PersistentScheduler
from kombu.exceptions import OperationalError

from squidie_celery.station import station_of

log = logging.getLogger("squidie.beat")

LONGEST_WAIT = 1.0  # where schedules cannot be listened to, also how soon a new or edited one is seen
BREATH = 0.001  # after a sleep beat looks whether to save its file; ours is inside the tick
BOUNDS = {"socket_timeout": 5, "socket_connect_timeout": 5}


class Scheduler(PersistentScheduler):
    """The stock scheduler with its file and its semantics, and `squidie.tick()`.

    It opens nothing when it is made: beat makes a second one for its banner.
    """

    _look_at = 0.0
    _windows_failed = _broker_failed = False

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Open due windows, send due entries if there is a broker, and wait here: a changed schedule ends the wait."""
        until_window = self._open_windows()
        until_entry = super().tick(*args, **kwargs) if self._broker_answers() else LONGEST_WAIT
        wait = min(until_window, until_entry, LONGEST_WAIT)
        if wait <= 0:
            return 0.0
        if self._ear.wait(wait):
            self._look_at = 0.0
        return BREATH

    @property
    def info(self) -> str:
        """A line of beat's banner."""
        return f"{super().info}\n    . windows -> squidie"

    def _open_windows(self) -> float:
        """Seconds until windows want looking at again. A database that is away is tried once a second."""
        if monotonic() < self._look_at:  # the stock tick sends one entry at a time, and comes back at once for the next
            return self._look_at - monotonic()
        wait = LONGEST_WAIT
        try:
            self._presence.refresh()
            wait = min(wait, station_of(self.app).squidie.tick())
        except Exception as error:  # noqa: BLE001 the host's own entries go on, whatever is wrong with ours
            self._say_once("_windows_failed", "windows cannot be opened, trying each second", error)
        else:
            self._windows_failed = False
        self._look_at = monotonic() + wait
        return wait

    @cached_property
    def _presence(self) -> Any:
        """Beat's row in the fleet, by which `squidie doctor` knows that it is alive."""
        return station_of(self.app).squidie.presence("beat")

    @cached_property
    def _ear(self) -> Any:
        return station_of(self.app).squidie.schedules.ear()

    def close(self) -> None:
        """Once, at the end: what the stock scheduler saves, and the row."""
        super().close()
        if "_ear" in self.__dict__:
            self._ear.close()
        if "_presence" in self.__dict__:
            self._presence.leave()

    @cached_property
    def connection(self) -> Any:
        """Beat's own connection, bounded where the host set no bound: a frozen broker must not hold up the windows."""
        options = self.app.conf.broker_transport_options
        return self.app.connection_for_write(transport_options={k: v for k, v in BOUNDS.items() if k not in options})

    def _broker_answers(self) -> bool:
        """Whether to let the stock tick go: it connects at its first due entry, and may try for an hour."""
        if "producer" in self.__dict__ or not self.schedule:
            return True
        try:
            self.connection.ensure_connection(max_retries=1, interval_start=0)
        except OperationalError as error:
            self._say_once("_broker_failed", "the broker is out of reach, entries of beat_schedule wait", error)
            return False
        self._broker_failed = False
        return True

    def _say_once(self, flag: str, what: str, error: Exception) -> None:
        log.log(logging.DEBUG if getattr(self, flag) else logging.WARNING, "%s: %s", what, type(error).__name__)
        setattr(self, flag, True)
