"""`squidie.tick`, for a beat with a scheduler of its own (redbeat, django-celery-beat): it opens due windows.

    app.conf.beat_schedule = {"squidie": {"task": "squidie.tick", "schedule": 1.0, "options": {"expires": 5}}}

It carries nothing and has no authority: any number of them, doubled or lost, gives each window one run, and every
worker's sweeper opens windows anyway.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from squidie.errors import Unavailable

if TYPE_CHECKING:
    from celery import Celery

    from squidie_celery.station import Station

log = logging.getLogger("squidie.tick")

NAME = "squidie.tick"
ATTRIBUTES: dict[str, Any] = {
    "acks_late": False,
    "max_retries": 0,
    "ignore_result": True,
    "track_started": False,
    "store_errors_even_if_ignored": False,
}


def register(station: Station) -> None:
    """Declare the task on the station's app."""
    app: Celery = station.app

    def tick(*args: Any, **kwargs: Any) -> None:  # noqa: ARG001 it needs nothing, whatever somebody's entry sends
        try:
            station.squidie.tick()
        except Unavailable as error:
            log.warning("a tick found no journal, the next one looks again: %s", error.message)

    app.task(name=NAME, shared=False, typing=False, **ATTRIBUTES)(tick)
