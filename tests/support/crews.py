"""Workers of either delivery over a journal of the test's own, and a runtime beside them that starts and looks.

`flows` is a module of `tests.support` that has `squidie`, the runtime which workers find through the environment, and
`serve`; `runtime(delivery, database_url)` is what makes it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from squidie.testing import Process, Worker
from squidie_celery import CeleryDelivery, create_app
from squidie_notify import NotifyDelivery

ROOT = Path(__file__).parents[2]
SERVE = "from {flows} import serve, squidie; serve(squidie, ['{queue}'], concurrency={slots})"


class Crew:
    """What both have: `slots` are the steps that one worker runs at once."""

    def __init__(self, delivery, flows, runtime, database_url, slots):
        self.flows, self.slots = flows.__name__, slots
        self.env = {
            "SQUIDIE_DATABASE_URL": database_url,
            "SQUIDIE_DELIVERY": delivery.name,
            "PYTHONPATH": f"{ROOT}:{ROOT / 'backends'}",
        }
        self.workers = []
        self.squidie = runtime(delivery, database_url)

    def said(self):
        """The ends of the workers' logs."""
        return "\n".join(worker.log_text()[-2000:] for worker in self.workers)

    def close(self):
        """End them all."""
        for worker in self.workers:
            worker.close()
        self.squidie.close()


class CeleryCrew(Crew):
    """`celery worker`, prefork, over this Redis."""

    starts = "celery -A"

    def __init__(self, flows, runtime, database_url, redis, slots=1):
        super().__init__(
            CeleryDelivery(create_app(redis.url, set_as_current=False)), flows, runtime, database_url, slots
        )
        self.redis = redis
        self.env |= {"SQUIDIE_REDIS_URL": redis.url, "SQUIDIE_APP": f"{self.flows}:squidie"}

    def worker(self, queue="default", **env):
        """One more, ready."""
        name, env = f"worker{len(self.workers)}", self.env | env
        self.workers.append(Worker("celery_app", queues=[queue], name=name, env=env, cwd=ROOT, concurrency=self.slots))
        return self.workers[-1].wait_ready()


class NotifyCrew(Crew):
    """`squidie.worker.serve`, without a broker."""

    starts = "squidie worker"

    def __init__(self, flows, runtime, database_url, slots=1):
        super().__init__(NotifyDelivery(), flows, runtime, database_url, slots)

    def worker(self, queue="default", **env):
        """One more, on its way."""
        code = SERVE.format(flows=self.flows, queue=queue, slots=self.slots)
        self.workers.append(Process([sys.executable, "-c", code], name="worker", env=self.env | env))
        return self.workers[-1]
