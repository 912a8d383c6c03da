"""A host's own Celery app into which Squidie is installed; a test says by `HOST_CONF` how hostile it is."""

from __future__ import annotations

import json
import os

from celery import Celery

from squidie.testing.contract_worker import squidie
from squidie_celery import install

app = Celery("host", broker=os.environ["HOST_BROKER"])
app.conf.update(json.loads(os.environ.get("HOST_CONF", "{}")), include=["host_app"])
install(app, squidie)
