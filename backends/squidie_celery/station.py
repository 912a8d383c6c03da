"""What the processes of one Celery app know of Squidie: the object, the queues they serve, whether they shut down.

It is made by `install` in the main process, and children inherit it over the fork.
"""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING, Any

from squidie.errors import MissingConfig
from squidie_celery.queues import QueueNames
from squidie_celery.stopping import is_told_to_end

if TYPE_CHECKING:
    from celery import Celery

SPAWNED = "FORKED_BY_MULTIPROCESSING"  # Celery's own mark of a child that was not forked, whatever its name says
CONSUMES = "SQUIDIE_CONSUMES"


class Station:
    """One app's place in Squidie.

    `heard` and `dropped` count this process' bells, `quarantined` what it has put aside because it was no message.
    """

    def __init__(self, app: Celery, squidie: Any) -> None:
        self.app, self.squidie = app, squidie
        self.heard = self.dropped = self.quarantined = 0
        self._flag: mmap.mmap | None = None

    @property
    def names(self) -> QueueNames:
        """How queues correspond: the delivery's own rule where it is ours, else each queue by its name."""
        names = getattr(self.squidie.delivery, "names", None)
        return names or QueueNames(self.squidie.default_queue, self.app.conf.task_default_queue, {})

    def served(self) -> frozenset[str]:
        """The queues this worker was started for. Read anew each time, for `add_consumer` changes them at run time."""
        told = os.environ.get(SPAWNED) and os.environ.get(CONSUMES)
        return self.names.served(told.split(",") if told else self.app.amqp.queues.consume_from)

    def tell_spawned(self) -> None:
        """Leave word of the queues for children that are fresh interpreters and inherit nothing else."""
        os.environ[CONSUMES] = ",".join(self.app.amqp.queues.consume_from)

    def share_flag(self) -> None:
        """Make the byte by which children learn of a shutdown; before they are forked, or they would not see it."""
        self._flag = mmap.mmap(-1, 1)

    def drain(self) -> None:
        """Tell every process of this worker to begin nothing more.

        Only sets a byte, so that a signal handler may call it.
        """
        if self._flag is not None:
            self._flag[0] = 1

    def draining(self) -> bool:
        """Whether the worker is shutting down, or this process of it."""
        return (self._flag is not None and self._flag[0] == 1) or is_told_to_end()


def station_of(app: Celery) -> Station:
    """The station of this app; `MissingConfig` where nobody has installed Squidie."""
    station = getattr(app, "squidie_station", None)
    if not isinstance(station, Station):
        raise MissingConfig(
            "this Celery app has no Squidie", hint="call squidie_celery.install(app, squidie) where the app is made"
        )
    return station
