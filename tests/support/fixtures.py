"""What the tests of the engine are given."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, text

from evidence.proxy import FaultProxy
from squidie import Squidie, migrate
from squidie.journal.tables import metadata
from squidie.testing.clock import restore_clock, set_clock
from tests.support import flows
from tests.support.flows import ATTRIBUTES
from tests.support.lab import Recorder, staff

SHAPE = """
select (select count(*) from pg_class where relnamespace = to_regnamespace('squidie')),
       (select count(*) from pg_constraint where connamespace = to_regnamespace('squidie')),
       (select count(*) from pg_trigger where tgrelid = to_regclass('squidie.facts') and tgenabled = 'O')
"""
"""By this a journal is known that no test has altered."""

TABLES = ", ".join(f"squidie.{name}" for name in metadata.tables)
OTHERS = "datname = current_database() and pid <> pg_backend_pid()"
FREE = f"""
select pg_terminate_backend(pid, 2000) from pg_stat_activity where {OTHERS};
drop schema public cascade;
create schema public;
alter table squidie.facts disable trigger user;
alter table squidie.operations disable trigger user;
truncate {TABLES};
alter table squidie.facts enable trigger user;
alter table squidie.operations enable trigger user;
"""


@pytest.fixture(scope="module")
def scratch(services):
    """An engine on a database of the module's own, with a journal."""
    url = services.new_database()
    engine = create_engine(url, pool_pre_ping=True)
    migrate.upgrade(engine)
    with engine.connect() as connection:
        engine.shape = tuple(connection.execute(text(SHAPE)).one())
    yield engine
    engine.dispose()
    services.drop_database(url)


@pytest.fixture
def database_url(scratch):
    """The module's database, emptied, with nobody else connected: cheaper than a new one."""
    renew(scratch)
    return scratch.url.render_as_string(hide_password=False)


def renew(engine):
    if not _emptied(engine):
        migrate.upgrade(engine)


def _emptied(engine):
    """Whether the journal is as a migration makes it, but for its clock, and is empty now; else nothing is left."""
    with engine.begin() as connection:
        name = connection.execute(text("select current_database()")).scalar_one()
        connection.execute(text(f'alter database "{name}" reset all'))
        is_whole = tuple(connection.execute(text(SHAPE)).one()) == engine.shape
        if is_whole and migrate.current(engine) == migrate.head():
            connection.execute(text(FREE))
            restore_clock(connection)
            return True
        connection.execute(text("drop schema if exists squidie cascade"))
        connection.execute(text("drop schema public cascade; create schema public"))
    return False


@pytest.fixture
def make(database_url):
    """Runtimes on the test's database, closed at its end."""
    made = []

    def make(*workflows, database=database_url, **options):
        options.setdefault("attributes", ATTRIBUTES)
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


@pytest.fixture
def nobody():
    """For a test without any worker, among others that have one."""


@pytest.fixture
def staffed(request):
    """A worker is alive that serves all queues, unless the test wants `nobody`."""
    if "nobody" not in request.fixturenames:
        staff(request.getfixturevalue("squidie"))


@pytest.fixture
def wire(database_url):
    """Between a runtime and the test's Postgres, to be cut."""
    with FaultProxy.to_postgres(database_url) as proxy:
        yield proxy
