"""What a host has without Squidie: an entry of `beat_schedule`, each second, and a task."""

from __future__ import annotations

import os

from celery import Celery

app = Celery("stock", broker=os.environ["SQUIDIE_REDIS_URL"])
app.conf.update(
    task_ignore_result=True,
    task_default_queue="stock",
    beat_schedule={"tick": {"task": "stock.tick", "schedule": 1.0}},
    broker_transport_options={"socket_timeout": 2, "socket_connect_timeout": 2},
)
