"""Servers of their own for the tests with workers: one pair a module, one database a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from squidie.migrate import upgrade
from squidie.testing import Redis, Services

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="package")
def services() -> Iterator[Services]:
    with Services.start() as services:
        upgrade(services.database_url)
        yield services


@pytest.fixture
def redis(services: Services) -> Iterator[Redis]:
    yield services.redis
    services.redis.thaw()
    services.redis.start()
    services.redis.flush()


@pytest.fixture
def database(services: Services) -> Iterator[str]:
    database = services.new_database(template=services.database_url)
    yield database
    services.drop_database(database)
