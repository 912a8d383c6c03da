"""What plays: a private Postgres and Redis, two workers and a beat. Leaving the stage ends all of it."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from redis import Redis, RedisError

from squidie import migrate
from squidie.errors import ConfigError
from squidie.testing import Beat, Services, Worker
from squidie.testing.guard import guard
from squidie_celery.demo import checkout

if TYPE_CHECKING:
    from pathlib import Path

CONCURRENCY = 2
LINES = 15
LOUD = ("WARNING", "ERROR", "CRITICAL", "Error", "Traceback")


class Stage:
    """Made by entering it; `postgres` and `redis` are URLs of servers of the host's own."""

    def __init__(self, root: Path, *, postgres: str | None, redis: str | None) -> None:
        self.root = root
        self._given = {"SQUIDIE_DATABASE_URL": postgres, "SQUIDIE_REDIS_URL": redis}
        self._ending = ExitStack()
        self._workers: dict[str, Worker] = {}
        self.services: Services
        self.told: dict[str, str] = {}
        self.squidie: Any = None

    def __enter__(self) -> Self:
        os.environ.update({name: url for name, url in self._given.items() if url})
        with ExitStack() as ending:
            self.services = ending.enter_context(Services.start())
            if not self.services.owns_redis:
                _refuse_unless_empty(self.services.redis_url)
                ending.callback(self.flush)
            url = self.services.database_url if self.services.owns_postgres else self.services.new_database()
            self.told = checkout.environment(self.root, url, self.services.redis_url)
            migrate.upgrade(url)
            self.squidie = checkout.app(self.root, self.told)
            ending.callback(self.squidie.close)
            self._ending = ending.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.close()

    @property
    def title(self) -> str:
        """What the services are."""
        with self.squidie.engine.connect() as connection:
            version = connection.exec_driver_sql("show server_version").scalar_one().split()[0]
        redis = f"Valkey {self.services.redis.version}" if self.services.owns_redis else "your Redis"
        return f"PostgreSQL {version} and {redis}"

    def flush(self) -> str:
        """Empty Redis: our server, or the database that was empty when we came. Gives back the command."""
        if self.services.owns_redis:
            self.services.redis.flush()
            return "FLUSHALL"
        with Redis.from_url(self.services.redis_url) as redis:
            redis.flushdb()
        return "FLUSHDB"

    @property
    def workers(self) -> list[Worker]:
        """The workers that are alive."""
        return [worker for worker in self._workers.values() if worker.is_alive()]

    def complaints(self) -> list[str]:
        """The last warnings and errors in each worker's log."""
        said = []
        for name, worker in self._workers.items():
            lines = worker.log_text().splitlines()
            loud = [line for line in lines if any(word in line for word in LOUD)]
            said += [f"{name}: {line}" for line in loud[-LINES:]]
        return said

    def hire(self, name: str) -> Worker:
        """Start a worker; whoever needs it waits for it."""
        worker = Worker("celery_app", concurrency=CONCURRENCY, name=name, env=self.told, cwd=self.root)
        self._workers[name] = self._ending.enter_context(worker)
        return worker

    def start_beat(self) -> Beat:
        """Start beat, with its file where nobody sees it."""
        folder = guard.folder("beat-")
        self._ending.callback(guard.remove, folder)
        options = ("-S", "squidie_celery.beat:Scheduler", "-s", str(folder / "schedule"))
        return self._ending.enter_context(Beat("celery_app", *options, env=self.told, cwd=self.root))


def _refuse_unless_empty(url: str) -> None:
    """Workers take what is in the queues they find: nobody else's tasks must be there."""
    with Redis.from_url(url) as redis:
        try:
            size = redis.dbsize()
        except RedisError as error:
            raise ConfigError(f"the Redis that was given does not answer: {type(error).__name__}") from None
    if size:
        raise ConfigError(
            f"the Redis database that was given is not empty, it has {size} keys; the demo would take its messages",
            hint="name another one, redis://localhost:6379/15 for example",
        )
