"""A host's own Celery app into which Squidie is installed; a test says by `HOST_CONF` how hostile it is.

With `HOST_LATE` even the wake task is acknowledged late: no setting does that, but nothing may rest on its being early.
"""

from __future__ import annotations

import json
import os

from celery import Celery, signals

from squidie.testing.contract_worker import squidie
from squidie_celery import install

app = Celery("host", broker=os.environ["HOST_BROKER"])
app.conf.update(json.loads(os.environ.get("HOST_CONF", "{}")), include=["host_app"])
install(app, squidie)

if os.environ.get("HOST_LATE"):

    @signals.celeryd_after_setup.connect(weak=False)
    def acknowledge_late(**_: object) -> None:
        wake = app.tasks["squidie.wake"]
        wake.acks_late = wake.reject_on_worker_lost = True
