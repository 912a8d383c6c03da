"""What the benchmark's Celery workers load: `celery -A benchmarks.celery_app worker`."""

import os

from benchmarks.workload import serving
from squidie_celery import CeleryDelivery, create_app, install

app = create_app(include=["benchmarks.celery_app"])
squidie = install(app, serving(os.environ["SQUIDIE_DATABASE_URL"], CeleryDelivery()))
