"""Squidie in a Celery app, the host's or one of its own: two tasks, a bootstep of the worker and two of its consumer.

`squidie.wake` is the only bell. `squidie.tick` is there for hosts whose beat has a scheduler of its own: nothing of
Squidie's ever sends it.

Nothing of the host's is overridden.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from squidie.errors import InvalidConfig
from squidie_celery.process import Process
from squidie_celery.quarantine import Sifting
from squidie_celery.reconnecting import Reconnecting
from squidie_celery.station import Station
from squidie_celery.tasks import register
from squidie_celery.ticking import register as register_tick

if TYPE_CHECKING:
    from celery import Celery


def install(app: Celery, squidie: Any) -> Any:
    """Let this app's workers serve `squidie`, and its bells go through this app's broker.

    Doing it again changes nothing. Gives `squidie` back.
    """
    installed = getattr(app, "squidie", None)
    if installed is squidie:
        return squidie
    if installed is not None:
        raise InvalidConfig(
            "this Celery app serves another Squidie already", hint="one app serves one journal; make a second app"
        )
    app.squidie = squidie
    app.squidie_station = Station(app, squidie)
    if hasattr(squidie.delivery, "bind"):
        squidie.delivery.bind(app)
    register(app.squidie_station)
    register_tick(app.squidie_station)
    app.steps["worker"].add(Process)
    app.steps["consumer"].add(Sifting)
    app.steps["consumer"].add(Reconnecting)
    return squidie
