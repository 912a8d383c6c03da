"""Real services for everybody: one cluster a session, one database a test, and the journal's invariants after each."""

import os
from importlib.util import find_spec
from itertools import cycle
from urllib.parse import urlsplit

import pytest
import redis
from hypothesis import HealthCheck, settings
from sqlalchemy import create_engine, inspect

from squidie.testing import Services

QUICK = {"fsync": "off", "full_page_writes": "off"}  # processes are killed here, power is not cut
os.environ.setdefault("SQUIDIE_ACCEPT", ",".join(QUICK))  # workers of Squidie's own would not start on it
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")  # by what holds, never by how fast a busy machine draws examples
SCHEMA = "squidie"
NUMBERS = cycle(range(1, 16))


@pytest.fixture(scope="session")
def services():
    """Postgres and Redis, those of the environment or our own. Whoever kills one starts it again."""
    with Services.start(settings=QUICK) as started:
        yield started


@pytest.fixture(scope="session")
def template_url(services):
    """A migrated database that nobody uses, to be copied."""
    from squidie import migrate

    url = services.new_database()
    migrate.upgrade(url, schema=SCHEMA)
    return url


@pytest.fixture
def database_url(services, template_url):
    """A migrated database of the test's own."""
    yield from _database(services, template_url)


@pytest.fixture
def empty_database_url(services):
    """A database of the test's own, without a schema."""
    yield from _database(services, None)


@pytest.fixture
def redis_url(services):
    """An empty Redis database; on a Redis of the environment's it is the very one that the URL names."""
    url = services.redis_url
    if services.owns_redis:
        url = urlsplit(url)._replace(path=f"/{next(NUMBERS)}").geturl()
    with redis.Redis.from_url(url) as connection:
        connection.flushdb()
    return url


@pytest.fixture(autouse=True)
def journal_invariants(request):
    """After the test, before its database goes: no view of the journal's rules returns a row."""
    if "database_url" not in request.fixturenames:
        yield
        return
    url = request.getfixturevalue("database_url")
    yield
    if not request.node.get_closest_marker("tampered"):
        assert _violations(url) == []


def _database(services, template):
    url = services.new_database(template=template)
    yield url
    services.drop_database(url)


def _violations(url):
    if find_spec("squidie.testing.invariants") is None:
        return []
    from squidie.testing.invariants import violations

    engine = create_engine(url)
    try:
        has_journal = inspect(engine).has_table("runs", schema=SCHEMA)
        return list(violations(engine, SCHEMA)) if has_journal else []
    finally:
        engine.dispose()
