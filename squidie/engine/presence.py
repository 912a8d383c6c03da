"""A process says that it is alive, and what it serves: one row in the fleet, refreshed as long as it lives."""

from __future__ import annotations

import logging
import os
import time
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from squidie.engine import ids
from squidie.errors import SquidieError
from squidie.journal import fleet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from squidie.engine.parts import Parts

log = logging.getLogger("squidie.presence")


class Presence:
    """The row of this process. `role` is `worker` or `beat`."""

    def __init__(self, parts: Parts, role: str) -> None:
        self._parts = parts
        self._about: dict[str, Any] = {
            "owner": ids.owner(),
            "host": ids.host(),
            "pid": os.getpid(),
            "role": role,
            "actions": sorted(parts.served),
            "version": _version(),
            "delivery": parts.delivery.name,
        }

    def refresh(self, queues: Sequence[str] = ()) -> None:
        """Say so now. Raises `JournalUnavailable`."""
        rung_at = getattr(self._parts.delivery, "ok_at", None)
        silence = None if rung_at is None else time.monotonic() - rung_at
        with self._parts.journal.transaction() as connection:
            fleet.seen(self._parts.journal, connection, {**self._about, "queues": list(queues), "silence": silence})

    def leave(self) -> None:
        """The row goes with a process that stops in good order, if Postgres can be told."""
        try:
            with self._parts.journal.transaction() as connection:
                fleet.gone(self._parts.journal, connection, self._about["owner"])
        except SquidieError as error:
            log.info("this process's row stays until it is old: %s", error)


def _version() -> str:
    try:
        return version("squidie")
    except PackageNotFoundError:
        return "unknown"
