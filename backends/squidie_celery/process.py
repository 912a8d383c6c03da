"""Squidie in a Celery worker: what its main process does beside consuming bells, in every pool.

A worker's bootstep, not a consumer's: those stop and start with the broker's connection, while sweeping goes on without
a broker. What children must inherit is made in `__init__`, for they exist before `start`.
"""

from __future__ import annotations

import gc
import logging
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from celery import bootsteps, signals

from squidie_celery import checks
from squidie_celery.app import is_own
from squidie_celery.station import station_of
from squidie_celery.tasks import NAME, harden
from squidie_celery.watch import Births, Watch, children_of

if TYPE_CHECKING:
    from collections.abc import Collection

log = logging.getLogger("squidie.worker")


class Process(bootsteps.StartStopStep):
    """Sweeps, watches over the children and tells them of a shutdown."""

    requires: ClassVar = {"celery.worker.components:Pool"}
    name = "Squidie"

    def __init__(self, worker: Any, **kwargs: Any) -> None:
        super().__init__(worker, **kwargs)
        self._station = station_of(worker.app)
        self._squidie = self._station.squidie
        self._station.share_flag()
        self._station.tell_spawned()
        self._squidie.begin_worker()  # before the pool exists, so that children share its name
        self._sweeper = self._squidie.sweeper(self._queues, slots=getattr(worker, "concurrency", None))
        self._nudge = Nudge()
        self._births = Births()
        self._watch = Watch(lambda: children_of(worker.pool), self._births, self._squidie.child_died, self._nudge.give)
        harden(worker.app)
        if is_own(worker.app):
            _suit(worker)
        self._listen()

    def start(self, worker: Any) -> None:
        """Before the consumer: check the settings, then sweep and watch. A journal that is away delays nothing here."""
        unwise = [*checks.findings(worker.app), *checks.of_pool(worker.pool_cls)]
        self._squidie.check_conditions(unwise, refuse=is_own(worker.app))
        self._sweeper.start()
        if children_of(worker.pool):
            self._watch.start()

    def register_with_event_loop(self, worker: Any, hub: Any) -> None:
        """Celery calls it for each connection to the broker."""
        self._nudge.heard_by(hub, worker.pool)

    def stop(self, worker: Any) -> None:  # noqa: ARG002 Celery's signature
        """After the consumer, before the pool: the watch goes on until the last child has ended."""
        self._station.drain()
        self._sweeper.stop()

    terminate = stop

    def _queues(self) -> Collection[str]:
        """What the sweeper looks after; nothing any more while the worker drains."""
        return () if self._station.draining() else sorted(self._station.served())

    def _listen(self) -> None:
        """Signals are weak by default, and a bound method would be gone at once."""
        signals.worker_shutting_down.connect(self._on_shutting_down, weak=False)
        signals.worker_process_init.connect(self._on_child_begin, weak=False)
        signals.worker_process_shutdown.connect(self._on_child_exit, weak=False)
        signals.worker_shutdown.connect(self._on_shutdown, weak=False)

    def _on_shutting_down(self, **_: Any) -> None:
        self._station.drain()

    def _on_child_begin(self, **_: Any) -> None:
        self._births.report()
        gc.freeze()  # what the parent has loaded stays: the collector need not look through it again and again

    def _on_child_exit(self, **_: Any) -> None:
        self._squidie.delivery.close()

    def _on_shutdown(self, **_: Any) -> None:
        self._watch.stop()
        signals.worker_shutting_down.disconnect(self._on_shutting_down)
        signals.worker_process_init.disconnect(self._on_child_begin)
        signals.worker_process_shutdown.disconnect(self._on_child_exit)
        signals.worker_shutdown.disconnect(self._on_shutdown)


class Nudge:
    """Makes a pool look after its children now, in the thread that may touch it.

    It looks by itself when a child's sentinel is readable. That may be a moment before the child can be reaped; then it
    finds nobody dead, replaces nobody and takes no bells for up to five seconds, the time until it looks again.
    """

    def __init__(self) -> None:
        self._ear, self._mouth = os.pipe()
        os.set_blocking(self._ear, False)
        os.set_blocking(self._mouth, False)

    def give(self) -> None:
        """From any thread."""
        with suppress(BlockingIOError):
            os.write(self._mouth, b"!")

    def heard_by(self, hub: Any, pool: Any) -> None:
        """The event loop that listens, for its pool."""
        hub.add_reader(self._ear, self._heard, pool)

    def _heard(self, pool: Any) -> None:
        with suppress(BlockingIOError):
            os.read(self._ear, 64)
        maintain = getattr(getattr(pool, "_pool", None), "maintain_pool", None)
        if maintain is not None:
            maintain()


def _suit(worker: Any) -> None:
    """What only an app of our own may have set for it, now that its pool is known."""
    if "thread" in str(worker.pool_cls):
        worker.app.conf.worker_disable_prefetch = False  # nothing wakes the loop when a thread ends
    for name in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).addFilter(_is_no_bell)  # two lines a bell would bury what steps have to say


def _is_no_bell(record: logging.LogRecord) -> bool:
    told = getattr(record, "data", None)
    return record.levelno > logging.INFO or not isinstance(told, dict) or told.get("name") != NAME
