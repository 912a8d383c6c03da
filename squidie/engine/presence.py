"""A process says that it is alive, and what it serves: one row in the fleet, refreshed as long as it lives."""

from __future__ import annotations

import logging
import os
import time
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from squidie.engine import ids
from squidie.errors import SquidieError
from squidie.journal import fleet, limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from squidie.engine.parts import Parts

log = logging.getLogger("squidie.presence")

CODE_VERSION = "SQUIDIE_CODE_VERSION"
"""What the application's code is called, where the settings do not say it: a release, or a commit."""


class Presence:
    """The row of this process. `role` is `worker` or `beat`, `slots` how many turns it can take at once, if known."""

    def __init__(self, parts: Parts, role: str, slots: int | None = None) -> None:
        self._parts = parts
        self._is_known = self._has_served = False
        self._about: dict[str, Any] = {
            "owner": ids.owner(),
            "host": ids.host(),
            "pid": os.getpid(),
            "role": role,
            "actions": sorted(parts.served),
            "version": _version(),
            "code_version": parts.settings.version or os.environ.get(CODE_VERSION) or None,
            "delivery": parts.delivery.name,
            "slots": slots,
        }

    def refresh(self, queues: Sequence[str] = ()) -> None:
        """Say so now. One that serves no queue any more is about to stop. Raises `JournalUnavailable`."""
        if self._has_served and not queues:
            self.leave()
            return
        self._has_served = bool(queues)
        rung_at = getattr(self._parts.delivery, "ok_at", None)
        silence = None if rung_at is None else time.monotonic() - rung_at
        now = {"queues": list(queues), "silence": silence, "is_mute": not self._parts.delivery.reachable}
        with self._parts.journal.transaction() as connection:
            fleet.seen(self._parts.journal, connection, {**self._about, **now})
            if not self._is_known:
                fleet.forget(self._parts.journal, connection)
                limits.forget(self._parts.journal, connection)
        self._is_known = True

    def leave(self) -> None:
        """A process that stops in good order says so, if Postgres can be told; otherwise it counts as lost."""
        try:
            with self._parts.journal.transaction() as connection:
                fleet.gone(self._parts.journal, connection, self._about["owner"])
        except SquidieError as error:
            log.info("that this process has stopped could not be noted: %s", error)


def _version() -> str:
    try:
        return version("squidie")
    except PackageNotFoundError:
        return "unknown"
