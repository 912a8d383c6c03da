"""What the tests of the engine are given."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, text

from squidie import Squidie, migrate
from squidie.testing.clock import set_clock
from tests.support import flows
from tests.support.lab import Recorder


@pytest.fixture(scope="module")
def scratch(services):
    """An engine on a database of the module's own."""
    url = services.new_database()
    engine = create_engine(url, pool_pre_ping=True)
    yield engine
    engine.dispose()
    services.drop_database(url)


@pytest.fixture
def database_url(scratch):
    """The module's database, emptied, with a new journal and nobody else connected: cheaper than a new one."""
    with scratch.begin() as connection:
        name = connection.execute(text("select current_database()")).scalar_one()
        others = "datname = current_database() and pid <> pg_backend_pid()"
        connection.execute(text(f"select pg_terminate_backend(pid) from pg_stat_activity where {others}"))
        connection.execute(text(f'alter database "{name}" reset all'))
        connection.execute(text("drop schema if exists squidie cascade"))
        connection.execute(text("drop schema public cascade"))
        connection.execute(text("create schema public"))
    migrate.upgrade(scratch)
    return scratch.url.render_as_string(hide_password=False)


@pytest.fixture
def make(database_url):
    """Runtimes on the test's database, closed at its end."""
    made = []

    def make(*workflows, database=database_url, **options):
        squidie = Squidie(database, workflows=workflows or flows.ALL, **options)
        made.append(squidie)
        return squidie

    flows.CALLS.clear()
    flows.HOOKS.clear()
    yield make
    for squidie in made:
        squidie.close()


@pytest.fixture
def bells():
    """Every bell that was rung."""
    return Recorder()


@pytest.fixture
def squidie(make, bells):
    """A runtime that knows all the small workflows, whose bells are recorded."""
    return make(delivery=bells)


@pytest.fixture
def clock(squidie):
    """Set the journal's clock."""

    def clock(when):
        set_clock(squidie.engine, when)

    return clock
