"""What workers load: `celery -A evidence.app worker | beat`, or `SQUIDIE_APP=evidence.app:squidie squidie worker`.

They are told by the environment: `SQUIDIE_DATABASE_URL`, `SQUIDIE_REDIS_URL`, `EVIDENCE_EFFECTS_URL`; without a Redis
bells are notifications. `EVIDENCE_ACKS=late` acknowledges bells when their turns have ended.
"""

from __future__ import annotations

import json
import os
from typing import Any, ClassVar

from celery import bootsteps

from evidence.hosting import serving
from squidie_celery import CeleryDelivery, create_app, install
from squidie_notify import NotifyDelivery

URL = os.environ["SQUIDIE_DATABASE_URL"]
REDIS = os.environ.get("SQUIDIE_REDIS_URL")
LATE = os.environ.get("EVIDENCE_ACKS") == "late"
SETTINGS: dict[str, Any] = json.loads(os.environ.get("EVIDENCE_SETTINGS", "{}"))


class LateAcks(bootsteps.StartStopStep):
    """After Squidie has made its bells' acknowledgement early, and before the consumer reads it."""

    requires: ClassVar = {"squidie_celery.process:Process"}

    def __init__(self, worker: Any, **kwargs: Any) -> None:
        super().__init__(worker, **kwargs)
        worker.app.tasks["squidie.wake"].acks_late = True


if REDIS:
    app = create_app(REDIS, include=["evidence.app"])
    squidie = install(app, serving(URL, CeleryDelivery(app), **SETTINGS))
    if LATE:
        options = {**app.conf.broker_transport_options, "ack_emulation": True, "visibility_timeout": 3}
        app.conf.broker_transport_options = options
        app.steps["worker"].add(LateAcks)
else:
    squidie = serving(URL, NotifyDelivery(), **SETTINGS)
